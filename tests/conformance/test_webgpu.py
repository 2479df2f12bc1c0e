"""The WebGPU device computes what the interpreter says, or refuses what its record says it lacks."""

import pytest
from tests.agreement import foretold, needs_device, outcome

from gyral.testing import conformance
from gyral.testing.case import Case

KNOWN = {"", "clock", "f64", "atomic i64", "atomic u64", "atomic f64", "scope device"}


@needs_device("webgpu", "mesa-vulkan-drivers")
@pytest.mark.parametrize("case", conformance.cases(), ids=lambda case: case.id)
def test_webgpu_agrees_with_the_interpreter(case: Case) -> None:
    """A row gives the interpreter's results, or is refused for what the device lacks."""
    assert outcome(case, "webgpu") == foretold(case, "webgpu")


@needs_device("webgpu", "mesa-vulkan-drivers")
def test_webgpu_lacks_little() -> None:
    """What is refused for lack of something is known beforehand."""
    lacking = {foretold(case, "webgpu")[1] for case in conformance.cases()}
    assert {text for text in lacking if not text.startswith("arrays of")} <= KNOWN
