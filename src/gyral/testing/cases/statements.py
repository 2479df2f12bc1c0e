"""Group A: assignment, branches, matches and loops."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gyral.testing import language as gy
from gyral.testing.case import Case, needs

COUNT = 37


@gy.kernel
def assign(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    a = x[i]
    b: gy.i32 = a + 1
    a, b = b, a
    c = d = a * 2
    c += b
    d -= b
    c *= 3
    d //= 2
    c ^= d
    c <<= 1
    d >>= 1
    c |= 5
    d &= 1023
    c %= 10007
    out[i] = c + d
    out[i] += 1
    out[i] *= 2


def assign_reference(x: np.ndarray, out: np.ndarray) -> None:
    a = x.astype(np.int64)
    a, b = a + 1, a
    c, d = a * 2 + b, a * 2 - b
    c, d = c * 3, d // 2
    c = ((c ^ d) << 1) | 5
    d = (d >> 1) & 1023
    out[:] = (c % 10007 + d + 1) * 2


@gy.kernel
def shadow(x: gy.Array[gy.f32], out: gy.Array[gy.f32], whole: gy.Array[gy.i32]):
    i = gy.global_id()
    v = x[i]
    v = v * 2.5
    whole[i] = gy.i32(v)
    v = gy.i32(v) % 5
    t: gy.f32 = v
    out[i] = t / 2


def shadow_reference(x: np.ndarray, out: np.ndarray, whole: np.ndarray) -> None:
    scaled = x * np.float32(2.5)
    whole[:] = np.trunc(scaled).astype(np.int32)
    out[:] = (whole % 5).astype(np.float32) / np.float32(2)


@gy.kernel
def typed_locals(x: gy.Array[gy.i32], out: gy.Array[gy.i64], wide: gy.Array[gy.f64]):
    i = gy.global_id()
    a: gy.i64 = x[i]
    b: gy.i8 = gy.i8(x[i])
    c: gy.f64 = x[i]
    d: gy.u16 = gy.u16(x[i])
    out[i] = a * a + b + d
    wide[i] = c / 3


def typed_locals_reference(x: np.ndarray, out: np.ndarray, wide: np.ndarray) -> None:
    a = x.astype(np.int64)
    out[:] = a * a + x.astype(np.int8) + x.astype(np.uint16)
    wide[:] = x / 3.0


@gy.kernel
def literals(x: gy.Array[gy.f32], n: gy.Array[gy.i16], out: gy.Array[gy.f32, 2], count: gy.Array[gy.i32, 2]):
    i = gy.global_id()
    base = 0x10 + 0b101 + 0o17 + 1_000
    third = 1 / 3
    out[0, i] = x[i] + 1
    out[1, i] = x[i] * 0.1
    out[2, i] = 2 * n[i] * 0.5
    out[3, i] = third
    out[4, i] = 1e30 * x[i]
    count[0, i] = base
    count[1, i] = -(2**4) + 7 // 2 - -7 // 2 + 7 % -3
    count[2, i] = n[i] + 100
    count[3, i] = True + i * 0


def literals_reference(x: np.ndarray, n: np.ndarray, out: np.ndarray, count: np.ndarray) -> None:
    f = np.float32
    out[0], out[1], out[3] = x + f(1), x * f(0.1), f(1 / 3)
    out[2] = (np.int16(2) * n).astype(f) * f(0.5)
    out[4] = f(1e30) * x
    count[0], count[1], count[2], count[3] = 1036, -16 + 3 + 4 - 2, n + np.int16(100), 1


@gy.kernel
def early_return(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    if x[i] < 0:
        return
    out[i] = 1
    if x[i] % 2 == 0:
        out[i] = 2
        if x[i] > 10:
            return
        out[i] = 3
    for k in range(5):
        if k == x[i] % 7:
            return
        out[i] += 10


def early_return_reference(x: np.ndarray, out: np.ndarray) -> None:
    for i, v in enumerate(x):
        if v < 0:
            continue
        out[i] = 3 if v % 2 == 0 else 1
        if v % 2 == 0 and v > 10:
            out[i] = 2
            continue
        out[i] += 10 * min(5, v % 7)


@gy.kernel
def branches(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    v = x[i]
    if v < -5:
        r = 1
    elif v < 0:
        r = 2
        if v == -3:
            r = 20
    elif not v:
        r = 3
    elif 0 < v <= 5 and v != 4:
        r = 4
    elif v == 4 or v > 10:
        r = 5
    else:
        r = 6
    out[i] = r * 100 + (7 if v > 3 else 8 if v > 1 else 9)


def branches_reference(x: np.ndarray, out: np.ndarray) -> None:
    for i, v in enumerate(x.tolist()):
        if v < -5:
            r = 1
        elif v < 0:
            r = 20 if v == -3 else 2
        elif v == 0:
            r = 3
        elif v <= 5 and v != 4:
            r = 4
        else:
            r = 5 if v == 4 or v > 10 else 6
        out[i] = r * 100 + (7 if v > 3 else 8 if v > 1 else 9)


@gy.kernel
def guarded(x: gy.Array[gy.i32], at: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    k = at[i]
    out[i] = x[k] if 0 <= k < x.size else -1
    if k >= 0 and k < x.size and x[k] > 0:
        out[i] += 1000
    if k < 0 or k >= x.size or x[k] == 0:
        out[i] -= 5000


def guarded_reference(x: np.ndarray, at: np.ndarray, out: np.ndarray) -> None:
    for i, k in enumerate(at.tolist()):
        inside = 0 <= k < x.size
        out[i] = x[k] if inside else -1
        if inside and x[k] > 0:
            out[i] += 1000
        if not inside or x[k] == 0:
            out[i] -= 5000


@gy.kernel
def matches(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    match x[i]:
        case 0:
            r = 10
        case 1 | 2 | 3:
            r = 20
        case -1:
            r = 30
        case v if v > 20:
            r = v
        case 4 | 5 | -7:
            r = 40
            r += 1
        case _:
            r = 50
    match r:
        case 50:
            r = 51
    out[i] = r


def matches_reference(x: np.ndarray, out: np.ndarray) -> None:
    table = {0: 10, 1: 20, 2: 20, 3: 20, -1: 30, 4: 41, 5: 41, -7: 41}
    for i, v in enumerate(x.tolist()):
        r = v if v > 20 and v not in table else table.get(v, 50)
        out[i] = 51 if r == 50 else r


CASES: tuple[tuple[str, str, Any, Callable[..., None], Callable[[], tuple[Any, ...]]], ...] = (
    ("assignment", "augmented and multiple", assign, assign_reference, lambda: (steps(), ints())),
    ("assignment", "shadowing", shadow, shadow_reference, lambda: (floats(), zero_floats(), ints())),
    (
        "assignment",
        "typed locals",
        typed_locals,
        typed_locals_reference,
        lambda: (steps() * 1000, np.zeros(COUNT, np.int64), np.zeros(COUNT)),
    ),
    (
        "literals",
        "weak",
        literals,
        literals_reference,
        lambda: (
            floats(),
            steps().astype(np.int16),
            np.zeros((5, COUNT), np.float32),
            np.zeros((4, COUNT), np.int32),
        ),
    ),
    ("return", "early and implicit", early_return, early_return_reference, lambda: (steps(), ints())),
    ("branches", "if elif else ternary", branches, branches_reference, lambda: (steps(), ints())),
    (
        "branches",
        "short circuit guards loads",
        guarded,
        guarded_reference,
        lambda: (np.arange(-3, 9, dtype=np.int32), steps(), ints()),
    ),
    ("match", "or-patterns, guard, default", matches, matches_reference, lambda: (steps(), ints())),
)


def steps() -> np.ndarray:
    """Integers around zero, one for each thread."""
    return np.arange(COUNT, dtype=np.int32) - 12


def ints() -> np.ndarray:
    """An integer output, zero at first."""
    return np.zeros(COUNT, np.int32)


def floats() -> np.ndarray:
    """Floats around zero, one for each thread."""
    return (np.arange(COUNT, dtype=np.float32) - 12) * np.float32(0.37)


def zero_floats() -> np.ndarray:
    """A float output, zero at first."""
    return np.zeros(COUNT, np.float32)


def cases() -> Iterator[Case]:
    """The rows of this file, each without a block and with one that does not divide the launch."""
    for row, name, kernel, reference, arguments in CASES:
        wide = needs(gy.f64, gy.i64) if kernel is typed_locals else needs()
        yield Case("A", row, name, kernel, arguments, (COUNT,), None, reference, requires=wide)
        yield Case("A", row, f"{name}, block 8", kernel, arguments, (COUNT,), (8,), reference, requires=wide)
