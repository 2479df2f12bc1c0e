"""Intrinsics and conversions written as ordinary ops; each gives the bits that its meaning gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.ops.arith import (
    AbsOp,
    AddOp,
    AndOp,
    DivOp,
    MaxOp,
    MinOp,
    MulOp,
    OrOp,
    ShlOp,
    SubOp,
    XorOp,
)
from gyral.compiler.passes.write import Write
from gyral.core.dtypes import f32, f64, i16, i32, i64, round_float, u32

Expansion: TypeAlias = Callable[[Builder, Op], list[Value]]

_INTS = {16: i16, 32: i32, 64: i64}
_MANTISSA = {"f16": 10, "bf16": 7, "f32": 23, "f64": 52}


def narrow(source: Any, target: Any) -> Expansion | None:
    """How to convert when one type is f16 or bf16 and the other not f32; None when it can stay."""
    shorts = ("f16", "bf16")
    if source is target or (source.name not in shorts and target.name not in shorts):
        return None
    if f32 in (source, target):
        return None
    if source is f64:
        return _narrow_f64
    return lambda builder, op: [_through_f32(builder, op)]


def _through_f32(builder: Builder, op: Op) -> Value:
    write = Write(builder)
    return write.cast(write.cast(op.operands[0], f32), op.results[0].type)


def _narrow_f64(builder: Builder, op: Op) -> list[Value]:
    """Round to odd in f32, so that the second rounding is the only one that counts (Boldo and Melquiond)."""
    w = Write(builder)
    value = op.operands[0]
    near = w.cast(value, f32)
    back = w.cast(near, f64)
    bits = w.bits(near, u32)
    above = w.cast(w.cmp("gt", w.do(AbsOp, back), w.do(AbsOp, value)), u32)
    inexact = w.cast(w.cmp("ne", back, value), u32)
    odd = w.do(OrOp, w.do(SubOp, bits, above), inexact)
    return [w.cast(w.bits(odd, f32), op.results[0].type)]


def float_mod(builder: Builder, op: Op) -> list[Value]:
    """Python's %: fmod, then the divisor's sign."""
    lhs, rhs = op.operands
    w = Write(builder)
    zero = w.const(lhs.type, 0.0)
    rest = w.math("fmod", lhs, rhs)
    differ = w.do(XorOp, w.cmp("lt", rhs, zero), w.cmp("lt", rest, zero))
    signed = w.select(differ, w.do(AddOp, rest, rhs), rest)
    return [w.select(w.cmp("eq", rest, zero), w.math("copysign", zero, rhs), signed)]


def float_floordiv(builder: Builder, op: Op) -> list[Value]:
    """Python's // as NumPy has it: from the remainder, so that it rounds down exactly."""
    lhs, rhs = op.operands
    t = lhs.type
    w = Write(builder)
    zero, one = w.const(t, 0.0), w.const(t, 1.0)
    rest = w.math("fmod", lhs, rhs)
    plain = w.do(DivOp, lhs, rhs)
    quotient = w.do(DivOp, w.do(SubOp, lhs, rest), rhs)
    differ = w.do(XorOp, w.cmp("lt", rhs, zero), w.cmp("lt", rest, zero))
    lower = w.do(AndOp, differ, w.cmp("ne", rest, zero))
    quotient = w.select(lower, w.do(SubOp, quotient, one), quotient)
    floor = w.math("floor", quotient)
    off = w.cmp("gt", w.do(SubOp, quotient, floor), w.const(t, 0.5))
    floor = w.select(off, w.do(AddOp, floor, one), floor)
    result = w.select(w.cmp("eq", quotient, zero), w.math("copysign", zero, plain), floor)
    return [w.select(w.cmp("eq", rhs, zero), plain, result)]


def _exp10(builder: Builder, op: Op) -> list[Value]:
    w = Write(builder)
    return [w.math("pow", w.const(op.operands[0].type, 10.0), op.operands[0])]


def _nextafter(builder: Builder, op: Op) -> list[Value]:
    """The neighbour has the next bit pattern, up or down in magnitude."""
    x, toward = op.operands
    t: Any = x.type
    whole = _INTS[t.bits]
    w = Write(builder)
    zero, one = w.const(t, 0.0), w.const(whole, 1)
    bits = w.bits(x, whole)
    grows = w.do(XorOp, w.cmp("lt", x, toward), w.cmp("lt", x, zero))
    moved = w.select(grows, w.do(AddOp, bits, one), w.do(SubOp, bits, one))
    sign = w.do(AndOp, w.bits(toward, whole), w.const(whole, -(1 << t.bits - 1)))
    moved = w.select(w.cmp("eq", x, zero), w.do(OrOp, sign, one), moved)
    result = w.select(w.cmp("eq", x, toward), toward, w.bits(moved, t))
    result = w.select(w.cmp("ne", x, x), x, result)
    return [w.select(w.cmp("ne", toward, toward), toward, result)]


