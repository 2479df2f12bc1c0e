"""OpenCL C as the emitter prints it, on a device: conversions left to us, and threads that fail."""

from __future__ import annotations

import numpy as np
import pytest

import gyral as gy
from gyral.core.errors import KernelFault
from gyral.drivers.opencl.identity import count

pytestmark = pytest.mark.skipif(count() == 0, reason="no OpenCL device: install pocl-opencl-icd and pyopencl")


@gy.kernel
def widen(x: gy.Array[gy.f16], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i] = gy.f32(x[i])


@gy.kernel
def narrow(x: gy.Array[gy.f32], y: gy.Array[gy.f16]):
    i = gy.global_id()
    y[i] = gy.f16(x[i])


@gy.kernel(check=True, block=16)
def uneven(n: gy.Array[gy.i32], x: gy.Array[gy.i32], y: gy.Array[gy.i32]):
    i = gy.global_id()
    tile = gy.shared(16, gy.i32)
    tile[gy.local_id()] = 0
    gy.barrier()
    for turn in range(n[gy.block_id()]):
        tile[gy.local_id()] += x[i] // (9 - i % 10 + turn)
        gy.barrier()
    y[i] = tile[gy.local_id()]


@gy.kernel(check=True, block=16)
def endless(x: gy.Array[gy.i32], y: gy.Array[gy.i32]):
    i = gy.global_id()
    k = 0
    while x[k] != 5:
        y[i] = gy.block_sum(1)
        k += 3


@gy.kernel(block=16)
def set_aside(y: gy.Array[gy.i32]):
    tile = gy.shared(16, gy.f64)
    tile[gy.local_id()] = 1.0
    gy.barrier()
    y[gy.global_id()] = 7


def test_f64_may_stand_in_shared_memory_alone() -> None:
    """A kernel whose only f64 is a shared array that nothing reads is taken by the compiler."""
    y = np.zeros(16, np.int32)
    with gy.device("opencl"):
        set_aside[16](y)
    assert y.tolist() == [7] * 16


@gy.kernel
def doubted(x: gy.Array[gy.i8]):
    v = x[gy.global_id()]
    x[0] = 1 if v > v else 2


def test_compilers_keep_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    """What a compiler would warn of, such as a value compared with itself, leaves nothing on stderr."""
    x = np.zeros(1, np.int8)
    with gy.device("opencl"):
        doubted[1](x)
    assert (x.tolist(), capfd.readouterr().err) == ([2], "")


def test_every_f16_widens_exactly() -> None:
    """All 65536 bit patterns give NumPy's f32."""
    x = np.arange(65536, dtype=np.uint16).view(np.float16)
    y = np.zeros(65536, np.float32)
    with gy.device("opencl"):
        widen[65536](x, y)
    with np.errstate(invalid="ignore"):
        wanted = x.astype(np.float32)
    np.testing.assert_array_equal(y, wanted)


def test_f32_rounds_to_f16_as_numpy_does() -> None:
    """Values of every exponent, ties and their neighbours among them, give NumPy's f16."""
    halves = np.arange(0x7C01, dtype=np.uint16).view(np.float16).astype(np.float64)
    ties = ((halves[:-1] + halves[1:]) / 2).astype(np.float32)
    beside = [np.nextafter(ties, np.float32(side)) for side in (-np.inf, np.inf)]
    exotic = np.float32([np.inf, np.nan, 65519.99, 65520.0, 1e30, 1e-30, 5.9e-8, 2.9802322e-8])
    x = np.concatenate([ties, *beside, exotic])
    x = np.concatenate([x, -x]).astype(np.float32)
    y = np.zeros(x.size, np.float16)
    with gy.device("opencl"):
        narrow[x.size](x, y)
    with np.errstate(over="ignore", invalid="ignore"):
        wanted = x.astype(np.float16)
    np.testing.assert_array_equal(y, wanted)


def test_a_failed_thread_goes_on_to_the_barriers() -> None:
    """Threads that fail, in a block of which some are missing, keep nobody waiting; the lowest is named."""
    n, x, y = np.int32([3, 2, 1]), np.full(40, 100, np.int32), np.full(40, -1, np.int32)
    with gy.device("opencl"), pytest.raises(KernelFault, match="zero") as caught:
        uneven[40](n, x, y)
    i = np.arange(40)
    wanted = np.zeros(40, np.int64)
    for turn in range(3):
        wanted += (i // 16 <= 2 - turn) * (100 // np.maximum(9 - i % 10 + turn, 1))
    wanted[9::10] = -1
    assert (caught.value.thread, y.tolist()) == ((9,), wanted.tolist())


def test_what_a_failed_block_waits_for_need_not_come() -> None:
    """A loop of the whole block ends when its check fails for all, as its condition may never come true."""
    x, y = np.zeros(10, np.int32), np.zeros(20, np.int32)
    with gy.device("opencl"), pytest.raises(KernelFault, match="index 12") as caught:
        endless[20](x, y)
    assert (caught.value.thread, y.tolist()) == ((0,), [16] * 16 + [4] * 4)
