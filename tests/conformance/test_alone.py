"""Blocks of one thread: scalar code on the CPU computes what the interpreter says, failing checks too."""

import pytest
from tests.emitted import Trial, disagreement, emitted, hosts

from gyral.testing import conformance
from gyral.testing.case import Case

FREE = [case for case in conformance.cases() if case.group in "ABDE" and not case.kernel.block]
EXACT = [case for case in FREE if case.row != "fast maths" and not case.name.startswith("block_range")]
SOME = EXACT[::4]


def alone(case: Case, beyond: int) -> tuple[int, ...]:
    """The case's shape, with so many threads more than it takes along the last axis."""
    return (*case.shape[:-1], case.shape[-1] + beyond)


@pytest.mark.parametrize("case", SOME, ids=lambda case: case.id)
def test_blocks_of_one_thread_agree_with_the_interpreter(case: Case) -> None:
    """A row launched with blocks of one thread gives the interpreter's results."""
    shape = alone(case, 0)
    trial = Trial(case.kernel, shape, case.arguments(), (1,) * len(shape))
    assert disagreement(trial, hosts()[-1]) == ""


@pytest.mark.parametrize("case", SOME[::2], ids=lambda case: case.id)
def test_checks_fail_alike_in_blocks_of_one_thread(case: Case) -> None:
    """Launched with threads too many, under checks, the same thread fails at the same line."""
    shape = alone(case, 3)
    trial = Trial(case.kernel, shape, case.arguments(), (1,) * len(shape), check=True)
    assert disagreement(trial, hosts()[-1]) == ""


@pytest.mark.parametrize("case", SOME[::4], ids=lambda case: case.id)
def test_blocks_of_one_thread_are_scalar_code(case: Case) -> None:
    """No vector and no mask stands in the text of the kernel."""
    trial = Trial(case.kernel, case.shape, case.arguments(), (1,) * len(case.shape), check=True)
    assert " x " not in emitted(trial, hosts()[-1]).text
