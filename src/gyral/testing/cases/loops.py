"""Group A: every form of loop, what they carry, and how they are left."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gyral.core.dtypes import f64
from gyral.testing import language as gy
from gyral.testing.case import Case, needs

COUNT = 29


@gy.kernel
def ranges(x: gy.Array[gy.i32], out: gy.Array[gy.i32, 2]):
    i = gy.global_id()
    n = x[i]
    s = 0
    for k in range(n):
        s += k + 1
    out[0, i] = s
    s = 0
    for k in range(3, n):
        s = s * 3 + k
    out[1, i] = s
    s = 0
    for k in range(n, -4, -3):
        s = s * 5 + k
    out[2, i] = s
    s = 0
    for k in range(-2, n, 4):
        s = s * 7 + k
    out[3, i] = s
    s = 0
    for _ in range(5, 5):
        s += 1
    for _ in range(2, 9, -1):
        s += 1
    out[4, i] = s
    for k in range(4):
        n += k
    out[5, i] = n


def ranges_reference(x: np.ndarray, out: np.ndarray) -> None:
    for i, n in enumerate(x.tolist()):
        out[0, i] = sum(k + 1 for k in range(n))
        for row, factor, values in ((1, 3, range(3, n)), (2, 5, range(n, -4, -3)), (3, 7, range(-2, n, 4))):
            s = 0
            for k in values:
                s = s * factor + k
            out[row, i] = (s + 2**31) % 2**32 - 2**31
        out[5, i] = n + 6


@gy.kernel
def changed_bounds(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    n = x[i]
    s = 0
    for k in range(n):
        n = n - 1
        k = k * 2
        s += k
    out[i] = s * 100 + n


def changed_bounds_reference(x: np.ndarray, out: np.ndarray) -> None:
    for i, n in enumerate(x.tolist()):
        trips = max(n, 0)
        out[i] = trips * (trips - 1) * 100 + n - trips


@gy.kernel
def last_value(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    k = -1
    for k in range(x[i]):
        if k == 6:
            break
    out[i] = k


def last_value_reference(x: np.ndarray, out: np.ndarray) -> None:
    out[:] = np.minimum(np.maximum(x, 0) - 1, 6)


@gy.kernel
def nested(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    total = 0
    for a in range(x[i]):
        for b in range(a):
            if b == 3:
                continue
            for c in range(b, a):
                if c > 5:
                    break
                total += a * b - c
            rest = total % 7
            if rest == 6:
                break
            total += rest
    out[i] = total


def nested_reference(x: np.ndarray, out: np.ndarray) -> None:
    for i, n in enumerate(x.tolist()):
        total = 0
        for a in range(n):
            for b in range(a):
                if b == 3:
                    continue
                for c in range(b, a):
                    if c > 5:
                        break
                    total += a * b - c
                if total % 7 == 6:
                    break
                total += total % 7
        out[i] = total


@gy.kernel
def collatz(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    n = abs(x[i]) + 1
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    out[i] = steps


def collatz_reference(x: np.ndarray, out: np.ndarray) -> None:
    for i, n in enumerate((np.abs(x) + 1).tolist()):
        while n != 1:
            n = n // 2 if n % 2 == 0 else 3 * n + 1
            out[i] += 1


@gy.kernel
def negated(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    v = x[i]
    while not v > 40:
        v = v + 1 + (v > 7) * v
    while not (v < 5 or v % 3 == 0):
        v -= 1
    out[i] = v


def negated_reference(x: np.ndarray, out: np.ndarray) -> None:
    for i, v in enumerate(x.tolist()):
        while v <= 40:
            v = v + 1 + (v > 7) * v
        while not (v < 5 or v % 3 == 0):
            v -= 1
        out[i] = v


@gy.kernel
def middle_exit(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    v = x[i]
    count = 0
    while True:
        v = v * 2 + 1
        if v > 100:
            break
        count += 1
        if v < -100:
            break
        if v % 3 == 0:
            v += 5
            continue
        count += 100
        if v == -1:
            return
    out[i] = count * 1000 + v


def middle_exit_reference(x: np.ndarray, out: np.ndarray) -> None:
    for i, v in enumerate(x.tolist()):
        count, gone = 0, False
        while True:
            v = v * 2 + 1
            if v > 100:
                break
            count += 1
            if v < -100:
                break
            if v % 3 == 0:
                v += 5
                continue
            count += 100
            if v == -1:
                gone = True
                break
        if not gone:
            out[i] = count * 1000 + v


@gy.kernel
def escape(x: gy.Array[gy.f32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    re = x[i]
    im = 0.25
    k = 0
    while k < 50 and re * re + im * im < 4.0:
        re, im = re * re - im * im + x[i], 2 * re * im + 0.25
        k += 1
    out[i] = k


def escape_reference(x: np.ndarray, out: np.ndarray) -> None:
    f = np.float32
    for i, c in enumerate(x):
        re, im, k = c, f(0.25), 0
        while k < 50 and re * re + im * im < f(4):
            re, im = re * re - im * im + c, f(2) * re * im + f(0.25)
            k += 1
        out[i] = k


@gy.kernel
def carried(x: gy.Array[gy.f64], n: gy.Array[gy.i16], out: gy.Array[gy.f64, 2], whole: gy.Array[gy.i32, 2]):
    i = gy.global_id()
    acc = 0.0
    small = 1
    flag = False
    a, b = 1, 1.5
    for k in range(6):
        acc += x[i]
        small = small + n[i]
        flag = not flag or acc > 3
        a, b = a + k, b * a
    out[0, i] = acc
    out[1, i] = b
    whole[0, i] = small
    whole[1, i] = a + flag


def carried_reference(x: np.ndarray, n: np.ndarray, out: np.ndarray, whole: np.ndarray) -> None:
    for i in range(x.size):
        acc, small, flag, a, b = 0.0, 1, False, 1, np.float32(1.5)
        for k in range(6):
            acc += float(x[i])
            small += int(n[i])
            flag = not flag or acc > 3
            a, b = a + k, b * np.float32(a)
        out[0, i], out[1, i], whole[0, i], whole[1, i] = acc, b, small, a + flag


def steps() -> np.ndarray:
    """Integers around zero, one for each thread."""
    return np.arange(COUNT, dtype=np.int32) - 9


def ints(*extra: int) -> np.ndarray:
    """An integer output, zero at first."""
    return np.zeros((*extra, COUNT), np.int32)


def fractions(dtype: type = np.float64) -> np.ndarray:
    """Floats around zero, one for each thread."""
    return ((np.arange(COUNT) - 11) / 8).astype(dtype)


ROWS: tuple[tuple[str, str, Any, Callable[..., None], Callable[[], tuple[Any, ...]]], ...] = (
    ("for", "start stop step, zero trips", ranges, ranges_reference, lambda: (steps(), ints(6))),
    ("for", "trip count fixed first", changed_bounds, changed_bounds_reference, lambda: (steps(), ints())),
    ("for", "variable after the loop", last_value, last_value_reference, lambda: (steps(), ints())),
    ("for", "nested with break and continue", nested, nested_reference, lambda: (steps(), ints())),
    ("while", "condition at the top", collatz, collatz_reference, lambda: (steps(), ints())),
    ("while", "negated", negated, negated_reference, lambda: (steps(), ints())),
    (
        "while",
        "True with break, continue, return",
        middle_exit,
        middle_exit_reference,
        lambda: (steps(), ints()),
    ),
    ("while", "divergent escape", escape, escape_reference, lambda: (fractions(np.float32), ints())),
    (
        "loop-carried",
        "mixed types",
        carried,
        carried_reference,
        lambda: (fractions(), (steps() * 3).astype(np.int16), np.zeros((2, COUNT)), ints(2)),
    ),
)


def cases() -> Iterator[Case]:
    """The rows of this file, each without a block and with one that does not divide the launch."""
    for row, name, kernel, reference, arguments in ROWS:
        doubles = any(isinstance(value, np.ndarray) and value.dtype == np.float64 for value in arguments())
        wide = needs(f64) if doubles else needs()
        yield Case("A", row, name, kernel, arguments, (COUNT,), None, reference, requires=wide)
        named = f"{name}, block 16"
        yield Case("A", row, named, kernel, arguments, (COUNT,), (16,), reference, requires=wide)
