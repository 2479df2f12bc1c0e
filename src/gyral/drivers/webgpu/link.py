"""The wire to one WebGPU device: command buffers in order, read-backs, and waiting for both.

wgpu's native calls are used directly where launches are encoded: its Python layer costs more than they do.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from time import sleep
from types import TracebackType
from typing import Any, NamedTuple, TypeAlias

from gyral.core import native
from gyral.core.clock import MONOTONIC
from gyral.core.errors import DeviceError, DeviceErrorKind
from gyral.drivers.webgpu import library

Dispatch: TypeAlias = tuple[Any, Any, Any, int, int, int]
"""Native handles of pipeline and bind group, a C array with the parameters' offset, groups along x, y, z."""
Command: TypeAlias = Callable[[Any], None]
"""Something other than a launch, put on a native command encoder."""


class Series(NamedTuple):
    """Launches behind one another. `table` has them for C: see `_native.encode_launches`."""

    launches: Sequence[Dispatch]
    table: bytes


Item: TypeAlias = Dispatch | Command | Series


class _Raised(threading.local):
    """What a thread has to raise when wgpu has returned to it."""

    error: BaseException | None = None


_raised = _Raised()
_numbers = itertools.count(1)
_SHORTEST, _LONGEST = 20e-6, 2e-3
"""Seconds between two looks at work that is waited for."""
_links: weakref.WeakValueDictionary[int, Link] = weakref.WeakValueDictionary()


