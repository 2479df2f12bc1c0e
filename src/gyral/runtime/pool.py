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
        self._serial = self._in_use = self._held = self._peak = self._allocations = self._reused = 0

    def take(self, nbytes: int) -> Any:
        """Memory of at least `nbytes`. DeviceError of kind RESOURCE when there is none, even unpooled."""
        size = size_class(nbytes)
        with self._lock:
            memory = self._reuse(size)
            if memory is None:
                memory = self._allocate(size)
                self._allocations += 1
            self._in_use += size
            self._peak = max(self._peak, self._in_use)
        return memory

    def give(self, memory: Any, nbytes: int) -> None:
        """Take memory back; `nbytes` as it was asked for."""
        size = size_class(nbytes)
        with self._lock:
            self._in_use -= size
            if size > self._limit:
                self._driver.free(memory)
                return
            self._serial += 1
            self._kept[self._serial] = size, memory
            self._held += size
            self._shrink(self._limit)

    def trim(self, keep: int = 0) -> None:
        """Return kept memory to the system until at most `keep` bytes are kept."""
        if keep < 0:
            raise StateError(f"a pool cannot keep {keep} bytes")
        with self._lock:
            self._shrink(keep)

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
            if error.kind is not DeviceErrorKind.RESOURCE or not self._kept:
                raise
        self._shrink(0)
        return self._driver.allocate(size)

    def _shrink(self, keep: int) -> None:
        while self._held > keep:
            _, (size, memory) = self._kept.popitem(last=False)
            self._held -= size
            self._driver.free(memory)
