"""Functions on numbers: rows of the intrinsics table, Python's builtins, and vectors' own functions."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Sequence

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.arith import binary
from gyral.compiler.frontend.convert import adopt, common, number, settled, store_value, truth, weakness
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.logic import as_datum
from gyral.compiler.frontend.promote import is_wide
from gyral.compiler.frontend.values import Const, Datum, Number, Scalar, Vector, describe, weak_dtype
from gyral.compiler.intrinsics import INTRINSICS, Intrinsic
from gyral.compiler.ir.ops.arith import AbsOp, MaxOp, MinOp
from gyral.compiler.ir.ops.math import MathOp
from gyral.core.dtypes import DType, Vec, bool_, f32, f64, i32, i64, index, u8

WHOLE = {"floor", "ceil", "trunc", "rint"}
ROTATIONS = {"rotl", "rotr"}


def intrinsic(f: Frame, name: str, args: Sequence[Datum], node: ast.AST) -> Datum:
    """Apply a row of the table to numbers or, component by component, to vectors."""
    if any(isinstance(arg, Vector) for arg in args):
        return _componentwise(f, lambda parts: intrinsic(f, name, parts, node), args, node)
    given = [number(f, arg, node) for arg in args]
    row = INTRINSICS[name]
    if all(isinstance(g, Const) for g in given) and name not in ROTATIONS and row.signature.over != "integer":
        if "T" in row.signature.operands:
            return _folded(row, [g.value for g in given if isinstance(g, Const)])
    if name in WHOLE and isinstance(given[0], Scalar) and not given[0].dtype.is_float:
        return given[0]
    return _applied(f, row, given, node)


def _folded(row: Intrinsic, values: list[bool | int | float]) -> Const:
    """The meaning of a row on literals, in f64 or in Python's integers."""
    if row.signature.over == "number" and not any(isinstance(v, float) for v in values):
        return Const(row.meaning(i64, *(int(v) for v in values)))
    typed = [
        int(v) if isinstance(want, DType) else float(v)
        for v, want in zip(values, row.signature.operands, strict=True)
    ]
    return Const(row.meaning(f64, *typed))


def _applied(f: Frame, row: Intrinsic, given: Sequence[Number], node: ast.AST) -> Scalar:
    generic = [
        g for g, want in zip(given, row.signature.operands, strict=True) if not isinstance(want, DType)
    ]
    dtype: DType | None = None
    weak = False
    if generic:
        dtype, weak = common(f, node, *(generic[:1] if row.name in ROTATIONS else generic))
        dtype = _admitted(f, row, dtype, generic, node)
    values = []
    f.at(node)
    for g, want in zip(given, row.signature.operands, strict=True):
        if isinstance(want, DType):
            values.append(store_value(f, g, want, node))
        elif row.name in ROTATIONS and values and isinstance(g, Scalar):
            values.append(f.cast(g.value, dtype or i32))
        else:
            values.append(adopt(f, g, dtype or f32, node))
    result = row.signature.resolve([v.type for v in values])
    kind = weakness(*generic) if weak and result is dtype else ""
    return Scalar(f.emit(MathOp, *values, type=result, fn=row.name), kind)


def _admitted(f: Frame, row: Intrinsic, dtype: DType, given: Sequence[Number], node: ast.AST) -> DType:
    """The type a row works in for operands that meet in `dtype`."""
    over = row.signature.over
    if over == "float" and not dtype.is_float:
        wide = next((weak_dtype(g) for g in given if is_wide(weak_dtype(g))), None)
        if wide is not None:
            f.promoted("promotes", wide, f64, node)
        return f32 if wide is None else f64
    if over == "number" and dtype is bool_:
        return u8
    if over == "integer" and not row.signature.admits(dtype):
        advice = "convert it to a type of a fixed width, such as `gy.u32(…)`"
        f.refuse(
            codes.OPERAND, node, op=row.name, what="index" if dtype is index else str(dtype), advice=advice
        )
    return dtype


def _componentwise(
    f: Frame, apply: Callable[[Sequence[Datum]], Datum], args: Sequence[Datum], node: ast.AST
) -> Datum:
    size = next(arg.type.size for arg in args if isinstance(arg, Vector))
    columns: list[Sequence[Datum]] = []
    for arg in args:
        if isinstance(arg, Vector) and arg.type.size != size:
            f.refuse(codes.MIXED_SHAPE, node, left=describe(args[0]), right=describe(arg))
        columns.append(arg.items if isinstance(arg, Vector) else (arg,) * size)
    items = [settled(f, number(f, apply(parts), node), node) for parts in zip(*columns, strict=True)]
    return Vector(Vec(items[0].dtype, size), tuple(items))


def absolute(f: Frame, args: Sequence[Datum], node: ast.AST) -> Datum:
    """`abs(x)`."""
    if isinstance(args[0], Vector):
        return _componentwise(f, lambda parts: absolute(f, parts, node), args, node)
    given = number(f, args[0], node)
    if isinstance(given, Const):
        return Const(abs(given.value))
    if given.dtype is bool_:
        return Scalar(f.cast(given.value, u8))
    return Scalar(f.emit(AbsOp, given.value), given.weak)


