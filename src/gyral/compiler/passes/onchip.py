"""On-chip memory of narrow elements as memory of 32-bit ones, where a target has no narrow memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.graph import Module, Op, Value
from gyral.compiler.ir.ops.cast import CastOp
from gyral.compiler.ir.types import MemType
from gyral.compiler.passes.write import Write
from gyral.core.dtypes import DType, ElementType, StructType, Vec, bool_, f32, i32, leaves, u32

_ACCESSES = {"memory.load": 0, "memory.store": 1}


@dataclass(frozen=True, slots=True)
class WidenMemory:
    """Keep bools and values of 8 and 16 bits on chip in 32: a store of one would else have to merge a word.

    Before: `m = shared 64 x i8`. After: `m = shared 64 x i32`, what is loaded converted to i8 and what is
    stored from it. Memory that atomics touch stays: there the merging of words is theirs.
    """

    name = "onchip"

    def run(self, module: Module) -> None:
        """Rewrite the kernel; run after narrow values are computed with in 32 bits."""
        for op in list(module.kernel.walk()):
            if op.name in ("memory.shared", "memory.local") and _widens(op.results[0]):
                _widen(op.results[0])


def _widens(memory: Value) -> bool:
    t: Any = memory.type
    narrow = any(leaf.dtype.bits < 32 for leaf in leaves(t.elem))
    return narrow and all(user.name in _ACCESSES for user, _ in memory.uses)


def _widen(memory: Value) -> None:
    t: Any = memory.type
    old = leaves(t.elem)
    memory.type = MemType(wide(t.elem), t.shape, t.space)
    for op in [user for user, _ in memory.uses]:
        leaf = old[op.attributes.get("leaf", 0)].dtype
        if leaf.bits >= 32:
            continue
        if op.name == "memory.store":
            op.set_operand(0, _stored(op, leaf))
        else:
            _loaded(op, leaf)


def _stored(op: Op, leaf: DType) -> Value:
    """The wide value behind a conversion to the leaf's type, which it fits."""
    value = op.operands[0]
    owner = value.owner
    if isinstance(owner, CastOp) and owner.value.type is _wide(leaf):
        return owner.value
    return Write(Builder.before(op)).cast(value, _wide(leaf))


def _loaded(op: Op, leaf: DType) -> None:
    """Let whoever widens the value use the wide one; convert it for the others."""
    old = op.results[0]
    new = Value(_wide(leaf), op, 0, old.hint)
    op.results = [new]
    for user, slot in list(old.uses):
        if isinstance(user, CastOp) and user.out.type is new.type:
            user.out.replace_by(new)
            user.erase()
        else:
            w = Write(Builder.before(user))
            kept = w.cmp("ne", new, w.const(u32, 0)) if leaf is bool_ else w.cast(new, leaf)
            user.set_operand(slot, kept)


def wide(t: ElementType) -> ElementType:
    """An element with 32 bits for each narrower leaf; the leaves keep their numbers."""
    if isinstance(t, DType):
        return _wide(t)
    if isinstance(t, Vec):
        return Vec(_wide(t.elem), t.size)
    return StructType(t.name, tuple((name, wide(inner)) for name, inner in t.fields))


def _wide(t: DType) -> DType:
    if t.bits >= 32:
        return t
    return f32 if t.is_float else i32 if t.kind == "int" else u32
