"""Freed device memory, kept by size for the next allocation of about that size."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from gyral.core.driver import Driver
from gyral.core.errors import DeviceError, DeviceErrorKind, StateError

_SMALLEST = 256


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """What a pool did: bytes in use and kept now, the most in use so far, and how requests were met."""

    in_use: int
    kept: int
    peak: int
    allocations: int
    reused: int


def size_class(nbytes: int) -> int:
    """The bytes really allocated for a request: four classes per doubling, so at most a fifth is lost."""
    if nbytes <= _SMALLEST:
        return _SMALLEST
    step = max(64, 1 << ((nbytes - 1).bit_length() - 3))
    return -(-nbytes // step) * step


class Pool:
    """One device's allocator. Keeps at most `limit` bytes of freed memory, the latest freed first."""

    def __init__(self, driver: Driver, limit: int) -> None:
        self._driver = driver
        self._limit = limit
        # Re-entrant: dropping an array can run inside any allocation, through garbage collection.
        self._lock = threading.RLock()
        self._kept: OrderedDict[int, tuple[int, Any]] = OrderedDict()
        self._closed = False
        self._serial = self._in_use = self._held = self._peak = self._allocations = self._reused = 0

    def take(self, nbytes: int) -> Any:
        """Memory of at least `nbytes`. DeviceError of kind RESOURCE, with the sizes, when there is none."""
        size = size_class(nbytes)
        with self._lock:
            memory = self._reuse(size)
            fresh = memory is None
        # Unlocked: a driver short of memory waits for its work, which may give memory back to this pool.
        if fresh:
            memory = self._allocate(size)
        with self._lock:
            self._allocations += fresh
            self._in_use += size
            self._peak = max(self._peak, self._in_use)
        return memory

    def give(self, memory: Any, nbytes: int) -> None:
        """Take memory back; `nbytes` as it was asked for. After `close` there is nothing to take it to."""
        size = size_class(nbytes)
        with self._lock:
            if self._closed:
                return
            self._in_use -= size
            if size <= self._limit:
                self._serial += 1
                self._kept[self._serial] = size, memory
                self._held += size
                leaving = self._shrink(self._limit)
            else:
                leaving = [memory]
        self._free(leaving)

    def trim(self, keep: int = 0) -> None:
        """Return kept memory to the system until at most `keep` bytes are kept."""
        if keep < 0:
            raise StateError(f"a pool cannot keep {keep} bytes")
        with self._lock:
            leaving = self._shrink(keep)
        self._free(leaving)

    def close(self) -> None:
        """Forget all memory, kept and in use: its device is gone."""
        with self._lock:
            self._closed = True
            self._kept.clear()
            self._held = self._in_use = 0

    def renew_lock(self) -> None:
        """In a forked child: the thread that may have held the lock is not there to let go of it."""
        self._lock = threading.RLock()

    def statistics(self) -> PoolStatistics:
        """What the pool did so far."""
        with self._lock:
            return PoolStatistics(self._in_use, self._held, self._peak, self._allocations, self._reused)

    def _reuse(self, size: int) -> Any:
        for serial in reversed(self._kept):
            if self._kept[serial][0] == size:
                _, memory = self._kept.pop(serial)
                self._held -= size
                self._reused += 1
                return memory
        return None

    def _allocate(self, size: int) -> Any:
        try:
            return self._driver.allocate(size)
        except DeviceError as error:
            if error.kind is not DeviceErrorKind.RESOURCE:
                raise
        kept = self.statistics().kept
        self.trim()
        try:
            return self._driver.allocate(size)
        except DeviceError as error:
            if error.kind is not DeviceErrorKind.RESOURCE:
                raise
            total = self._driver.capabilities.memory_bytes
            raise DeviceError(
                f"{self._driver.name} has no memory for {size} bytes: {self.statistics().in_use} bytes are "
                f"in use, {kept} were kept for reuse and given back"
                + (f", and it has {total} in all" if total else "")
                + f"; drop arrays, or work in parts ({error})",
                DeviceErrorKind.RESOURCE,
            ) from error

    def _shrink(self, keep: int) -> list[Any]:
        """Take the longest kept memory off the books until at most `keep` bytes are kept."""
        leaving = []
        while self._held > keep:
            _, (size, memory) = self._kept.popitem(last=False)
            self._held -= size
            leaving.append(memory)
        return leaving

    def _free(self, leaving: list[Any]) -> None:
        for memory in leaving:
            self._driver.free(memory)