def extreme(f: Frame, name: str, args: Sequence[Datum], node: ast.AST) -> Datum:
    """`min(…)` and `max(…)` of two or more, from left to right by Python's rule."""
    if any(isinstance(arg, Vector) for arg in args):
        return _componentwise(f, lambda parts: extreme(f, name, parts, node), args, node)
    given = [number(f, arg, node) for arg in args]
    if all(isinstance(g, Const) for g in given):
        known = [g.value for g in given if isinstance(g, Const)]
        return Const(min(known) if name == "min" else max(known))
    dtype, weak = common(f, node, *given)
    if dtype is bool_:
        dtype = u8
    f.at(node)
    values = [adopt(f, _counted(g), dtype, node) for g in given]
    found = values[0]
    for value in values[1:]:
        found = f.emit(MinOp if name == "min" else MaxOp, found, value)
    return Scalar(found, weakness(*given) if weak else "")


def _counted(given: Number) -> Number:
    """True as 1."""
    if isinstance(given, Const) and isinstance(given.value, bool):
        return Const(int(given.value))
    return given


def rounded(f: Frame, args: Sequence[Datum], node: ast.AST) -> Datum:
    """`round(x)`: to the nearest whole number, halves to even; the type stays."""
    if isinstance(args[0], Vector) or not isinstance(args[0], Const):
        return intrinsic(f, "rint", args, node)
    value = args[0].value
    if isinstance(value, float):
        return intrinsic(f, "rint", args, node)
    return Const(int(value))


def to_int(f: Frame, args: Sequence[Datum], node: ast.AST) -> Datum:
    """`int(x)`: integers stay as they are, floats give i32 (f64 gives i64), bool gives i32."""
    given = number(f, args[0], node)
    if isinstance(given, Const):
        if isinstance(given.value, float) and not math.isfinite(given.value):
            f.refuse(codes.LITERAL_RANGE, node, value=given.value, dtype="an integer")
        return Const(int(given.value))
    if given.dtype.is_integer:
        return given
    return Scalar(f.cast(given.value, i64 if weak_dtype(given) is f64 else i32))


def to_float(f: Frame, args: Sequence[Datum], node: ast.AST) -> Datum:
    """`float(x)`: floats stay as they are, integers give f32 (64-bit ones f64)."""
    given = number(f, args[0], node)
    if isinstance(given, Const):
        return Const(float(given.value))
    if given.dtype.is_float:
        return given
    return Scalar(f.cast(given.value, f64 if is_wide(weak_dtype(given)) else f32))


def to_bool(f: Frame, args: Sequence[Datum], node: ast.AST) -> Datum:
    """`bool(x)`: whether it is not zero."""
    return as_datum(truth(f, args[0], node))


def vectors(f: Frame, name: str, args: Sequence[Datum], node: ast.AST) -> list[Vector]:
    """Arguments that must be vectors of one size."""
    found = [arg for arg in args if isinstance(arg, Vector)]
    if len(found) != len(args) or len({v.type.size for v in found}) != 1:
        what = ", ".join(describe(arg) for arg in args)
        f.refuse(codes.OPERAND, node, op=name, what=what, advice="pass vectors of one size, such as gy.f32x3")
    return found


def dot(f: Frame, args: Sequence[Datum], node: ast.AST) -> Datum:
    """Inner product, components added in order."""
    a, b = vectors(f, "dot", args, node)
    products = [binary(f, ast.Mult(), x, y, node) for x, y in zip(a.items, b.items, strict=True)]
    found = products[0]
    for product in products[1:]:
        found = binary(f, ast.Add(), found, product, node)
    return found


def cross(f: Frame, args: Sequence[Datum], node: ast.AST) -> Datum:
    """Cross product of two vectors of 3."""
    a, b = vectors(f, "cross", args, node)
    if a.type.size != 3:
        f.refuse(codes.OPERAND, node, op="cross", what=describe(a), advice="pass vectors of 3 components")

    def minor(i: int, j: int) -> Datum:
        first = binary(f, ast.Mult(), a.items[i], b.items[j], node)
        return binary(f, ast.Sub(), first, binary(f, ast.Mult(), a.items[j], b.items[i], node), node)

    items = [p for p in (minor(1, 2), minor(2, 0), minor(0, 1)) if isinstance(p, Scalar)]
    return Vector(Vec(items[0].dtype, 3), tuple(items))


def length(f: Frame, args: Sequence[Datum], node: ast.AST) -> Datum:
    """Euclidean length."""
    (v,) = vectors(f, "length", args, node)
    return intrinsic(f, "sqrt", [dot(f, [v, v], node)], node)


def normalize(f: Frame, args: Sequence[Datum], node: ast.AST) -> Datum:
    """A vector divided by its length."""
    (v,) = vectors(f, "normalize", args, node)
    return binary(f, ast.Div(), v, length(f, [v], node), node)