def _ldexp(builder: Builder, op: Op) -> list[Value]:
    """x * 2**n in up to three exact-enough steps: only the last can round (as musl's scalbn)."""
    x, n = op.operands
    t: Any = x.type
    mantissa = _MANTISSA[t.name]
    top = 1023 if t is f64 else 127
    w = Write(builder)
    up = (w.const(t, 2.0**top), w.const(i32, top), "gt")
    down = (w.const(t, 2.0 ** (mantissa + 2 - top)), w.const(i32, mantissa + 2 - top), "lt")
    bounds = {"gt": w.const(i32, top), "lt": w.const(i32, 1 - top)}
    for factor, count, side in (up, up, down, down):
        far = w.cmp(side, n, bounds[side])
        x = w.select(far, w.do(MulOp, x, factor), x)
        n = w.select(far, w.do(SubOp, n, count), n)
    n = w.do(MaxOp, w.do(MinOp, n, bounds["gt"]), bounds["lt"])
    whole = _INTS[t.bits]
    biased = w.do(AddOp, n, w.const(i32, top))
    wide = biased if whole is i32 else w.cast(biased, whole)
    return [w.do(MulOp, x, w.bits(w.do(ShlOp, wide, w.const(whole, mantissa)), t))]


def _scaled(factor: float) -> Expansion:
    def expansion(builder: Builder, op: Op) -> list[Value]:
        t: Any = op.operands[0].type
        w = Write(builder)
        return [w.do(MulOp, op.operands[0], w.const(t, round_float(t, factor)))]

    return expansion


def _clamp(builder: Builder, op: Op) -> list[Value]:
    x, low, high = op.operands
    w = Write(builder)
    return [w.do(MinOp, w.do(MaxOp, x, low), high)]


def _lerp(builder: Builder, op: Op) -> list[Value]:
    a, b, t = op.operands
    w = Write(builder)
    return [w.do(AddOp, a, w.do(MulOp, w.do(SubOp, b, a), t))]


def _saturate(builder: Builder, op: Op) -> list[Value]:
    x = op.operands[0]
    w = Write(builder)
    return [w.do(MinOp, w.do(MaxOp, w.const(x.type, 0.0), x), w.const(x.type, 1.0))]


def _sign(builder: Builder, op: Op) -> list[Value]:
    x = op.operands[0]
    t: Any = x.type
    w = Write(builder)
    zero, one = (w.const(t, 0.0), w.const(t, 1.0)) if t.is_float else (w.const(t, 0), w.const(t, 1))
    rest = zero
    if t.is_float:
        rest = w.select(w.cmp("eq", x, zero), zero, x)
    if t.is_signed:
        minus = w.const(t, -1.0 if t.is_float else -1)
        rest = w.select(w.cmp("lt", x, zero), minus, rest)
    return [w.select(w.cmp("gt", x, zero), one, rest)]


def _isnan(builder: Builder, op: Op) -> list[Value]:
    return [Write(builder).cmp("ne", op.operands[0], op.operands[0])]


def _against_inf(predicate: str) -> Expansion:
    def expansion(builder: Builder, op: Op) -> list[Value]:
        x = op.operands[0]
        w = Write(builder)
        return [w.cmp(predicate, w.do(AbsOp, x), w.const(x.type, math.inf))]

    return expansion


def _isclose(builder: Builder, op: Op) -> list[Value]:
    a, b, relative, absolute = op.operands
    w = Write(builder)
    inf = w.const(a.type, math.inf)
    apart = w.do(AbsOp, w.do(SubOp, b, a))
    near = w.cmp("le", apart, absolute)
    for side in (a, b):
        near = w.do(OrOp, near, w.cmp("le", apart, w.do(AbsOp, w.do(MulOp, relative, side))))
    finite = w.do(AndOp, w.cmp("ne", w.do(AbsOp, a), inf), w.cmp("ne", w.do(AbsOp, b), inf))
    return [w.do(OrOp, w.cmp("eq", a, b), w.do(AndOp, finite, near))]


def _fast_rsqrt(builder: Builder, op: Op) -> list[Value]:
    """1 / sqrt x with leave to approximate: processors have an estimate that one step makes good."""
    w = Write(builder)
    (x,) = op.operands
    return [w.do(DivOp, w.const(x.type, 1.0), w.math("sqrt", x))]


FAST_EXPANSIONS: dict[tuple[str, str], Expansion] = {("rsqrt", "f32"): _fast_rsqrt}
"""By function and type, what stands for a body under fastmath."""

EXPANSIONS: dict[str, Expansion] = {
    "exp10": _exp10,
    "nextafter": _nextafter,
    "ldexp": _ldexp,
    "degrees": _scaled(180.0 / math.pi),
    "radians": _scaled(math.pi / 180.0),
    "clamp": _clamp,
    "lerp": _lerp,
    "saturate": _saturate,
    "sign": _sign,
    "isnan": _isnan,
    "isinf": _against_inf("eq"),
    "isfinite": _against_inf("lt"),
    "isclose": _isclose,
}
