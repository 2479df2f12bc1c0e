"""Waiting for OpenCL on the main thread: Python hears signals there, and OpenCL's own wait lets none through.

So another thread waits, and the main thread waits for that one, which a signal may end. To look at the event
again and again instead would take time from the device, where that is the processor itself.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

_idle: list[Waiter] = []


def wait(event: Any) -> None:
    """Block until an event is reached or has failed; what a signal's handler raises meanwhile is raised."""
    waiter = _waiter()
    try:
        waiter.wait(event)
    except BaseException:
        waiter.retire()  # which may never come back from this event
        raise
    _idle.append(waiter)


def _waiter() -> Waiter:
    while _idle:
        waiter = _idle.pop()
        if waiter.is_alive():  # not so in the child of a fork
            return waiter
    return Waiter()


class Waiter:
    """A thread that waits for one event after the other."""

    def __init__(self) -> None:
        self._asked: SimpleQueue[tuple[Any, threading.Lock] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="gyral-opencl-wait", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether it still takes events."""
        return self._thread.is_alive()

    def wait(self, event: Any) -> None:
        """Block until it saw the event's end."""
        done = threading.Lock()
        done.acquire()
        self._asked.put((event, done))
        done.acquire()

    def retire(self) -> None:
        """Let the thread end, as soon as what it waits for does."""
        self._asked.put(None)

    def _serve(self) -> None:
        while (asked := self._asked.get()) is not None:
            event, done = asked
            # Who asked for it looks at the event next, and meets the same error.
            with suppress(Exception):
                event.wait()
            done.release()
            del asked, event, done
