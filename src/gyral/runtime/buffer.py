"""A block of device memory: who uses it, and where it goes when nobody does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Buffer:
    """Memory of one device, given back when the last array over it is dropped.

    `marks` are the points in queues behind the work that uses it, at most one per queue. `exposed` says
    that its memory was handed to the host, after which work on it is done at once, never queued.
    """

    __slots__ = ("__weakref__", "_release", "address", "exposed", "marks", "memory", "nbytes")

    def __init__(self, memory: Any, address: int, nbytes: int, release: Callable[[Any, int], None]) -> None:
        self.memory = memory
        self.address = address
        self.nbytes = nbytes
        self.exposed = False
        self.marks: dict[Any, Any] = {}
        self._release = release

    def __del__(self) -> None:
        # Queued work holds the buffers it uses, so that nothing is pending when the last reference goes.
        if hasattr(self, "_release"):
            self._release(self.memory, self.nbytes)
