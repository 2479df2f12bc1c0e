"""What the walk and the languages tell each other: memories, places, and a kernel's parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from gyral.compiler.ir.types import MemoryType
from gyral.core.artifact import Signature
from gyral.core.dtypes import DType, Leaf, leaves

MemorySpace: TypeAlias = Literal["global", "shared", "local"]


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory that a kernel names: an array parameter, or on-chip memory.

    `name`: "a3" for parameter 3 of the kernel, "t7" for on-chip memory. `number`: an array's number among the
    arrays. `unit`: its last axis is contiguous. `writes`: some op writes it. `alone`: nothing that is written
    overlaps it. `atomics`: numbers of the leaves that atomic ops touch. `fixed`: an array that nobody writes
    during the launch, so that code may read it by ways that see no writes.
    """

    name: str
    type: MemoryType
    space: MemorySpace
    number: int = -1
    unit: bool = False
    writes: bool = True
    alone: bool = False
    atomics: frozenset[int] = frozenset()
    fixed: bool = False

    @property
    def dtypes(self) -> tuple[DType, ...]:
        """The scalar types in an element, each once."""
        return tuple(dict.fromkeys(leaf.dtype for leaf in leaves(self.type.elem)))


@dataclass(frozen=True, slots=True)
class Place:
    """One scalar in memory.

    `index` is an expression of the index type: for arrays in units of the leaf's size from the array's first
    byte, for on-chip memory the number of the element, as each leaf has an array of its own there.
    """

    memory: Memory
    leaf: Leaf
    number: int
    index: str

    @property
    def dtype(self) -> DType:
        """Type of the value."""
        return self.leaf.dtype

    @property
    def atomic(self) -> bool:
        """Whether atomic ops touch this leaf of the memory."""
        return self.number in self.memory.atomics


@dataclass(frozen=True, slots=True)
class Cells:
    """On-chip memory for one leaf: `count` values, kept in the language's cell for `dtype`.

    `atomic`: atomic ops touch it. Shared ones are declared with the kernel, local ones where they stand.
    """

    name: str
    dtype: DType
    count: int
    atomic: bool
    bytes: int


@dataclass(slots=True)
class Kernel:
    """A kernel's parts, for the language to put together. `slots` are names in the order of `core.abi`."""

    signature: Signature
    arrays: tuple[Memory, ...]
    slots: tuple[str, ...]
    prologue: list[str]
    body: list[str]
    helpers: list[str]
    shared: list[Cells] = field(default_factory=list)
