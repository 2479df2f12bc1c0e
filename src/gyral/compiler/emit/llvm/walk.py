"""From op to the function that writes it."""

from __future__ import annotations

from gyral.compiler.emit.llvm.context import Context
from gyral.compiler.ir.graph import Block, Op
from gyral.compiler.ir.traits import EFFECT, WRITES
from gyral.core.errors import InternalError


def emit_block(ctx: Context, block: Block) -> None:
    """Write every op of a region but its terminator."""
    for op in block.ops[:-1]:
        emit_op(ctx, op)


def emit_op(ctx: Context, op: Op) -> None:
    """Write one op; where only the block's common scalars are wanted, skip the others."""
    if ctx.scalar_only and not is_common(ctx, op):
        return
    writer = ctx.plan.writers.get(type(op))
    if writer is None:
        raise InternalError(f"the CPU emitter does not know the op {op.name}")
    writer(ctx, op)


def is_common(ctx: Context, op: Op) -> bool:
    """Whether an op gives values that are the same for the whole block, and does nothing else."""
    if op.regions:
        return any(not ctx.bits(value) and value.uses for value in op.results)
    return bool(op.results) and not op.traits & (EFFECT | WRITES) and not any(map(ctx.bits, op.results))
