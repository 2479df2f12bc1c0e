"""Time Gyral and its peers on the same problems, in one run.

    python benchmarks/run.py [--kernels saxpy,sum] [--peers gyral,numba] [--threads 1,2] [--rounds 6]

Every peer at every thread count is a process of its own, started once. Kernel by kernel they are asked in
turn for a short batch, Gyral between any two of them, several times over. Results are checked first, against
float64; a wrong one is printed as WRONG and not timed. Tables go to the terminal, everything to a JSON file.
"""

import argparse
import functools
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from fleet import Member
from measure import Measurement, Settings, start_fleet
from measures import heading, write
from peers.build import peers_folder
from problems import KERNELS, PROBLEMS
from references import reference
from report import absences, tables
from terminal import console, show

PEERS = ("gyral", "ispc", "ispc:avx512skx-x64", "cpp", "numba", "taichi", "warp", "jax", "pocl", "numpy")
DEFAULT_KERNELS = (*KERNELS, "launch", "launch_bound")


def names(text: str) -> tuple[str, ...]:
    """A list written with commas."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def counts(text: str) -> tuple[int, ...]:
    """A list of numbers written with commas."""
    return tuple(map(int, names(text)))


def arguments(given: list[str]) -> argparse.Namespace:
    """The command line."""
    default = Settings(DEFAULT_KERNELS, PEERS, (1, 2))
    parser = argparse.ArgumentParser(description="Time Gyral and its peers on the same problems, in one run.")
    add = parser.add_argument
    add("--kernels", type=names, default=default.kernels, help=f"of {', '.join(PROBLEMS)}")
    add("--peers", type=names, default=default.peers, help=f"of {', '.join(PEERS)}; or ispc:TARGET")
    add("--threads", type=counts, default=default.threads, help="thread counts (1,2)")
    add("--base", default=default.base, help="whom the others are compared with (gyral)")
    add("--rounds", type=int, default=default.rounds, help="batches per peer, kernel and thread count")
    add("--placements", type=int, default=default.placements, help="how often the data are placed in memory")
    add("--seconds", type=float, default=default.seconds, help="length of a batch")
    add("--quiet", type=float, default=default.quiet, help="longest wait for a quiet machine")
    add("--offset", type=int, default=default.offset, help="bytes past a 64-byte boundary where arrays start")
    add("--json", type=Path, help="where to write the record (benchmarks/results/DATE-MACHINE.json)")
    options = parser.parse_args(given)
    for kernel in options.kernels:
        if kernel not in PROBLEMS:
            parser.error(f"there is no kernel {kernel!r}; there are {', '.join(PROBLEMS)}")
    most = len(os.sched_getaffinity(0))
    if not options.threads or not all(1 <= count <= most for count in options.threads):
        parser.error(f"--threads takes numbers from 1 to {most}, the processors this process may use")
    if options.rounds < 1 or not 1 <= options.placements <= options.rounds:
        parser.error("--rounds takes a number from 1 on, --placements one from 1 to that of the rounds")
    if options.offset % 4 or not 0 <= options.offset < 64:
        parser.error("--offset takes a multiple of 4 below 64")
    return options


def settings_of(options: argparse.Namespace) -> Settings:
    """The run's settings."""
    chosen = {name: value for name, value in vars(options).items() if name in Settings.__dataclass_fields__}
    return Settings(**chosen)


def batches(settings: Settings, fleet: list[Member]) -> int:
    """About how many steps a run has, for the progress bar."""
    per_kernel = 0
    for threads in settings.threads:
        present = [member.peer for member in fleet if member.threads == threads and not member.missing]
        others = len([peer for peer in present if peer not in ("limit", settings.base)])
        per_kernel += len(present) + settings.rounds * others * (2 if settings.base in present else 1)
    return per_kernel * len(settings.kernels)


def measured(settings: Settings, output: Console) -> dict[str, Any]:
    """Run the benchmark; returns the record."""
    with output.status("references"):
        for kernel in settings.kernels:
            reference(kernel, peers_folder() / "references")
    with output.status("starting the peers"):
        fleet = start_fleet(settings.peers, settings.threads, peers_folder() / "logs")
    try:
        columns = (TextColumn("{task.description:60}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=output, transient=True) as progress:
            task = progress.add_task("", total=batches(settings, fleet))
            step = functools.partial(progress.update, task, advance=1)
            run = Measurement(settings, fleet, lambda told: step(description=told))
            try:
                run.run()
            except KeyboardInterrupt:
                output.print("interrupted: what was measured until then is told and kept")
    finally:
        for member in fleet:
            member.end()
    limits = [asdict(limit) | {"seconds": limit.seconds} for limit in run.limits]
    return heading("peers", "Gyral and its peers") | {
        "settings": asdict(settings),
        "versions": {member.peer: member.version for member in fleet if member.version},
        "missing": {
            f"{member.peer} at {member.threads}": member.missing for member in fleet if member.missing
        },
        "limits": limits,
        "rows": [row.record() for row in run.rows],
    }


def main(given: list[str]) -> int:
    """Returns 1 when a result was wrong or the base could not run, else 0."""
    options = arguments(given)
    settings = settings_of(options)
    os.environ["GYRAL_BENCH_OFFSET"] = str(settings.offset)
    output = console()
    record = measured(settings, output)
    for table in tables(record):
        show(table, output)
    for line in absences(record):
        output.print(line, markup=False)
    output.print(f"written to {write(record, options.json)}", markup=False)
    wrong = any("WRONG" in row["fault"] for row in record["rows"])
    ran = any(row["peer"] == settings.base and row["median"] for row in record["rows"])
    return 0 if ran and not wrong else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
