"""Devices whose memory runs out, in processes that may have no more than so much."""

from pathlib import Path

import pytest
from tests.agreement import needs_device
from tests.processes import run, script

FILL = """
import resource
import gyral as gy

there = gy.device("{device}")
kept = gy.zeros(1 << 20, gy.u8, device=there)
resource.setrlimit(resource.RLIMIT_AS, (6 << 30,) * 2)
held = []
try:
    while len(held) < 100:
        held.append(gy.empty(1 << 27, gy.u8, device=there))
except gy.DeviceError as error:
    print(error.kind.value, error)
held.clear()
print(int(gy.full(4, 7, gy.u8, device=there).numpy().sum()), int(kept.numpy().sum()))
"""


@pytest.mark.parametrize(
    "device",
    [
        pytest.param("opencl", marks=needs_device("opencl", "pocl-opencl-icd")),
        pytest.param("webgpu", marks=needs_device("webgpu", "mesa-vulkan-drivers")),
    ],
)
def test_memory_that_runs_out_is_told_and_the_device_works_on(tmp_path: Path, device: str) -> None:
    """The error has the sizes and its kind is resource; what there was stays, and there is room again."""
    done = run(script(tmp_path, FILL.format(device=device)), tmp_path / "cache")
    assert done.stderr == ""
    told, *_, after = done.stdout.splitlines()
    assert f"resource {device} has no memory for {1 << 27} bytes: " in told
    assert "bytes are in use" in told
    assert after == "28 0"
