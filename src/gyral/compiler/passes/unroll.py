"""Write out the turns of short loops."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.ops.arith import ConstOp
from gyral.compiler.ir.ops.memory import LocalOp
from gyral.compiler.ir.traits import PURE
from gyral.compiler.passes.clone import size, splice
from gyral.compiler.passes.rewrite import constant_of

_SMALL = 128  # ops written out where nothing but the loop itself is saved
_LARGE = 2048  # ops written out to turn local memory into values
_TRIPS = 64


@dataclass(frozen=True, slots=True)
class Unroll:
    """Replace loops of a few constant turns by their turns, more of them where local memory is indexed.

    Before: `for k in range(2): s = s + m[k]`. After: `s = s + m[0]; s = s + m[1]`.
    """

    name = "unroll"

    def run(self, module: Module) -> bool:
        """Visit every function, inner loops first; whether any was unrolled."""
        changed = False
        for function in module.functions.values():
            changed |= _visit(function.regions[0])
        return changed


def _visit(block: Block) -> bool:
    changed = False
    for op in list(block.ops):
        for region in op.regions:
            changed |= _visit(region)
        if op.name == "control.for":
            changed |= _unroll(op)
    return changed


def _unroll(op: Op) -> bool:
    lower, upper, step = map(constant_of, op.operands[:3])
    if lower is None or upper is None or not step:
        return False
    turns = range(int(lower), int(upper), int(step))
    limit = _LARGE if _indexes_local(op) else _SMALL
    if len(turns) > _TRIPS or len(turns) * size(op) > limit:
        return False
    body = op.regions[0]
    t: Any = body.args[0].type
    values = list(op.operands[3:])
    for turn in turns:
        iv = Builder.before(op).value(ConstOp, type=t, value=turn)
        values = splice(body, op, [iv, *values])
    for old, new in zip(op.results, values, strict=True):
        old.replace_by(new)
    op.erase()
    return True


def _indexes_local(op: Op) -> bool:
    """Whether writing out the turns makes indices into some local memory constant, all that there are."""
    return any(
        isinstance(memory.owner, LocalOp)
        and any(constant_of(index) is None for index in indices)
        and all(_settles(index) for user in _accesses(memory) for index in user)
        for inner in op.walk()
        if inner.name in ("memory.load", "memory.store")
        for memory, *indices in [_operands(inner)]
    )


def _operands(access: Op) -> list[Value]:
    """Memory and indices of a load or store."""
    return access.operands[0 if access.name == "memory.load" else 1 :]


def _accesses(memory: Value) -> Iterator[list[Value]]:
    """The indices of every use of a memory; a use that is no load or store has one that never settles."""
    for user, _ in memory.uses:
        yield _operands(user)[1:] if user.name in ("memory.load", "memory.store") else [memory]


def _settles(index: Value) -> bool:
    """Whether an index is a constant once loops of constant bounds are written out."""
    owner = index.owner
    if isinstance(owner, Block):
        loop = owner.parent
        if loop is None or loop.name != "control.for" or index.index != 0:
            return False
        return all(constant_of(bound) is not None for bound in loop.operands[:3])
    return isinstance(owner, ConstOp) or (
        owner.has(PURE) and bool(owner.operands) and all(_settles(operand) for operand in owner.operands)
    )
