"""Batches and fused kernels on the devices that are here, against the same launches on the CPU."""

import random

import numpy as np
import pytest
from tests.chains import KERNELS, Call, N, fresh, launch

import gyral as gy
from gyral.core.errors import DeviceError, UnsupportedError


@gy.kernel
def scale(a: gy.f32, x: gy.In[gy.Array[gy.f32]], t: gy.Array[gy.f32]):
    i = gy.global_id()
    t[i] = a * x[i] + 1.0


@gy.kernel
def keep(t: gy.In[gy.Array[gy.f32]], u: gy.Array[gy.f32]):
    i = gy.global_id()
    u[i] = t[i] if t[i] > 0 else 0.0


@gy.kernel
def total(u: gy.In[gy.Array[gy.f32]], out: gy.Array[gy.i32]):
    s = gy.block_sum(gy.i32(u[gy.global_id()] * 16))
    if gy.local_id() == 0:
        gy.atomic_add(out, 0, s)


@pytest.fixture(params=["opencl", "webgpu", "cuda", "metal"])
def device(request: pytest.FixtureRequest) -> gy.Device:
    """Each device but the CPU, where it is present."""
    try:
        return gy.device(request.param)
    except (UnsupportedError, DeviceError) as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("fuse", [False, True])
def test_random_batches_give_what_the_cpu_gives(device: gy.Device, fuse: bool) -> None:
    """Two replays of a batch, with and without fusion, are its launches twice, one after another."""
    draw = random.Random(7 + fuse)
    for _ in range(6):
        calls = [
            Call(draw.randrange(len(KERNELS)), *draw.choices(range(4), k=2), draw.randint(-5, 5), N)
            for _ in range(draw.randint(2, 6))
        ]
        expected = fresh()
        there = gy.array(fresh(), device=device)
        batch = gy.Batch(fuse=fuse)
        for call in calls:
            kernel, n, *arguments = launch(call, there)
            batch.add(kernel, n, *arguments)
        batch()
        batch()
        for call in calls * 2:
            kernel, n, *arguments = launch(call, expected)
            kernel[n](*arguments)
        assert there.numpy().tolist() == expected.tolist()


def test_a_replay_takes_new_arguments(device: gy.Device) -> None:
    """Numbers and arrays of a recorded batch change between replays."""
    x = np.arange(8, dtype=np.float32)
    a, b, c = (
        gy.array(x, device=device),
        gy.zeros(8, gy.f32, device=device),
        gy.zeros(8, gy.f32, device=device),
    )
    batch = gy.Batch().add(scale, 8, 2.0, a, b).add(keep, 8, b, c)
    batch()
    batch.set(0, a=-1.0).replace(c, a)
    batch()
    assert c.numpy().tolist() == (2 * x + 1).tolist()
    assert a.numpy().tolist() == np.maximum(1 - x, 0).tolist()


def test_map_filter_and_reduction_run_as_one(device: gy.Device) -> None:
    """A fused kernel with a block's sum counts every element once, in a shape that blocks do not divide."""
    x = np.arange(-500, 500, dtype=np.float32) / 8
    out = gy.zeros(1, gy.i32, device=device)
    fused = gy.fuse([scale, keep, total], temporaries=("t", "u"))
    fused[1000, 128](2.0, gy.array(x, device=device), out)
    assert out.numpy().tolist() == [int(np.maximum(2 * x + 1, 0).sum() * 16)]
