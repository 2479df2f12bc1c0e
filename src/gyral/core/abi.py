"""How a launch's arguments and records lie in memory on devices that are not the CPU.

Arguments are 8-byte little-endian slots: a header, then per parameter an array's address, extents and
strides in bytes, or a scalar's bits. Emitters name the slots, drivers fill them; both read this file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gyral.core.artifact import FOLDED, ArrayParameter, Signature
from gyral.core.driver import Launch, Pointer
from gyral.core.errors import InternalError, UnsupportedError

HEADER = ("shape0", "shape1", "shape2", "blocks0", "blocks1", "blocks2", "folded")
"""Extents of the launch and of its grid in blocks, right-aligned: axis 2 varies fastest."""

ENTRY = "gyral_kernel"
"""What every emitted kernel is called."""
OFFSETS, RAGGED = "gyral_offsets", "gyral_ragged"
"""Constants that a pipeline of WGSL sets to false: where all arrays begin with their buffers; where the
launch's last axis is a multiple of the elements that a thread does."""

FAULTS, LOWEST, PRINTS, FAULT_ROOM, PRINT_ROOM, ENTRY_WORDS = range(6)
RECORD_HEADER = 6
"""u32 words of a record before its entries. An entry: thread, site, then two words per value."""

_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Grid:
    """A launch as a device runs it: blocks per native axis (x, y, z) and whether it is folded."""

    native: tuple[int, int, int]
    blocks: tuple[int, int, int]
    folded: bool


def slot_names(signature: Signature) -> Iterator[str]:
    """The slots in order: "shape0", ..., then "a0", "a0e0", "a0s0", ... of array parameter 0, or "a1"."""
    yield from HEADER
    for number, parameter in enumerate(signature.parameters):
        yield f"a{number}"
        if isinstance(parameter, ArrayParameter):
            yield from (f"a{number}e{axis}" for axis in range(parameter.rank))
            yield from (f"a{number}s{axis}" for axis in range(parameter.rank))


def right_aligned(extents: Sequence[int]) -> tuple[int, int, int]:
    """Extents of three axes, ones in front."""
    padded = (1, 1, 1, *extents)
    return padded[-3], padded[-2], padded[-1]


def folds(shape: Sequence[int], block: Sequence[int], limits: Sequence[int]) -> bool:
    """Whether a launch needs code that is `FOLDED`: more blocks of these threads than `limits` (x, y, z).

    The native path decides in the same way. A block whose threads do several elements each has fewer blocks
    than this counts; such a launch may then run folded code on a grid that is not.
    """
    pairs = zip(right_aligned(shape), right_aligned(block), reversed(limits), strict=True)
    return any(extent > threads * limit for extent, threads, limit in pairs)


def grid_of(signature: Signature, shape: Sequence[int], limits: Sequence[int]) -> Grid:
    """The grid of a launch; `limits`: most blocks per native axis x, y, z.

    UnsupportedError when even a folded grid does not fit; InternalError when code that is not `FOLDED`
    would have to be.
    """
    extents = right_aligned(shape)
    b0, b1, b2 = (-(-extent // block) for extent, block in zip(extents, signature.item, strict=True))
    if b2 <= limits[0] and b1 <= limits[1] and b0 <= limits[2]:
        return Grid((b2, b1, b0), (b0, b1, b2), False)
    count = b0 * b1 * b2
    x = min(count, limits[0])
    y = min(-(-count // x), limits[1])
    z = -(-count // (x * y))
    if z > limits[2]:
        raise UnsupportedError(
            f"{signature.name} over {tuple(shape)} is {count} blocks, more than this device can count; "
            "launch it over parts, or with larger blocks"
        )
    if FOLDED not in signature.options.features:
        raise InternalError(
            f"{signature.name} over {tuple(shape)} was compiled for a grid that is not folded"
        )
    return Grid((x, y, z), (b0, b1, b2), True)


def pack(launch: Launch, grid: Grid, place: Callable[[Pointer], int] | None = None) -> bytes:
    """The slots of a launch; `place` gives what stands for an array's address, the address itself without."""
    words = [*right_aligned(launch.shape), *grid.blocks, int(grid.folded)]
    for argument in launch.arguments:
        if isinstance(argument, Pointer):
            words.append(argument.address if place is None else place(argument))
            words += argument.shape
            words += (stride & _MASK for stride in argument.strides)
        else:
            words.append(argument.value & _MASK)
    return struct.pack(f"<{len(words)}Q", *words)


def record_words(signature: Signature, faults: int, prints: int) -> list[int]:
    """A fresh record for one launch, as u32 words, with room for so many faults and prints."""
    widest = 2 + 2 * max((len(site.types) for site in signature.sites), default=0)
    prints = prints if any(site.kind == "print" for site in signature.sites) else 0
    return [0, 0xFFFFFFFF, 0, faults, prints, widest, *[0] * ((faults + prints) * widest)]
