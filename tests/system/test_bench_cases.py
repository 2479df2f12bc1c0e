"""The jobs of `gyral bench`, at sizes small enough for a test."""

from collections.abc import Callable

import pytest

from gyral.cli.bench import cases

SMALL: dict[str, Callable[[], cases.Case]] = {
    "saxpy": lambda: cases.saxpy(1000),
    "black_scholes": lambda: cases.black_scholes(1000),
    "mandelbrot": lambda: cases.mandelbrot(64, 50),
    "nbody": lambda: cases.nbody(100),
    "stencil": lambda: cases.stencil(40, 3),
    "sum": lambda: cases.total(100_000),
    "matmul": lambda: cases.matmul(50),
    "launch": lambda: cases.small(100),
}


def test_every_case_is_here() -> None:
    """A case of the benchmark has its small form in this file."""
    assert set(SMALL) == set(cases.MAKERS)


@pytest.mark.parametrize("name", SMALL)
def test_a_case_is_right_after_one_launch(name: str) -> None:
    """The first launch gives what an independent computation gives, within what the case allows."""
    case = SMALL[name]()
    case.launch()
    assert case.error() <= case.allowed


@pytest.mark.parametrize("name", sorted(set(SMALL) - {"black_scholes", "nbody", "matmul"}))
def test_a_case_is_wrong_without_a_launch(name: str) -> None:
    """The check of a case sees a kernel that did nothing."""
    assert not SMALL[name]().error() <= SMALL[name]().allowed
