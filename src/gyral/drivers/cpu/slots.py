"""A launch's arguments as the slots of a CPU kernel's frame."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from gyral.core.driver import Bits, Pointer


def pack(arguments: Iterable[Pointer | Bits]) -> bytes:
    """Pointer, extents and strides per array, the bits of each scalar."""
    words: list[int] = []
    for argument in arguments:
        if isinstance(argument, Pointer):
            words += (argument.address, *argument.shape, *(s & 0xFFFFFFFFFFFFFFFF for s in argument.strides))
        else:
            words.append(argument.value)
    return struct.pack(f"<{len(words)}Q", *words)
