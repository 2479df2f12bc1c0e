"""Group C: bit operations, random numbers with known answers, and the clock."""

from collections.abc import Iterator

import numpy as np

from gyral.core.dtypes import DType
from gyral.testing import language as gy
from gyral.testing.case import Case, needs
from gyral.testing.compare import Tolerance
from gyral.testing.sample import INTEGERS, mixed, numpy_type


@gy.kernel
def bits(x: gy.Array, y: gy.Array, out: gy.Array):
    i = gy.global_id()
    out[0, i] = gy.popcount(x[i])
    out[1, i] = gy.clz(x[i])
    out[2, i] = gy.ctz(x[i])
    out[3, i] = gy.rotl(x[i], y[i])
    out[4, i] = gy.rotr(x[i], y[i])
    out[5, i] = gy.bitreverse(x[i])


def bits_reference(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    width = x.dtype.itemsize * 8
    mask = (1 << width) - 1
    for i, (value, count) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        digits = format(value & mask, f"0{width}b")
        left, right = count % width, -count % width
        rows = (
            digits.count("1"),
            len(digits) - len(digits.lstrip("0")),
            len(digits) - len(digits.rstrip("0")),
            int(digits[left:] + digits[:left], 2),
            int(digits[right:] + digits[:right], 2),
            int(digits[::-1], 2),
        )
        out[:, i] = np.array(rows, np.uint64).astype(out.dtype)


@gy.kernel
def philox(seed: gy.Array[gy.u64], counter: gy.Array[gy.u64], out: gy.Array[gy.u32], unit: gy.Array[gy.f32]):
    i = gy.global_id()
    out[i] = gy.random_u32(seed[i], counter[i])
    unit[i] = gy.random_uniform(seed[i], counter[i])


def philox_reference(seed: np.ndarray, counter: np.ndarray, out: np.ndarray, unit: np.ndarray) -> None:
    """Philox4x32-10 as Salmon and others publish it (SC 2011), word 0 of the block."""
    u, low = np.uint64, np.uint64(0xFFFFFFFF)
    c0, c1 = counter & low, counter >> u(32)
    c2, c3 = np.zeros_like(c0), np.zeros_like(c0)
    k0, k1 = seed & low, seed >> u(32)
    for _ in range(10):
        first, second = u(0xD2511F53) * c0, u(0xCD9E8D57) * c2
        c0, c1, c2, c3 = second >> u(32) ^ c1 ^ k0, second & low, first >> u(32) ^ c3 ^ k1, first & low
        k0, k1 = (k0 + u(0x9E3779B9)) & low, (k1 + u(0xBB67AE85)) & low
    out[:] = c0
    unit[:] = (c0 >> u(8)).astype(np.float32) * np.float32(2.0**-24)


@gy.kernel
def normals(counter: gy.Array[gy.u64], out: gy.Array[gy.f32]):
    i = gy.global_id()
    out[i] = gy.random_normal(42, counter[i])


@gy.kernel
def clocked(x: gy.Array[gy.i32], ahead: gy.Array[gy.bool_]):
    i = gy.global_id()
    start = gy.clock()
    s = 0
    for k in range(x[i]):
        s += k
    x[i] = s
    ahead[i] = gy.clock() >= start


def clocked_reference(x: np.ndarray, ahead: np.ndarray) -> None:
    x[:] = x * (x - 1) // 2
    ahead[:] = True


def seeds() -> np.ndarray:
    """Seeds and counters: the published all-zero vector first."""
    return np.concatenate([np.zeros(1, np.uint64), mixed(gy.u64, 40, 9)])


def cases() -> Iterator[Case]:
    """The rows of this file."""
    for dtype in INTEGERS:
        values = mixed(dtype, 60)

        def arguments(values: np.ndarray = values, dtype: DType = dtype) -> tuple[np.ndarray, ...]:
            return values.copy(), values[::-1].copy(), np.zeros((6, values.size), numpy_type(dtype))

        needed = needs(dtype)
        yield Case(
            "C",
            "bit operations",
            str(dtype),
            bits,
            arguments,
            values.shape,
            None,
            bits_reference,
            requires=needed,
        )
    count = seeds().size
    wide = needs(gy.u64)
    yield Case(
        "C",
        "Philox",
        "known answers",
        philox,
        lambda: (
            seeds(),
            np.roll(seeds(), 3) * (seeds() != 0),
            np.zeros(count, np.uint32),
            np.zeros(count, np.float32),
        ),
        (count,),
        None,
        philox_reference,
        requires=wide,
    )
    yield Case(
        "C",
        "Philox",
        "normal",
        normals,
        lambda: (np.arange(200, dtype=np.uint64), np.zeros(200, np.float32)),
        (200,),
        tolerance=Tolerance(absolute=2e-6),
        requires=wide,
    )
    yield Case(
        "C",
        "clock",
        "only grows",
        clocked,
        lambda: (np.arange(30, dtype=np.int32), np.zeros(30, bool)),
        (30,),
        None,
        clocked_reference,
        requires=needs(features=["clock"]),
    )