class Link:
    """One open device. `submitted` and `completed` count command buffers."""

    def __init__(self, device: Any) -> None:
        self.device = device
        self.limits: dict[str, int] = dict(self.device.limits)
        self.submitted = 0
        self.completed = 0
        self.mapped: dict[int, bool] = {}
        self._awaited: set[int] = set()
        self._number = next(_numbers)
        self.ffi, self.lib = library.native()["ffi"], library.native()["lib"]
        self._done, self._map = _callbacks()
        ffi = self.ffi
        self._encoder = ffi.new("WGPUCommandEncoderDescriptor *")
        self._pass = ffi.new("WGPUComputePassDescriptor *")
        self._finish = ffi.new("WGPUCommandBufferDescriptor *")
        self._calls = tuple(
            self.address(getattr(self.lib, f"wgpuComputePassEncoder{name}"))
            for name in ("SetPipeline", "SetBindGroup", "DispatchWorkgroups")
        )
        self._polling = threading.Lock()
        _links[self._number] = self

    def buffer(self, nbytes: int, usage: str) -> Any:
        """A new buffer; `usage` as wgpu spells it. DeviceError of kind RESOURCE when there is no room."""
        with library.catching():
            return self.device.create_buffer(size=nbytes, usage=usage)

    def write(self, buffer: Any, offset: int, data: Any) -> None:
        """Copy host bytes to a buffer, behind all that was submitted; whole words alone."""
        source = self.ffi.from_buffer(data)
        with library.catching():
            self.lib.wgpuQueueWriteBuffer(
                self.device.queue._internal, buffer._internal, offset, source, len(source)
            )

    def address(self, handle: Any) -> int:
        """A native handle or function as a number."""
        return int(self.ffi.cast("uintptr_t", handle))

    def submit(self, items: Iterable[Item]) -> int:
        """Encode items, in order, and start them; gives the number to wait for."""
        lib = self.lib
        with library.catching():
            encoder = lib.wgpuDeviceCreateCommandEncoder(self.device._internal, self._encoder)
            try:
                self._encode(encoder, items)
                commands = lib.wgpuCommandEncoderFinish(encoder, self._finish)
            finally:
                lib.wgpuCommandEncoderRelease(encoder)
        with library.catching():
            queue = self.device.queue._internal
            lib.wgpuQueueSubmit(queue, 1, self.ffi.new("WGPUCommandBuffer[]", [commands]))
            lib.wgpuCommandBufferRelease(commands)
            self.submitted += 1
            lib.wgpuQueueOnSubmittedWorkDone(
                queue, self._callback("WGPUQueueWorkDoneCallbackInfo", self._done)
            )
        return self.submitted

    def read_later(self, buffer: Any, nbytes: int) -> int:
        """Ask for a staging buffer's bytes; gives the number that `mapped` will know when they are there."""
        number = next(_numbers)
        self._awaited.add(number)
        info = self._callback("WGPUBufferMapCallbackInfo", self._map, number)
        with library.catching():
            self.lib.wgpuBufferMapAsync(buffer._internal, self.lib.WGPUMapMode_Read, 0, nbytes, info)
        return number

    def bytes_of(self, buffer: Any, nbytes: int) -> memoryview:
        """The bytes of a mapped buffer, until `unmap`."""
        found = self.lib.wgpuBufferGetConstMappedRange(buffer._internal, 0, nbytes)
        if found == self.ffi.NULL:
            raise DeviceError("the WebGPU device gave no bytes back", DeviceErrorKind.FATAL)
        return memoryview(self.ffi.buffer(self.ffi.cast("uint8_t *", found), nbytes))

    def unmap(self, buffer: Any) -> None:
        """Give a mapped buffer back to the device."""
        with library.catching():
            self.lib.wgpuBufferUnmap(buffer._internal)

    def idle(self) -> bool:
        """Whether nothing submitted is still running."""
        if self.completed < self.submitted:
            self._look()
        return self.completed >= self.submitted

    def reached(self, serial: int, maps: Sequence[int] = ()) -> bool:
        """What `wait` waits for, without waiting."""
        if not self._is_reached(serial, maps):
            self._look()
        return self._is_reached(serial, maps)

    def wait(self, serial: int, maps: Sequence[int] = ()) -> None:
        """Block until a command buffer is done and read-backs came back, whoever takes them then."""
        if threading.current_thread() is threading.main_thread():
            self._watch(serial, maps)  # wgpu's own wait lets no Ctrl-C through.
        stalls = 0
        while not self._is_reached(serial, maps):
            before = self.completed
            with self._polling, library.catching():
                self._poll(True)
            stalls = stalls + 1 if self.completed == before else 0
            if stalls > 1000:
                raise DeviceError("the WebGPU device was lost: it no longer answers", DeviceErrorKind.FATAL)

    def _watch(self, serial: int, maps: Sequence[int]) -> None:
        """Look again and again whether it is reached; the device may be lost on the way."""
        begin = MONOTONIC()
        while not self.reached(serial, maps) and not self.idle():
            # A pause grows with the time already waited, so that little is lost of it.
            sleep(min(max(_SHORTEST, (MONOTONIC() - begin) / 32), _LONGEST))

    def _is_reached(self, serial: int, maps: Sequence[int]) -> bool:
        return self.completed >= serial and self._awaited.isdisjoint(maps)

    def _look(self) -> None:
        """Let wgpu say what is done."""
        # While another thread waits it polls as well, and holds the lock for as long as the device is busy.
        if self._polling.acquire(blocking=False):
            try:
                self._poll(False)
            finally:
                self._polling.release()

    def _poll(self, wait: bool) -> None:
        """Let wgpu call back for what is done. Raises what came between, such as Ctrl-C."""
        self.lib.wgpuDevicePoll(self.device._internal, wait, self.ffi.NULL)
        error, _raised.error = _raised.error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Give the device back."""
        self.device.destroy()

    def _encode(self, encoder: Any, items: Iterable[Item]) -> None:
        lib = self.lib
        bind, run = lib.wgpuComputePassEncoderSetBindGroup, lib.wgpuComputePassEncoderDispatchWorkgroups
        stage = current = None
        for item in items:
            if not isinstance(item, tuple):
                self._end(stage)
                stage = None
                item(encoder)
                continue
            if stage is None:
                stage, current = lib.wgpuCommandEncoderBeginComputePass(encoder, self._pass), None
            if isinstance(item, Series):
                self._encode_series(stage, item)
                current = None
                continue
            pipeline, group, offset, x, y, z = item
            if pipeline is not current:
                lib.wgpuComputePassEncoderSetPipeline(stage, pipeline)
                current = pipeline
            bind(stage, 0, group, 1, offset)
            run(stage, x, y, z)
        self._end(stage)

    def _encode_series(self, stage: Any, series: Series) -> None:
        if native.module is not None:
            native.module.encode_launches(self.address(stage), self._calls, series.table)
            return
        for pipeline, group, offset, x, y, z in series.launches:
            self.lib.wgpuComputePassEncoderSetPipeline(stage, pipeline)
            self.lib.wgpuComputePassEncoderSetBindGroup(stage, 0, group, 1, offset)
            self.lib.wgpuComputePassEncoderDispatchWorkgroups(stage, x, y, z)

    def _end(self, stage: Any) -> None:
        if stage is not None:
            self.lib.wgpuComputePassEncoderEnd(stage)
            self.lib.wgpuComputePassEncoderRelease(stage)

    def _callback(self, kind: str, callback: Any, number: int | None = None) -> Any:
        ffi = self.ffi
        info = ffi.new(f"{kind} *")
        info.mode = self.lib.WGPUCallbackMode_AllowProcessEvents
        info.callback = callback
        info.userdata1 = ffi.cast("void *", self._number)
        info.userdata2 = ffi.cast("void *", self.submitted if number is None else number)
        return info[0]


@cache
def _callbacks() -> tuple[Any, Any]:
    """The two functions that wgpu calls, for all devices; they live as long as the process."""
    ffi, lib = library.native()["ffi"], library.native()["lib"]

    def done(status: int, message: Any, owner: Any, serial: Any) -> None:
        link = _links.get(int(ffi.cast("uintptr_t", owner)))
        if link is not None:
            link.completed = max(link.completed, int(ffi.cast("uintptr_t", serial)))

    def mapped(status: int, message: Any, owner: Any, number: Any) -> None:
        link = _links.get(int(ffi.cast("uintptr_t", owner)))
        if link is not None:
            found = int(ffi.cast("uintptr_t", number))
            link.mapped[found] = status == lib.WGPUMapAsyncStatus_Success
            link._awaited.discard(found)

    return (
        ffi.callback("WGPUQueueWorkDoneCallback", done, onerror=_again(done)),
        ffi.callback("WGPUBufferMapCallback", mapped, onerror=_again(mapped)),
    )


def _again(callback: Callable[..., None]) -> Callable[..., None]:
    """What to do when Ctrl-C came in a callback, which must not be lost: call it again, and raise later."""

    def caught(kind: type[BaseException], error: BaseException, trace: TracebackType) -> None:
        callback(*list(trace.tb_frame.f_locals.values())[:4])
        _raised.error = error

    return caught
