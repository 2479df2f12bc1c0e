"""Ops that act on each lane alone, once per chain between which their result differs.

An `index` that is base plus lane stays so through additions and products, so that accesses are seen to be
contiguous.
"""

from __future__ import annotations

from gyral.compiler.emit.llvm import arith, cast
from gyral.compiler.emit.llvm.context import Context
from gyral.compiler.emit.llvm.form import Affine, Part, Scalar, Vector
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.ops.arith import AddOp, MulOp, NegOp, SubOp
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
            ctx.set(op.results[0], key, Vector(spell(ctx, op, ctx.form(dtype, True), lanes)))


def _affine(ctx: Context, op: Operation, parts: list[Part]) -> Affine | None:
    """The result as base plus lane times stride, when the operands allow it."""
    if not any(isinstance(p, Affine) for p in parts) or any(isinstance(p, Vector) for p in parts):
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
