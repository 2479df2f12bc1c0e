"""Group C: the maths functions over every float type, at edges, near one, and over the whole range."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from gyral.compiler.stdlib.bounds import ABSOLUTE, ULP
from gyral.core.dtypes import DType
from gyral.testing import language as gy
from gyral.testing.case import Case, needs
from gyral.testing.compare import EXACT, Tolerance
from gyral.testing.sample import FLOATS, every_pair, mixed, moderate, numpy_type
from gyral.testing.source import define

ROWS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("exp and log", ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p")),
    ("trig", ("sin", "cos", "tan", "asin", "acos", "atan")),
    ("hyperbolic", ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh")),
    ("roots", ("sqrt", "rsqrt", "cbrt")),
    ("special", ("erf", "erfc", "gamma", "lgamma")),
    ("rounding", ("floor", "ceil", "trunc", "round", "fabs")),
    ("units", ("degrees", "radians", "sign", "saturate")),
)
PAIRS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("two operands", ("atan2", "pow", "hypot")),
    ("exact pairs", ("fmod", "remainder", "copysign", "nextafter")),
)
ROUNDED = frozenset(name for row, names in (*ROWS[:5], PAIRS[0]) for name in names) - {"sqrt"}

LIBRARY_ULP = {"cbrt": 4.0, "gamma": 10.0, "lgamma": 10.0}

ONE = """
@gy.kernel
def apply(x: gy.Array, out: gy.Array):
    i = gy.global_id()
    out[i] = {call}(x[i])
"""
TWO = """
@gy.kernel
def apply(x: gy.Array, y: gy.Array, out: gy.Array):
    i = gy.global_id()
    out[i] = {call}(x[i], y[i])
"""
OF_MATH = [name for _, names in ROWS for name in names if hasattr(math, name) and name != "lgamma"]
EVERY_MATH = "\n".join(
    ["@gy.kernel", "def every(x: gy.Array, out: gy.Array):", "    i = gy.global_id()"]
    + [f"    out[{k}, i] = math.{name}(x[i])" for k, name in enumerate(OF_MATH)]
)


@gy.kernel
def classification(x: gy.Array, out: gy.Array[gy.bool_, 2]):
    i = gy.global_id()
    out[0, i] = gy.isnan(x[i])
    out[1, i] = gy.isinf(x[i])
    out[2, i] = gy.isfinite(x[i])
    out[3, i] = math.isnan(x[i]) or math.isinf(x[i]) or math.isfinite(x[i])
    out[4, i] = math.isclose(x[i], x[i] * 1.0000001)


@gy.kernel
def three(x: gy.Array, y: gy.Array, z: gy.Array, out: gy.Array):
    i = gy.global_id()
    out[0, i] = gy.fma(x[i], y[i], z[i])
    out[1, i] = gy.clamp(x[i], -1.5, 2)
    out[2, i] = gy.lerp(x[i], y[i], 0.25)
    out[3, i] = gy.clamp(x[i], min(y[i], z[i]), max(y[i], z[i]))


@gy.kernel
def scaled(x: gy.Array, n: gy.Array[gy.i32], out: gy.Array):
    i = gy.global_id()
    out[i] = math.ldexp(x[i], n[i])


@gy.kernel
def constants(out: gy.Array):
    i = gy.global_id()
    out[i] = math.pi * i + math.e - math.tau
    if i == 1:
        out[i] = math.inf
    if i == 2:
        out[i] = math.nan


def tolerance(name: str, dtype: DType) -> Tolerance:
    """The stated bound of a function, with what the interpreter's own answer may be off.

    f32 answers are rounded once from double precision; f64 ones are the C library's, or Python's own.
    16-bit types compute in f32 and round: within one unit of their own.
    """
    if name not in ROUNDED:
        return EXACT
    if dtype.bits == 16:
        return Tolerance(ulp=1.0)
    key = f"{name}_{dtype}"
    own = 0.5 if dtype is gy.f32 else LIBRARY_ULP.get(name, 1.0)
    return Tolerance(ulp=ULP[key] + own, absolute=ABSOLUTE.get(key, 0.0))


def numpy_function(name: str) -> Callable[..., Any] | None:
    """NumPy's function of the same meaning, when it has one."""
    renamed = {"atan2": "arctan2", "round": "rint", "pow": "power"}
    if name[:1] == "a" and name != "atan2":
        renamed[name] = "arc" + name[1:]
    if name in ("sign", "rsqrt", "gamma", "lgamma", "erf", "erfc", "remainder", "degrees", "radians"):
        return None
    return getattr(np, renamed.get(name, name), None)


