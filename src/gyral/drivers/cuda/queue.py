"""Streams as the runtime knows them: queues, and points in them that cost nothing until somebody waits."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from ctypes import byref, c_float
from typing import Any, Self

from gyral.core import native
from gyral.core.errors import UserError
from gyral.core.native import DeviceQueue
from gyral.drivers.cuda.failures import NOT_READY
from gyral.drivers.cuda.session import Session

_NON_BLOCKING = 1
_DISABLE_TIMING = 2
_KEPT_EVENTS = 64


class Mark:
    """A point in a queue: behind the first `serial` things put there. No event stands there yet."""

    __slots__ = ("queue", "serial")

    def __init__(self, queue: Queue, serial: int) -> None:
        self.queue = queue
        self.serial = serial


class TimedMark(Mark):
    """A point where the device notes its clock."""

    __slots__ = ("event", "give")

    def __init__(self, queue: Queue, serial: int, event: int, give: Callable[[int], None]) -> None:
        super().__init__(queue, serial)
        self.event = event
        self.give = give

    def __del__(self) -> None:
        self.give(self.event)


class Queue(DeviceQueue):
    """A stream. One of another library's is used and left alone."""

    streams: Streams
    foreign: bool
    dropped: bool
    followed: weakref.WeakKeyDictionary[Queue, int]
    pending: deque[tuple[int, Any, Callable[[], None] | None]]

    def __new__(cls, streams: Streams, handle: int, milestone: int, foreign: bool) -> Self:
        made = super().__new__(cls, streams.launcher, handle, milestone)
        made.streams = streams
        made.foreign = foreign
        made.dropped = False
        # Behind how much of other streams everything comes that is put here from now on.
        made.followed = weakref.WeakKeyDictionary()
        # What must stay until the work so far is done, and what is to be called then.
        made.pending = deque()
        return made

    def mark_at(self, serial: int) -> Mark:
        """The mark behind so much work; what the native launch path calls."""
        return Mark(self, serial)

    def follow(self, memory: Any) -> None:
        """Let what is put here from now on begin behind all work that uses a memory."""
        for mark in memory.marks.values():
            self.streams.after(self, mark)
        memory.marks = {id(self): Mark(self, self.serial)}

    def put(self, keep: Any = None, done: Callable[[], None] | None = None) -> int:
        """Count work that was just put on the stream, with what must stay until it is done."""
        serial = self.advance()
        if keep is not None or done is not None:
            self.pending.append((serial, keep, done))
        return serial

    def settle(self, serial: int) -> None:
        """Note that so much is done: let go of what was kept, and call what was to be called."""
        if serial > self.completed:
            self.completed = serial
        while self.pending and self.pending[0][0] <= self.completed:
            _, _, done = self.pending.popleft()
            if done is not None:
                done()

    def __del__(self) -> None:
        if hasattr(self, "streams"):
            self.streams.drop(self)


