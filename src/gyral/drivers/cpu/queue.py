"""Ordered queues of CPU work: one thread per queue that is used, none for those that are not."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue

from gyral.core.clock import MONOTONIC
from gyral.core.errors import StateError

_live: weakref.WeakSet[Queue] = weakref.WeakSet()


class Mark:
    """A point in a queue, which it keeps: who notes marks by the queue's `id()` never takes another for it.

    `seconds` is the clock's time when it was reached.
    """

    __slots__ = ("queue", "reached", "seconds", "state")

    def __init__(self, queue: Queue, state: _State) -> None:
        self.queue = queue
        self.state = state
        self.reached = threading.Event()
        self.seconds = 0.0

    def reach(self) -> None:
        """Note the time and let everybody go on who waits."""
        self.seconds = MONOTONIC()
        self.reached.set()


class _State:
    """What a queue and its thread share; the thread does not keep the queue itself alive."""

    def __init__(self) -> None:
        self.work: SimpleQueue[Callable[[], None] | Mark | None] = SimpleQueue()
        self.failure: BaseException | None = None
        self.thread: threading.Thread | None = None
        self.lock = threading.Lock()
        self.given = self.finished = 0
        self.ended = False

    def add(self, item: Callable[[], None] | Mark) -> None:
        """Put an item, with the lock held; the thread is there, and ends behind it if the queue is gone."""
        if self.thread is None:
            self.thread = threading.Thread(target=_serve, args=(self,), name="gyral-queue", daemon=True)
            self.thread.start()
        self.given += 1
        self.work.put(item)
        if self.ended:
            self.work.put(None)

    def end(self) -> None:
        """Let the thread end when nothing is left; without the lock, as collected garbage comes here."""
        self.ended = True
        self.work.put(None)

    def raise_failure(self) -> None:
        with self.lock:
            failure, self.failure = self.failure, None
        if failure is not None:
            raise failure


class Queue:
    """Work is run in the order it is put. After a failure, work behind it that was put before the failure was
    raised is still run, as it may belong to others.
    """

    def __init__(self) -> None:
        self._state = _State()
        self._end = weakref.finalize(self, self._state.end)
        self._end.atexit = False
        self._closed = False
        _live.add(self)

    def put(self, work: Callable[[], None]) -> None:
        """Add work; raises what earlier work raised, if nobody was told yet."""
        self._put(work)

    def mark(self) -> Mark:
        """A mark behind all work so far."""
        if self._closed:
            raise StateError("the queue is closed")
        state = self._state
        mark = Mark(self, state)
        with state.lock:
            if state.given == state.finished:
                mark.reach()
            else:
                state.add(mark)
        return mark

    def close(self) -> None:
        """Finish all work. Closing twice is harmless."""
        if not self._closed:
            mark = self.mark()
            self._closed = True
            self._end()
            wait(mark)

    def abandon(self) -> None:
        """Let go of the thread: it ends when its work does, and nobody waits for it."""
        self._closed = True
        self._end()

    def _put(self, work: Callable[[], None]) -> None:
        if self._closed:
            raise StateError("the queue is closed")
        state = self._state
        state.raise_failure()
        with state.lock:
            state.add(work)

    def _forget(self) -> None:
        """In a forked child: the thread is gone, and with it the work that the parent will do."""
        if not self._closed:
            self._end.detach()
            self._state = _State()
            self._end = weakref.finalize(self, self._state.end)
            self._end.atexit = False


def wait(mark: Mark) -> None:
    """Block until a mark is reached, then raise what work on its queue raised and nobody was told."""
    # In slices, so that Ctrl-C is heard on every platform.
    while not mark.reached.wait(0.2):
        pass
    mark.state.raise_failure()


def wait_until(mark: Mark, seconds: float) -> bool:
    """Block until a mark is reached, for so long at most; raises as `wait` does."""
    if not mark.reached.wait(seconds):
        return False
    mark.state.raise_failure()
    return True


def _serve(state: _State) -> None:
    while True:
        item = state.work.get()
        if item is None:
            # A mark may be asked for by what is collected together with the queue, after its end.
            with state.lock:
                if state.given == state.finished:
                    state.thread = None
                    return
            continue
        if isinstance(item, Mark):
            state.finished += 1
            item.reach()
            del item
            continue
        try:
            item()
        except BaseException as error:  # noqa: BLE001 - it is raised again, in the caller's thread
            with state.lock:
                state.failure = state.failure or error
        del item
        state.finished += 1


def _after_fork() -> None:
    for queue in list(_live):
        queue._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
