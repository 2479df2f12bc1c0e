"""Group C: barriers and what a block does together, with blocks that do and do not divide the launch."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gyral.core.dtypes import DType
from gyral.testing import language as gy
from gyral.testing.case import Case, needs
from gyral.testing.compare import EXACT, Tolerance
from gyral.testing.sample import FLOATS, INTEGERS, moderate, numpy_type
from gyral.testing.source import define

LAUNCHES: tuple[tuple[int, int], ...] = ((64, 16), (50, 16), (37, 64), (96, 32), (3, 1))

REDUCE = """
@gy.kernel
def reduce(x: gy.Array[gy.{t}], out: gy.Array[gy.{t}, 2]):
    i = gy.global_id()
    v = x[i]
    out[0, i] = gy.block_sum(v)
    out[1, i] = gy.block_min(v)
    out[2, i] = gy.block_max(v)
    out[3, i] = gy.block_exclusive_sum(v)
    out[4, i] = gy.block_broadcast(v)
    out[5, i] = gy.block_sum(v * 2)
"""


def reduce_reference(block: int) -> Any:
    """Per-block results in NumPy."""

    def reference(x: np.ndarray, out: np.ndarray) -> None:
        for start in range(0, x.size, block):
            part = slice(start, min(start + block, x.size))
            v = x[part]
            with np.errstate(all="ignore"):
                sums = np.cumsum(v, dtype=v.dtype)
                out[0, part], out[1, part], out[2, part] = sums[-1], v.min(), v.max()
                out[3, part] = np.concatenate([np.zeros(1, v.dtype), sums[:-1]])
                out[4, part] = v[0]
                out[5, part] = np.sum(v * v.dtype.type(2), dtype=v.dtype)

    return reference


@gy.kernel
def flags(x: gy.Array[gy.i32], out: gy.Array[gy.bool_, 2]):
    i = gy.global_id()
    out[0, i] = gy.block_any(x[i] > 40)
    out[1, i] = gy.block_all(x[i] > 10)
    if gy.block_any(x[i] == 20):
        out[2, i] = gy.block_all(x[i] < 45)


def flags_reference(block: int) -> Any:
    """Per-block votes in NumPy."""

    def reference(x: np.ndarray, out: np.ndarray) -> None:
        for start in range(0, x.size, block):
            part = slice(start, min(start + block, x.size))
            out[0, part], out[1, part] = (x[part] > 40).any(), (x[part] > 10).all()
            if (x[part] == 20).any():
                out[2, part] = (x[part] < 45).all()

    return reference


@gy.kernel(block=16)
def reverse(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    lid = gy.local_id()
    tile = gy.shared(16, gy.i32)
    tile[lid] = x[i] * 3
    kept = x[i] + 1
    gy.barrier()
    n = min(16, x.size - gy.block_id() * 16)
    out[i] = tile[n - 1 - lid] + kept


def reverse_reference(x: np.ndarray, out: np.ndarray) -> None:
    for start in range(0, x.size, 16):
        part = x[start : start + 16]
        out[start : start + 16] = part[::-1] * 3 + part + 1


@gy.kernel(block=8)
def rounds(x: gy.Array[gy.i32], n: gy.i32, out: gy.Array[gy.i32]):
    i = gy.global_id()
    lid = gy.local_id()
    ring = gy.shared((2, 8), gy.i32)
    ring[0, lid] = x[i]
    total = 0
    for k in range(n):
        gy.barrier()
        v = ring[k % 2, (lid + 1) % 8]
        if v % 3 == 0:
            total += v
        ring[(k + 1) % 2, lid] = v + lid
    gy.barrier()
    out[i] = ring[n % 2, lid] * 10 + total


def rounds_reference(x: np.ndarray, n: int, out: np.ndarray) -> None:
    for start in range(0, x.size, 8):
        v = x[start : start + 8].astype(np.int64)
        total = np.zeros_like(v)
        for _ in range(n):
            v = np.roll(v, -1)
            total += np.where(v % 3 == 0, v, 0)
            v = v + np.arange(8)
        out[start : start + 8] = v * 10 + total


@gy.kernel(block=(4, 8))
def turned(x: gy.Array[gy.f32, 2], out: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    tile = gy.shared((4, 9), gy.f32)
    tile[gy.local_id(0), gy.local_id(1)] = x[i, j]
    gy.barrier()
    h = min(4, gy.global_size(0) - gy.block_id(0) * 4)
    w = min(8, gy.global_size(1) - gy.block_id(1) * 8)
    out[i, j] = tile[h - 1 - gy.local_id(0), w - 1 - gy.local_id(1)]


def turned_reference(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(0, x.shape[0], 4):
        for j in range(0, x.shape[1], 8):
            out[i : i + 4, j : j + 8] = x[i : i + 4, j : j + 8][::-1, ::-1]


@gy.kernel(block=32)
def until_still(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    v = x[i]
    steps = 0
    while gy.block_any(v > 0):
        if v > 0:
            v -= 1 + i % 3
        steps += 1
    out[i] = v * 1000 + steps


def until_still_reference(x: np.ndarray, out: np.ndarray) -> None:
    for start in range(0, x.size, 32):
        v = x[start : start + 32].copy()
        steps, less = 0, 1 + np.arange(start, start + v.size, dtype=np.int32) % 3
        while (v > 0).any():
            v = np.where(v > 0, v - less, v)
            steps += 1
        out[start : start + 32] = v * 1000 + steps


@gy.kernel
def early_leavers(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    v = x[i]
    best = gy.block_max(v)
    total = gy.block_sum(1 if v == best else 0)
    if v != best:
        return
    out[i] = total


def early_leavers_reference(block: int) -> Any:
    """Threads that hold their block's maximum write how many do."""

    def reference(x: np.ndarray, out: np.ndarray) -> None:
        for start in range(0, x.size, block):
            v = x[start : start + block]
            out[start : start + block] = np.where(v == v.max(), (v == v.max()).sum(), 0)

    return reference


