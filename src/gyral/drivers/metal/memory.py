"""Buffers by address: Metal binds buffers and offsets, the runtime counts in addresses.

Each allocation gets a range of 2**44 made-up addresses to itself, so that an address leads to its buffer.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from gyral.core.driver import closed
from gyral.core.errors import StateError

SHIFT = 44
_OFFSET = (1 << SHIFT) - 1
_NUMBERS = (1 << 19) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """One allocation: Metal's buffer, its first address and its size in bytes."""

    buffer: Any
    base: int
    nbytes: int

    def bytes(self, offset: int, nbytes: int) -> memoryview:
        """Part of the buffer as the host sees it, which shares its memory with the device."""
        return memoryview(self.buffer.contents().as_buffer(self.nbytes)).cast("B")[offset : offset + nbytes]


class Memories:
    """The live allocations of a device. Safe for use by many threads."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._live: dict[int, Memory] = {}
        self._last = 0
        self._closed = False
        self._lock = threading.Lock()

    def add(self, buffer: Any, nbytes: int) -> Memory:
        """Give a buffer a range of addresses, the one unused for longest."""
        with self._lock:
            self._last = self._last % _NUMBERS + 1
            while self._last in self._live:
                self._last = self._last % _NUMBERS + 1
            memory = self._live[self._last] = Memory(buffer, self._last << SHIFT, nbytes)
        return memory

    def drop(self, memory: Memory) -> None:
        """Forget an allocation. StateError when it is not a live one."""
        with self._lock:
            if self._live.get(memory.base >> SHIFT) is not memory:
                raise StateError(f"this memory of {self._device} was freed before")
            del self._live[memory.base >> SHIFT]

    def clear(self) -> None:
        """Forget all allocations, as the device is closed."""
        with self._lock:
            self._closed = True
            self._live.clear()

    def place(self, address: int, nbytes: int = 0) -> tuple[Memory, int]:
        """The allocation at an address and the byte offset in it. StateError when it is none of ours."""
        memory, offset = self._live.get(address >> SHIFT), address & _OFFSET
        if memory is None or offset + nbytes > memory.nbytes:
            if self._closed:
                raise closed(self._device)
            raise StateError(
                f"address {address:#x} is in no memory of {self._device}: freed before, or another device's"
            )
        return memory, offset
