"""Ifs. A condition that is the same for all lanes is a jump.

One that differs runs both sides under masks, and skips a side that no lane wants.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from gyral.compiler.emit.llvm.arith import select
from gyral.compiler.emit.llvm.context import Chain, Context
from gyral.compiler.emit.llvm.form import LANE
from gyral.compiler.emit.llvm.merge import (
    held,
    in_form,
    llvm_type,
    merge,
    single,
    yielded,
    zero,
)
from gyral.compiler.emit.llvm.walk import emit_block, emit_op
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Block, Value
from gyral.compiler.ir.traits import PURE

CHEAP = 12
Write: TypeAlias = Callable[[Context, Block], None]


def emit_if(ctx: Context, op: Operation) -> None:
    """An if, by a jump or under masks."""
    if single(ctx, op.condition):
        if_jump(ctx, op)
    elif all(_is_cheap(region) for region in op.regions):
        _if_both(ctx, op)
    else:
        _if_masked(ctx, op)


def _is_cheap(region: Block) -> bool:
    ops = region.ops[:-1]
    return len(ops) <= CHEAP and all(op.has(PURE) and not op.regions for op in ops)


def if_jump(ctx: Context, op: Operation, write: Write = emit_block) -> None:
    """An if whose condition is one scalar; `write` writes a region."""
    text = ctx.text
    then, orelse, done = (text.fresh_label(hint) for hint in ("then", "else", "done"))
    text.branch(ctx.scalar(op.condition, (0, 0)), then, orelse)
    sides = []
    for label, region in zip((then, orelse), op.regions, strict=True):
        text.begin(label)
        write(ctx, region)
        sides.append((yielded(ctx, region.terminator.operands, op.results), text.label))
        text.jump(done)
    text.begin(done)
    merge(ctx, op.results, sides)


def _conditions(ctx: Context, condition: Value) -> dict[Chain, str]:
    return {chain: ctx.vector(condition, chain) for chain in ctx.chains}


def _if_both(ctx: Context, op: Operation) -> None:
    for region in op.regions:
        for inner in region.ops[:-1]:
            emit_op(ctx, inner)
    for slot, target in enumerate(op.results):
        then, orelse = (region.terminator.operands[slot] for region in op.regions)
        _choose(ctx, target, op.condition, then, orelse)


def _choose(ctx: Context, target: Value, condition: Value, then: Value, orelse: Value) -> None:
    bits = ctx.bits(target)
    form = ctx.form(target.type, bool(bits & LANE))
    for key in ctx.keys(bits):
        test = in_form(ctx, condition, target, key)
        a, b = in_form(ctx, then, target, key), in_form(ctx, orelse, target, key)
        ctx.set(target, key, held(ctx, target, a if a == b else select(ctx, form, test, a, b)))


def _if_masked(ctx: Context, op: Operation) -> None:
    tests = _conditions(ctx, op.condition)
    results = []
    for region, invert in zip(op.regions, (False, True), strict=True):
        mask = {chain: ctx.both(chain, tests[chain], invert) for chain in ctx.chains}
        results.append(_side(ctx, op, region, mask))
    for target in op.results:
        form = ctx.form(target.type, bool(ctx.bits(target) & LANE))
        for key in ctx.keys(ctx.bits(target)):
            test = in_form(ctx, op.condition, target, key)
            a, b = (side[target, key] for side in results)
            ctx.set(target, key, held(ctx, target, a if a == b else select(ctx, form, test, a, b)))


def _side(
    ctx: Context, op: Operation, region: Block, mask: dict[Chain, str]
) -> dict[tuple[Value, Chain], str]:
    """One side of a masked if, skipped when no lane wants it; its values are then arbitrary."""
    if not region.ops[:-1]:
        return yielded(ctx, region.terminator.operands, op.results)
    text = ctx.text
    some, none = text.fresh_label("some"), text.fresh_label("none")
    before = text.label
    text.branch(ctx.any_of(mask.values()), some, none)
    text.begin(some)
    with ctx.under(mask):
        emit_block(ctx, region)
    values = yielded(ctx, region.terminator.operands, op.results)
    end = text.label
    text.jump(none)
    text.begin(none)
    merged = {}
    for (target, key), name in values.items():
        phi = text.phi(llvm_type(ctx, target))
        phi.add(name, end)
        phi.add("zeroinitializer" if ctx.bits(target) & LANE else zero(target.type), before)
        merged[target, key] = phi.name
    return merged
