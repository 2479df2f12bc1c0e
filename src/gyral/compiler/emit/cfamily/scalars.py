"""Pure ops on scalars as expressions."""

from __future__ import annotations

from collections.abc import Callable

from gyral.compiler.emit.cfamily.writer import Write, Writer
from gyral.compiler.intrinsics import INTRINSICS, Native
from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.ops import arith, cast
from gyral.compiler.ir.ops.math import MathOp
from gyral.core.dtypes import BY_NAME, DType, bool_, f32, f64
from gyral.core.errors import InternalError

_FLOATS = (f32, f64)
_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
# On truths, what each comparison comes to: neither C's promotion nor WGSL, which has none, is needed.
_TRUTHS = {"eq": "({a} == {b})", "ne": "({a} != {b})", "lt": "(!{a} && {b})", "gt": "({a} && !{b})"}
_TRUTHS |= {"le": "(!{a} || {b})", "ge": "({a} || !{b})"}
# Ops whose result does not depend on the sign of a NaN they are given, but where it says so.
_BLIND = (arith.AddOp, arith.SubOp, arith.MulOp, arith.DivOp, arith.CmpOp)


def _const(w: Writer, op: Op) -> None:
    w.alias(op.results[0], w.dialect.literal(op.results[0].type, op.attributes["value"]))


def _arithmetic(sign: str) -> Write:
    def write(w: Writer, op: Op) -> None:
        t, (a, b) = op.results[0].type, w.all(op.operands)
        if not t.is_float:
            w.set(op.results[0], w.dialect.wrapping(sign, t, a, b))
            return
        text = "" if w.exact(op) else contraction(w, op, sign)
        w.set(op.results[0], text or w.dialect.floating(sign, t, a, b, w.exact(op)))

    return write


def contraction(w: Writer, op: Op, sign: str) -> str:
    """a * b + c or a * b - c in one rounding, where that is allowed and one operation; else ""."""
    if sign not in ("+", "-"):
        return ""
    t = op.results[0].type
    for slot in (0, 1):
        product = op.operands[slot].owner
        if not isinstance(product, arith.MulOp) or len(product.results[0].uses) > 1 or w.exact(product):
            continue
        a, b = w.all(product.operands)
        c = w.of(op.operands[1 - slot])
        if sign == "-":
            a, c = (a, w.dialect.negative(t, c)) if slot == 0 else (w.dialect.negative(t, a), c)
        return w.dialect.contracted(t, a, b, c)
    return ""


def _whole(key: str) -> Write:
    """floordiv and mod; on floats they were expanded before."""

    def write(w: Writer, op: Op) -> None:
        t = w.dialect.real(op.results[0].type)
        a, b = w.all(op.operands)
        divisor = op.operands[1].owner
        if isinstance(divisor, arith.ConstOp) and divisor.value > 0 and not t.is_signed:
            text = f"({a} {'/' if key == 'floordiv' else '%'} {b})"
            w.set(op.results[0], text if t.bits >= 32 else f"({w.dialect.type(t)}){text}")
        else:
            w.set(op.results[0], f"{w.dialect.helper(f'{key}_{t.name}')}({a}, {b})")

    return write


def _sign_matters(value: Value) -> bool:
    return any(not isinstance(op, _BLIND) for op, _ in value.uses)


def _sign_bit(w: Writer, t: DType, a: str, sign: str) -> str:
    """A float with its sign bit flipped or cleared: right for NaN too."""
    word, top = BY_NAME[f"u{t.bits}"], 1 << (t.bits - 1)
    mask = w.dialect.literal(word, top if sign == "^" else top - 1)
    changed = w.dialect.bitwise(sign, word, w.dialect.bits(t, word, a), mask)
    return w.dialect.bits(word, t, changed)


def _neg(w: Writer, op: Op) -> None:
    t, a = op.results[0].type, w.of(op.operands[0])
    if not t.is_float:
        text = w.dialect.wrapping("-", t, w.dialect.literal(t, 0), a)
    elif t in _FLOATS and not _sign_matters(op.results[0]):
        text = w.dialect.negative(t, a)
    else:
        text = _sign_bit(w, t, a, "^")
    w.set(op.results[0], text)


