"""How often a counted loop turns, exactly, whatever its bounds."""

from __future__ import annotations

from gyral.compiler.emit.llvm.arith import compare, select
from gyral.compiler.emit.llvm.cast import convert
from gyral.compiler.emit.llvm.context import Chain, Context
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.ops.arith import ConstOp
from gyral.core.dtypes import i64


def trip_count(ctx: Context, op: Operation, lower: str, upper: str, step: str) -> str:
    """Turns of range(lower, upper, step) as an i64, exact for every range of the type; 0 for step 0."""
    text = ctx.text
    form = ctx.form(op.lower.type, False)
    wide = form.of(i64)
    low, high, stride = (convert(ctx, form, wide, name) for name in (lower, upper, step))
    up = text.let(f"sub i64 {high}, {low}")
    down = text.let(f"sub i64 {low}, {high}")
    rising = "true" if form.dtype.kind == "uint" else text.let(f"icmp sgt i64 {stride}, 0")
    negated = text.let(f"sub i64 0, {stride}")
    size = text.let(f"select i1 {rising}, i64 {stride}, i64 {negated}")
    gap = text.let(f"select i1 {rising}, i64 {up}, i64 {down}")
    some_up = compare(ctx, "lt", form, lower, upper)
    some_down = compare(ctx, "gt", form, lower, upper)
    some = text.let(f"select i1 {rising}, i1 {some_up}, i1 {some_down}")
    nonzero = text.let(f"icmp ne i64 {stride}, 0")
    divisor = text.let(f"select i1 {nonzero}, i64 {size}, i64 1")
    whole = text.let(f"udiv i64 {text.let(f'sub i64 {gap}, 1')}, {divisor}")
    turns = text.let(f"add i64 {whole}, 1")
    return text.let(f"select i1 {text.let(f'and i1 {some}, {nonzero}')}, i64 {turns}, i64 0")


def lane_trips(ctx: Context, op: Operation, chain: Chain) -> str:
    """Turns of each lane as i64, exact for every range of the type; 0 for step 0."""
    text = ctx.text
    form = ctx.form(op.lower.type, True)
    wide = form.of(i64)
    low, high, stride = (
        convert(ctx, form, wide, ctx.vector(v, chain)) for v in (op.lower, op.upper, op.step)
    )
    zero, one = wide.constant(0), wide.constant(1)
    lower, upper = ctx.vector(op.lower, chain), ctx.vector(op.upper, chain)
    some = compare(ctx, "lt", form, lower, upper)
    gap = text.let(f"sub {wide.llvm} {high}, {low}")
    if isinstance(op.step.owner, ConstOp) and op.step.owner.value == 1:
        return select(ctx, wide, some, gap, zero)
    rising = text.let(f"icmp sgt {wide.llvm} {stride}, {zero}")
    if form.dtype.kind == "uint":
        rising = "splat (i1 true)"
    falling = compare(ctx, "gt", form, lower, upper)
    some = text.let(f"select {ctx.mask_type} {rising}, {ctx.mask_type} {some}, {ctx.mask_type} {falling}")
    nonzero = text.let(f"icmp ne {wide.llvm} {stride}, {zero}")
    some = text.let(f"and {ctx.mask_type} {some}, {nonzero}")
    back = text.let(f"sub {wide.llvm} {low}, {high}")
    gap = select(ctx, wide, rising, gap, back)
    size = select(ctx, wide, rising, stride, text.let(f"sub {wide.llvm} {zero}, {stride}"))
    size = select(ctx, wide, nonzero, size, one)
    whole = text.let(f"udiv {wide.llvm} {text.let(f'sub {wide.llvm} {gap}, {one}')}, {size}")
    return select(ctx, wide, some, text.let(f"add {wide.llvm} {whole}, {one}"), zero)
