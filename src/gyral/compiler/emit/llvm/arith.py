"""Arithmetic in LLVM: each function writes one op in a form, scalar or in lanes alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from gyral.compiler.emit.llvm import soft
from gyral.compiler.emit.llvm.context import Context
from gyral.compiler.emit.llvm.form import Form
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.ops import arith
from gyral.compiler.ir.ops.math import MathOp
from gyral.core.errors import InternalError

Spell: TypeAlias = Callable[[Context, Operation, Form, list[str]], str]

INTEGER = {"arith.add": "add", "arith.sub": "sub", "arith.mul": "mul"}
FLOAT = {"arith.add": "fadd", "arith.sub": "fsub", "arith.mul": "fmul", "arith.div": "fdiv"}
BITWISE = {"arith.and": "and", "arith.or": "or", "arith.xor": "xor"}
NATIVE = {
    "sqrt": "llvm.sqrt", "fma": "llvm.fma", "floor": "llvm.floor", "ceil": "llvm.ceil", "trunc": "llvm.trunc",
    "rint": "llvm.roundeven", "fabs": "llvm.fabs", "copysign": "llvm.copysign", "popcount": "llvm.ctpop",
    "clz": "llvm.ctlz", "ctz": "llvm.cttz", "rotl": "llvm.fshl", "rotr": "llvm.fshr",
    "bitreverse": "llvm.bitreverse",
}  # fmt: skip
FAST_ALSO = ("sqrt", "fma")


def _basic(ctx: Context, op: Operation, form: Form, v: list[str]) -> str:
    if form.dtype.is_float:
        return ctx.text.let(f"{FLOAT[op.name]} {ctx.plan.flags(op)}{form.llvm} {v[0]}, {v[1]}")
    # Scalars have the room for exactness; lanes may be too narrow for an id that is hashed, not indexed with.
    exact = "nsw " if form.dtype.kind == "index" and not form.lanes else ""
    return ctx.text.let(f"{INTEGER[op.name]} {exact}{form.llvm} {v[0]}, {v[1]}")


def _bitwise(ctx: Context, op: Operation, form: Form, v: list[str]) -> str:
    return ctx.text.let(f"{BITWISE[op.name]} {form.llvm} {v[0]}, {v[1]}")


def _not(ctx: Context, op: Operation, form: Form, v: list[str]) -> str:
    ones = form.spread(form.element, "true" if form.element == "i1" else "-1")
    return ctx.text.let(f"xor {form.llvm} {v[0]}, {ones}")


def _neg(ctx: Context, op: Operation, form: Form, v: list[str]) -> str:
    if form.dtype.is_float:
        return ctx.text.let(f"fneg {form.llvm} {v[0]}")
    return ctx.text.let(f"sub {form.llvm} {form.spread(form.element, '0')}, {v[0]}")


def _abs(ctx: Context, op: Operation, form: Form, v: list[str]) -> str:
    if form.dtype.is_float:
        return ctx.text.call(form.llvm, f"llvm.fabs.{form.suffix}", f"{form.llvm} {v[0]}")
    if form.dtype.kind == "uint":
        return v[0]
    return ctx.text.call(form.llvm, f"llvm.abs.{form.suffix}", f"{form.llvm} {v[0]}", "i1 false")


def _shift(ctx: Context, op: Operation, form: Form, v: list[str]) -> str:
    count = ctx.text.let(f"and {form.llvm} {v[1]}, {form.spread(form.element, str(form.bits - 1))}")
    word = "shl" if op.name == "arith.shl" else "ashr" if form.dtype.is_signed else "lshr"
    return ctx.text.let(f"{word} {form.llvm} {v[0]}, {count}")


def compare(ctx: Context, predicate: str, form: Form, lhs: str, rhs: str) -> str:
    """lhs <predicate> rhs as i1 in the form's shape."""
    if form.dtype.is_float:
        word = "une" if predicate == "ne" else "o" + predicate
        return ctx.text.let(f"fcmp {word} {form.llvm} {lhs}, {rhs}")
    sign = "" if predicate in ("eq", "ne") else "s" if form.dtype.is_signed else "u"
    return ctx.text.let(f"icmp {sign}{predicate} {form.llvm} {lhs}, {rhs}")


def select(ctx: Context, form: Form, condition: str, on_true: str, on_false: str) -> str:
    """A choice per lane, or of the whole when the condition is one bit."""
    kind = f"<{form.lanes} x i1>" if form.lanes else "i1"
    return ctx.text.let(f"select {kind} {condition}, {form.llvm} {on_true}, {form.llvm} {on_false}")


def _cmp(ctx: Context, op: Operation, form: Form, v: list[str]) -> str:
    return compare(ctx, op.attributes["predicate"], form.of(op.operands[0].type), v[0], v[1])


