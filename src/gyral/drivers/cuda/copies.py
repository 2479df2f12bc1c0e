"""Copies between host and device, and on devices.

Host memory that is not pinned goes through pinned slabs: while one is filled or emptied by the processor, the
device works on another.
"""

from __future__ import annotations

import ctypes
import threading
from collections import deque

import numpy as np

from gyral.core.errors import InternalError
from gyral.drivers.cuda.memory import is_pinned, pinned
from gyral.drivers.cuda.queue import Mark, Queue, Streams
from gyral.drivers.cuda.session import Session

SLAB = 4 << 20
"""Bytes of a slab: long enough for the bus to run at full speed, short enough to overlap early."""
_MOST_SLABS = 8


class _Slab:
    """A piece of pinned memory, and the point behind the copy that uses it."""

    __slots__ = ("address", "mark", "memory")

    def __init__(self, session: Session) -> None:
        self.memory = pinned(session, SLAB)
        self.address = address_of(self.memory)
        self.mark: Mark | None = None


class Copies:
    """The copies of one device."""

    def __init__(self, session: Session, streams: Streams) -> None:
        self._session = session
        self._streams = streams
        self._lock = threading.Lock()
        self._free: deque[_Slab] = deque()
        self._made = 0

    def bring(self, queue: Queue, address: int, source: memoryview) -> None:
        """Put a copy from host bytes on a queue. Bytes that are not pinned were read when this returns."""
        nbytes = source.nbytes
        if nbytes == 0:
            return
        start = address_of(source)
        with self._session as session:
            if is_pinned(session, start, nbytes):
                session.call("cuMemcpyHtoDAsync_v2", address, start, nbytes, queue.handle)
                queue.put(keep=source)
                return
            for at in range(0, nbytes, SLAB):
                count = min(SLAB, nbytes - at)
                slab = self._take()
                try:
                    ctypes.memmove(slab.address, start + at, count)
                    session.call("cuMemcpyHtoDAsync_v2", address + at, slab.address, count, queue.handle)
                    slab.mark = Mark(queue, queue.put())
                finally:
                    self._free.append(slab)

    def fetch(self, queue: Queue, target: memoryview, address: int) -> None:
        """Put a copy to host bytes on a queue. Bytes that are not pinned are there when this returns."""
        nbytes = target.nbytes
        if nbytes == 0:
            return
        if target.readonly:
            raise InternalError("a copy was to write memory that is read-only")
        start = address_of(target)
        with self._session as session:
            if is_pinned(session, start, nbytes):
                session.call("cuMemcpyDtoHAsync_v2", start, address, nbytes, queue.handle)
                queue.put(keep=target)
                return
            under_way: deque[tuple[_Slab, int, int]] = deque()
            try:
                for at in range(0, nbytes, SLAB):
                    count = min(SLAB, nbytes - at)
                    slab = self._take()
                    under_way.append((slab, start + at, count))
                    session.call("cuMemcpyDtoHAsync_v2", slab.address, address + at, count, queue.handle)
                    slab.mark = Mark(queue, queue.put())
                    if len(under_way) > 2:
                        self._empty(under_way)
                while under_way:
                    self._empty(under_way)
            finally:
                self._free.extend(slab for slab, _, _ in under_way)

    def move(self, queue: Queue, target: int, source: int, nbytes: int) -> None:
        """Put a copy within the device on a queue."""
        if nbytes:
            with self._session as session:
                session.call("cuMemcpyDtoDAsync_v2", target, source, nbytes, queue.handle)
            queue.put()

    def move_from(self, queue: Queue, target: int, other: Session, source: int, nbytes: int) -> None:
        """Put a copy from another device on a queue."""
        if nbytes:
            with self._session as session:
                session.call(
                    "cuMemcpyPeerAsync", target, session.context, source, other.context, nbytes, queue.handle
                )
            queue.put()

    def fill(self, queue: Queue, address: int, pattern: bytes, nbytes: int) -> None:
        """Put on a queue: repeat a pattern of 1, 2, 4, 8 or 16 bytes over memory."""
        if nbytes == 0:
            return
        shortest = _shortest(pattern)
        value = int.from_bytes(shortest, "little")
        setter = {1: "cuMemsetD8Async", 2: "cuMemsetD16Async", 4: "cuMemsetD32Async"}.get(len(shortest))
        if setter is not None:
            with self._session as session:
                session.call(setter, address, value, nbytes // len(shortest), queue.handle)
            queue.put()
            return
        # The device sets words of up to four bytes. Longer patterns are copied once and then doubled.
        done = min(nbytes, 4096)
        self.bring(queue, address, memoryview(shortest * (done // len(shortest))))
        while done < nbytes:
            more = min(done, nbytes - done)
            self.move(queue, address + done, address, more)
            done += more

    def close(self) -> None:
        """Drop the slabs; what is still copied through one keeps it."""
        self._free.clear()

    def _take(self) -> _Slab:
        """A slab that nothing uses: one that was given back long ago, a new one, or the first to be free."""
        with self._lock:
            slab = self._free.popleft() if self._free and self._is_idle(self._free[0]) else None
            if slab is None and (self._made < _MOST_SLABS or not self._free):
                self._made += 1
                slab = _Slab(self._session)
            slab = slab or self._free.popleft()
        if slab.mark is not None:
            self._streams.wait(slab.mark)
            slab.mark = None
        return slab

    def _is_idle(self, slab: _Slab) -> bool:
        mark = slab.mark
        return mark is None or mark.queue.completed >= mark.serial or self._streams.wait(mark, 0.0)

    def _empty(self, under_way: deque[tuple[_Slab, int, int]]) -> None:
        """Bring the oldest piece under way from its slab to where it belongs."""
        slab, target, count = under_way[0]
        if slab.mark is not None:
            self._streams.wait(slab.mark)
        ctypes.memmove(target, slab.address, count)
        slab.mark = None
        under_way.popleft()
        self._free.append(slab)


def address_of(view: memoryview) -> int:
    """Where the bytes of a contiguous view stand, read-only ones too."""
    address: int = np.frombuffer(view, np.uint8).__array_interface__["data"][0] if view.nbytes else 0
    return address


def _shortest(pattern: bytes) -> bytes:
    """The shortest piece of which a pattern is made."""
    size = len(pattern)
    while size > 1 and pattern[: size // 2] == pattern[size // 2 : size]:
        size //= 2
    return pattern[:size]
