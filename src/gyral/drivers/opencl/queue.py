"""Ordered queues of an OpenCL device, and points in them.

Every command gives an event, so that a mark is the event of the last one and costs nothing. What queued work
uses is held beside its event until the work is known to be done, also when its queue is dropped before: a
line belongs to the driver, and a queue is only what others hold of it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import sleep
from typing import Any

from gyral.core.clock import MONOTONIC
from gyral.core.errors import StateError
from gyral.drivers.opencl import waiting
from gyral.drivers.opencl.failures import broken, failure

_LOOK = 32
"""Commands after which a queue looks whether earlier ones are done, to let go of what they hold."""
_SHORTEST, _LONGEST = 20e-6, 2e-3
"""Seconds between two looks at work that has a deadline."""
_SOON = 50e-6


class Mark:
    """A point in a queue: the event of the last command before it, None before the first.

    It keeps its queue, so that who notes marks by the queue's `id()` never takes another queue for it.
    """

    __slots__ = ("event", "line", "queue", "serial")

    def __init__(self, line: Line, event: Any, serial: int) -> None:
        self.line = line
        self.event = event
        self.serial = serial
        self.queue: Queue | None = None

    def of(self, queue: Queue) -> Mark:
        """The mark as the users of a queue know it."""
        self.queue = queue
        return self


class Queue:
    """What users of a driver hold of a line of commands."""

    __slots__ = ("__weakref__", "line")

    def __init__(self, line: Line) -> None:
        self.line = line

    def __del__(self) -> None:
        if hasattr(self, "line"):
            self.line.dropped = True


class Line:
    """One in-order command queue. Safe for use by many threads."""

    def __init__(self, cl: Any, context: Any, device: Any) -> None:
        self.native = cl.CommandQueue(context, device, cl.command_queue_properties.PROFILING_ENABLE)
        self._cl = cl
        self._status = cl.event_info.COMMAND_EXECUTION_STATUS
        self._complete = cl.command_execution_status.COMPLETE
        self._lock = threading.Lock()
        self._held: deque[tuple[int, Any, Any]] = deque()
        self._serial = 0
        self._last: Any = None
        self._waits: list[Any] | None = None
        self._refusal = ""
        self.dropped = False

    @property
    def idle(self) -> bool:
        """Whether everything on it is done, without waiting. What is done lets go of what it held."""
        done: list[Any] = []
        with self._lock:
            while self._held and self._is_done(self._held[0][1]):
                done.append(self._held.popleft())
            idle = not self._held
        done.clear()
        return idle

    def put(self, enqueue: Callable[[Any, list[Any] | None], Any], keep: Any, doing: str) -> Mark:
        """Add one command: `enqueue` is called with the native queue and the events to begin after.

        `keep` is held until it is done. DeviceError says what `doing` failed.
        """
        done: list[Any] = []
        with self._lock:
            if self._refusal:
                raise StateError(self._refusal)
            try:
                event = enqueue(self.native, self._waits)
            except self._cl.Error as error:
                raise failure(error, doing) from error
            self._waits = None
            self._last = event
            self._serial = serial = self._serial + 1
            self._held.append((serial, event, keep))
            if serial % _LOOK == 0:
                self._release(done)
        # Only here, outside the lock, are the last references dropped: that frees memory, which may wait.
        done.clear()
        return Mark(self, event, serial)

    def mark(self) -> Mark:
        """A mark behind all commands so far, and behind all marks the queue was told to wait for."""
        if self._waits:
            return self.marker()
        with self._lock:
            return Mark(self, self._last, self._serial)

    def marker(self) -> Mark:
        """A mark with a command of its own, which notes the device's clock."""
        enqueue = self._cl.enqueue_marker
        return self.put(lambda native, waits: enqueue(native, waits), None, "mark a queue")

    def after(self, mark: Mark) -> None:
        """Let later commands begin after a mark."""
        if mark.line is self or mark.event is None:
            return
        mark.line.flush()
        with self._lock:
            self._waits = [*(self._waits or ()), mark.event]

    def flush(self) -> None:
        """Hand all commands to the device; without it another queue may wait for ever."""
        try:
            self.native.flush()
        except self._cl.Error as error:
            raise failure(error, "hand work to the device") from error

    def wait(self, mark: Mark) -> None:
        """Block until a mark of this queue is reached. DeviceError of kind FATAL when its work failed."""
        if mark.event is None:
            return
        if threading.current_thread() is threading.main_thread() and not self._is_soon_done(mark.event):
            waiting.wait(mark.event)
        try:
            mark.event.wait()
        except self._cl.Error as error:
            raise broken(error, mark.event.get_info(self._status)) from error
        self._reached(mark)

    def wait_until(self, mark: Mark, seconds: float) -> bool:
        """Wait for so long at most; whether the mark was reached."""
        if not self._watch(mark, seconds):
            return False
        self.wait(mark)
        return True

    def finish(self) -> None:
        """Wait for everything on the queue."""
        self.wait(self.mark())

    def abandon(self) -> None:
        """Take no more work; what was held for it is still held."""
        with self._lock:
            self._refusal = "this stream was given up with a launch that did not end; make a new one"

    def close(self, refusal: str) -> None:
        """Take no more work, for which `refusal` is the reason, and let go of what was held."""
        with self._lock:
            self._refusal = refusal
            held, self._held = self._held, deque()
        held.clear()

    def _watch(self, mark: Mark, seconds: float) -> bool:
        """Look again and again whether a mark is reached, for so long at most."""
        if mark.event is None or self._is_done(mark.event):
            return True
        self.flush()
        begin = MONOTONIC()
        while not self._is_done(mark.event):
            waited = MONOTONIC() - begin
            if waited >= seconds:
                return False
            # A pause grows with the time already waited, so that little is lost of it.
            sleep(min(max(_SHORTEST, waited / 32), _LONGEST, seconds - waited))
        return True

    def _is_soon_done(self, event: Any) -> bool:
        """Look for as long as it would take to wake another thread."""
        self.flush()
        end = MONOTONIC() + _SOON
        while not (done := self._is_done(event)) and MONOTONIC() < end:
            pass
        return done

    def _reached(self, mark: Mark) -> None:
        done: list[Any] = []
        with self._lock:
            while self._held and self._held[0][0] <= mark.serial:
                done.append(self._held.popleft())
            if self._last is mark.event:
                self._last = None
        done.clear()

    def _release(self, done: list[Any]) -> None:
        """Take off what is held for the commands that are done; the queue is in order."""
        held = self._held
        while len(held) > 1:
            middle = len(held) // 2
            if not self._is_done(held[middle][1]):
                return
            done += [held.popleft() for _ in range(middle + 1)]

    def _is_done(self, event: Any) -> bool:
        return event.get_info(self._status) <= self._complete
