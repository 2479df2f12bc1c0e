"""Ordered queues of a Metal device: a piece of work is one command buffer, a point in a queue a number."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

from gyral.core.errors import StateError
from gyral.drivers.metal.failures import COMPLETED, failure_of

Pool: TypeAlias = Callable[[], AbstractContextManager[Any]]
"""Makes an autorelease pool, in which Objective-C's short-lived objects die."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point in a queue: behind its `serial`-th piece of work. `command` is that work where it is timed."""

    queue: Queue
    serial: int
    command: Any = None


@dataclass(frozen=True, slots=True)
class _Work:
    serial: int
    command: Any
    keep: Any
    finish: Callable[[], None] | None


class Queue:
    """Work in order. What runs on the host behind a piece of work, such as the end of a copy to the host,
    runs in the thread that waits for it or puts the next piece. Safe for use by many threads.
    """

    def __init__(self, device: Any, name: str, pool: Pool) -> None:
        self._pool = pool
        self._native = device.newCommandQueue()
        self._event = device.newSharedEvent()
        self._name = name
        self._serial = 0
        self._waits: list[Mark] = []
        self._pending: deque[_Work] = deque()
        self._failure: BaseException | None = None
        self._lock = threading.RLock()
        self._closed = False

    def put(
        self, encode: Callable[[Any], None], keep: Any = None, finish: Callable[[], None] | None = None
    ) -> Mark:
        """Commit a command buffer that `encode` filled; `finish` is called and `keep` dropped behind it.

        Raises what earlier work raised, if nobody was told yet.
        """
        with self._lock, self._pool():
            if self._closed:
                raise StateError(f"the queue of {self._name} is closed")
            self._retire(None)
            self._raise()
            command = self._native.commandBuffer()
            for mark in self._waits:
                command.encodeWaitForEvent_value_(mark.queue._event, mark.serial)
            encode(command)
            self._waits.clear()
            self._serial += 1
            command.encodeSignalEvent_value_(self._event, self._serial)
            command.commit()
            self._pending.append(_Work(self._serial, command, keep, finish))
            return Mark(self, self._serial, command)

    def mark(self) -> Mark:
        """A mark behind all work so far, and behind what later work was told to wait for."""
        with self._lock:
            if self._closed:
                raise StateError(f"the queue of {self._name} is closed")
            return self.put(lambda command: None) if self._waits else Mark(self, self._serial)

    def after(self, mark: Mark) -> None:
        """Let later work begin after a mark."""
        if mark.queue is not self and int(mark.queue._event.signaledValue()) < mark.serial:
            with self._lock:
                self._waits.append(mark)

    def wait(self, mark: Mark) -> None:
        """Block until a mark of this queue is reached; raises what the work before it raised."""
        with self._lock:
            command = next((w.command for w in self._pending if w.serial == mark.serial), None)
        if command is not None:
            command.waitUntilCompleted()
        with self._lock:
            self._retire(mark.serial)
            self._raise()

    def wait_until(self, mark: Mark, seconds: float) -> bool:
        """As `wait`, for so long at most; whether the mark was reached."""
        milliseconds = max(1, round(1000 * seconds))
        if not self._event.waitUntilSignaledValue_timeoutMS_(mark.serial, milliseconds):
            with self._lock:
                # Work that failed may not have signalled.
                late = next((w.command for w in self._pending if w.serial == mark.serial), None)
            if late is not None and late.status() < COMPLETED:
                return False
        self.wait(mark)
        return True

    def abandon(self) -> None:
        """Take no more work, and forget what is pending."""
        with self._lock:
            self._closed = True
            self._pending.clear()

    def close(self) -> None:
        """Finish all work and take no more. Closing twice is harmless."""
        if not self._closed:
            try:
                self.wait(Mark(self, self._serial))
            finally:
                self._closed = True

    def _retire(self, serial: int | None) -> None:
        """Let go of finished work: all up to `serial`, or all that is known to be done."""
        while self._pending:
            work = self._pending[0]
            done = work.command.status() >= COMPLETED if serial is None else work.serial <= serial
            if not done:
                return
            work.command.waitUntilCompleted()
            self._pending.popleft()
            failure: BaseException | None = failure_of(work.command, self._name)
            if failure is None and work.finish is not None:
                try:
                    work.finish()
                except BaseException as error:  # noqa: BLE001  raised again by the call that names the queue
                    failure = error
            self._failure = self._failure or failure

    def _raise(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
