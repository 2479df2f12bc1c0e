"""A made-up device with every optional power, over host memory it does not admit to, for the runtime's tests.

It does its work at once and writes down what it was asked, so that order and synchronisation can be asserted.
"""

import ctypes
import itertools
from dataclasses import replace
from typing import Any

from gyral.core.errors import DeviceError, DeviceErrorKind
from gyral.drivers.null.driver import NullDriver, NullQueue

EXTENSION, CUDA = 12, 2
"""DLPack's numbers for devices it does not know, and for CUDA's."""


class Mark:
    """A point in a queue, with the time the device's clock showed."""

    def __init__(self, queue: Any, tick: int) -> None:
        self.queue = queue
        self.tick = tick


class SharedDriver(NullDriver):
    """`log` holds what was asked, oldest first; `room` is how many bytes may be allocated at a time."""

    def __init__(self, index: int = 0) -> None:
        super().__init__(index)
        self.name = f"shared:{index}" if index else "shared"
        self.capabilities = replace(self.capabilities, memory_bytes=1 << 20)
        self.log: list[Any] = []
        self.room = 1 << 40
        self.lost = False
        self._ticks = itertools.count(1)
        self._handles: dict[int, NullQueue] = {}

    def allocate(self, nbytes: int) -> int:
        held = sum(ctypes.sizeof(block) for block in self._blocks.values())
        if held + nbytes > self.room:
            raise DeviceError("the card is full", DeviceErrorKind.RESOURCE)
        return super().allocate(nbytes)

    def free(self, memory: int) -> None:
        self.log.append(("free", memory))
        super().free(memory)

    def copy_in(self, queue: NullQueue | None, address: int, source: memoryview) -> None:
        self.log.append(("copy_in", queue, address, source.nbytes))
        super().copy_in(queue, address, source)

    def copy_out(self, queue: NullQueue | None, target: memoryview, address: int) -> None:
        self.log.append(("copy_out", queue, address, target.nbytes))
        super().copy_out(queue, target, address)

    def mark(self, queue: NullQueue) -> Any:
        return Mark(queue, 0)

    def after(self, queue: NullQueue, mark: Any) -> None:
        self.log.append(("after", queue, mark.queue))

    def wait(self, mark: Any) -> None:
        self.log.append(("wait", mark.queue))
        if self.lost:
            raise DeviceError("the card fell off the bus", DeviceErrorKind.FATAL)

    def timed_mark(self, queue: NullQueue) -> Any:
        return Mark(queue, next(self._ticks))

    def elapsed_ms(self, first: Mark, second: Mark) -> float:
        return float(second.tick - first.tick)

    def pinned(self, nbytes: int) -> memoryview:
        self.log.append(("pinned", nbytes))
        return memoryview(bytearray(nbytes))

    def copy(self, queue: NullQueue, target: int, source: int, nbytes: int) -> None:
        self.log.append(("copy", queue, nbytes))
        ctypes.memmove(target, source, nbytes)

    def fill(self, queue: NullQueue, address: int, pattern: bytes, nbytes: int) -> None:
        self.log.append(("fill", queue, pattern, nbytes))
        ctypes.memmove(address, pattern * (nbytes // len(pattern)), nbytes)

    def copy_peer(self, queue: NullQueue, target: int, other: Any, source: int, nbytes: int) -> bool:
        if not isinstance(other, SharedDriver):
            return False
        self.log.append(("copy_peer", queue, other, nbytes))
        ctypes.memmove(target, source, nbytes)
        return True

    def prefetch(self, queue: NullQueue, address: int, nbytes: int) -> None:
        self.log.append(("prefetch", queue, address, nbytes))

    def advise(self, address: int, nbytes: int, pattern: str) -> None:
        self.log.append(("advise", address, nbytes, pattern))

    def adopt(self, address: int, nbytes: int) -> int:
        self.log.append(("adopt", address, nbytes))
        return address

    def queue_of(self, stream: int) -> NullQueue:
        return self._handles.setdefault(stream, NullQueue())

    def stream_of(self, queue: NullQueue) -> int:
        return id(queue)

    def close(self) -> None:
        super().close()
        if self.lost:
            raise DeviceError("the card fell off the bus", DeviceErrorKind.FATAL)
