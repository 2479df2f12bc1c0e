"""Measure a device: conformance first, then Gyral's kernels beside ones written by hand for it.

    benchmarks/device/run [--device cuda|opencl|webgpu] [--kernels saxpy,sum] [--rounds 15] [--json FILE]

Beside them: the copy bandwidth of a GPU in the same run, what a launch costs the host, a batch of twenty
against twenty launches, three kernels fused into one, and actors from a live loop. On devices that a
processor plays the problems are small. A wrong result is told and not timed; it ends the run with status 1,
as a failed conformance case does. Without the device the run ends with status 4 and says what is missing.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

HERE = Path(__file__).resolve().parent
# The benchmarks' own modules stand beside this file and above it.
sys.path[:0] = [str(HERE), str(HERE.parent)]

from rich.console import Console  # noqa: E402

import calls  # noqa: E402
import gyral as gy  # noqa: E402
import jobs  # noqa: E402
import residents  # noqa: E402
from duel import GOAL, Row, fights  # noqa: E402
from gyral.cli.bench import kernels  # noqa: E402
from gyral.testing import conformance  # noqa: E402
from measures import heading, write  # noqa: E402
from report import Table  # noqa: E402
from rivals import Gyral, Missing, Rival  # noqa: E402
from terminal import console, show  # noqa: E402

KINDS = ("cuda", "opencl", "webgpu")
UNSUPPORTED = 4


def arguments(given: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--device", default="cuda", help="cuda, opencl or webgpu, with a number such as cuda:1 (cuda)")
    add("--kernels", default=",".join(jobs.LARGE), help=f"of {', '.join(jobs.LARGE)}")
    add("--rounds", type=int, default=15, help="samples of each kernel and side (15)")
    add("--seconds", type=float, default=0.05, help="length of a sample (0.05)")
    add("--tune", type=float, default=0.0, help="seconds the tuner may spend on each kernel first (0)")
    add("--size", choices=("small", "large"), help="of the problems; large on GPUs, else small")
    add("--skip-conformance", action="store_true", help="leave the conformance suite out")
    add("--skip-calls", action="store_true", help="leave launches, batches and fusion out")
    add("--skip-actors", action="store_true", help="leave actors out")
    add("--json", type=Path, help="where to write the record (benchmarks/results/DATE-MACHINE-DEVICE.json)")
    options = parser.parse_args(given)
    options.kernels = [name.strip() for name in options.kernels.split(",") if name.strip()]
    for name in options.kernels:
        if name not in jobs.LARGE:
            parser.error(f"there is no kernel {name!r}; there are {', '.join(jobs.LARGE)}")
    if options.device.partition(":")[0] not in KINDS:
        parser.error(f"there are kernels written by hand for {', '.join(KINDS)}, not for {options.device!r}")
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("--rounds and --seconds are above 0")
    return options


def by_hand(device: str) -> Rival:
    """The kernels written by hand for a device.

    Raises:
        Missing: the vendor's interface, its Python package or the device is not here.
    """
    kind, _, number = device.partition(":")
    try:
        if kind == "opencl":
            from by_opencl import OpenCl

            return OpenCl(int(number or 0), perf_counter)
        if kind == "webgpu":
            from by_webgpu import WebGpu

            return WebGpu(int(number or 0), perf_counter)
        from by_cuda import Cuda

        return Cuda(int(number or 0))
    except (ImportError, gy.GyralError) as error:
        raise Missing(str(error)) from error


def conformed(device: str, output: Console) -> tuple[dict[str, int], list[str]]:
    """Numbers of cases by outcome, and a line on each that failed."""
    with output.status(f"conformance on {device}") as status:
        rows = conformance.run(
            device, progress=lambda done, total: status.update(f"conformance on {device}: {done} of {total}")
        )
    counts = dict(Counter(row.outcome for row in rows))
    bad = [
        f"{r.outcome}: {r.group} {r.row}: {r.name}: {r.detail}"
        for r in rows
        if r.outcome in ("wrong", "error")
    ]
    output.print(f"conformance on {device}: {', '.join(f'{n} {what}' for what, n in sorted(counts.items()))}")
    return counts, bad


def tuned(
    ours: Gyral, names: Sequence[str], made: dict[str, Callable[[], jobs.Job]], seconds: float
) -> list[str]:
    """Let the tuner choose blocks for these kernels; a line on each."""
    told = []
    for name in names:
        job = made[name]()
        step = job.steps[0]
        if step.block is not None:
            continue
        held = {key: ours.put(array) for key, array in job.arrays.items()}
        given = [held[key] if key in held else job.numbers[key] for key in step.arguments]
        found = gy.tune(getattr(kernels, step.kernel), step.shape, *given, budget=seconds)
        told.append(str(found))
    return told


def duel_table(rows: Sequence[Row], theirs: str, bandwidth: float) -> Table:
    """How Gyral's kernels stand beside those written by hand."""
    heads = ["kernel", "size", "Gyral ms", f"{theirs} ms", "GB/s", "of copy", "speed", "spread", ""]
    lines = []
    for row in rows:
        if row.fault:
            lines.append([row.job.name, row.job.size, "–", "–", "–", "–", "–", "–", row.fault])
            continue
        ours, other = median(row.ours.samples), median(row.theirs.samples)
        pairs = sorted(b / a for a, b in zip(row.ours.samples, row.theirs.samples, strict=True))
        rate = row.job.bytes / ours
        lines.append(
            [
                row.job.name,
                row.job.size,
                f"{ours * 1e3:.3f}",
                f"{other * 1e3:.3f}",
                f"{rate / 1e9:.1f}" if rate else "–",
                f"{rate / bandwidth:.0%}" if rate and bandwidth else "–",
                f"{row.ratio:.2f}×",
                f"{pairs[len(pairs) // 10]:.2f} – {pairs[-1 - len(pairs) // 10]:.2f}",
                "" if row.ratio >= GOAL else f"below {GOAL}",
            ]
        )
    return Table(
        "Gyral beside kernels written by hand (speed: 1.0 is as fast, above is faster)", heads, lines
    )


