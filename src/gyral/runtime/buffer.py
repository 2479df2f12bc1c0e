"""A block of device memory: who uses it, and where it goes when nobody does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class _Notes:
    """What is known of the use of a memory that keeps no notes itself."""

    __slots__ = ("exposed", "marks")

    def __init__(self) -> None:
        self.exposed = False
        self.marks: dict[int, Any] = {}


class Buffer:
    """Memory of one device, given back when the last array over it is dropped.

    `marks` are the points in queues behind the work that uses it, by `id()` of the queue. `exposed` says
    that its memory was handed to the host, after which work on it is done at once, never queued.
    Both are kept by a driver's memory that has places for them: such a memory remembers the work of its
    last owner, so that whoever gets it from the pool next waits for it.
    """

    __slots__ = ("__weakref__", "_notes", "_release", "address", "memory", "nbytes")

    def __init__(self, memory: Any, address: int, nbytes: int, release: Callable[[Any, int], None]) -> None:
        self.memory = memory
        self.address = address
        self.nbytes = nbytes
        self._notes = memory if hasattr(memory, "marks") and hasattr(memory, "exposed") else _Notes()
        self._notes.exposed = False
        self._release = release

    @property
    def marks(self) -> dict[int, Any]:
        """The points behind the work that uses the memory."""
        return self._notes.marks

    @marks.setter
    def marks(self, marks: dict[int, Any]) -> None:
        self._notes.marks = marks

    @property
    def exposed(self) -> bool:
        """Whether the host was given the memory."""
        return bool(self._notes.exposed)

    @exposed.setter
    def exposed(self, exposed: bool) -> None:
        self._notes.exposed = exposed

    def __del__(self) -> None:
        # Queued work either holds the buffers it uses, so that nothing is pending when the last reference
        # goes, or the memory itself knows what is pending.
        if hasattr(self, "_release"):
            self._release(self.memory, self.nbytes)
