"""The goals of the project, held against the rows of one run."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from problems import KERNELS

ISPC = "ispc"
PYTHON_PEERS = ("numba", "taichi", "warp", "jax", "pocl")
COMPUTE_BOUND = ("black_scholes", "mandelbrot", "nbody", "matmul")

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Goal:
    """One goal: what was measured, what is wanted. `met` is None where the run cannot tell."""

    what: str
    wanted: str
    measured: str
    met: bool | None


def geometric_mean(values: Iterable[float]) -> float:
    """The geometric mean of positive numbers."""
    logarithms = [math.log(value) for value in values]
    return math.exp(sum(logarithms) / len(logarithms))


def _ratios(rows: Rows, peers: tuple[str, ...], threads: int) -> dict[str, tuple[float, str]]:
    """Per kernel, the smallest ratio to the base among `peers`, and whose; library calls do not count."""
    found: dict[str, tuple[float, str]] = {}
    for row in rows:
        counts = row["peer"] in peers and row["threads"] == threads and row["kernel"] in KERNELS
        if counts and row.get("ratio") and not row["library"]:
            ratio = (row["ratio"], row["peer"])
            found[row["kernel"]] = min(ratio, found.get(row["kernel"], ratio))
    return found


def against(what: str, rows: Rows, peers: tuple[str, ...], threads: int, mean: float, least: float) -> Goal:
    """The goal of being `mean` times as fast on the whole and at least `least` times on each kernel."""
    ratios = _ratios(rows, peers, threads)
    wanted = f"mean ≥ {mean:g}×, none below {least:g}×"
    if not ratios:
        return Goal(what, wanted, "not measured", None)
    reached = geometric_mean(ratio for ratio, _ in ratios.values())
    kernel, (lowest, peer) = min(ratios.items(), key=lambda item: item[1])
    measured = f"mean {reached:.2f}×, lowest {lowest:.2f}× ({kernel}, {peer})"
    if len(ratios) < len(KERNELS):
        measured += f", over {len(ratios)} of {len(KERNELS)} kernels"
        return Goal(what, wanted, measured, None)
    return Goal(what, wanted, measured, reached >= mean and lowest >= least)


def scaling(rows: Rows, base: str) -> Goal:
    """The goal of two threads on compute-bound kernels."""
    ours = [row for row in rows if row["peer"] == base and row.get("median")]
    times = {(row["kernel"], row["threads"]): row["median"] for row in ours}
    gains = {
        kernel: times[kernel, 1] / times[kernel, 2]
        for kernel in COMPUTE_BOUND
        if (kernel, 1) in times and (kernel, 2) in times
    }
    what, wanted = "two threads against one, compute-bound kernels", "≥ 1.9×"
    if not gains:
        return Goal(what, wanted, "not measured", None)
    told = ", ".join(f"{kernel} {gain:.2f}×" for kernel, gain in gains.items())
    return Goal(what, wanted, told, min(gains.values()) >= 1.9 if len(gains) == len(COMPUTE_BOUND) else None)


def launching(rows: Rows, base: str, kernel: str, what: str, most: float) -> Goal:
    """The goal of a small launch, in microseconds."""
    key, wanted = (kernel, base, 1), f"≤ {most:g} µs"
    times = [row["median"] for row in rows if (row["kernel"], row["peer"], row["threads"]) == key]
    if not times or not times[0]:
        return Goal(what, wanted, "not measured", None)
    return Goal(what, wanted, f"{times[0] * 1e6:.2f} µs", times[0] * 1e6 <= most)


def goals(record: dict[str, Any]) -> list[Goal]:
    """All goals a run of the benchmark can tell about."""
    rows, settings = record["rows"], record["settings"]
    found = []
    if 1 in settings["threads"]:
        found.append(against("against ISPC, one thread", rows, (ISPC,), 1, 1.4, 0.95))
    for threads in settings["threads"]:
        what = f"against the fastest Python peer, {threads} thread{'s' if threads > 1 else ''}"
        found.append(against(what, rows, PYTHON_PEERS, threads, 3.0, 0.97))
    if {1, 2} <= set(settings["threads"]):
        found.append(scaling(rows, settings["base"]))
    found.append(launching(rows, settings["base"], "launch", "launch of 1024 elements, kernel[n](…)", 0.6))
    found.append(launching(rows, settings["base"], "launch_bound", "the same through a bound launch", 0.35))
    return found
