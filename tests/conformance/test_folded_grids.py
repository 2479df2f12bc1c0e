"""Launches of more blocks than a device's grid has along an axis run every thread once all the same."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.agreement import needs_device

import gyral as gy

FEW = (3, 2, 100)
KINDS = [
    pytest.param("opencl", marks=needs_device("opencl", "pocl-opencl-icd")),
    pytest.param("webgpu", marks=needs_device("webgpu", "mesa-vulkan-drivers")),
]


@gy.kernel
def places(out: gy.Array[gy.i32, 3]):
    i, j, k = gy.global_ids(3)
    out[i, j, k] += gy.i32((i * 11 + j) * 5 + k)


@gy.kernel(block=32)
def turned(x: gy.Array[gy.i32], y: gy.Array[gy.i32]):
    tile = gy.shared(32, gy.i32)
    i = gy.global_id()
    tile[gy.local_id()] = x[i]
    gy.barrier()
    y[i] = tile[31 - gy.local_id()] + 1000 * gy.i32(gy.block_id())


@pytest.fixture(params=KINDS)
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[gy.Device]:
    """A device whose grid is said to be small."""
    device = gy.device(request.param)
    driver: Any = device.driver
    if request.param == "webgpu":
        monkeypatch.setattr(driver._engine, "most_blocks", FEW)
    monkeypatch.setattr(driver, "capabilities", replace(driver.capabilities, max_grid=FEW))
    with device:
        yield device


@pytest.mark.parametrize("shape", [(37, 11, 5), (3, 4, 7), (2, 4, 6)])
def test_every_thread_runs_once(small: gy.Device, shape: tuple[int, int, int]) -> None:
    """Blocks that do not fit the grid are numbered through; those that do keep the device's numbers."""
    out = np.zeros(shape, np.int32)
    places[shape, (2, 2, 2)](out)
    i, j, k = np.indices(out.shape)
    np.testing.assert_array_equal(out, (i * 11 + j) * 5 + k)


@pytest.mark.parametrize("blocks", [3, 4, 599])
def test_threads_of_a_block_meet(small: gy.Device, blocks: int) -> None:
    """A block of a folded grid has its own on-chip memory and all of its threads; others do nothing."""
    x = np.arange(32 * blocks, dtype=np.int32)
    y = np.zeros(32 * blocks, np.int32)
    turned[32 * blocks](x, y)
    expected = x.reshape(-1, 32)[:, ::-1] + 1000 * np.arange(blocks, dtype=np.int32)[:, None]
    np.testing.assert_array_equal(y.reshape(-1, 32), expected)
