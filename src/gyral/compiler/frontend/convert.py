"""Conversions of numbers: literals into types, operands to a common type, stores, indices, truth."""

from __future__ import annotations

import ast

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.promote import is_wide, may_wrap, promote, stores_into
from gyral.compiler.frontend.values import (
    Const,
    Datum,
    Grid,
    Memory,
    Number,
    Record,
    Scalar,
    Vector,
    Weakness,
    describe,
    is_float,
    is_weak,
    short,
    too_large,
    weak_dtype,
)
from gyral.compiler.ir.graph import Value
from gyral.compiler.ir.ops.arith import AndOp, CmpOp
from gyral.core.dtypes import (
    DType,
    ElementType,
    StructType,
    Vec,
    bool_,
    f32,
    f64,
    i32,
    i64,
    index,
    round_float,
    u32,
    u64,
)
from gyral.core.wire import REF


def number(f: Frame, datum: Datum, node: ast.AST) -> Number:
    """The datum as a number; refused when it is none, or an integer beyond every type."""
    if isinstance(datum, Const) and too_large(datum.value):
        what = f"an integer of {int(datum.value).bit_length()} bits"
        f.refuse(codes.LITERAL_RANGE, node, value=what, dtype="any type")
    if isinstance(datum, (Scalar, Const)):
        return datum
    if isinstance(datum, Grid):
        f.refuse(codes.WHOLE_FIELD, node, name=datum.name, zeros=", ".join("0" for _ in datum.strides))
    if isinstance(datum, Memory):
        f.refuse(codes.WHOLE_ARRAY, node, name=datum.name)
    f.refuse(codes.NOT_A_NUMBER, node, what=describe(datum))


def literal(f: Frame, value: bool | int | float, dtype: DType, node: ast.AST) -> bool | int | float:
    """A literal as a constant of `dtype`; refused when the type does not hold it."""
    if dtype.is_float:
        try:
            given = float(value)
        except OverflowError:
            f.refuse(codes.LITERAL_RANGE, node, value=value, dtype=dtype)
        rounded = round_float(dtype, given)
        if rounded in (float("inf"), float("-inf")) and rounded != given:
            f.refuse(codes.LITERAL_RANGE, node, value=value, dtype=dtype)
        return rounded
    if dtype is bool_:
        if not isinstance(value, bool):
            f.refuse(codes.IMPLICIT_NARROWING, node, source=repr(value), target="bool_")
        return value
    if isinstance(value, float):
        f.refuse(codes.IMPLICIT_NARROWING, node, source=repr(value), target=dtype)
    low, high = dtype.bounds()
    if not low <= value <= high:
        f.refuse(codes.LITERAL_RANGE, node, value=value, dtype=dtype)
    return int(value)


def adopt(f: Frame, given: Number, dtype: DType, node: ast.AST) -> Value:
    """A number in the type it meets: literals take it, typed scalars are cast."""
    if isinstance(given, Const):
        return f.const(dtype, literal(f, given.value, dtype, node))
    if given.weak == "joined" and promote(weak_dtype(given), dtype) is not dtype:
        f.unsettled = True
    return f.cast(given.value, dtype)


def convert(f: Frame, given: Number, dtype: DType) -> Scalar:
    """The conversion a user writes: integers wrap, float to integer saturates, to bool tests for zero."""
    if isinstance(given, Const):
        return Scalar(f.const(dtype, dtype(given.value)))
    return Scalar(f.cast(given.value, dtype))


def settled(f: Frame, given: Number, node: ast.AST) -> Scalar:
    """A number in its own type; a weak one in its default."""
    if isinstance(given, Const):
        dtype = default_type(given.value)
        return Scalar(f.const(dtype, literal(f, given.value, dtype, node)))
    return Scalar(f.cast(given.value, weak_dtype(given))) if given.weak else given


def default_type(value: bool | int | float) -> DType:
    """The type of a literal that meets nothing typed: i32 or f32, wider only where it does not fit."""
    if isinstance(value, bool):
        return bool_
    if isinstance(value, float):
        overflows = round_float(f32, value) in (float("inf"), float("-inf")) and abs(value) != float("inf")
        return f64 if overflows else f32
    for dtype in (i32, i64):
        low, high = dtype.bounds()
        if low <= value <= high:
            return dtype
    return u64


def common(f: Frame, node: ast.AST, *given: Number) -> tuple[DType, bool]:
    """The type operands meet in, and whether it is weak because none is typed."""
    found: DType | None = None
    for operand in given:
        if not is_weak(operand):
            t = weak_dtype(operand)
            together = t if found is None or found is t else promote(found, t)
            if together is None:
                f.refuse(codes.NO_COMMON_TYPE, node, left=found, right=t)
            found = together
    if found is None:
        return _weak_common(given), True
    for operand in given:
        if not is_weak(operand):
            t = weak_dtype(operand)
            if found is f64 and t is not f64:
                f.promoted("promotes", t, f64, node)
        elif is_float(operand) and not found.is_float:
            found = f64 if is_wide(found) else f32
        elif found is bool_:
            found = i32
        elif found is index and isinstance(operand, Const) and default_type(operand.value) is not i32:
            found = i64
    return found, False