class Streams:
    """Makes streams and events of one device, and waits for them."""

    def __init__(self, session: Session, launcher: Any) -> None:
        self.session = session
        self.launcher = launcher
        self._await = native.require("CUDA").await_device
        self._query = session.library.address("cuEventQuery")
        self._queues: weakref.WeakSet[Queue] = weakref.WeakSet()
        self._events: list[int] = []
        self._timed: list[int] = []

    def queue(self) -> Queue:
        """A new stream, which does not wait for the legacy default stream."""
        with self.session as session:
            handle = session.handle("cuStreamCreate", _NON_BLOCKING)
            milestone = session.handle("cuEventCreate", _DISABLE_TIMING)
        made = Queue(self, handle, milestone, foreign=False)
        self._queues.add(made)
        return made

    def foreign(self, handle: int) -> Queue:
        """A queue over another library's stream."""
        with self.session as session:
            milestone = session.handle("cuEventCreate", _DISABLE_TIMING)
        made = Queue(self, handle, milestone, foreign=True)
        self._queues.add(made)
        return made

    def mark(self, queue: Queue) -> Mark:
        """The point behind everything on a queue."""
        # Others put work on a foreign stream that nobody counts.
        return Mark(queue, queue.advance() if queue.foreign else queue.serial)

    def timed_mark(self, queue: Queue) -> TimedMark:
        """The point behind everything on a queue, where the device notes its clock."""
        with self.session as session:
            event = self._timed.pop() if self._timed else session.handle("cuEventCreate", 0)
            session.call("cuEventRecord", event, queue.handle)
        return TimedMark(queue, queue.advance(), event, self._give_timed)

    def elapsed_ms(self, first: TimedMark, second: TimedMark) -> float:
        """Milliseconds between two timed marks, both waited for."""
        if not isinstance(first, TimedMark) or not isinstance(second, TimedMark):
            raise UserError("time passes between two marks that were made with timing")
        found = c_float()
        with self.session as session:
            session.call("cuEventElapsedTime", byref(found), first.event, second.event)
        return found.value

    def after(self, queue: Queue, mark: Mark) -> None:
        """Let what is put on a queue from now on begin after a mark."""
        source = mark.queue
        if source is queue or source.completed >= mark.serial or queue.followed.get(source, 0) >= mark.serial:
            return
        covered = mark.serial if isinstance(mark, TimedMark) else source.serial
        with self.session as session:
            event = self._event_of(mark)
            session.call("cuStreamWaitEvent", queue.handle, event, 0)
            self._give(mark, event)
        queue.followed[source] = covered
        queue.advance()

    def wait(self, mark: Mark, seconds: float | None = None) -> bool:
        """Block until a mark is reached, or for so many seconds; whether it was reached."""
        queue = mark.queue
        if self.session.forked or queue.completed >= mark.serial:
            # Of a forked parent's work, nothing is left to wait for.
            queue.settle(queue.completed)
            return True
        with self.session as session:
            event = self._event_of(mark)
            code = self._await(self._query, event, NOT_READY, seconds)
            self._give(mark, event)
            if code == NOT_READY:
                return False
            if code:
                raise session.failure("cuEventQuery", code, "work that was put on the device before")
        queue.settle(mark.serial)
        return True

    def abandon(self, queue: Queue) -> None:
        """Take nothing more on a queue whose work does not end; closing the device resets it."""
        queue.open = 0
        self.launcher.alive = 0
        self.session.lost = self.session.lost or "a launch was given up that did not end"

    def drop(self, queue: Queue) -> None:
        """Destroy a stream that nobody uses any more; its work is still done."""
        if queue.dropped:
            return
        queue.dropped = True
        if queue.pending:
            # Host memory that copies still read or write goes with the queue.
            self.session.release("cuStreamSynchronize", queue.handle)
        if not queue.foreign:
            self.session.release("cuStreamDestroy_v2", queue.handle)
        self.session.release("cuEventDestroy_v2", queue.milestone)

    def close(self) -> None:
        """Destroy all streams and the events that are kept."""
        for queue in list(self._queues):
            queue.open = 0
            self.drop(queue)
        for event in (*self._events, *self._timed):
            self.session.release("cuEventDestroy_v2", event)
        self._events.clear()
        self._timed.clear()

    def _event_of(self, mark: Mark) -> int:
        """An event behind a mark: the mark's own, else one that is recorded now."""
        if isinstance(mark, TimedMark):
            return mark.event
        event = self._events.pop() if self._events else self.session.handle("cuEventCreate", _DISABLE_TIMING)
        self.session.call("cuEventRecord", event, mark.queue.handle)
        return event

    def _give(self, mark: Mark, event: int) -> None:
        # An event may be recorded anew while a stream still waits for what it stood for before.
        if not isinstance(mark, TimedMark):
            if len(self._events) < _KEPT_EVENTS:
                self._events.append(event)
            else:
                self.session.call("cuEventDestroy_v2", event)

    def _give_timed(self, event: int) -> None:
        if len(self._timed) < _KEPT_EVENTS:
            self._timed.append(event)
        else:
            self.session.release("cuEventDestroy_v2", event)
