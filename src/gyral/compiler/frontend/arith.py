"""Arithmetic on numbers and vectors: folding of literals, promotion, and the op that computes it."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from typing import Any

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.convert import adopt, common, number, weakness
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.powers import power
from gyral.compiler.frontend.promote import is_wide
from gyral.compiler.frontend.values import (
    LITERAL_BITS,
    Const,
    Datum,
    Number,
    Scalar,
    Tuple,
    Vector,
    describe,
    is_weak,
    too_large,
    weak_dtype,
)
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.ops.arith import (
    AddOp,
    AndOp,
    DivOp,
    FloorDivOp,
    ModOp,
    MulOp,
    NegOp,
    NotOp,
    OrOp,
    ShlOp,
    ShrOp,
    SubOp,
    XorOp,
)
from gyral.core.dtypes import DType, Vec, bool_, f32, f64, i32, index, u8

ARITHMETIC: dict[type[ast.operator], type[Operation]] = {
    ast.Add: AddOp,
    ast.Sub: SubOp,
    ast.Mult: MulOp,
    ast.FloorDiv: FloorDivOp,
    ast.Mod: ModOp,
}
BITWISE: dict[type[ast.operator], type[Operation]] = {ast.BitAnd: AndOp, ast.BitOr: OrOp, ast.BitXor: XorOp}
SHIFTS: dict[type[ast.operator], type[Operation]] = {ast.LShift: ShlOp, ast.RShift: ShrOp}
FOLDS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
}
SPELLED: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>", ast.MatMult: "@",
}  # fmt: skip


def binary(f: Frame, op: ast.operator, left: Datum, right: Datum, node: ast.AST) -> Datum:
    """`left op right` for numbers and, component by component, vectors."""
    if isinstance(left, Vector) or isinstance(right, Vector):
        return _componentwise(f, op, left, right, node)
    a, b = number(f, left, node), number(f, right, node)
    if isinstance(a, Const) and isinstance(b, Const):
        return fold(f, op, a.value, b.value, node)
    kind = type(op)
    if kind in ARITHMETIC:
        return _arithmetic(f, ARITHMETIC[kind], a, b, node)
    if kind is ast.Div:
        return _divide(f, a, b, node)
    if kind is ast.Pow:
        return power(f, a, b, node)
    if kind in BITWISE:
        return _bitwise(f, op, a, b, node)
    if kind in SHIFTS:
        return _shift(f, op, a, b, node)
    f.refuse(codes.OPERAND, node, op=SPELLED[kind], what="numbers", advice="write the loop, or use gy.dot")


def _componentwise(f: Frame, op: ast.operator, left: Datum, right: Datum, node: ast.AST) -> Datum:
    size = left.type.size if isinstance(left, Vector) else right.type.size if isinstance(right, Vector) else 0
    sides = []
    for side in (left, right):
        if isinstance(side, Vector):
            if side.type.size != size:
                f.refuse(codes.MIXED_SHAPE, node, left=describe(left), right=describe(right))
            sides.append(side.items)
        elif isinstance(side, Tuple):
            f.refuse(codes.MIXED_SHAPE, node, left=describe(left), right=describe(right))
        else:
            sides.append((number(f, side, node),) * size)
    parts = [binary(f, op, a, b, node) for a, b in zip(*sides, strict=True)]
    items = tuple(p for p in parts if isinstance(p, Scalar))
    return Vector(Vec(items[0].dtype, size), items)


def fold(f: Frame, op: ast.operator, a: Any, b: Any, node: ast.AST) -> Const:
    """Python's own arithmetic on literals."""
    kind = type(op)
    if kind not in FOLDS:
        f.refuse(
            codes.OPERAND, node, op=SPELLED[kind], what="numbers", advice="write the loop, or use gy.dot"
        )
    large = kind is ast.LShift and b > LITERAL_BITS  # not worth computing
    if kind is ast.Pow and isinstance(a, int) and isinstance(b, int):
        large = a.bit_length() * abs(b) > 4 * LITERAL_BITS
    try:
        found = a if large else FOLDS[kind](a, b)
    except ZeroDivisionError:
        f.refuse(codes.DIVISION, node)
    except (TypeError, ValueError) as error:
        f.refuse(
            codes.OPERAND,
            node,
            op=SPELLED[kind],
            what=f"{a!r} and {b!r} ({error})",
            advice="check the operands",
        )
    except OverflowError:
        found = float("inf")
    if isinstance(found, complex):
        found = float("nan")
    if large or too_large(found):
        f.refuse(codes.LITERAL_RANGE, node, value=f"{a} {SPELLED[kind]} {b}", dtype="any type")
    return Const(found)


