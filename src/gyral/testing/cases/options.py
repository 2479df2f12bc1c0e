"""Group E: the forms a kernel can be declared and called in, and fast maths."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gyral.testing import language as gy
from gyral.testing.case import Case, needs
from gyral.testing.cases import programs, simulations
from gyral.testing.compare import EXACT, Tolerance

COUNT = 27
FAST = frozenset({"n-body", "Black-Scholes", "matmul", "stencil", "convolution", "reductions", "PageRank"})


@gy.struct
class Wind:
    speed: gy.f32x2
    gust: gy.f64
    calm: gy.bool_


@gy.kernel
def blown(x: gy.In[gy.Array[gy.f32x2]], wind: Wind, dt: gy.f32, out: gy.Array[gy.f32x2]):
    i = gy.global_id()
    factor = 0.0 if wind.calm else dt
    out[i] = x[i] + wind.speed * factor
    out[i].x += gy.f32(wind.gust)


def blown_reference(x: np.ndarray, wind: Any, dt: float, out: np.ndarray) -> None:
    factor = np.float32(0 if wind["calm"] else dt)
    out[:] = x + wind["speed"] * factor
    out[:, 0] += np.float32(wind["gust"])


@gy.kernel
def builtin_types(a: int, b: float, c: bool, x: gy.Array[gy.f32]):
    i = gy.global_id()
    x[i] = a * b if c else a - b


def builtin_types_reference(a: int, b: float, c: bool, x: np.ndarray) -> None:
    f = np.float32
    x[:] = f(a) * f(b) if c else f(a) - f(b)


@gy.kernel(rank=2)
def ranked(x: gy.Array[gy.i32, 2]):
    i = gy.global_id(0)
    for j in range(x.shape[1]):
        gy.atomic_add(x, (i, j), 1)


def ranked_reference(x: np.ndarray) -> None:
    x += 6


@gy.kernel
def read_only(x: gy.In[gy.Array], y: gy.Array, out: gy.Array):
    i = gy.global_id()
    out[i] = x[i] * 2 + y[len(y) - 1 - i]


def read_only_reference(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    out[:] = x * x.dtype.type(2) + y[::-1]


@gy.kernel
def host_scalars(x: gy.Array, a, b, out: gy.Array):
    i = gy.global_id()
    out[i] = x[i] * a + b


def host_scalars_reference(x: np.ndarray, a: Any, b: Any, out: np.ndarray) -> None:
    out[:] = x * a + b


@gy.kernel
def rounded(x: gy.Array[gy.f32], out: gy.Array[gy.i32, 2]):
    i = gy.global_id()
    out[0, i] = int(x[i])
    out[1, i] = gy.i32(round(x[i]))
    out[2, i] = gy.i32(math.floor(x[i]))
    out[3, i] = bool(x[i]) + int(float(i) / 2)


def rounded_reference(x: np.ndarray, out: np.ndarray) -> None:
    out[0], out[1], out[2] = np.trunc(x), np.rint(x), np.floor(x)
    out[3] = (x != 0) + np.arange(x.size) // 2


def locked(values: np.ndarray) -> np.ndarray:
    """An array that NumPy refuses to write."""
    values.flags.writeable = False
    return values


def fast_cases() -> Iterator[Case]:
    """Whole kernels of float work under fast maths, against the interpreter's strict answer."""
    for case in (*programs.cases(), *simulations.cases()):
        if case.row in FAST:
            kernel = gy.kernel(case.kernel.__gyral_kernel__, fastmath=True, block=case.kernel.block)
            loose = Tolerance(relative=1e-5)
            name = f"{case.row}, {case.name}"
            yield replace(
                case, group="E", row="fast maths", name=name, kernel=kernel, tolerance=loose, reference=None
            )


def cases() -> Iterator[Case]:
    """The rows of this file."""
    points = np.arange(2 * COUNT, dtype=np.float32).reshape(COUNT, 2)
    wide = needs(gy.f64)
    for calm in (False, True):
        wind = Wind((1.5, -2.0), 0.25, calm)
        launch = (lambda w=wind: (locked(points.copy()), w, 0.5, np.zeros_like(points)), (COUNT,))
        yield Case(
            "E", "parameters", f"a struct, {calm}", blown, *launch, None, blown_reference, requires=wide
        )
        given = (lambda c=calm: (3, 0.7, c, np.zeros(COUNT, np.float32)), (COUNT,))
        yield Case(
            "E", "parameters", f"int float bool, {calm}", builtin_types, *given, None, builtin_types_reference
        )
    grid = (lambda: (np.zeros((4, 5), np.int32),), (4, 6))
    yield Case("E", "parameters", "rank given", ranked, *grid, None, ranked_reference)
    line = np.arange(COUNT)
    for code in ("f4", "i2", "u8"):
        both = (lambda t=code: (locked(line.astype(t)), line.astype(t), np.zeros(COUNT, t)), (COUNT,))
        yield Case("E", "parameters", f"read-only {code}", read_only, *both, None, read_only_reference)
    for a, b in ((2, 3), (np.float32(1.5), 1), (np.int16(4), np.int8(-3))):
        kind = np.result_type(np.float32)
        some = (lambda a=a, b=b, t=kind: (line.astype(t), a, b, np.zeros(COUNT, t)), (COUNT,))
        name = f"{type(a).__name__} and {type(b).__name__}"
        yield Case("E", "parameters", name, host_scalars, *some, None, host_scalars_reference)
    quarters = ((line - 13) * 0.25).astype(np.float32)
    whole = (lambda: (quarters.copy(), np.zeros((4, COUNT), np.int32)), (COUNT,))
    yield Case("E", "builtins", "int round float bool", rounded, *whole, None, rounded_reference, EXACT)
    yield from fast_cases()
