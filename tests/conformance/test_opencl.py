"""The OpenCL device computes what the interpreter says, or refuses what its record says it lacks."""

import pytest
from tests.agreement import foretold, needs_device, outcome

from gyral.testing import conformance
from gyral.testing.case import Case

KNOWN = {"", "clock", "barriers in branches"}


@needs_device("opencl", "pocl-opencl-icd")
@pytest.mark.parametrize("case", conformance.cases(), ids=lambda case: case.id)
def test_opencl_agrees_with_the_interpreter(case: Case) -> None:
    """A row gives the interpreter's results, or is refused for what the device lacks."""
    assert outcome(case, "opencl") == foretold(case, "opencl")


@needs_device("opencl", "pocl-opencl-icd")
def test_opencl_lacks_little() -> None:
    """What is refused for lack of something is known beforehand."""
    lacking = {foretold(case, "opencl")[1] for case in conformance.cases()}
    assert {text for text in lacking if not text.startswith("arrays of")} <= KNOWN