@gy.kernel
def chosen_once(x: gy.Array[gy.i32], m: gy.i32, out: gy.Array[gy.i32]):
    i = gy.global_id()
    v = 10
    if m == 5:
        v += m
    elif m != 1:
        v = x[m]
    s = gy.block_sum(x[i])
    out[i] = v * 1000 + s


def chosen_once_reference(x: np.ndarray, m: int, out: np.ndarray) -> None:
    v = 10 + m if m == 5 else 10 if m == 1 else int(x[m])
    for start in range(0, x.size, 16):
        out[start : start + 16] = v * 1000 + x[start : start + 16].sum()


def reductions(dtype: DType, count: int, block: int) -> Case:
    """Sum, minimum, maximum, scan and broadcast of one type."""
    kernel = define(REDUCE.format(t=dtype), "reduce")

    def arguments() -> tuple[np.ndarray, ...]:
        return moderate(dtype, count, 2, -20, 20), np.zeros((6, count), numpy_type(dtype))

    loose = {"f16": 2.0**-8, "bf16": 2.0**-5}.get(dtype.name, 1e-5)
    close = Tolerance(relative=loose) if dtype.is_float else EXACT
    return Case(
        "C",
        "block-wide",
        f"{dtype}, {count} in blocks of {block}",
        kernel,
        arguments,
        (count,),
        (block,),
        reduce_reference(block),
        close,
        close,
        needs(dtype),
    )


def cases() -> Iterator[Case]:
    """The rows of this file."""
    for count, block in LAUNCHES:
        for dtype in (gy.i32, gy.f32):
            yield reductions(dtype, count, block)
    for dtype in (*INTEGERS, *FLOATS):
        if dtype not in (gy.i32, gy.f32):
            yield reductions(dtype, 50, 16)
    for count, block in LAUNCHES:
        values = np.arange(count, dtype=np.int32)
        yield Case(
            "C",
            "block-wide",
            f"any and all, {count} in blocks of {block}",
            flags,
            lambda v=values: (v.copy(), np.zeros((3, v.size), bool)),
            (count,),
            (block,),
            flags_reference(block),
        )
        peaks = values * 7 % 11
        yield Case(
            "C",
            "block-wide",
            f"threads that leave early, {count} in blocks of {block}",
            early_leavers,
            lambda v=peaks: (v.copy(), np.zeros_like(v)),
            (count,),
            (block,),
            early_leavers_reference(block),
        )
    yield from barriers()


def barriers() -> Iterator[Case]:
    """Kernels that exchange values through shared memory."""
    for count in (64, 39):
        values = np.arange(count, dtype=np.int32) * 5 % 23
        yield Case(
            "C",
            "barrier",
            f"reverse of {count}",
            reverse,
            lambda v=values: (v.copy(), np.zeros_like(v)),
            (count,),
            None,
            reverse_reference,
        )
        yield Case(
            "C",
            "barrier",
            f"loop while any of {count}",
            until_still,
            lambda v=values: (v.copy(), np.zeros_like(v)),
            (count,),
            None,
            until_still_reference,
        )
    for m in (1, 5, 9):
        values = np.arange(37, dtype=np.int32)
        yield Case(
            "C",
            "barrier",
            f"uniform choice {m} used behind it",
            chosen_once,
            lambda v=values, m=m: (v.copy(), m, np.zeros_like(v)),
            (37,),
            (16,),
            chosen_once_reference,
        )
    for n in (0, 1, 5):
        values = np.arange(32, dtype=np.int32) * 3 % 17
        yield Case(
            "C",
            "barrier",
            f"{n} rounds",
            rounds,
            lambda v=values, n=n: (v.copy(), n, np.zeros_like(v)),
            (32,),
            None,
            rounds_reference,
        )
    for shape in ((8, 16), (7, 19)):
        image = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
        yield Case(
            "C",
            "barrier",
            f"tile of {shape[0]}x{shape[1]}",
            turned,
            lambda v=image: (v.copy(), np.zeros_like(v)),
            shape,
            None,
            turned_reference,
        )
