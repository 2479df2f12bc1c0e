"""Timing and comparing in the demo."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from gyral.cli.demo.measure import LEAST_RUNS, difference, measure, typical
from gyral.cli.demo.section import Results, Section

NAN = math.nan


def ticking(step: float) -> Callable[[], float]:
    """A clock that goes on by `step` seconds at each look."""
    times: Iterator[float] = (step * k for k in range(10_000))
    return lambda: next(times)


@pytest.mark.parametrize(
    ("ours", "theirs", "apart"),
    [
        (np.array([1.0, 2.0]), np.array([1.0, 2.5]), 0.5),
        (np.array([NAN, 1.0]), np.array([NAN, 1.0]), 0.0),
        (np.array([NAN]), np.array([1.0]), math.inf),
        (np.array([math.inf]), np.array([math.inf]), 0.0),
        (np.array([math.inf]), np.array([1.0]), math.inf),
        (np.array([1, 5]), np.array([1, 2]), 3.0),
        (np.array([1.0]), np.array([1.0, 2.0]), math.inf),
        (np.array([], np.float32), np.array([], np.float32), 0.0),
    ],
)
def test_difference_is_the_largest_one(ours: np.ndarray, theirs: np.ndarray, apart: float) -> None:
    """Largest absolute difference; what is not a number on one side alone is infinitely far away."""
    assert difference(ours, theirs) == apart


def test_slow_jobs_run_three_times() -> None:
    """A job beyond the budget is still timed three times, and the median is told."""
    runs: list[int] = []

    def job() -> Results:
        runs.append(1)
        return {}

    seconds, _ = typical(job, ticking(10.0))
    assert (seconds, len(runs)) == (10.0, LEAST_RUNS)


@pytest.mark.parametrize(("value", "ok"), [(1.0, True), (1.2, False), (NAN, False)])
def test_a_result_out_of_tolerance_is_not_ok(value: float, ok: bool) -> None:
    """An outcome is ok when every result is within its tolerance."""
    section = Section(
        name="test",
        size="one number",
        ours=lambda: {"x": np.array([value])},
        numpy=lambda: {"x": np.array([1.0])},
        tolerances={"x": 0.1},
    )
    stages: list[str] = []
    assert measure(section, stages.append).ok is ok
    assert len(stages) == 4
