"""What a lost device takes with it: work not yet submitted, its parameters, bytes on their way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from gyral.core.errors import DeviceError, DeviceErrorKind
from gyral.drivers.webgpu.link import Command, Item, Link

Call: TypeAlias = tuple[Any, Callable[[], None]]
"""Something to call, and the queue whose failure it is when it raises."""
_RING = 1 << 16
_LONGEST = 16
"""Launches that are put together while the device is busy; when it is idle, each starts at once."""
_STAGING_KEPT = 1 << 24


@dataclass(eq=False, slots=True)
class _Read:
    """Bytes on their way to the host: behind which command buffer, where they are, where they go."""

    serial: int
    number: int
    staging: Any
    size: int
    skip: int
    target: memoryview


class Session:
    """One link and the work on it, in one order. Whoever calls holds the lock of its driver."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.ring = link.buffer(_RING, "UNIFORM|COPY_DST")
        self._step = max(link.limits["min-uniform-buffer-offset-alignment"], 16)
        self._parameters = bytearray()
        self._items: list[Item] = []
        self._keep: list[Any] = []
        self._offsets: dict[int, Any] = {}
        self._reads: list[_Read] = []
        self._done: list[tuple[int, Call]] = []
        self._staging: dict[int, list[Any]] = {}

    @property
    def serial(self) -> int:
        """The number of the command buffer that holds, or will hold, all work so far."""
        return self.link.submitted + bool(self._items)

    def offset_of(self, place: int) -> Any:
        """A byte offset as the native call takes it."""
        found = self._offsets.get(place)
        if found is None:
            found = self._offsets[place] = self.link.ffi.new("uint32_t[]", [place])
        return found

    def slot(self, parameters: bytes) -> Any:
        """Room for a launch's parameters, as a bind group's offset. What is full is submitted first."""
        if len(self._parameters) + self.padded(len(parameters)) > _RING:
            self.flush()
        place = len(self._parameters)
        self._parameters += parameters
        self._parameters += bytes(self.padded(len(parameters)) - len(parameters))
        return self.offset_of(place)

    def padded(self, nbytes: int) -> int:
        """Bytes that parameters take up, so that those behind them begin where a binding may."""
        return -(-nbytes // self._step) * self._step

    def put(self, item: Item, keep: Any = None) -> None:
        """Add work. It starts now if the device has nothing to do, else with the work behind it."""
        self._items.append(item)
        if keep is not None:
            self._keep.append(keep)
        if len(self._items) >= _LONGEST or self.link.idle():
            self.flush()

    def put_all(self, items: Sequence[Item]) -> None:
        """Add work and start it."""
        self._items += items
        self.flush()

    def put_copy(self, source: Any, start: int, target: Any, to: int, nbytes: int) -> None:
        """Add a copy of whole words between two buffers."""
        self.put(self._copy(source, start, target, to, nbytes))

    def put_zeros(self, buffer: Any, offset: int, nbytes: int) -> None:
        """Add a fill of whole words with zero."""
        clear = self.link.lib.wgpuCommandEncoderClearBuffer
        self.put(lambda encoder: clear(encoder, buffer._internal, offset, nbytes))

    def flush(self) -> None:
        """Start all work so far."""
        if not self._items:
            return
        items, keep, parameters = self._items, self._keep, self._parameters
        self._items, self._keep, self._parameters = [], [], bytearray()
        if parameters:
            self.link.write(self.ring, 0, parameters)
        self.link.submit(items)
        del keep

    def read(self, buffer: Any, offset: int, target: memoryview) -> None:
        """Copy bytes of a buffer to the host, behind all work so far; they are there after `wait`."""
        first = offset & ~3
        skip = offset - first
        size = (skip + target.nbytes + 3) & ~3
        staging = self._take(size)
        self._items.append(self._copy(buffer, first, staging, 0, size))
        self.flush()
        number = self.link.read_later(staging, size)
        self._reads.append(_Read(self.link.submitted, number, staging, size, skip, target))

    def call(self, owner: Any, done: Callable[[], None]) -> None:
        """Call something when all work so far is done, on the thread that waits for it."""
        self._done.append((self.serial, (owner, done)))

    def awaited(self, serial: int) -> list[int]:
        """What besides a command buffer must have come back for all work up to it to be done."""
        return [read.number for read in self._reads if read.serial <= serial]

    def settle(self) -> list[Call]:
        """Hand over the bytes that arrived; gives the calls that are due."""
        link = self.link
        due = [read for read in self._reads if read.number in link.mapped and read.serial <= link.completed]
        self._reads = [read for read in self._reads if read not in due]
        for read in due:
            self._hand_over(read)
        calls = [call for serial, call in self._done if serial <= link.completed]
        self._done = [entry for entry in self._done if entry[0] > link.completed]
        return calls

    def _copy(self, source: Any, start: int, target: Any, to: int, nbytes: int) -> Command:
        copy = self.link.lib.wgpuCommandEncoderCopyBufferToBuffer
        # The closure keeps the buffers until it ran.
        return lambda encoder: copy(encoder, source._internal, start, target._internal, to, nbytes)

    def _hand_over(self, read: _Read) -> None:
        if not self.link.mapped.pop(read.number):
            raise DeviceError("the WebGPU device was lost before it gave bytes back", DeviceErrorKind.FATAL)
        found = self.link.bytes_of(read.staging, read.size)
        read.target[:] = found[read.skip : read.skip + read.target.nbytes]
        found.release()
        self.link.unmap(read.staging)
        kept = self._staging.setdefault(read.staging.size, [])
        if read.staging.size <= _STAGING_KEPT and len(kept) < 4:
            kept.append(read.staging)

    def _take(self, size: int) -> Any:
        room = max(256, 1 << (size - 1).bit_length()) if size <= _STAGING_KEPT else size
        kept = self._staging.get(room)
        return kept.pop() if kept else self.link.buffer(room, "MAP_READ|COPY_DST")
