"""Loads, stores and on-chip memory. An access names one scalar leaf of an element.

An access that is `whole` is made by every thread of the block as the device runs it, by those beyond the
shape and those that failed too: passes write so what a block does together. All others are made by active
threads alone.
"""

from __future__ import annotations

from gyral.compiler.ir.define import (
    INDEX,
    MEMORY,
    SCALAR,
    Operation,
    attr,
    operand,
    operands,
    result,
    results,
)
from gyral.compiler.ir.traits import PURE, READS, UNIFORM, WRITES
from gyral.compiler.ir.types import MemoryType
from gyral.core.dtypes import ArrayType, DType, index, leaves


class LoadOp(Operation):
    """Scalar leaf number `leaf` (in `core.dtypes.leaves` order) of the element at the indices."""

    name = "memory.load"
    memory = operand(MEMORY)
    indices = operands(INDEX)
    leaf = attr(int, default=0)
    whole = attr(bool, default=False)
    out = result(SCALAR)
    traits = READS

    def verify_(self) -> None:
        check_access(self.memory.type, len(self.indices), self.leaf, self.out.type)


class StoreOp(Operation):
    """Write a scalar leaf of the element at the indices."""

    name = "memory.store"
    value = operand(SCALAR)
    memory = operand(MEMORY)
    indices = operands(INDEX)
    leaf = attr(int, default=0)
    whole = attr(bool, default=False)
    traits = WRITES

    def verify_(self) -> None:
        check_access(self.memory.type, len(self.indices), self.leaf, self.value.type)
        if isinstance(self.memory.type, ArrayType) and self.memory.type.readonly:
            raise ValueError("the array is declared read-only")


class LoadWideOp(Operation):
    """Neighbouring elements along the last axis, one per result, in one access of the device.

    The first is aligned to the whole access, and the elements stand without gaps.
    """

    name = "memory.load_wide"
    memory = operand(MEMORY)
    indices = operands(INDEX)
    leaf = attr(int, default=0)
    values = results(SCALAR)
    traits = READS

    def verify_(self) -> None:
        for value in self.values:
            check_access(self.memory.type, len(self.indices), 0, value.type)


class StoreWideOp(Operation):
    """Write neighbouring elements along the last axis in one access, as `LoadWideOp` reads them.

    `operands` behind the memory: its indices, then the values.
    """

    name = "memory.store_wide"
    memory = operand(MEMORY)
    rest = operands(SCALAR)
    leaf = attr(int, default=0)
    traits = WRITES

    def verify_(self) -> None:
        rank = self.memory.type.rank
        for value in self.rest[rank:]:
            check_access(self.memory.type, rank, 0, value.type)


class DimOp(Operation):
    """Extent of an array parameter along one axis."""

    name = "memory.dim"
    array = operand(MEMORY)
    axis = attr(int)
    out = result(of=index)
    traits = PURE | UNIFORM


class SharedOp(Operation):
    """Memory of the result's type, one per block, contents undefined at first."""

    name = "memory.shared"
    out = result(MEMORY)


class LocalOp(Operation):
    """Memory of the result's type, one per thread, contents undefined at first."""

    name = "memory.local"
    out = result(MEMORY)


def check_access(memory: MemoryType, indices: int, leaf: int, scalar: DType) -> None:
    """Rank, leaf number and leaf type of an access must fit its memory; else ValueError."""
    if indices != memory.rank:
        raise ValueError(f"{indices} indices into memory of rank {memory.rank}")
    found = leaves(memory.elem)
    if not 0 <= leaf < len(found):
        raise ValueError(f"leaf {leaf} of an element with {len(found)} leaves")
    if found[leaf].dtype is not scalar:
        raise ValueError(f"leaf {leaf} is {found[leaf].dtype}, not {scalar}")
