"""Device memory by made-up addresses: OpenCL has buffers, and the runtime counts in addresses.

Each allocation owns a range of 2**44 addresses. Numbers of freed ranges are handed out again only after all
others were, so that an address kept too long is found to be one instead of reaching other memory.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from gyral.core.driver import closed
from gyral.core.errors import DeviceError, DeviceErrorKind, StateError

SHIFT = 44
OFFSET = (1 << SHIFT) - 1
_MOST = 1 << 19
"""Numbers there are, so that addresses stay below 2**63."""


class Memory:
    """One allocation: OpenCL's object, where its addresses begin, and its size in bytes.

    `marks` and `exposed` are the runtime's notes of its use (`runtime.buffer`): they go with it to its next
    owner.
    """

    __slots__ = ("base", "buffer", "exposed", "marks", "nbytes")

    def __init__(self, buffer: Any, base: int, nbytes: int) -> None:
        self.buffer = buffer
        self.base = base
        self.nbytes = nbytes
        self.exposed = False
        self.marks: dict[int, Any] = {}


class Memories:
    """The live allocations of one device. Safe for use by many threads.

    `version` counts what was freed: as long as it stays, every address stays what it is.
    """

    def __init__(self, device: str) -> None:
        self.version = 0
        self._device = device
        self._live: dict[int, Memory] = {}
        self._next = 1
        self._freed: deque[int] = deque()
        self._closed = False
        self._lock = threading.Lock()

    def add(self, buffer: Any, nbytes: int) -> Memory:
        """Give a buffer its addresses."""
        with self._lock:
            if self._next < _MOST:
                number, self._next = self._next, self._next + 1
            elif self._freed:
                number = self._freed.popleft()
            else:
                raise DeviceError(
                    f"{self._device} has {len(self._live)} allocations alive, and can tell no more apart",
                    DeviceErrorKind.RESOURCE,
                )
            made = self._live[number] = Memory(buffer, number << SHIFT, nbytes)
        return made

    def drop(self, memory: Memory) -> None:
        """Forget an allocation. StateError when it is not a live one of this device."""
        number = memory.base >> SHIFT
        with self._lock:
            if self._live.get(number) is not memory:
                raise StateError(f"this memory of {self._device} was freed before")
            del self._live[number]
            self.version += 1
            self._freed.append(number)

    def clear(self) -> list[Memory]:
        """Forget everything, as the device is closed; what was alive is returned."""
        with self._lock:
            self._closed = True
            alive = list(self._live.values())
            self._live.clear()
            self.version += 1
        return alive

    def buffer(self, address: int) -> Any:
        """OpenCL's object behind an address; its offset there is `address & OFFSET`."""
        try:
            return self._live[address >> SHIFT].buffer
        except KeyError:
            raise self._stale(address) from None

    def place(self, address: int, nbytes: int) -> tuple[Any, int]:
        """The object and byte offset of `nbytes` at an address. StateError when they are not ours."""
        memory = self._live.get(address >> SHIFT)
        offset = address & OFFSET
        if memory is None or offset + nbytes > memory.nbytes:
            raise self._stale(address)
        return memory.buffer, offset

    def _stale(self, address: int) -> StateError:
        if self._closed:
            return closed(self._device)
        return StateError(
            f"address {address:#x} is in no memory of {self._device}: it was freed, or is another device's"
        )
