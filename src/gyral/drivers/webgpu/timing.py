"""Marks that note the device's clock, where it has one."""

from __future__ import annotations

import weakref
from typing import Any

from gyral.core.errors import DeviceError, DeviceErrorKind
from gyral.drivers.webgpu.engine import Mark, Queue
from gyral.drivers.webgpu.session import Session

_MARKS = 256
_STEP = 256  # What a buffer's offset must be a multiple of where clock values are put.


class Clock:
    """Room for so many marks at a time; a mark that is dropped makes room."""

    def __init__(self, session: Session) -> None:
        self._device = session.link.device
        self._lib, ffi = session.link.lib, session.link.ffi
        self._queries = self._device.create_query_set(type="timestamp", count=_MARKS)
        self.values = session.link.buffer(_MARKS * _STEP, "QUERY_RESOLVE|COPY_SRC")
        self.nanoseconds = float(self._lib.wgpuQueueGetTimestampPeriod(self._device.queue._internal))
        self._free = list(range(_MARKS))
        self._writes = ffi.new("WGPUPassTimestampWrites *")
        self._pass = ffi.new("WGPUComputePassDescriptor *")
        self._pass.timestampWrites = self._writes
        self._writes.querySet = self._queries._internal
        self._writes.beginningOfPassWriteIndex = self._lib.WGPU_QUERY_SET_INDEX_UNDEFINED

    def take(self, owner: Any) -> int:
        """A place for a mark, as long as its owner lives. DeviceError of kind RESOURCE when all are taken."""
        if not self._free:
            raise DeviceError(
                f"at most {_MARKS} timed events can be kept at a time", DeviceErrorKind.RESOURCE
            )
        place = self._free.pop()
        weakref.finalize(owner, self._free.append, place).atexit = False
        return place

    def note(self, encoder: Any, place: int) -> None:
        """Put on an encoder: note the clock when everything before is done."""
        lib = self._lib
        self._writes.endOfPassWriteIndex = place
        stage = lib.wgpuCommandEncoderBeginComputePass(encoder, self._pass)
        lib.wgpuComputePassEncoderEnd(stage)
        lib.wgpuComputePassEncoderRelease(stage)
        lib.wgpuCommandEncoderResolveQuerySet(
            encoder, self._queries._internal, place, 1, self.values._internal, self.offset(place)
        )

    def offset(self, place: int) -> int:
        """Where a mark's clock value is, in bytes."""
        return place * _STEP


class TimedMark:
    """A mark and its place on a clock. `serial` is known when it was put on the device."""

    def __init__(self, queue: Queue, session: Session, clock: Clock) -> None:
        self.queue, self.session, self.clock = queue, session, clock
        self.serial = 0
        self.place = clock.take(self)

    def plain(self) -> Mark:
        """The mark without the clock."""
        return Mark(self.queue, self.session, self.serial)
