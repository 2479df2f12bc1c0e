"""Where a chain's threads stand. A `Position` answers for one way of walking the launch."""

from __future__ import annotations

from typing import Protocol

from gyral.compiler.emit.llvm.context import Chain, Context
from gyral.compiler.emit.llvm.form import Affine, Part, Scalar
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Value
from gyral.compiler.ir.ops.grid import SpanOp
from gyral.core.dtypes import index
from gyral.core.errors import InternalError


class Position(Protocol):
    """Ids and sizes as parts; axes are the user's, 0 the slowest."""

    def global_id(self, axis: int, chain: Chain) -> Part:
        """Index in the launch."""
        ...

    def local_id(self, axis: int, chain: Chain) -> Part:
        """Index in the block."""
        ...

    def block_id(self, axis: int) -> str:
        """Index of the block."""
        ...

    def block_dim(self, axis: int) -> str:
        """Extent of a block."""
        ...

    def grid_dim(self, axis: int) -> str:
        """Number of blocks."""
        ...

    def global_size(self, axis: int) -> str:
        """Extent of the launch."""
        ...

    def span(self, count: str, scope: str, chain: Chain) -> tuple[Part, str, str]:
        """First, end and step of the chain's share of 0..count-1."""
        ...


def emit_id(ctx: Context, op: Operation) -> None:
    """global_id or local_id."""
    ask = ctx.where.global_id if op.name == "grid.global_id" else ctx.where.local_id
    for key in ctx.keys(ctx.bits(op.out)):
        ctx.set(op.out, key, ask(op.axis, key))


def emit_extent(ctx: Context, op: Operation) -> None:
    """Sizes and block ids: one scalar."""
    ask = getattr(ctx.where, op.name.split(".")[1])
    ctx.set(op.out, (0, 0), Scalar(ask(op.axis)))


def emit_span(ctx: Context, op: SpanOp) -> None:
    """A thread's share of a range."""
    for key in ctx.keys(ctx.bits(op.lower)):
        lower, upper, step = ctx.where.span(ctx.scalar(op.count, key), op.scope, key)
        ctx.set(op.lower, key, lower)
        ctx.set(op.upper, key, Scalar(upper))
        ctx.set(op.step, key, Scalar(step))


def emit_clock(ctx: Context, op: Operation) -> None:
    """The processor's cycle counter."""
    name = ctx.text.call("i64", "llvm.readcyclecounter")
    for key in ctx.keys(ctx.bits(op.out)):
        ctx.set(op.out, key, Scalar(name))


def lanes_below(ctx: Context, limit: str) -> str:
    """The mask of lanes numbered below an i64 scalar."""
    text = ctx.text
    most = text.call("i64", "llvm.smin.i64", f"i64 {limit}", f"i64 {ctx.width}")
    most = text.call("i64", "llvm.smax.i64", f"i64 {most}", "i64 0")
    form = ctx.form(index, True)
    spread = ctx.spread(most, form, index)
    return text.let(f"icmp slt {form.llvm} {ctx.lane_numbers(form.element)}, {spread}")


def lanes_before(ctx: Context, counter: Value, end: Value) -> dict[Chain, str]:
    """The active lanes whose counter, base plus lane, has not reached the end.

    Told by what is left, a scalar: near 2**31 a counter in lanes could overflow.
    """
    masks = {}
    for chain in ctx.chains:
        start = ctx.part(counter, chain)
        if not isinstance(start, Affine):
            raise InternalError("a counter that steps in lanes is not base plus lane")
        left = ctx.text.let(f"sub nsw i64 {ctx.scalar(end, chain)}, {start.base}")
        masks[chain] = ctx.both(chain, lanes_below(ctx, left))
    return masks
