"""What a block decides together: one scalar from what each gang found for itself.

Most decisions are common values, computed once. A load is taken by each gang where threads may die or arrays
may overlap, and what follows from it stands per gang; the gangs then agree: one that lives speaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from gyral.compiler.emit.llvm.context import Context, Plan
from gyral.compiler.emit.llvm.form import Scalar
from gyral.compiler.emit.llvm.slots import Slots
from gyral.compiler.emit.llvm.text import Text
from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.ops.control import ForOp, IfOp, WhileOp
from gyral.compiler.ir.ops.grid import BlockBroadcastOp


class BlockWalk(Protocol):
    """What a decision needs of the walk over a block."""

    plan: Plan
    text: Text
    top: Context
    slots: Slots

    def each_group(self, body: Callable[[Context], None]) -> None:
        """Run a body for every group of gangs that has threads."""
        ...


@contextmanager
def decided(walk: BlockWalk, op: Op) -> Iterator[None]:
    """While the context lasts, the block's walk holds the decisions of a boundary as scalars.

    The test of a while is settled by `decide_again`, each time it was computed; what follows the boundary
    knows nothing of it.
    """
    values = _deciders(op)
    before = {value: walk.top.values.get(value) for value in values}
    if not isinstance(op, WhileOp):
        for value in values:
            _settle(walk, value)
    yield
    for value, parts in before.items():
        walk.top.values.pop(value, None)
        if parts is not None:
            walk.top.values[value] = parts


def decide_again(walk: BlockWalk, go: Value) -> None:
    """Settle whether to go round again, which a block without a living thread never does."""
    _settle(walk, go)
    if not walk.plan.checked:
        return
    text = walk.text
    living = text.alloca("i1", 8)
    text.do(f"store i1 false, ptr {living}")

    def group(ctx: Context) -> None:
        some = ctx.any_of(_active(ctx))
        text.do(f"store i1 {text.let(f'or i1 {some}, ' + text.let(f'load i1, ptr {living}'))}, ptr {living}")

    walk.each_group(group)
    again = text.let(f"load i1, ptr {living}")
    walk.top.set(go, (0, 0), Scalar(text.let(f"and i1 {again}, {walk.top.scalar(go, (0, 0))}")))


def _deciders(op: Op) -> tuple[Value, ...]:
    if isinstance(op, IfOp):
        return (op.condition,)
    if isinstance(op, ForOp):
        return op.lower, op.upper, op.step
    if isinstance(op, WhileOp):
        return (op.test.terminator.operands[0],)
    return (op.thread,) if isinstance(op, BlockBroadcastOp) else ()


def _settle(walk: BlockWalk, value: Value) -> None:
    """Note what some gang that lives found, or zero where none does."""
    top, text = walk.top, walk.text
    if not top.bits(value):
        return
    kind = top.form(value.type, False).llvm
    agreed = text.alloca(kind, 8)
    text.do(f"store {kind} zeroinitializer, ptr {agreed}")

    def group(ctx: Context) -> None:
        walk.slots.fetch(ctx, value)
        found = ctx.scalar(value, (0, 0))
        if ctx.alive:
            held = text.let(f"load {kind}, ptr {agreed}")
            some = ctx.any_of(_active(ctx))
            found = text.let(f"select i1 {some}, {kind} {found}, {kind} {held}")
        text.do(f"store {kind} {found}, ptr {agreed}")

    walk.each_group(group)
    top.set(value, (0, 0), Scalar(text.let(f"load {kind}, ptr {agreed}")))


def _active(ctx: Context) -> list[str]:
    masks = [ctx.active(chain) for chain in ctx.chains]
    return [mask if mask is not None else "splat (i1 true)" for mask in masks]