def _minmax(ctx: Context, op: Operation, form: Form, v: list[str]) -> str:
    better = compare(ctx, "lt" if op.name == "arith.min" else "gt", form, v[1], v[0])
    return select(ctx, form, better, v[1], v[0])


def _select(ctx: Context, op: Operation, form: Form, v: list[str]) -> str:
    return select(ctx, form, v[0], v[1], v[2])


def _division(ctx: Context, op: Operation, form: Form, v: list[str]) -> str:
    quotient, remainder = divide(ctx, form, v[0], v[1])
    return quotient if op.name == "arith.floordiv" else remainder


def divide(ctx: Context, form: Form, lhs: str, rhs: str) -> tuple[str, str]:
    """Floored quotient and remainder: x // 0 is 0, x % 0 is x, lowest // -1 wraps; nothing traps."""
    t, text = form.llvm, ctx.text
    zero, one = form.spread(form.element, "0"), form.spread(form.element, "1")
    none = text.let(f"icmp eq {t} {rhs}, {zero}")
    safe = select(ctx, form, none, one, rhs)
    if not form.dtype.is_signed:
        quotient = _truncated(ctx, form, "udiv", lhs, safe)
        remainder = text.let(f"sub {t} {lhs}, {text.let(f'mul {t} {quotient}, {safe}')}")
        return select(ctx, form, none, zero, quotient), select(ctx, form, none, lhs, remainder)
    minus = form.spread(form.element, "-1")
    opposite = text.let(f"icmp eq {t} {safe}, {minus}")
    quotient = _truncated(ctx, form, "sdiv", lhs, select(ctx, form, opposite, one, safe))
    quotient = select(ctx, form, opposite, text.let(f"sub {t} {zero}, {lhs}"), quotient)
    remainder = text.let(f"sub {t} {lhs}, {text.let(f'mul {t} {quotient}, {safe}')}")
    mixed = text.let(f"icmp slt {t} {text.let(f'xor {t} {remainder}, {safe}')}, {zero}")
    inexact = text.let(f"icmp ne {t} {remainder}, {zero}")
    kind = form.vector_of("i1")
    down = text.let(f"and {kind} {mixed}, {inexact}")
    lower = text.let(f"add {t} {quotient}, {minus}")
    floored = select(ctx, form, down, lower, quotient)
    shifted = text.let(f"add {t} {remainder}, {safe}")
    wrapped = select(ctx, form, down, shifted, remainder)
    return select(ctx, form, none, zero, floored), select(ctx, form, none, lhs, wrapped)


def _truncated(ctx: Context, form: Form, word: str, lhs: str, rhs: str) -> str:
    """Quotient toward zero. In lanes of up to 32 bits by doubles, whose quotient truncates exactly;

    a vector of integer divisions would be taken apart, unless the divisor is a constant.
    """
    text, t = ctx.text, form.llvm
    if not form.lanes or form.bits > 32 or rhs.startswith("splat"):
        return text.let(f"{word} {t} {lhs}, {rhs}")
    sign = "s" if word == "sdiv" else "u"
    wide = form.vector_of("double")
    a = text.let(f"{sign}itofp {t} {lhs} to {wide}")
    b = text.let(f"{sign}itofp {t} {rhs} to {wide}")
    return text.let(f"fpto{sign}i {wide} {text.let(f'fdiv {wide} {a}, {b}')} to {t}")


def _math(ctx: Context, op: Operation, form: Form, v: list[str]) -> str:
    fn = op.attributes["fn"]
    native = NATIVE.get(fn)
    if native is None:
        raise InternalError(f"the intrinsic {fn} reached the CPU emitter unexpanded")
    if fn == "fma" and not ctx.plan.host.fuses:
        return soft.fused(ctx, form, *v)
    arguments = [f"{form.llvm} {value}" for value in v]
    if fn in ("clz", "ctz"):
        arguments.append("i1 false")
    if fn in ("rotl", "rotr"):
        arguments.insert(0, arguments[0])
    flags = ctx.plan.flags(op) if fn in FAST_ALSO else ""
    return ctx.text.call(form.llvm, f"{native}.{form.suffix}", *arguments, flags=flags)


SPELL: dict[type[Operation], Spell] = {
    arith.AddOp: _basic,
    arith.SubOp: _basic,
    arith.MulOp: _basic,
    arith.DivOp: _basic,
    arith.FloorDivOp: _division,
    arith.ModOp: _division,
    arith.NegOp: _neg,
    arith.AbsOp: _abs,
    arith.MinOp: _minmax,
    arith.MaxOp: _minmax,
    arith.AndOp: _bitwise,
    arith.OrOp: _bitwise,
    arith.XorOp: _bitwise,
    arith.NotOp: _not,
    arith.ShlOp: _shift,
    arith.ShrOp: _shift,
    arith.CmpOp: _cmp,
    arith.SelectOp: _select,
    MathOp: _math,
}
