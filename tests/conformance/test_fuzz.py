"""Random programs leave the same bits on the CPU as in the interpreter."""

import hypothesis
import pytest
from hypothesis import HealthCheck

from gyral.testing.fuzz import disagreement, seeded
from gyral.testing.program import Program
from gyral.testing.strategies import programs


@hypothesis.settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[hypothesis.Phase.generate],
)
@hypothesis.given(programs())
def test_random_programs_agree(program: Program) -> None:
    """A random small kernel gives the interpreter's bits on the CPU."""
    assert disagreement(program) == ""


@pytest.mark.parametrize("seed", range(3))
def test_large_random_programs_agree(seed: int) -> None:
    """A random kernel of hundreds of statements gives the interpreter's bits on the CPU."""
    assert disagreement(seeded(seed, size=60)) == ""