def _abs(w: Writer, op: Op) -> None:
    t, a = op.results[0].type, w.of(op.operands[0])
    if not t.is_float:
        zero = w.dialect.literal(t, 0)
        text = a if not t.is_signed else w.dialect.select(
            f"({a} < {zero})", w.dialect.wrapping("-", t, zero, a), a
        )  # fmt: skip
    elif t in _FLOATS and not _sign_matters(op.results[0]):
        text = w.dialect.absolute(t, a)
    else:
        text = _sign_bit(w, t, a, "&")
    w.set(op.results[0], text)


def _extreme(sign: str) -> Write:
    def write(w: Writer, op: Op) -> None:
        a, b = w.all(op.operands)
        w.set(op.results[0], w.dialect.select(f"({b} {sign} {a})", b, a))

    return write


def _bitwise(sign: str, logical: str) -> Write:
    def write(w: Writer, op: Op) -> None:
        t, (a, b) = op.results[0].type, w.all(op.operands)
        w.set(op.results[0], f"({a} {logical} {b})" if t is bool_ else w.dialect.bitwise(sign, t, a, b))

    return write


def _not(w: Writer, op: Op) -> None:
    t, a = op.results[0].type, w.of(op.operands[0])
    w.set(op.results[0], f"(!{a})" if t is bool_ else w.dialect.complement(t, a))


def _shift(sign: str) -> Write:
    def write(w: Writer, op: Op) -> None:
        a, b = w.all(op.operands)
        w.set(op.results[0], w.dialect.shift(sign, op.results[0].type, a, b))

    return write


def _cmp(w: Writer, op: Op) -> None:
    (a, b), predicate = w.all(op.operands), op.attributes["predicate"]
    if op.operands[0].type is bool_:
        w.set(op.results[0], _TRUTHS[predicate].format(a=a, b=b))
    else:
        w.set(op.results[0], w.dialect.compare(_COMPARE[predicate], op.operands[0].type, a, b))


def _select(w: Writer, op: Op) -> None:
    w.set(op.results[0], w.dialect.select(*w.all(op.operands)))


def _cast(w: Writer, op: Op) -> None:
    _converted(w, op, w.dialect.cast)


def _bits(w: Writer, op: Op) -> None:
    _converted(w, op, w.dialect.bits)


def _converted(w: Writer, op: Op, spell: Callable[[DType, DType, str], str]) -> None:
    source, target, name = op.operands[0].type, op.results[0].type, w.of(op.operands[0])
    if w.dialect.real(source) is w.dialect.real(target):
        w.alias(op.results[0], name)
    else:
        w.set(op.results[0], spell(source, target, name))


def _split(w: Writer, op: Op) -> None:
    for value, text in zip(
        op.results, w.dialect.split(op.operands[0].type, w.of(op.operands[0])), strict=True
    ):
        w.set(value, text)


def _join(w: Writer, op: Op) -> None:
    w.set(op.results[0], w.dialect.join(op.results[0].type, *w.all(op.operands)))


def _math(w: Writer, op: Op) -> None:
    fn = op.attributes["fn"]
    cell = INTRINSICS[fn].spell[w.dialect.spec.column]
    if not isinstance(cell, Native):
        raise InternalError(f"{fn} should have been rewritten for {w.dialect.spec.column}")
    t = w.dialect.real(op.operands[0].type)
    w.set(op.results[0], w.dialect.native(cell.name, t, w.all(op.operands), w.exact(op)))


WRITERS: dict[type, Callable[[Writer, Op], None]] = {
    arith.ConstOp: _const,
    arith.AddOp: _arithmetic("+"),
    arith.SubOp: _arithmetic("-"),
    arith.MulOp: _arithmetic("*"),
    arith.DivOp: _arithmetic("/"),
    arith.FloorDivOp: _whole("floordiv"),
    arith.ModOp: _whole("mod"),
    arith.NegOp: _neg,
    arith.AbsOp: _abs,
    arith.MinOp: _extreme("<"),
    arith.MaxOp: _extreme(">"),
    arith.AndOp: _bitwise("&", "&&"),
    arith.OrOp: _bitwise("|", "||"),
    arith.XorOp: _bitwise("^", "!="),
    arith.NotOp: _not,
    arith.ShlOp: _shift("<<"),
    arith.ShrOp: _shift(">>"),
    arith.CmpOp: _cmp,
    arith.SelectOp: _select,
    cast.CastOp: _cast,
    cast.BitcastOp: _bits,
    cast.SplitOp: _split,
    cast.JoinOp: _join,
    MathOp: _math,
}
