"""Device memory, and addresses for it: WebGPU knows buffers alone, so each gets a range of its own."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Any

from gyral.core.errors import DeviceError, DeviceErrorKind, StateError

_RANGE = 44
_MOST = 1 << 19  # Addresses stay below 2**63, as arrays compute with signed ones.


@dataclass(eq=False, slots=True)
class Memory:
    """One buffer. `generation` counts the losses of its device that came before it.

    `users` are the caches of bind groups that hold it, by their identity and the key there.
    """

    base: int
    nbytes: int
    buffer: Any
    generation: int
    users: dict[tuple[int, Any], dict[Any, Any]] = field(default_factory=dict)

    def forget(self) -> None:
        """Drop the bind groups over this memory."""
        for (_, key), groups in self.users.items():
            groups.pop(key, None)
        self.users.clear()


class AddressBook:
    """Memory by address. Numbers of freed memory are given out again, the lowest first."""

    def __init__(self) -> None:
        self._entries: dict[int, Memory] = {}
        self._free: list[int] = []
        self._next = 1

    def add(self, buffer: Any, nbytes: int, generation: int) -> Memory:
        """Memory over a buffer, at an address of its own."""
        if self._free:
            number = heapq.heappop(self._free)
        elif self._next < _MOST:
            number, self._next = self._next, self._next + 1
        else:
            raise DeviceError(f"there are {_MOST} buffers already", DeviceErrorKind.RESOURCE)
        memory = self._entries[number] = Memory(number << _RANGE, nbytes, buffer, generation)
        return memory

    def remove(self, memory: Memory) -> None:
        """Forget memory. StateError when that was done before."""
        number = memory.base >> _RANGE
        if self._entries.get(number) is not memory:
            raise StateError("this memory was freed before")
        del self._entries[number]
        heapq.heappush(self._free, number)
        memory.forget()

    def find(self, address: int) -> Memory:
        """The memory in which an address lies. StateError when there is none."""
        try:
            return self._entries[address >> _RANGE]
        except KeyError:
            raise StateError(f"no memory of this device is at address {address:#x}") from None

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._free.clear()
        self._next = 1