def _arithmetic(f: Frame, kind: type[Operation], a: Number, b: Number, node: ast.AST) -> Scalar:
    dtype, weak = common(f, node, a, b)
    if dtype is bool_:
        dtype = u8
    f.at(node)
    values = [_whole(f, n, dtype, node) for n in (a, b)]
    return Scalar(f.emit(kind, *values), _weak(weak, a, b))


def _whole(f: Frame, given: Number, dtype: DType, node: ast.AST) -> Any:
    """An operand in an arithmetic type, where True counts as 1."""
    if isinstance(given, Const) and isinstance(given.value, bool):
        return f.const(dtype, float(given.value) if dtype.is_float else int(given.value))
    return adopt(f, given, dtype, node)


def _weak(weak: bool, *given: Number) -> Any:
    return weakness(*given) if weak else ""


def _divide(f: Frame, a: Number, b: Number, node: ast.AST) -> Scalar:
    dtype, weak = common(f, node, a, b)
    if not dtype.is_float:
        wide = any(is_wide(weak_dtype(g)) for g in (a, b))
        dtype = f64 if wide else f32
        if wide:
            f.promoted("promotes", next(weak_dtype(g) for g in (a, b) if is_wide(weak_dtype(g))), f64, node)
    f.at(node)
    return Scalar(f.emit(DivOp, *(_whole(f, g, dtype, node) for g in (a, b))), _weak(weak, a, b))


def _bitwise(f: Frame, op: ast.operator, a: Number, b: Number, node: ast.AST) -> Scalar:
    dtype, weak = common(f, node, a, b)
    if dtype.is_float:
        f.refuse(
            codes.OPERAND,
            node,
            op=SPELLED[type(op)],
            what="floats",
            advice="convert to an integer type first",
        )
    f.at(node)
    values = [_whole(f, g, dtype, node) if dtype is not bool_ else adopt(f, g, dtype, node) for g in (a, b)]
    return Scalar(f.emit(BITWISE[type(op)], *values), _weak(weak, a, b))


def _shift(f: Frame, op: ast.operator, a: Number, b: Number, node: ast.AST) -> Scalar:
    """The left type stays; the count is masked to its width."""
    for side in (a, b):
        if (isinstance(side, Const) and isinstance(side.value, float)) or weak_dtype(side).is_float:
            f.refuse(
                codes.OPERAND, node, op=SPELLED[type(op)], what="floats", advice="convert to an integer type"
            )
    weak = is_weak(a) and is_weak(b)
    dtype = weak_dtype(b) if is_weak(a) and not weak else weak_dtype(a)
    if isinstance(a, Scalar) and weak:
        dtype = a.dtype
    if dtype is bool_:
        dtype = u8 if not is_weak(a) else i32
    f.at(node)
    if isinstance(b, Const):
        count = f.const(dtype, int(b.value) & (63 if dtype is index else dtype.bits - 1))
    else:
        count = f.cast(b.value, dtype)
    return Scalar(f.emit(SHIFTS[type(op)], _whole(f, a, dtype, node), count), _weak(weak, a, b))


def unary(f: Frame, op: ast.unaryop, datum: Datum, node: ast.AST) -> Datum:
    """`-x`, `+x`, `~x`; `not` is a condition."""
    if isinstance(datum, Vector):
        items = tuple(p for p in (unary(f, op, item, node) for item in datum.items) if isinstance(p, Scalar))
        return Vector(Vec(items[0].dtype, datum.type.size), items)
    given = number(f, datum, node)
    if isinstance(op, ast.Invert):
        return _invert(f, given, node)
    if isinstance(given, Const):
        return Const(-given.value if isinstance(op, ast.USub) else +given.value)
    if given.dtype is bool_:
        given = Scalar(f.cast(given.value, i32))
    if isinstance(op, ast.UAdd):
        return given
    f.at(node)
    return Scalar(f.emit(NegOp, given.value), given.weak)


def _invert(f: Frame, given: Number, node: ast.AST) -> Datum:
    if isinstance(given, Const):
        if isinstance(given.value, float):
            f.refuse(codes.OPERAND, node, op="~", what="floats", advice="convert to an integer type first")
        return Const(not given.value if isinstance(given.value, bool) else ~given.value)
    if given.dtype.is_float:
        f.refuse(codes.OPERAND, node, op="~", what="floats", advice="convert to an integer type first")
    f.at(node)
    return Scalar(f.emit(NotOp, given.value), given.weak)