def _weak_common(given: tuple[Number, ...]) -> DType:
    """The type that carries an operation on weak run-time numbers."""
    floats = any(is_float(g) for g in given)
    wide = any(isinstance(g, Scalar) and g.dtype.bits == 64 for g in given)
    wide = wide or any(isinstance(g, Const) and default_type(g.value).bits == 64 for g in given)
    if floats:
        return f64 if wide else f32
    return i64 if wide else i32


def weakness(*given: Number) -> Weakness:
    """How a result of weak operands is weak."""
    return "joined" if any(isinstance(g, Scalar) and g.weak == "joined" for g in given) else "given"


def unify(f: Frame, node: ast.AST, *given: Number) -> tuple[list[Value], Weakness]:
    """Operands in their common type, and the weakness of what comes of them."""
    dtype, weak = common(f, node, *given)
    return [adopt(f, g, dtype, node) for g in given], weakness(*given) if weak else ""


def stored(f: Frame, datum: Datum, target: ElementType, node: ast.AST) -> Datum:
    """A datum as a store into `target` converts it; refused where that must be written."""
    if isinstance(target, Vec):
        if isinstance(datum, Vector) and datum.type.size == target.size:
            return Vector(
                target, tuple(Scalar(store_value(f, item, target.elem, node)) for item in datum.items)
            )
        f.refuse(codes.MIXED_SHAPE, node, left=describe(datum), right=target)
    if isinstance(target, StructType):
        if isinstance(datum, Record) and datum.type == target:
            return datum
        f.refuse(codes.MIXED_SHAPE, node, left=describe(datum), right=target)
    return Scalar(store_value(f, number(f, datum, node), target, node))


def store_value(f: Frame, given: Number, target: DType, node: ast.AST) -> Value:
    """A number as a store into a scalar of type `target` converts it."""
    if isinstance(given, Const):
        value = given.value
        if isinstance(value, bool) and target is not bool_:
            value = int(value)
        return f.const(target, literal(f, value, target, node))
    source = weak_dtype(given)
    if not stores_into(source, target):
        f.refuse(codes.IMPLICIT_NARROWING, node, source=short(given), target=target)
    if given.weak:
        return adopt(f, given, target, node)
    if may_wrap(source, target):
        f.promoted("wraps", source, target, node)
    elif target is f64 and source is not f64:
        f.promoted("promotes", source, target, node)
    return f.cast(given.value, target)


def as_index(f: Frame, datum: Datum, node: ast.AST) -> Value:
    """An array index; integers only, constants not negative."""
    given = number(f, datum, node)
    if isinstance(given, Const):
        if isinstance(given.value, (bool, float)):
            f.refuse(codes.INDEX_TYPE, node, what=repr(given.value))
        if given.value < 0:
            f.refuse(codes.NEGATIVE_INDEX, node, value=given.value, positive=-given.value)
        return f.const(index, literal(f, given.value, index, node))
    if not given.dtype.is_integer:
        f.refuse(codes.INDEX_TYPE, node, what=describe(given))
    return adopt(f, given, index, node)


def truth(f: Frame, datum: Datum, node: ast.AST) -> Value | bool:
    """A condition: a bool value, or a Python bool when known. A reference is true when it is somebody's."""
    if isinstance(datum, Record) and datum.type == REF:
        whose = adopt(f, number(f, datum.items[1], node), u32, node)
        generation = f.emit(AndOp, whose, f.const(u32, 0xFFFF))
        return f.emit(CmpOp, generation, f.const(u32, 0), predicate="ne")
    given = number(f, datum, node)
    if isinstance(given, Const):
        return bool(given.value)
    if given.dtype is bool_:
        return given.value
    zero = f.const(given.dtype, 0.0 if given.dtype.is_float else 0)
    return f.emit(CmpOp, given.value, zero, predicate="ne")


def truth_value(f: Frame, datum: Datum, node: ast.AST) -> Value:
    """A condition as a bool value, constants included."""
    found = truth(f, datum, node)
    return f.const(bool_, found) if isinstance(found, bool) else found


def known_int(f: Frame, datum: Datum, node: ast.AST, what: str) -> int:
    """An integer known when compiling."""
    if isinstance(datum, Const) and isinstance(datum.value, int) and not isinstance(datum.value, bool):
        return datum.value
    f.refuse(codes.NOT_CONSTANT, node, what=what)
