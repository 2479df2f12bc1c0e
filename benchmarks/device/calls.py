"""What calling costs on a device: one small launch, many in a batch, several fused into one."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from statistics import median
from typing import Any

import numpy as np

import gyral as gy
from chain import affine, positive, total

SMALL = 1024
LAUNCHES = 2000
MEMBERS = 20


@gy.kernel
def add(x: gy.In[gy.Array[gy.f32]], y: gy.In[gy.Array[gy.f32]], z: gy.Array[gy.f32]):
    """Three arrays, next to no work."""
    i = gy.global_id()
    z[i] = x[i] + y[i]


def per_call(call: Callable[[], Any], finish: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Median seconds that the host spends on one call, the device's work aside."""
    samples = []
    for _ in range(15):
        finish()
        began = clock()
        for _ in range(LAUNCHES // 10):
            call()
        samples.append((clock() - began) / (LAUNCHES // 10))
        finish()
    return median(samples)


def until_done(work: Callable[[], Any], finish: Callable[[], Any], clock: Callable[[], float]) -> float:
    """Median seconds until the work is done."""
    samples = []
    for _ in range(25):
        finish()
        began = clock()
        work()
        finish()
        samples.append(clock() - began)
    return median(samples[5:])


def launches(device: gy.Device, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of host time of one launch with three arrays, by who makes it; only peers that are here."""
    x, y, z = (gy.array(np.ones(SMALL, np.float32), device=device) for _ in range(3))
    add[SMALL](x, y, z)
    bound = add.bind(SMALL, x, y, z)
    found = {
        "gyral": per_call(lambda: add[SMALL](x, y, z), device.synchronize, clock),
        "gyral, bound": per_call(bound, device.synchronize, clock),
    }
    if device.kind == "cuda":
        for name, peer in PEERS.items():
            try:
                call, finish = peer()
            except (ImportError, OSError, RuntimeError):
                continue
            call()
            found[name] = per_call(call, finish, clock)
    return found


def batches(device: gy.Device, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds until twenty small launches are done: one after another, and replayed as a batch."""
    arrays = [gy.array(np.ones(SMALL, np.float32), device=device) for _ in range(3)]
    batch = gy.Batch()
    for _ in range(MEMBERS):
        batch.add(add, SMALL, *arrays)
    batch()

    def one_by_one() -> None:
        for _ in range(MEMBERS):
            add[SMALL](*arrays)

    one_by_one()
    return {
        "launches": until_done(one_by_one, device.synchronize, clock),
        "batch": until_done(batch, device.synchronize, clock),
    }


def fusion(device: gy.Device, n: int, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of a map, a filter and a sum over `n` elements: as three kernels, and fused into one.

    Raises:
        RuntimeError: the two give different sums.
    """
    host = np.random.default_rng(1).random(n, dtype=np.float32)
    x, t, u = gy.array(host, device=device), *(gy.empty(n, gy.f32, device=device) for _ in range(2))
    one, other = (gy.zeros(1, gy.f32, device=device) for _ in range(2))
    fused = gy.fuse([affine, positive, total], temporaries=("t", "u"))

    def three() -> None:
        affine[n](1.5, x, t)
        positive[n](t, u)
        total[n, 256](u, one)

    three()
    fused[n, 256](a=1.5, x=x, out=other)
    sums = float(one.numpy()[0]), float(other.numpy()[0])
    if not np.isclose(*sums, rtol=1e-3):
        raise RuntimeError(f"three kernels sum to {sums[0]}, the fused one to {sums[1]}")
    return {
        "three": until_done(three, device.synchronize, clock),
        "fused": until_done(lambda: fused[n, 256](a=1.5, x=x, out=other), device.synchronize, clock),
    }


def by_cupy() -> tuple[Callable[[], Any], Callable[[], Any]]:
    """CuPy's raw kernel."""
    cupy = import_module("cupy")
    source = """extern "C" __global__ void add(const float* x, const float* y, float* z)
    { int i = blockIdx.x * blockDim.x + threadIdx.x; z[i] = x[i] + y[i]; }"""
    kernel = cupy.RawKernel(source, "add")
    arrays = tuple(cupy.ones(SMALL, cupy.float32) for _ in range(3))
    grid, block = (SMALL // 256,), (256,)
    return lambda: kernel(grid, block, arrays), cupy.cuda.Device().synchronize


def by_numba() -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Numba's CUDA target."""
    cuda = import_module("numba.cuda")

    @cuda.jit
    def add_on_cuda(x, y, z):
        i = cuda.grid(1)
        if i < z.size:
            z[i] = x[i] + y[i]

    arrays = tuple(cuda.to_device(np.ones(SMALL, np.float32)) for _ in range(3))
    launch = add_on_cuda[SMALL // 256, 256]
    return lambda: launch(*arrays), cuda.synchronize


def by_triton() -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Triton, on PyTorch's tensors."""
    torch, module = import_module("torch"), import_module("triton_add")
    tensors = tuple(torch.ones(SMALL, device="cuda") for _ in range(3))
    return lambda: module.add[(SMALL // 256,)](*tensors), torch.cuda.synchronize


def by_warp() -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Warp."""
    module = import_module("warp_add")
    return module.prepare(SMALL)


PEERS = {"cupy": by_cupy, "numba-cuda": by_numba, "triton": by_triton, "warp": by_warp}
