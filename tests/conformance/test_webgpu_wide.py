"""Threads that do four neighbours on WebGPU give what NumPy gives, wherever arrays begin and end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests import tint
from tests.agreement import needs_device

import gyral as gy
from gyral.compiler import pipeline
from gyral.compiler.emit.wgsl.program import emit
from gyral.compiler.passes.target import spec_of
from gyral.core.artifact import ALIGNED
from gyral.jit.compile import lowered


@gy.kernel
def axpy(a: gy.f32, x: gy.Array[gy.f32], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i] = a * x[i] + y[i] + x[1]


@gy.kernel
def mixed(x: gy.Array[gy.i32, 2], small: gy.Array[gy.i16, 2], y: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    y[i, j] = x[i, j] * 0.5 + small[i, j] + x[i, 0]


@gy.kernel
def product(x: gy.Array[gy.f32, 2], y: gy.Array[gy.f32, 2], z: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    dot = 0.0
    for k in range(x.shape[1]):
        dot += x[i, k] * y[k, j]
    z[i, j] = dot


@pytest.fixture
def device() -> Iterator[gy.Device]:
    """The WebGPU device."""
    with gy.device("webgpu") as found:
        yield found


def text(kernel: Any) -> str:
    """A kernel's WGSL for aligned arrays."""
    request = kernel.request(())
    options = replace(request.options, features=(ALIGNED,), block=(64,) if kernel is axpy else (2, 32))
    spec = spec_of("wgsl")
    return emit(pipeline.run(lowered(request), options, spec, verify=True), options, spec).text


@needs_device("webgpu", "mesa-vulkan-drivers")
@pytest.mark.parametrize("first, size", [(0, 1), (0, 4), (0, 7), (0, 1024), (4, 8), (4, 9), (1, 64), (3, 5)])
def test_every_element_is_done_once(device: gy.Device, first: int, size: int) -> None:
    """Whole vectors, ragged ends, and views that begin in the middle of a buffer, of a vector too."""
    rng = np.random.default_rng(size)
    x, y = (rng.integers(0, 100, 1040).astype(np.float32) for _ in range(2))
    there = gy.array(x), gy.array(y)
    axpy[size](2.0, *(a[first : first + size + 1] for a in there))
    y[first : first + size] += 2 * x[first : first + size] + x[first + 1]
    np.testing.assert_array_equal(there[1].numpy(), y)


@needs_device("webgpu", "mesa-vulkan-drivers")
@pytest.mark.parametrize("columns", [4, 5, 7, 8])
def test_rows_with_room_behind_them_stay_apart(device: gy.Device, columns: int) -> None:
    """Rows of an array wider than the launch keep what lies behind the launch's columns."""
    x = np.arange(24, dtype=np.int32).reshape(3, 8)
    small = np.arange(24, dtype=np.int16).reshape(3, 8)
    y = gy.array(np.full((3, 8), -1, np.float32))
    mixed[3, columns](gy.array(x), gy.array(small), y)
    expected = np.full((3, 8), -1, np.float32)
    expected[:, :columns] = (x * np.float32(0.5) + small + x[:, :1])[:, :columns]
    np.testing.assert_array_equal(y.numpy(), expected)


@needs_device("webgpu", "mesa-vulkan-drivers")
@pytest.mark.parametrize("turns", [1, 4, 7, 12])
def test_loops_do_all_their_turns(device: gy.Device, turns: int) -> None:
    """Products of matrices whose rows are whole vectors, and of others."""
    rng = np.random.default_rng(turns)
    x, y = (rng.integers(0, 9, shape).astype(np.float32) for shape in ((5, turns), (turns, 3)))
    z = gy.zeros((5, 3), gy.f32)
    product[5, 3](gy.array(x), gy.array(y), z)
    np.testing.assert_array_equal(z.numpy(), x @ y)


@pytest.mark.parametrize("kernel", [axpy, mixed], ids=lambda k: k.name)
def test_aligned_arrays_are_vectors(kernel: Any) -> None:
    """Arrays of four-byte elements are bound as vectors; those of smaller ones are not."""
    found = {"axpy": (2, 0), "mixed": (2, 1)}[kernel.name]
    assert (text(kernel).count(": array<vec4<u32>>"), text(kernel).count(": array<u32>")) == found


@pytest.mark.skipif(bool(tint.REASON), reason=tint.REASON)
def test_browsers_take_the_vectors() -> None:
    """Tint accepts wide accesses and the constants that pipelines set."""
    assert tint.validate([text(kernel) for kernel in (axpy, mixed, product)]) == [None] * 3
