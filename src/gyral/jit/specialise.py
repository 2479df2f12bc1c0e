"""What one specialisation is for: the kinds of the arguments and the options they lead to."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gyral.core.abi import folds
from gyral.core.artifact import ALIGNED, FOLDED, Check, CompileOptions
from gyral.core.dtypes import ArrayType, DType, StructType, Vec
from gyral.core.errors import UserError
from gyral.jit.arguments import ArrayGiven, Given, Kind, Weak

DEFAULT_BLOCKS = {1: (256,), 2: (8, 32), 3: (2, 4, 32)}
"""The block of a kernel for which nobody chose one, by rank; the last axis is a subgroup wide."""
_NARROW = 1 << 31


@dataclass(frozen=True, slots=True)
class Spec:
    """One specialisation of a kernel. `rank` is the launch's, `device` the kind of device."""

    kinds: tuple[Kind, ...]
    options: CompileOptions
    rank: int
    device: str

    def spelling(self) -> str:
        """Everything a compilation depends on besides the kernel itself, in words."""
        return f"{[spell(k) for k in self.kinds]} {self.options!r} {self.rank} {self.device}"


def spell(kind: Kind) -> str:
    """An argument's kind in full, structs with their fields."""
    if isinstance(kind, ArrayType):
        return f"array {spell(kind.elem)} {kind.rank} {kind.readonly}"
    if isinstance(kind, StructType):
        return f"struct {kind.name} {[(name, spell(t)) for name, t in kind.fields]}"
    if isinstance(kind, (DType, Vec)):
        return kind.name
    if isinstance(kind, Weak):
        return f"weak {kind.value}"
    value = kind.value
    if type(value) is int:
        return f"static int {value:x}"  # Python refuses to write out long integers in decimal
    shown = spell(value) if isinstance(value, (DType, Vec, StructType, ArrayType)) else repr(value)
    return f"static {type(value).__name__} {shown}"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a launch asks for besides its arguments.

    `separate`: buffers are bound one by one. `wide`: bytes of the device's widest access.
    `max_grid`: most blocks along x, y and z of devices that run whole blocks, () of others.
    """

    device: str = "cpu"
    block: tuple[int, ...] = ()
    check: Check = "off"
    fastmath: bool = False
    features: tuple[str, ...] = ()
    separate: bool = False
    downcast: bool = False
    wide: int = 0
    max_grid: tuple[int, ...] = ()


def specialise(
    given: Sequence[Given], shape: tuple[int, ...], terms: Terms, writes: Sequence[bool] | None = None
) -> Spec:
    """The specialisation a launch needs.

    `writes` says of each array whether the kernel writes it. That is known once it was compiled for these
    kinds; until then every array that is not declared read-only counts as written.
    """
    arrays = [g for g in given if isinstance(g, ArrayGiven)]
    options = CompileOptions(
        index_bits=32 if _narrow(arrays, shape) else 64,
        check=terms.check,
        noalias=not _overlapping(arrays, writes or [not a.kind.readonly for a in arrays]),
        unit_stride=tuple(a.unit for a in arrays),
        block=terms.block,
        fastmath=terms.fastmath,
        features=_features(arrays, shape, terms),
        groups=groups_of(arrays) if terms.separate else (),
        downcast=terms.downcast,
    )
    return Spec(tuple(g.kind for g in given), options, len(shape), terms.device)


def declared(kinds: Sequence[Kind], rank: int, terms: Terms) -> Spec:
    """The specialisation for types alone: contiguous arrays, each in its own buffer, of ordinary size."""
    unit = tuple(True for k in kinds if isinstance(k, ArrayType))
    options = CompileOptions(
        index_bits=32,
        check=terms.check,
        noalias=True,
        unit_stride=unit,
        block=terms.block,
        fastmath=terms.fastmath,
        features=terms.features,
        groups=tuple(range(len(unit))) if terms.separate else (),
        downcast=terms.downcast,
    )
    return Spec(tuple(kinds), options, rank, terms.device)


def groups_of(arrays: Sequence[ArrayGiven]) -> tuple[int, ...]:
    """Per array the number of the buffer it lives in; NumPy arrays live in the buffer they are copied to."""
    numbers: dict[Any, int] = {}
    found: list[int] = []
    for a in arrays:
        buffer = getattr(a.owner, "buffer", None)
        key = id(buffer) if buffer is not None else (a.address, a.shape, a.strides, a.kind.elem)
        found.append(numbers.setdefault(key, len(numbers)))
    return tuple(found)


def _features(arrays: Sequence[ArrayGiven], shape: tuple[int, ...], terms: Terms) -> tuple[str, ...]:
    """The device's features, and what is known of this launch."""
    known = []
    if _aligned(arrays, shape, terms):
        known.append(ALIGNED)
    if terms.max_grid and folds(shape, terms.block or DEFAULT_BLOCKS[len(shape)], terms.max_grid):
        known.append(FOLDED)
    return tuple(sorted((*terms.features, *known))) if known else terms.features


def _aligned(arrays: Sequence[ArrayGiven], shape: tuple[int, ...], terms: Terms) -> bool:
    """Whether arrays and their rows begin where the device's widest accesses do."""
    if not terms.wide or not arrays or shape[-1] >= _NARROW - terms.wide:
        return False
    return all(
        a.unit and a.address % terms.wide == 0 and all(s % terms.wide == 0 for s in a.strides[:-1])
        for a in arrays
    )


def check_tile(name: str, tile: object) -> tuple[int, ...]:
    """The rows and vectors that a kernel asks for, () for none; UserError for anything else."""
    if tile is None:
        return ()
    if isinstance(tile, tuple) and len(tile) == 2 and all(n in range(1, 17) for n in tile):
        return tile
    raise UserError(f"{name}: tile is (rows, vectors), each from 1 to 16, not {tile!r}")


def tiled(spec: Spec, tile: tuple[int, ...]) -> Spec:
    """A specialisation with the kernel's own tile, if it has one."""
    return replace(spec, options=replace(spec.options, tile=tile)) if tile else spec


def _narrow(arrays: Sequence[ArrayGiven], shape: tuple[int, ...]) -> bool:
    return math.prod(shape) < _NARROW and all(
        a.high - a.low < _NARROW and all(extent < _NARROW for extent in a.shape) for a in arrays
    )


def _overlapping(arrays: Sequence[ArrayGiven], writes: Sequence[bool]) -> bool:
    """Whether a written array shares bytes with another array argument."""
    found = [(a, w) for a, w in zip(arrays, writes, strict=True) if a.low < a.high]
    return any(
        (wa or wb) and a.low < b.high and b.low < a.high
        for at, (a, wa) in enumerate(found)
        for b, wb in found[at + 1 :]
    )
