"""Random programs leave the same bits on a device as in the interpreter."""

import hypothesis
import pytest
from hypothesis import HealthCheck
from tests.agreement import needs_device

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


@pytest.mark.parametrize("seed", range(10))
def test_random_programs_of_whole_blocks_agree(seed: int) -> None:
    """A random kernel whose threads work together gives the interpreter's bits on the CPU."""
    assert disagreement(seeded(seed, blocks=True)) == ""


@needs_device("opencl", "pocl-opencl-icd")
@pytest.mark.parametrize(
    ("seed", "blocks"), [*((k, False) for k in range(3)), *((k, True) for k in range(6))]
)
def test_random_programs_agree_on_opencl(seed: int, blocks: bool) -> None:
    """A random kernel gives the interpreter's bits on OpenCL."""
    assert disagreement(seeded(seed, blocks=blocks), "opencl") == ""


WITHOUT_F64 = [
    (seed, blocks)
    for blocks in (False, True)
    for seed in range(12)
    if "f64" not in seeded(seed, blocks=blocks).text
]


@needs_device("webgpu", "mesa-vulkan-drivers")
@pytest.mark.parametrize(("seed", "blocks"), WITHOUT_F64)
def test_random_programs_agree_on_webgpu(seed: int, blocks: bool) -> None:
    """A random kernel gives the interpreter's bits on WebGPU."""
    assert disagreement(seeded(seed, blocks=blocks), "webgpu") == ""
