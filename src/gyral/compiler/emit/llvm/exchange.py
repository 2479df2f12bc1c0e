"""Grid-stride loops, turned inside out.

In `for k in range(gy.global_id(), n, gy.global_size())` each thread strides through memory. Gang after gang
that would touch a few cache lines in every page, again and again. With the loop outside and a long run of
gangs inside, memory is read in order. What the loop carries is kept per gang in scratch between turns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gyral.compiler.emit.llvm.context import Context
from gyral.compiler.emit.llvm.form import LANE, Affine
from gyral.compiler.emit.llvm.grid import lanes_before
from gyral.compiler.emit.llvm.merge import blended
from gyral.compiler.emit.llvm.scalars import counted, over
from gyral.compiler.emit.llvm.slots import Slots
from gyral.compiler.emit.llvm.text import Text
from gyral.compiler.emit.llvm.walk import emit_block
from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.ops.control import ForOp
from gyral.compiler.ir.ops.grid import GlobalIdOp, GlobalSizeOp
from gyral.compiler.ir.traits import EFFECT, GANG, SYNC, WRITES

THREADS = 2048
"""Threads that take a turn before the next one, where the compiler chooses the block."""


def find(function: Op) -> frozenset[Op]:
    """The loops that may be exchanged: at the top of a kernel of rank 1, and without effects."""
    if function.attributes.get("rank", 1) != 1:
        return frozenset()
    return frozenset(op for op in function.regions[0].ops if isinstance(op, ForOp) and _strides(op))


def _strides(op: ForOp) -> bool:
    forbidden = EFFECT | WRITES | SYNC | GANG
    return (
        isinstance(op.lower.owner, GlobalIdOp)
        and isinstance(op.step.owner, GlobalSizeOp)
        and not any(inner.traits & forbidden for inner in op.walk())
    )


def applies(op: Op, variance: dict[Value, int]) -> bool:
    """Whether the analysis bears a candidate out: one end for all threads, carried values by thread."""
    per_thread = all(variance.get(arg, 0) & LANE for arg in op.body.args[1:])
    return per_thread and not variance.get(op.upper, 0)


class BlockWalk(Protocol):
    """What an exchanged loop needs of the walk over a block."""

    text: Text
    top: Context
    slots: Slots

    def each_group(self, body: Callable[[Context], None]) -> None:
        """Run a body for every group of gangs that has threads."""
        ...

    def copy(self, sources: list[Value], targets: list[Value]) -> None:
        """Bring values to the places of others."""
        ...


def emit(walk: BlockWalk, op: ForOp, threads: int) -> None:
    """The loop outside, the block's gangs inside; in the last turns under a mask of those still counting."""
    text, top = walk.text, walk.top
    upper, step = top.scalar(op.upper, (0, 0)), top.scalar(op.step, (0, 0))
    origin = top.where.spot.origin[2]
    walk.copy(op.initial, op.body.args[1:])
    left = text.let(f"sub i64 {upper}, {origin}")
    left = text.call("i64", "llvm.smax.i64", f"i64 {left}", "i64 0")

    def turn(number: str) -> None:
        shift = "0" if number == "0" else text.let(f"mul nsw i64 {number}, {step}")
        last = text.let(f"add nsw i64 {text.let(f'add nsw i64 {origin}, {shift}')}, {threads}")
        whole, part, done = (text.fresh_label(hint) for hint in ("whole", "part", "turned"))
        text.branch(text.let(f"icmp sle i64 {last}, {upper}"), whole, part)
        for label, masked in ((whole, False), (part, True)):
            text.begin(label)
            walk.each_group(lambda ctx, masked=masked: _group(walk, ctx, op, shift, masked))
            text.jump(done)
        text.begin(done)

    counted(text, "0", over(text, left, step), turn)
    walk.slots.alias(op.results, op.body.args[1:])


def _group(walk: BlockWalk, ctx: Context, op: ForOp, shift: str, masked: bool) -> None:
    """One turn of some gangs: fetch what they carry, run the body, put it back."""
    counter, *carried = op.body.args
    for key in ctx.keys(ctx.bits(counter)):
        start = ctx.where.global_id(0, key)
        ctx.set(counter, key, Affine(ctx.text.let(f"add nsw i64 {start.base}, {shift}"), 1))
    for value in carried:
        walk.slots.fetch(ctx, value)
    before = {value: walk.slots.lanes_of(ctx, value, value) for value in carried}
    walk.slots.bring(ctx, op.body.ops)
    mask = lanes_before(ctx, counter, op.upper) if masked else ctx.mask
    with ctx.under(mask):
        emit_block(ctx, op.body)
        after = [
            walk.slots.lanes_of(ctx, following, value)
            for value, following in zip(carried, op.body.terminator.operands, strict=True)
        ]
        for value, names in zip(carried, after, strict=True):
            walk.slots.put(ctx, value, blended(ctx, value, names, before[value]) if masked else names)
