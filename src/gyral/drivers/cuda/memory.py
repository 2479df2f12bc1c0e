"""Device memory and pinned host memory."""

from __future__ import annotations

import ctypes
import weakref
from ctypes import byref, c_int, c_uint64, c_void_p
from typing import Any, Self

from gyral.core.errors import UserError
from gyral.core.native import DeviceMemory
from gyral.drivers.cuda.failures import OUT_OF_MEMORY
from gyral.drivers.cuda.queue import Queue, Streams
from gyral.drivers.cuda.session import Session, memory_left

_MEMORY_POOLS_SUPPORTED = 115
_PINNED_ALLOCATION, _ON_DEVICE = 1, 1
_RELEASE_THRESHOLD = 4
_READ_AND_WRITE = 3
_ALREADY_ENABLED = 704
_KEPT_BYTES = 64 << 20
_PORTABLE = 1
_MEMORY_TYPE, _DEVICE_ORDINAL = 2, 9
_HOST, _DEVICE = 1, 2


class _PoolProperties(ctypes.Structure):
    """CUmemPoolProps."""

    _fields_ = [
        ("allocation", c_int),
        ("handles", c_int),
        ("place", c_int),
        ("device", c_int),
        ("security", c_void_p),
        ("most", ctypes.c_size_t),
        ("usage", ctypes.c_ushort),
        ("reserved", ctypes.c_ubyte * 54),
    ]


class _Access(ctypes.Structure):
    """CUmemAccessDesc."""

    _fields_ = [("place", c_int), ("device", c_int), ("access", c_int)]


class Memory(DeviceMemory):
    """A block of device memory; `owned`: it is ours to free."""

    owned: bool

    def __new__(cls, launcher: Any, address: int, nbytes: int, owned: bool) -> Self:
        made = super().__new__(cls, launcher, address, nbytes)
        made.owned = owned
        return made


class Allocator:
    """Memory of one device: ordered with the work on it where the driver can, so that freeing never waits."""

    def __init__(self, session: Session, streams: Streams) -> None:
        self._session = session
        self._streams = streams
        self._pool = 0
        self._queue: Queue | None = None
        self._reached: dict[int, bool] = {}
        if session.attribute(_MEMORY_POOLS_SUPPORTED):
            self._queue = streams.queue()
            self._pool = self._make_pool()

    def allocate(self, nbytes: int) -> Memory:
        """Fresh memory, aligned to 256 bytes or more; DeviceError of kind RESOURCE with what is left."""
        found = c_uint64()
        with self._session as session:
            if self._queue is None:
                code = session.library["cuMemAlloc_v2"](byref(found), nbytes)
            else:
                allocate = session.library["cuMemAllocFromPoolAsync"]
                code = allocate(byref(found), nbytes, self._pool, self._queue.handle)
            if code:
                left = ""
                if code == OUT_OF_MEMORY:
                    free, total = memory_left(session)
                    left = f"{nbytes} bytes were asked for, and {free} of {total} are free"
                raise session.failure("the allocation of memory", code, left)
        if self._queue is not None:
            # Ordered here, the memory is there for every other stream once the stream got so far.
            self._queue.advance()
            self._streams.wait(self._streams.mark(self._queue))
        return Memory(self._streams.launcher, found.value, nbytes, owned=True)

    def free(self, memory: Memory) -> None:
        """Give memory back behind all work that uses it. Memory of others is only waited for."""
        session = self._session
        if not session.usable:
            return
        if self._queue is None or not memory.owned:
            for mark in memory.marks.values():
                self._streams.wait(mark)
            memory.marks = {}
            if memory.owned:
                with session:
                    session.call("cuMemFree_v2", memory.address)
            return
        for mark in memory.marks.values():
            self._streams.after(self._queue, mark)
        with session:
            session.call("cuMemFreeAsync", memory.address, self._queue.handle)
        self._queue.advance()

    def adopt(self, address: int, nbytes: int) -> Memory:
        """Another library's memory. UserError when it does not lie on this device."""
        kind, ordinal = c_int(), c_int()
        ask = self._session.library["cuPointerGetAttribute"]
        with self._session as session:
            if ask(byref(kind), _MEMORY_TYPE, address) or kind.value != _DEVICE:
                raise UserError(f"the address {address:#x} is not in the memory of a CUDA device")
            session.call("cuPointerGetAttribute", byref(ordinal), _DEVICE_ORDINAL, address)
            if ordinal.value != session.device:
                raise UserError(f"the memory lies on cuda:{ordinal.value}, not on {session.name}")
        return Memory(self._streams.launcher, address, nbytes, owned=False)

    def open_to(self, other: Session) -> bool:
        """Let another device read this one's memory over a link between them; False where there is none."""
        found = self._reached.get(other.device)
        if found is None:
            found = self._reached[other.device] = self._link(other)
        return found

    def _link(self, other: Session) -> bool:
        if not other.integer("cuDeviceCanAccessPeer", other.device, self._session.device):
            return False
        with other:
            code = other.library["cuCtxEnablePeerAccess"](self._session.context, 0)
            if code not in (0, _ALREADY_ENABLED):
                raise other.failure("cuCtxEnablePeerAccess", code)
        if self._pool:
            wanted = _Access(_ON_DEVICE, other.device, _READ_AND_WRITE)
            with self._session as session:
                session.call("cuMemPoolSetAccess", self._pool, byref(wanted), 1)
        return True

    def close(self) -> None:
        """Give back what the pool keeps; memory that is still in use goes with the context."""
        if self._pool:
            self._session.release("cuMemPoolDestroy", self._pool)
        self._pool, self._queue = 0, None

    def _make_pool(self) -> int:
        wanted = _PoolProperties(allocation=_PINNED_ALLOCATION, place=_ON_DEVICE, device=self._session.device)
        with self._session as session:
            pool = session.handle("cuMemPoolCreate", byref(wanted))
            # The runtime keeps what it wants to keep. This much is kept besides, for allocations in between.
            kept = c_uint64(_KEPT_BYTES)
            session.call("cuMemPoolSetAttribute", pool, _RELEASE_THRESHOLD, byref(kept))
        return pool


def pinned(session: Session, nbytes: int) -> memoryview:
    """Host memory that every CUDA device reads and writes directly, given back with the last reference."""
    with session:
        address = session.handle("cuMemHostAlloc", max(1, nbytes), _PORTABLE)
    block = _pinned_type(nbytes).from_address(address)
    weakref.finalize(block, _unpin, session, address).atexit = False
    return memoryview(block).cast("B")


def is_pinned(session: Session, address: int, nbytes: int) -> bool:
    """Whether the device reaches host memory without a copy: ours, or pinned by another library."""
    ask, kind = session.library["cuPointerGetAttribute"], c_int()
    return all(
        ask(byref(kind), _MEMORY_TYPE, at) == 0 and kind.value == _HOST
        for at in {address, address + nbytes - 1}
    )


def _pinned_type(nbytes: int) -> Any:
    # A class of its own, as arrays of the plain type take no weak references.
    return type("Pinned", (ctypes.c_ubyte * nbytes,), {})


def _unpin(session: Session, address: int) -> None:
    session.release("cuMemFreeHost", address)
