"""What the passes share that write block- and subgroup-wide words as shared memory and barriers.

Threads are numbered in the block's linear order, the last axis fastest. What is written here is done by every
thread of the block, also by those beyond the shape and those that failed: accesses are `whole`, and what such
a thread brings is an identity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.ops.arith import AddOp, AndOp, ConstOp, MaxOp, MinOp, MulOp, OrOp
from gyral.compiler.ir.ops.grid import ActiveOp, LocalIdOp
from gyral.compiler.ir.ops.memory import LoadOp, SharedOp, StoreOp
from gyral.compiler.ir.types import MemType
from gyral.compiler.passes.write import Write
from gyral.core.dtypes import DType, bool_, i32, i64, index, u32

COMBINE: dict[str, type[Operation]] = {"sum": AddOp, "min": MinOp, "max": MaxOp, "any": OrOp, "all": AndOp}


def identity(kind: str, t: DType) -> int | float:
    """What changes nothing: x + -0.0 is x also where x is -0.0."""
    if t.is_float:
        return {"sum": -0.0, "min": math.inf, "max": -math.inf}[kind]
    low, high = t.bounds()
    return {"sum": 0, "any": 0, "all": -1 if t.is_signed else high, "min": high, "max": low}[kind]


class _Start(Builder):
    """Builds at the start of a block, each op behind those it built before."""

    made = 0

    def insert(self, op: Op) -> Op:
        op.parent = self.block
        self.block.ops.insert(self.made, op)
        self.made += 1
        return op


class Team:
    """The block of one kernel: its size, this thread's number, shared memory made at the kernel's start."""

    def __init__(self, function: Op, block: Sequence[int], index_bits: int) -> None:
        self.function = function
        self.size = math.prod(block)
        self.block = tuple(block)
        self.index_bits = index_bits
        self.fails = any(op.name == "message.require" for op in function.walk())
        self._memories: dict[tuple[str, DType, int], Value] = {}
        self._start = _Start(function.regions[0], span=function.span)
        self._number: Value | None = None
        self._active: Value | None = None

    @property
    def number(self) -> Value:
        """This thread's number in the block, an index."""
        if self._number is None:
            w = Write(self._start)
            self._number = self._start.value(LocalIdOp, axis=0)
            for axis in range(1, len(self.block)):
                scaled = w.do(MulOp, self._number, w.const(index, self.block[axis]))
                self._number = w.do(AddOp, scaled, self._start.value(LocalIdOp, axis=axis))
        return self._number

    def active(self, builder: Builder) -> Value:
        """Whether this thread is active now; asked once where none can fail."""
        if self.fails:
            return builder.value(ActiveOp)
        if self._active is None:
            self._active = self._start.value(ActiveOp)
        return self._active

    def memory(self, use: str, t: DType, size: int) -> Value:
        """Shared memory of `size` values for one use; the same one whenever it is asked for."""
        key = use, t, size
        if key not in self._memories:
            self._memories[key] = self._start.value(SharedOp, type=MemType(t, (size,), "shared"))
        return self._memories[key]

    def carried(self, t: DType) -> DType:
        """The type in which values of a type pass through shared memory: one of 32 or 64 bits, no index."""
        if t is index:
            return i64 if self.index_bits == 64 else i32
        if t is bool_ or (t.kind == "uint" and t.bits < 32):
            return u32
        return i32 if t.kind == "int" and t.bits < 32 else t


def widened(w: Write, value: Value, t: DType) -> Value:
    """A value in the type it is carried in."""
    return value if value.type is t else w.cast(value, t)


def brought(w: Write, team: Team, value: Value, kind: str, t: DType) -> Value:
    """What this thread brings to a reduction in the carried type: its value, or the identity."""
    neutral = w.const(t, identity(kind, t))
    return w.select(team.active(w.builder), widened(w, value, t), neutral)


def load(w: Write, memory: Value, place: Value) -> Value:
    """Read shared memory, in every thread."""
    t: Any = memory.type
    return w.builder.value(LoadOp, memory, place, type=t.elem, whole=True)


def store(w: Write, value: Value, memory: Value, place: Value) -> None:
    """Write shared memory, in every thread."""
    w.builder.op(StoreOp, value, memory, place, whole=True)


def at(w: Write, place: int) -> Value:
    """A constant place."""
    return w.builder.value(ConstOp, type=index, value=place)


def offset(w: Write, base: Value, by: int) -> Value:
    """A place behind another."""
    return w.do(AddOp, base, at(w, by)) if by else base
