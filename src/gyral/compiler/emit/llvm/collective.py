"""Words of the whole block: reductions, broadcasts and scans over its gangs, between two stretches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gyral.compiler.emit.llvm import message
from gyral.compiler.emit.llvm.arith import compare, select
from gyral.compiler.emit.llvm.atomic import identity, reduce_lanes
from gyral.compiler.emit.llvm.blockplace import BlockShape
from gyral.compiler.emit.llvm.context import Context, Plan
from gyral.compiler.emit.llvm.form import LANE, Form, Scalar
from gyral.compiler.emit.llvm.gang import exclusive_sum, present
from gyral.compiler.emit.llvm.memory import load_scalar
from gyral.compiler.emit.llvm.slots import Slots
from gyral.compiler.emit.llvm.text import Text
from gyral.compiler.ir.graph import Op
from gyral.compiler.ir.ops.grid import BarrierOp, BlockBroadcastOp, BlockReduceOp, BlockScanOp
from gyral.compiler.ir.ops.message import RescueOp
from gyral.core.dtypes import bool_
from gyral.core.errors import InternalError


class BlockWalk(Protocol):
    """What the words need of the walk over a block."""

    plan: Plan
    text: Text
    shape: BlockShape
    top: Context
    slots: Slots

    def each_group(self, body: Callable[[Context], None]) -> None:
        """Run a body for every group of gangs that has threads."""
        ...

    def revive(self) -> None:
        """Make every lane alive."""
        ...


def emit(walk: BlockWalk, op: Op) -> None:
    """Write one word; a barrier is the boundary itself."""
    if isinstance(op, BarrierOp):
        return
    if isinstance(op, BlockReduceOp):
        _reduce(walk, op)
    elif isinstance(op, BlockBroadcastOp):
        _broadcast(walk, op)
    elif isinstance(op, BlockScanOp):
        _scan(walk, op)
    elif isinstance(op, RescueOp):
        walk.top.set(op.site, (0, 0), Scalar(message.take(walk.top)))
        walk.revive()
    else:
        raise InternalError(f"the CPU emitter does not know the block word {op.name}")


def _reduce(walk: BlockWalk, op: BlockReduceOp) -> None:
    """A vector of partial results over the gangs, then over its lanes."""
    text, dtype, kind = walk.text, op.value.type, op.kind
    form = walk.top.form(dtype, True)
    neutral = form.constant(identity(kind, form))
    slot = text.alloca(form.llvm)
    text.do(f"store {form.llvm} {neutral}, ptr {slot}")

    def group(ctx: Context) -> None:
        walk.slots.fetch(ctx, op.value)
        total = text.let(f"load {form.llvm}, ptr {slot}")
        for chain in ctx.chains:
            value = present(ctx, ctx.vector(op.value, chain), form, chain, identity(kind, form))
            total = _joined(ctx, op, form, total, value)
        text.do(f"store {form.llvm} {total}, ptr {slot}")

    walk.each_group(group)
    total = text.let(f"load {form.llvm}, ptr {slot}")
    walk.top.set(op.out, (0, 0), Scalar(reduce_lanes(walk.top, kind, form, total)))


def _joined(ctx: Context, op: Op, form: Form, a: str, b: str) -> str:
    kind = op.attributes["kind"]
    if kind in ("min", "max"):
        return select(ctx, form, compare(ctx, "lt" if kind == "min" else "gt", form, b, a), b, a)
    word = {"sum": "fadd" if form.dtype.is_float else "add", "any": "or", "all": "and"}[kind]
    flags = ctx.plan.flags(op) if word == "fadd" else ""
    return ctx.text.let(f"{word} {flags}{form.llvm} {a}, {b}")


def _broadcast(walk: BlockWalk, op: BlockBroadcastOp) -> None:
    """One thread's value, from where its gang kept it."""
    top, text, value = walk.top, walk.text, op.value
    if not top.bits(value):
        top.set(op.out, (0, 0), top.part(value, (0, 0)))
        return
    thread = top.scalar(op.thread, (0, 0))
    gang = text.let(f"udiv i64 {thread}, {walk.plan.width}")
    lane = text.let(f"urem i64 {thread}, {walk.plan.width}")
    at = walk.slots.gang_place(top, value, gang)
    if value.type is bool_ and top.bits(value) & LANE:
        bits = text.let(f"load i{walk.plan.width}, ptr {at}")
        count = lane if walk.plan.width == 64 else text.let(f"trunc i64 {lane} to i{walk.plan.width}")
        name = text.let(
            f"trunc i{walk.plan.width} {text.let(f'lshr i{walk.plan.width} {bits}, {count}')} to i1"
        )
    elif top.bits(value) & LANE:
        form = top.form(value.type, True)
        at = text.let(f"getelementptr {form.element}, ptr {at}, i64 {lane}")
        name = text.let(f"load {form.element}, ptr {at}")
        if value.type.kind == "index" and form.element != "i64":
            name = text.let(f"sext {form.element} {name} to i64")
    else:
        name = load_scalar(top, value.type, at)
    top.set(op.out, (0, 0), Scalar(name))


def _scan(walk: BlockWalk, op: BlockScanOp) -> None:
    """Gang after gang, each adding what came before."""
    text, dtype = walk.text, op.value.type
    form = walk.top.form(dtype, True)
    slot = text.alloca(form.element)
    text.do(f"store {form.element} {'0.0' if dtype.is_float else '0'}, ptr {slot}")
    word = "fadd" if dtype.is_float else "add"

    def group(ctx: Context) -> None:
        walk.slots.fetch(ctx, op.value)
        names = {}
        for chain in ctx.chains:
            value = present(ctx, ctx.vector(op.value, chain), form, chain, identity("sum", form))
            before, total = exclusive_sum(ctx, form, value)
            base = text.let(f"load {form.element}, ptr {slot}")
            spread = _spread(ctx, form, base)
            names[chain] = text.let(f"{word} {form.llvm} {spread}, {before}")
            text.do(f"store {form.element} {text.let(f'{word} {form.element} {base}, {total}')}, ptr {slot}")
        walk.slots.put(ctx, op.out, names)

    walk.each_group(group)


def _spread(ctx: Context, form: Form, name: str) -> str:
    one = ctx.text.let(f"insertelement {form.llvm} poison, {form.element} {name}, i32 0")
    return ctx.text.let(
        f"shufflevector {form.llvm} {one}, {form.llvm} poison, <{ctx.width} x i32> zeroinitializer"
    )
