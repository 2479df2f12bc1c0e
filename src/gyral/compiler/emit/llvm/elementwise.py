"""Ops that act on each lane alone, once per chain between which their result differs.

An `index` that is base plus lane stays so through additions and products, so that accesses are seen to be
contiguous.
"""

from __future__ import annotations

from gyral.compiler.emit.llvm import arith, cast
from gyral.compiler.emit.llvm.context import Context
from gyral.compiler.emit.llvm.form import Affine, Guarded, Part, Scalar, Vector
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.ops.arith import AddOp, MaxOp, MinOp, ModOp, MulOp, NegOp, SubOp
from gyral.core.dtypes import index

SPELL = {**arith.SPELL, **cast.SPELL}


def emit_elementwise(ctx: Context, op: Operation) -> None:
    """Write the op in scalar form where no operand differs between lanes, else in lanes."""
    spell = SPELL[type(op)]
    bits = ctx.bits(op.results[0])
    dtype = op.results[0].type
    for key in ctx.keys(bits):
        parts = [ctx.part(value, key) for value in op.operands]
        kept = _affine(ctx, op, parts) if dtype is index else None
        if kept is not None:
            ctx.set(op.results[0], key, kept)
        elif len(scalars := [p.name for p in parts if isinstance(p, Scalar)]) == len(parts):
            ctx.set(op.results[0], key, Scalar(spell(ctx, op, ctx.form(dtype, False), scalars)))
        else:
            lanes = [ctx.in_lanes(p, v.type) for p, v in zip(parts, op.operands, strict=True)]
            name = spell(ctx, op, ctx.form(dtype, True), lanes)
            guarded = _guarded(ctx, op, parts, name) if dtype is index else None
            ctx.set(op.results[0], key, guarded or Vector(name))


def _guarded(ctx: Context, op: Operation, parts: list[Part], name: str) -> Guarded | None:
    """A clamp, wrap or shift of base plus lane, with the condition under which it is base plus lane still."""
    if len(parts) != 2 or not isinstance(op, (MinOp, MaxOp, ModOp, AddOp, SubOp)):
        return None
    lanes, other = parts
    if isinstance(lanes, Scalar) and isinstance(op, (MinOp, MaxOp, AddOp)):
        lanes, other = other, lanes
    if not isinstance(lanes, (Affine, Guarded)) or not isinstance(other, Scalar):
        return None
    near = lanes if isinstance(lanes, Affine) else lanes.near
    whens = [lanes.when] if isinstance(lanes, Guarded) else []
    if isinstance(op, (AddOp, SubOp)):
        word = "add" if isinstance(op, AddOp) else "sub"
        near = Affine(ctx.text.let(f"{word} nsw i64 {near.base}, {other.name}"), near.stride)
    elif near.stride < 1:
        return None
    else:
        whens += _holds(ctx, op, near, other.name)
    when = whens[0]
    for more in whens[1:]:
        when = ctx.text.let(f"and i1 {when}, {more}")
    return Guarded(name, near, when)


def _holds(ctx: Context, op: Operation, near: Affine, limit: str) -> list[str]:
    """Conditions under which no lane is changed by the clamp or wrap."""
    text = ctx.text
    if isinstance(op, MaxOp):
        return [text.let(f"icmp sge i64 {near.base}, {limit}")]
    last = text.let(f"add nsw i64 {near.base}, {near.stride * (ctx.width - 1)}")
    if isinstance(op, MinOp):
        return [text.let(f"icmp sle i64 {last}, {limit}")]
    return [text.let(f"icmp sge i64 {near.base}, 0"), text.let(f"icmp slt i64 {last}, {limit}")]


def _affine(ctx: Context, op: Operation, parts: list[Part]) -> Affine | None:
    """The result as base plus lane times stride, when the operands allow it."""
    if not any(isinstance(p, Affine) for p in parts) or any(isinstance(p, (Vector, Guarded)) for p in parts):
        return None
    pairs = [(p.base, p.stride) if isinstance(p, Affine) else (p.name, 0) for p in parts]
    if isinstance(op, AddOp):
        (a, s), (b, t) = pairs
        return Affine(_add(ctx, a, b), s + t)
    if isinstance(op, SubOp):
        (a, s), (b, t) = pairs
        return Affine(a if b == "0" else ctx.text.let(f"sub nsw i64 {a}, {b}"), s - t)
    if isinstance(op, NegOp):
        ((a, s),) = pairs
        return Affine(ctx.text.let(f"sub nsw i64 0, {a}"), -s)
    if isinstance(op, MulOp):
        for slot in (0, 1):
            factor, (base, stride) = pairs[1 - slot][0], pairs[slot]
            if pairs[1 - slot][1] == 0 and factor.lstrip("-").isdigit():
                return Affine(ctx.text.let(f"mul nsw i64 {base}, {factor}"), stride * int(factor))
    return None


def _add(ctx: Context, a: str, b: str) -> str:
    if a == "0" or b == "0":
        return b if a == "0" else a
    return ctx.text.let(f"add nsw i64 {a}, {b}")


def emit_const(ctx: Context, op: Operation) -> None:
    """Constants are written where they are used."""
