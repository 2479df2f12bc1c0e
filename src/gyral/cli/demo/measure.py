"""Timing a section and comparing its two sides."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import numpy as np

from gyral.cli.demo.section import Results, Section

BUDGET_SECONDS = 0.6
LEAST_RUNS, MOST_RUNS = 3, 50


@dataclass(frozen=True, slots=True)
class Outcome:
    """Times in seconds, and the largest absolute difference to NumPy for each result."""

    section: Section
    results: Results
    first: float
    ours: float
    numpy: float
    differences: Mapping[str, float]

    @property
    def ok(self) -> bool:
        """Whether every result is within its tolerance."""
        tolerances = self.section.tolerances
        return all(self.differences[name] <= tolerances[name] for name in tolerances)


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest absolute difference; infinite where shapes differ or one side alone is not a number."""
    if ours.shape != theirs.shape:
        return math.inf
    if np.issubdtype(ours.dtype, np.integer):
        return float(np.abs(ours.astype(np.int64) - theirs.astype(np.int64)).max(initial=0))
    left, right = ours.astype(np.float64), theirs.astype(np.float64)
    with np.errstate(invalid="ignore"):
        apart = np.abs(left - right)
    same = (left == right) | (np.isnan(left) & np.isnan(right))
    return float(np.where(same, 0, np.where(np.isnan(apart), math.inf, apart)).max(initial=0))


def timed(job: Callable[[], Results], clock: Callable[[], float] = perf_counter) -> tuple[float, Results]:
    """Seconds that one run takes, and its results."""
    started = clock()
    results = job()
    return clock() - started, results


def typical(job: Callable[[], Results], clock: Callable[[], float] = perf_counter) -> tuple[float, Results]:
    """Median time of as many runs as the budget holds, at least three, and the last results."""
    times: list[float] = []
    results: Results = {}
    while len(times) < LEAST_RUNS or (sum(times) < BUDGET_SECONDS and len(times) < MOST_RUNS):
        seconds, results = timed(job, clock)
        times.append(seconds)
    return median(times), results


def measure(section: Section, advance: Callable[[str], None]) -> Outcome:
    """Run both sides; `advance` is told before each of the four stages what comes next."""
    advance("compiling and first launch")
    first, _ = timed(section.ours)
    advance("kernels")
    ours, results = typical(section.ours)
    advance("NumPy")
    numpy, expected = typical(section.numpy)
    advance("comparing")
    differences = {
        name: difference(np.asarray(results[name]), np.asarray(expected[name])) for name in section.tolerances
    }
    return Outcome(section, results, first, ours, numpy, differences)
