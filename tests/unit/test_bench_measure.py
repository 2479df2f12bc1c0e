"""Timing in `gyral bench`."""

import math

import pytest
import typer

from gyral.cli.bench.cases import Case
from gyral.cli.bench.command import LEAST_BATCHES, as_data, chosen, measure, rate, table


def case(error: float = 0.0) -> tuple[Case, list[int]]:
    """A job that counts its launches."""
    runs: list[int] = []
    return Case("test", "one", lambda: runs.append(1), lambda: error, 0.1, bytes=10**9), runs


class Clock:
    """A clock that goes on by `step` at each look."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_a_slow_job_is_timed_a_few_times() -> None:
    """A job longer than the time given for it runs in batches of one, as many as make a median."""
    job, runs = case()
    timing = measure(job, 0.0, Clock(1.0))
    assert len(runs) == 2 + LEAST_BATCHES
    assert (timing.first, timing.median, timing.best) == (1.0, 1.0, 1.0)


def test_a_quick_job_is_timed_in_batches() -> None:
    """A job too short for the clock is repeated between two looks at it."""
    job, runs = case()
    measure(job, 0.0, Clock(1e-6))
    assert len(runs) > 1000 * LEAST_BATCHES


@pytest.mark.parametrize(("error", "ok"), [(0.1, True), (0.2, False), (math.nan, False)])
def test_a_wrong_result_is_told(error: float, ok: bool) -> None:
    """A case whose error is above what is allowed, or not a number, is not ok, and the table says so."""
    timing = measure(case(error)[0], 0.0, Clock(1.0))
    (row,) = as_data([timing])["kernels"]
    assert row["ok"] is ok
    assert table([timing]).row_count == 1


def test_rates_are_in_billions() -> None:
    """Amounts per second are printed in billions, and not at all where nothing was counted."""
    assert rate(3e9, 2.0) == "1.5"
    assert rate(0, 2.0) == "–"


def test_unknown_cases_are_refused() -> None:
    """A case that does not exist is a wrong command line; none named means all."""
    with pytest.raises(typer.BadParameter, match="nonsense"):
        chosen(["saxpy", "nonsense"])
    assert chosen(["sum"]) == ["sum"]
    assert "matmul" in chosen(None)
