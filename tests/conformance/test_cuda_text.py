"""CUDA C++ computes what the interpreter says: compiled as C++ and run on fibres, grids folded."""

import pytest
from tests.cudashim import device
from tests.msl import shim

from gyral.testing import conformance
from gyral.testing.case import Case
from gyral.testing.fuzz import disagreement, seeded

pytestmark = pytest.mark.skipif(
    shim.compiler() is None, reason="no C++ compiler with _Float16: install g++ 12"
)
TOGETHER = 24
"""Kernels in one run of the C++ compiler."""
# One case needs more memory than a test should take.
CASES = [case for case in conformance.cases() if "above_4_GiB" not in case.id]
PORTIONS = {
    case.id: tuple(CASES[start : start + TOGETHER])
    for start in range(0, len(CASES), TOGETHER)
    for case in CASES[start : start + TOGETHER]
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_cuda_text_agrees_with_the_interpreter(case: Case) -> None:
    """A row gives the interpreter's results; CUDA lacks nothing."""
    device.compiled(PORTIONS[case.id])
    row = conformance.run_case(case, device.KIND)
    assert (row.outcome, row.detail) == ("pass", "")


@pytest.mark.parametrize("seed", range(8))
def test_random_programs_agree(seed: int) -> None:
    """A random kernel under check gives the interpreter's bits, and the same thread fails."""
    device.device()
    assert disagreement(seeded(seed), device.KIND) == ""