def call_table(found: dict[str, dict[str, float]]) -> Table:
    """What calling costs."""
    lines = [
        [what, who, f"{seconds * 1e6:.2f}"] for what, times in found.items() for who, seconds in times.items()
    ]
    return Table("Calls", ["what", "who", "µs"], lines)


def called(options: argparse.Namespace, ours: Gyral, large: bool) -> dict[str, dict[str, float]]:
    """The measurements of `calls`, in seconds."""
    n = 1 << (26 if large else 20)
    return {
        "host time of one launch, three arrays": calls.launches(ours.device, perf_counter),
        f"{calls.MEMBERS} small launches until done": calls.batches(ours.device, perf_counter),
        f"map, filter, sum over {n >> 20} Mi": calls.fusion(ours.device, n, perf_counter),
    }


def measured(options: argparse.Namespace, output: Console) -> tuple[dict[str, Any], bool]:
    """Run everything; the record, and whether all that was checked is right."""
    theirs = by_hand(options.device)
    ours = Gyral(options.device, perf_counter, own_clock=options.device.startswith("cuda"))
    versions = ours.versions | dict(theirs.versions)
    output.print(f"{versions.get('device')}, {versions.get('driver')}", markup=False)
    record = heading("device", f"Gyral on {versions.get('device')}") | {
        "device": options.device,
        "versions": versions,
    }
    failures: list[str] = []
    if not options.skip_conformance:
        record["conformance"], failures = conformed(options.device, output)
        record["failures"] = failures
    cache = getattr(theirs, "l2_bytes", 0)
    large = options.size == "large" or (options.size is None and options.device.startswith("cuda"))
    made = jobs.LARGE if large else jobs.SMALL
    bandwidth = getattr(theirs, "copy_bandwidth", lambda: 0.0)()
    if bandwidth:
        output.print(f"copy on the device: {bandwidth / 1e9:.0f} GB/s read and written")
    if options.tune:
        record["tuned"] = tuned(ours, options.kernels, made, options.tune)
    with output.status("") as status:
        rows = fights(
            made, options.kernels, ours, theirs, lambda name: status.update(f"timing {name}"),
            rounds=options.rounds, seconds=options.seconds, cache=cache,
        )  # fmt: skip
    show(duel_table(rows, theirs.name, bandwidth), output)
    record |= {"copy_bytes_per_second": bandwidth, "kernels": [row.record(bandwidth) for row in rows]}
    if not options.skip_calls:
        record["calls"] = called(options, ours, large)
        show(call_table(record["calls"]), output)
    if not options.skip_actors:
        try:
            found = residents.measured(options.device, perf_counter)
            title = f"Actors, {found['way']}, from a live loop"
            show(Table(title, ["what", "p50 µs", "p99 µs"], residents.rows(found)), output)
            record["actors"] = found
        except (ValueError, gy.GyralError) as error:
            failures.append(f"actors: {error}")
    for failure in failures:
        output.print(failure, markup=False)
    return record, not failures and not any(row.fault for row in rows)


def main(given: Sequence[str]) -> int:
    """0; 1 when a result was wrong; 4 without the device."""
    options = arguments(given)
    output = console()
    try:
        record, right = measured(options, output)
    except Missing as error:
        output.print(f"{options.device} cannot be measured here: {error}", markup=False)
        return UNSUPPORTED
    output.print(
        f"written to {write(record, options.json, '-' + options.device.replace(':', '-'))}", markup=False
    )
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
