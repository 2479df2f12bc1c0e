"""Memory of one thread: lanes side by side, so that the same index in all lanes is one vector move."""

from __future__ import annotations

from math import prod

from gyral.compiler.emit.llvm.context import Context
from gyral.compiler.emit.llvm.memory import LocalMemory
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.types import MemType
from gyral.core.dtypes import leaves


def layout(kind: MemType, width: int) -> tuple[int, tuple[int, ...]]:
    """Bytes a gang needs, and where each leaf's region starts."""
    offsets, at = [], 0
    for leaf in leaves(kind.elem):
        offsets.append(at)
        at += -(-prod(kind.shape) * width * leaf.dtype.itemsize // 64) * 64
    return at, tuple(offsets)


def emit_local(ctx: Context, op: Operation) -> None:
    """Stack memory for every chain, unless the block's walk has placed it."""
    if op.out in ctx.memories:
        return
    size, offsets = layout(op.out.type, ctx.width)
    pointers = {chain: ctx.text.alloca(f"[{size} x i8]") for chain in ctx.chains}
    ctx.memories[op.out] = LocalMemory(pointers, op.out.type.shape, offsets)