def reference(name: str, dtype: DType) -> Callable[..., None] | None:
    """NumPy's double-precision answer, rounded to the type."""
    function = numpy_function(name)
    if function is None or name == "nextafter":
        return None

    def fill(*arrays: np.ndarray) -> None:
        with np.errstate(all="ignore"):
            arrays[-1][:] = function(*(a.astype(np.float64) for a in arrays[:-1])).astype(numpy_type(dtype))

    return fill


def operands(dtype: DType) -> np.ndarray:
    """Edges, values near one, and values of every magnitude."""
    return np.concatenate([mixed(dtype, 60), moderate(dtype, 60, 2), moderate(dtype, 30, 3, -100, 100)])


def unary(row: str, name: str, dtype: DType) -> Case:
    """One function of one operand."""
    kernel = define(ONE.format(call="round" if name == "round" else f"gy.{name}"), "apply")
    values = operands(dtype)

    def arguments() -> tuple[np.ndarray, ...]:
        return values.copy(), np.zeros_like(values)

    return Case(
        "C",
        row,
        f"{name} {dtype}",
        kernel,
        arguments,
        values.shape,
        None,
        reference(name, dtype),
        tolerance(name, dtype),
        Tolerance(ulp=1 if dtype is not gy.f64 else 4),
        needs(dtype),
    )


def binary(row: str, name: str, dtype: DType) -> Case:
    """One function of two operands, over every pair of edges and random ones."""
    kernel = define(TWO.format(call=f"gy.{name}"), "apply")
    x, y = every_pair(dtype)
    x = np.concatenate([x, moderate(dtype, 40, 1), mixed(dtype, 80, 2)])
    y = np.concatenate([y, moderate(dtype, 40, 5), mixed(dtype, 80, 6)[::-1]])

    def arguments() -> tuple[np.ndarray, ...]:
        return x.copy(), y.copy(), np.zeros_like(x)

    return Case(
        "C",
        row,
        f"{name} {dtype}",
        kernel,
        arguments,
        x.shape,
        None,
        reference(name, dtype),
        tolerance(name, dtype),
        Tolerance(ulp=1 if dtype is not gy.f64 else 4),
        needs(dtype),
    )


def others(dtype: DType) -> Iterator[Case]:
    """Classification, functions of three operands, ldexp and constants."""
    values = operands(dtype)
    x, y = every_pair(dtype)
    z = np.roll(x, 7)
    n = np.resize(np.array([0, 1, -1, 5, -30, 120, -160, 1000, -1080, 3000], np.int32), values.size)

    def make(name: str, kernel: Any, arguments: Any, count: int) -> Case:
        return Case("C", name, str(dtype), kernel, arguments, (count,), requires=needs(dtype))

    flags = np.zeros((5, values.size), bool)
    yield make("classification", classification, lambda: (values.copy(), flags.copy()), values.size)
    out = np.zeros((4, x.size), x.dtype)
    yield make("three operands", three, lambda: (x.copy(), y.copy(), z.copy(), out.copy()), x.size)
    yield make("ldexp", scaled, lambda: (values.copy(), n.copy(), np.zeros_like(values)), values.size)
    yield make("constants", constants, lambda: (np.zeros(5, x.dtype),), 5)


def cases() -> Iterator[Case]:
    """The rows of this file over their types."""
    for dtype in FLOATS:
        for row, names in ROWS:
            for name in names:
                yield unary(row, name, dtype)
        for row, names in PAIRS:
            for name in names:
                yield binary(row, name, dtype)
        yield from others(dtype)
    every = define(EVERY_MATH, "every")
    values = operands(gy.f32)
    yield Case(
        "C",
        "math module",
        "every function by its Python name",
        every,
        lambda: (values.copy(), np.zeros((len(OF_MATH), values.size), np.float32)),
        values.shape,
        tolerance=Tolerance(ulp=4.5),
    )
