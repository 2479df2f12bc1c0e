"""Group E: device functions, generics, captured constants, and deep nests."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gyral.testing import language as gy
from gyral.testing.case import Case, needs
from gyral.testing.sample import FLOATS, INTEGERS, moderate
from gyral.testing.source import define

COUNT = 35
SCALE = 2.5
OFFSETS = (3, -1, 4)
KIND = gy.f64
LEVELS = 3


@gy.func
def square(x):
    return x * x


@gy.func
def polynomial(x: gy.f32, a: gy.f32 = 1.0, b: gy.f32 = 2.0, c: gy.f32 = 3.0) -> gy.f32:
    return square(x) * a + x * b + c


@gy.func
def choose(x, low=0, high=10):
    if x < low:
        return low
    if x > high:
        return high
    return x


@gy.func
def weights(x: gy.f32) -> tuple[gy.f32, gy.f32]:
    t = x - math.floor(x)
    return 1 - t, t


@gy.func
def digit_sum(n: gy.i32) -> gy.i32:
    total = 0
    while n > 0:
        if n % 10 == 7:
            return -total
        total += n % 10
        n //= 10
    return total


@gy.func
def accumulate(out: gy.Array, at, value):
    out[at] += value


@gy.func
def mean_of(x: gy.Array, at, radius: gy.Static[int]):
    s = 0.0
    n = 0
    for k in range(at - radius, at + radius + 1):
        if 0 <= k < len(x):
            s += x[k]
            n += 1
    return s / n


@gy.kernel
def calls(x: gy.Array[gy.f32], out: gy.Array[gy.f32, 2], n: gy.Array[gy.i32]):
    i = gy.global_id()
    out[0, i] = polynomial(x[i])
    out[1, i] = polynomial(x[i], c=0.5)
    out[2, i] = polynomial(square(x[i]), polynomial(1.0, b=x[i]), 1)
    a, b = weights(x[i])
    out[3, i] = a * 10 + b
    n[i] = digit_sum(i * 37 + 5) + choose(i, high=20) + choose(i - 30, low=-9)


def calls_reference(x: np.ndarray, out: np.ndarray, n: np.ndarray) -> None:
    f = np.float32

    def poly(v: Any, a: Any = f(1), b: Any = f(2), c: Any = f(3)) -> Any:
        return v * v * a + v * b + c

    out[0], out[1] = poly(x), poly(x, c=f(0.5))
    out[2] = poly(x * x, poly(f(1), b=x), f(1))
    t = x - np.floor(x)
    out[3] = (f(1) - t) * f(10) + t
    for i in range(n.size):
        digits, total = i * 37 + 5, 0
        while digits > 0:
            if digits % 10 == 7:
                total = -total
                break
            total, digits = total + digits % 10, digits // 10
        n[i] = total + min(i, 20) + max(min(i - 30, 10), -9)


@gy.kernel
def through_arrays(x: gy.Array[gy.f32], out: gy.Array[gy.f32], count: gy.Array[gy.i32]):
    i = gy.global_id()
    accumulate(out, i, mean_of(x, i, 2))
    accumulate(count, i, 5)
    accumulate(out, i, mean_of(x, i, radius=0))


def through_arrays_reference(x: np.ndarray, out: np.ndarray, count: np.ndarray) -> None:
    f = np.float32
    for i in range(x.size):
        part = x[max(i - 2, 0) : i + 3]
        s = f(0)
        for v in part:
            s = s + v
        out[i] += s / f(part.size)
        out[i] += x[i]
    count += 5


@gy.kernel
def generic(x: gy.Array, factor, out):
    i = gy.global_id()
    out[i] = square(x[i]) + x[i] * factor + choose(x[i], 1, 3)


def generic_reference(x: np.ndarray, factor: Any, out: np.ndarray) -> None:
    kind = x.dtype.type
    with np.errstate(all="ignore"):
        out[:] = x * x + x * kind(factor) + np.clip(x, kind(1), kind(3))


@gy.kernel
def ranked(x: gy.Array, out: gy.Array[gy.f32]):
    i = gy.global_id()
    h, w = x.shape
    out[i] = x[i % h, i % w] + h * 100 + w


def ranked_reference(x: np.ndarray, out: np.ndarray) -> None:
    for i in range(out.size):
        out[i] = float(x[i % x.shape[0], i % x.shape[1]]) + x.shape[0] * 100 + x.shape[1]


@gy.kernel
def captured(x: gy.Array[gy.f32], out: gy.Array[gy.f32], wide: gy.Array[gy.f64]):
    i = gy.global_id()
    out[i] = x[i] * SCALE + OFFSETS[1] + OFFSETS[0] * len(OFFSETS)
    wide[i] = KIND(x[i]) / 3 + math.pi
    for _ in range(LEVELS):
        out[i] += 1


def captured_reference(x: np.ndarray, out: np.ndarray, wide: np.ndarray) -> None:
    f = np.float32
    out[:] = x * f(SCALE) + f(-1) + f(9) + f(1) + f(1) + f(1)
    wide[:] = x.astype(np.float64) / 3 + math.pi


@gy.kernel
def defaults(x: gy.Array[gy.i32], scale: gy.i32 = 3, shift: gy.i32 = 1, turbo: gy.Static[bool] = False):
    i = gy.global_id()
    x[i] = x[i] * scale + shift
    if turbo:
        x[i] *= 1000


def defaults_reference(x: np.ndarray, scale: int = 3, shift: int = 1, turbo: bool = False) -> None:
    x[:] = (x * scale + shift) * (1000 if turbo else 1)


@gy.kernel(block=16)
def deep(x: gy.Array[gy.i32], n: gy.i32, out: gy.Array[gy.i32]):
    i = gy.global_id()
    lid = gy.local_id()
    tile = gy.shared(16, gy.i32)
    tile[lid] = x[i]
    total = 0
    for a in range(n):
        gy.barrier()
        if a % 2 == 0:
            for b in range(a + 1):
                v = tile[(lid + a + b) % 16]
                gy.barrier()
                if v > 5:
                    k = 0
                    while k < v % 4:
                        if (k + b) % 3 == 2:
                            break
                        total += k * b + v
                        k += 1
                else:
                    total -= 1
                tile[lid] = v + b
                gy.barrier()
        else:
            v = tile[15 - lid]
            gy.barrier()
            tile[lid] = v ^ a
    out[i] = total


def deep_reference(x: np.ndarray, n: int, out: np.ndarray) -> None:
    lanes = np.arange(16)
    for start in range(0, x.size, 16):
        tile, total = x[start : start + 16].copy(), np.zeros(16, np.int32)
        for a in range(n):
            if a % 2:
                tile = tile[::-1] ^ a
                continue
            for b in range(a + 1):
                v = tile[(lanes + a + b) % 16]
                for lane in range(16):
                    if v[lane] > 5:
                        for k in range(v[lane] % 4):
                            if (k + b) % 3 == 2:
                                break
                            total[lane] += k * b + v[lane]
                    else:
                        total[lane] -= 1
                tile = v + b
        out[start : start + 16] = total


def big_kernel(statements: int) -> Any:
    """A kernel of several hundred statements: a straight mix of arithmetic, branches and stores."""
    lines = ["@gy.kernel", "def big(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):", "    i = gy.global_id()"]
    lines += [f"    v{k} = x[i] + {k}" for k in range(8)]
    for k in range(statements):
        a, b, c = k % 8, (k * 3 + 1) % 8, (k * 5 + 2) % 8
        if k % 7 == 3:
            lines += [
                f"    if v{a} > v{b}:",
                f"        v{c} = v{a} - {k}",
                "    else:",
                f"        v{c} ^= {k}",
            ]
        elif k % 11 == 5:
            lines += [f"    for k in range(v{b} & 3):", f"        v{a} += k * {k}"]
        else:
            lines += [f"    v{a} = v{b} * {k % 9 - 4} + (v{c} >> {k % 5})"]
    lines += ["    out[i] = " + " ^ ".join(f"v{k}" for k in range(8))]
    return define("\n".join(lines), "big")


def calls_cases() -> Iterator[Case]:
    """Device functions and what a kernel captures."""
    f32s = moderate(gy.f32, COUNT)
    first = (lambda: (f32s.copy(), np.zeros((4, COUNT), np.float32), np.zeros(COUNT, np.int32)), (COUNT,))
    yield Case("E", "device functions", "nested, keyword, default", calls, *first, None, calls_reference)
    yield Case("E", "device functions", "the same, block 8", calls, *first, (8,), calls_reference)
    second = (lambda: (f32s.copy(), np.ones(COUNT, np.float32), np.zeros(COUNT, np.int32)), (COUNT,))
    yield Case(
        "E", "device functions", "arrays passed on", through_arrays, *second, None, through_arrays_reference
    )
    third = (lambda: (f32s.copy(), np.zeros(COUNT, np.float32), np.zeros(COUNT)), (COUNT,))
    wide = needs(gy.f64)
    yield Case(
        "E",
        "captured constants",
        "numbers, tuples, types",
        captured,
        *third,
        None,
        captured_reference,
        requires=wide,
    )
    values = np.arange(COUNT, dtype=np.int32)
    for name, more in (("none", ()), ("two", (5, -2)), ("Static", (2, 0, True))):

        def given(more: tuple[Any, ...] = more) -> tuple[Any, ...]:
            return values.copy(), *more

        yield Case(
            "E", "default arguments", f"{name} given", defaults, given, (COUNT,), None, defaults_reference
        )


def generic_cases() -> Iterator[Case]:
    """One kernel over many types and ranks."""
    for dtype in (*INTEGERS, *FLOATS):
        values = moderate(dtype, COUNT, 1, -9, 9)

        def arguments(values: np.ndarray = values) -> tuple[Any, ...]:
            return values.copy(), 3, np.zeros_like(values)

        needed = needs(dtype)
        yield Case(
            "E",
            "generics",
            str(dtype),
            generic,
            arguments,
            (COUNT,),
            None,
            generic_reference,
            requires=needed,
        )
    for code in ("f4", "i4", "u1"):
        table = np.arange(15).reshape(3, 5).astype(code)
        launch = (lambda t=table: (t.copy(), np.zeros(20, np.float32)), (20,))
        yield Case("E", "generics", f"rank and {code}", ranked, *launch, None, ranked_reference)


def cases() -> Iterator[Case]:
    """The rows of this file."""
    yield from calls_cases()
    yield from generic_cases()
    values = np.arange(32, dtype=np.int32) * 5 % 13
    for n in (1, 4, 5):
        launch = (lambda n=n: (values.copy(), n, np.zeros(32, np.int32)), (32,))
        yield Case("E", "nests", f"loops, branches and barriers, {n}", deep, *launch, None, deep_reference)
    for statements in (40, 400):
        many = np.arange(-20, 30, dtype=np.int32)
        launch = (lambda v=many: (v.copy(), np.zeros_like(v)), (many.size,))
        yield Case("E", "large kernels", f"{statements} statements", big_kernel(statements), *launch)
