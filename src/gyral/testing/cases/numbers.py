"""Group A: arithmetic, comparison and conversion for every scalar type, over every pair of edge values."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gyral.core.dtypes import DType
from gyral.testing import language as gy
from gyral.testing.case import Case, needs
from gyral.testing.sample import ALL, FLOATS, INTEGERS, NUMBERS, edges, every_pair, mixed, numpy_type, spelled
from gyral.testing.source import define


@gy.kernel
def arithmetic(x: gy.Array, y: gy.Array, out: gy.Array):
    i = gy.global_id()
    a = x[i]
    b = y[i]
    out[0, i] = a + b
    out[1, i] = a - b
    out[2, i] = a * b
    out[3, i] = -a
    out[4, i] = +a
    out[5, i] = a + b * a - b
    out[6, i] = (a + b) * (a - b)
    out[7, i] = a - b - a
    out[8, i] = -a * b + a
    out[9, i] = 2 * a - 3
    out[10, i] = a**2
    out[11, i] = b**3


@gy.kernel
def floor_division(x: gy.Array, y: gy.Array, out: gy.Array):
    i = gy.global_id()
    out[0, i] = x[i] // y[i]
    out[1, i] = x[i] % y[i]
    out[2, i] = x[i] // 3
    out[3, i] = x[i] % 7


def floor_division_reference(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    for i, (a, b) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
        out[0, i] = np.array(a // b if b else 0).astype(out.dtype)
        out[1, i] = np.array(a % b if b else a).astype(out.dtype)
        out[2, i], out[3, i] = a // 3, a % 7


@gy.kernel
def division(x: gy.Array, y: gy.Array, out: gy.Array):
    i = gy.global_id()
    out[0, i] = x[i] / y[i]
    out[1, i] = x[i] / 2
    out[2, i] = 1 / y[i]


def division_reference(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        a, b = x.astype(out.dtype), y.astype(out.dtype)
        out[0], out[1], out[2] = a / b, a / out.dtype.type(2), out.dtype.type(1) / b


@gy.kernel
def bitwise(x: gy.Array, y: gy.Array, out: gy.Array):
    i = gy.global_id()
    a = x[i]
    b = y[i]
    out[0, i] = a & b
    out[1, i] = a | b
    out[2, i] = a ^ b
    out[3, i] = ~a
    out[4, i] = a << b
    out[5, i] = a >> b
    out[6, i] = a << 1 | a >> 1 & b ^ a
    out[7, i] = (a & 6) + (b | 1)


def bitwise_reference(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    mask = x.dtype.type(x.dtype.itemsize * 8 - 1)
    one, six = x.dtype.type(1), x.dtype.type(6)
    out[0], out[1], out[2], out[3] = x & y, x | y, x ^ y, ~x
    out[4], out[5] = x << (y & mask), x >> (y & mask)
    out[6] = x << one | x >> one & y ^ x
    out[7] = (x & six) + (y | one)


@gy.kernel
def comparisons(x: gy.Array, y: gy.Array, out: gy.Array[gy.bool_, 2]):
    i = gy.global_id()
    a = x[i]
    b = y[i]
    out[0, i] = a == b
    out[1, i] = a != b
    out[2, i] = a < b
    out[3, i] = a <= b
    out[4, i] = a > b
    out[5, i] = a >= b
    out[6, i] = a < b < 3
    out[7, i] = not a <= b
    out[8, i] = (a > 1 and b > 1) or a == b


def comparisons_reference(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    three, one = x.dtype.type(3), x.dtype.type(1)
    out[0], out[1], out[2], out[3] = x == y, x != y, x < y, x <= y
    out[4], out[5], out[6], out[7] = x > y, x >= y, (x < y) & (y < three), ~(x <= y)
    out[8] = (x > one) & (y > one) | (x == y)


@gy.kernel
def extremes(x: gy.Array, y: gy.Array, out: gy.Array):
    i = gy.global_id()
    out[0, i] = min(x[i], y[i])
    out[1, i] = max(x[i], y[i])
    out[2, i] = abs(x[i])
    out[3, i] = min(x[i], y[i], 3)
    out[4, i] = max(2, x[i], y[i])


def extremes_reference(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    two, three = x.dtype.type(2), x.dtype.type(3)
    for i, (a, b) in enumerate(zip(x, y, strict=True)):
        out[0, i], out[1, i] = min(a, b), max(a, b)
        out[3, i], out[4, i] = min(a, b, three), max(two, a, b)
    with np.errstate(all="ignore"):
        out[2] = np.abs(x)


@gy.kernel
def truth(x: gy.Array[gy.bool_], y: gy.Array[gy.bool_], out: gy.Array[gy.bool_, 2], sums: gy.Array[gy.i32]):
    i = gy.global_id()
    a = x[i]
    b = y[i]
    out[0, i] = a and b
    out[1, i] = a or b
    out[2, i] = not a
    out[3, i] = a & b
    out[4, i] = a | b
    out[5, i] = a ^ b
    out[6, i] = a == b
    out[7, i] = a if b else not a
    sums[i] = a + gy.i32(b) * 2


def truth_reference(x: np.ndarray, y: np.ndarray, out: np.ndarray, sums: np.ndarray) -> None:
    out[0], out[1], out[2], out[3], out[4] = x & y, x | y, ~x, x & y, x | y
    out[5], out[6], out[7] = x ^ y, x == y, np.where(y, x, ~x)
    sums[:] = x.astype(np.int32) + 2 * y


@gy.kernel
def remainders(x: gy.Array, y: gy.Array, out: gy.Array):
    i = gy.global_id()
    out[0, i] = x[i] // y[i]
    out[1, i] = x[i] % y[i]


@gy.kernel
def classified(x: gy.Array, y: gy.Array, out: gy.Array[gy.i32, 2]):
    i = gy.global_id()
    a = x[i]
    b = y[i]
    r = 0
    if a != a:
        r += 1
    if a == 0 and 1 / a < 0:
        r += 2
    if a == b:
        r += 4
    if not (a < b):
        r += 8
    if a - a != 0:
        r += 16
    if gy.isnan(a + b):
        r += 32
    out[0, i] = r


def classified_reference(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        out[:] = (x != x) + 2 * ((x == 0) & np.signbit(x)) + 4 * (x == y) + 8 * ~(x < y)
        out[:] += 16 * ~np.isfinite(x) + 32 * np.isnan(x + y)


@gy.kernel
def constant_nan(m: gy.i32, x: gy.Array[gy.f32], out: gy.Array[gy.f32], narrow: gy.Array[gy.f16]):
    i = gy.global_id()
    never = 2.0 if x[0] > x[0] else 0.0
    out[3] = never / never
    out[4] = never // never
    out[5] = x[1] * 0.0
    out[6] = gy.fma(x[1], 0.0, x[0])
    zero = gy.f32(0.0)
    small = gy.f16(0.0)
    out[0] = zero / zero
    out[1] = gy.ceil(zero / zero)
    out[2] = gy.floor(zero % zero)
    narrow[0] = gy.ceil(small / small)
    narrow[1] = gy.trunc(small % small)
    if m == i:
        small = gy.ceil(small % small)
    narrow[2] = small - gy.floor(small)


def constant_nan_reference(m: int, x: np.ndarray, out: np.ndarray, narrow: np.ndarray) -> None:
    out[:] = narrow[:] = np.nan


@gy.kernel
def wide(x: gy.Array[gy.u64], y: gy.Array[gy.u64], out: gy.Array[gy.u64, 2], signed: gy.Array[gy.i64]):
    i = gy.global_id()
    a = x[i]
    b = y[i]
    out[0, i] = a * b + 0x9E3779B97F4A7C15
    out[1, i] = (a ^ a >> 33) * 0xFF51AFD7ED558CCD
    out[2, i] = a // (b | 1) + a % (b | 1)
    out[3, i] = a >> 63 | a << 1
    out[4, i] = gy.u64(gy.i64(a) >> 7)
    signed[i] = gy.i64(a) - gy.i64(b)


def wide_reference(x: np.ndarray, y: np.ndarray, out: np.ndarray, signed: np.ndarray) -> None:
    u = np.uint64
    out[0] = x * y + u(0x9E3779B97F4A7C15)
    out[1] = (x ^ x >> u(33)) * u(0xFF51AFD7ED558CCD)
    out[2] = x // (y | u(1)) + x % (y | u(1))
    out[3] = x >> u(63) | x << u(1)
    out[4] = (x.view(np.int64) >> np.int64(7)).view(u)
    signed[:] = x.view(np.int64) - y.view(np.int64)


@gy.kernel
def doubles(x: gy.Array[gy.f64], out: gy.Array[gy.f64, 2]):
    i = gy.global_id()
    a = x[i]
    out[0, i] = a * 0.1 + 1e-20
    out[1, i] = a / 3 - 1e300 * a
    out[2, i] = (a + 1e16) - 1e16
    out[3, i] = 1 / (1 + a * a)


def doubles_reference(x: np.ndarray, out: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        out[0], out[1] = x * 0.1 + 1e-20, x / 3 - 1e300 * x
        out[2], out[3] = (x + 1e16) - 1e16, 1 / (1 + x * x)


CONVERSIONS = "\n".join(
    ["@gy.kernel", "def convert("]
    + ["    x: gy.Array,", *(f"    o{t}: gy.Array[gy.{spelled(t)}]," for t in ALL), "):"]
    + ["    i = gy.global_id()", *(f"    o{t}[i] = gy.{spelled(t)}(x[i])" for t in ALL)]
)


def per_type(row: str, kernel: Any, rows: int, dtype: DType, reference: Any = None, out: Any = None) -> Case:
    """A case over every pair of edge values of `dtype`, with `rows` results of type `out` for each."""
    left, right = every_pair(dtype)
    kind = numpy_type(dtype) if out is None else np.dtype(out)

    def arguments() -> tuple[np.ndarray, ...]:
        return left.copy(), right.copy(), np.zeros((rows, left.size), kind)

    wanted = needs(dtype, gy.f64) if kind == np.float64 else needs(dtype)
    return Case("A", row, str(dtype), kernel, arguments, left.shape, None, reference, requires=wanted)


def quotient(dtype: DType) -> type:
    """What `/` gives for two operands of an integer type."""
    return np.float64 if dtype.bits == 64 else np.float32


def conversions(convert: Any, dtype: DType) -> Case:
    """One scalar type converted to each of the others."""
    values = mixed(dtype, len(edges(dtype)) + 40, seed=5)

    def arguments() -> tuple[np.ndarray, ...]:
        return values.copy(), *(np.zeros(values.size, numpy_type(t)) for t in ALL)

    return Case("A", "casts", f"from {dtype}", convert, arguments, values.shape, requires=needs(*ALL))


def cases() -> Iterator[Case]:
    """The rows of this file over their types."""
    convert = define(CONVERSIONS, "convert")
    for dtype in NUMBERS:
        yield per_type("arithmetic", arithmetic, 12, dtype)
        yield per_type("comparisons", comparisons, 9, dtype, comparisons_reference, bool)
        yield per_type("min max abs", extremes, 5, dtype, extremes_reference)
    for dtype in INTEGERS:
        yield per_type("floor division", floor_division, 4, dtype, floor_division_reference)
        yield per_type("bitwise", bitwise, 8, dtype, bitwise_reference)
        yield per_type("true division", division, 3, dtype, division_reference, quotient(dtype))
    for dtype in FLOATS:
        yield per_type("true division", division, 3, dtype)
        yield per_type("floor division", remainders, 2, dtype)
        yield per_type("NaN infinity zero", classified, 1, dtype, classified_reference, np.int32)
    for dtype in ALL:
        yield conversions(convert, dtype)
    yield from singles()


def singles() -> Iterator[Case]:
    """Rows of one type."""
    a, b = every_pair(gy.bool_)
    yield Case(
        "A",
        "bool",
        "truth tables",
        truth,
        lambda: (a.copy(), b.copy(), np.zeros((8, 4), bool), np.zeros(4, np.int32)),
        (4,),
        None,
        truth_reference,
    )
    yield Case(
        "A",
        "NaN infinity zero",
        "constants",
        constant_nan,
        lambda: (0, np.array([1, np.inf], "f4"), np.zeros(7, np.float32), np.zeros(3, np.float16)),
        (1,),
        None,
        constant_nan_reference,
        requires=needs(gy.f16),
    )
    left, right = every_pair(gy.u64)
    yield Case(
        "A",
        "u64",
        "mixing and wrapping",
        wide,
        lambda: (
            left.copy(),
            right.copy(),
            np.zeros((5, left.size), np.uint64),
            np.zeros(left.size, np.int64),
        ),
        left.shape,
        None,
        wide_reference,
        requires=needs(gy.u64, gy.i64),
    )
    values = mixed(gy.f64, 61)
    yield Case(
        "A",
        "f64 maths",
        "no f32 in between",
        doubles,
        lambda: (values.copy(), np.zeros((4, values.size))),
        values.shape,
        None,
        doubles_reference,
        requires=needs(gy.f64),
    )
