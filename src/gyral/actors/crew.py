"""Threads that keep a loop going: each enters it again until it says that it rests, then sleeps."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

NAP = 50e-6
"""Seconds between two entries of a worker that did not come to rest."""


class Crew:
    """`count` threads, made when they are first needed. They hold `enter`, and nothing of who waits for them.

    `enter(w)` runs worker w's loop for a while; whether it rests until the next `start`. What it raises ends
    the run of all workers at their next return, and is raised by the next `wait`.
    """

    def __init__(self, name: str, count: int, enter: Callable[[int], bool]) -> None:
        self._name, self._count, self._enter = name, count, enter
        self._changed = threading.Condition()
        self._working: set[int] = set()
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None
        self._closed = False
        self._owner = os.getpid()

    @property
    def working(self) -> bool:
        """Whether a worker has not come to rest."""
        return bool(self._working)

    def start(self) -> None:
        """Let all workers go on; none of them works."""
        with self._changed:
            if not self._threads:
                self._threads = [
                    threading.Thread(target=self._serve, args=(w,), name=f"{self._name}-{w}", daemon=True)
                    for w in range(self._count)
                ]
                for thread in self._threads:
                    thread.start()
            self._working = set(range(self._count))
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until all rest, for so long at most; whether they do. Raises what a worker raised."""
        until = None if timeout is None else time.perf_counter() + timeout
        with self._changed:
            while self._working:
                # In slices, so that Ctrl-C is heard on every platform.
                left = 0.2 if until is None else min(0.2, until - time.perf_counter())
                if left <= 0:
                    return False
                self._changed.wait(left)
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return True

    def close(self) -> None:
        """Let the threads end, once they have come to rest."""
        if os.getpid() != self._owner:
            return  # a forked child has no threads, and perhaps a lock that one of them held
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def join(self) -> None:
        """Wait until the threads have ended."""
        for thread in self._threads:
            thread.join()

    def _serve(self, worker: int) -> None:
        if self._count > 1:
            _settle(worker)
        while self._is_wanted(worker):
            try:
                rests = self._enter(worker)
            except BaseException as error:  # noqa: BLE001 - it is raised again, in the caller's thread
                self._failure = self._failure or error
                rests = True
            if rests or self._failure is not None:
                with self._changed:
                    self._working.discard(worker)
                    self._changed.notify_all()
            else:
                # Whoever it waited for may have lost its processor to this one, or to somebody whom this one
                # can take over once it is idle.
                time.sleep(NAP)

    def _is_wanted(self, worker: int) -> bool:
        with self._changed:
            while worker not in self._working:
                if self._closed:
                    return False
                self._changed.wait()
            return True


def _settle(worker: int) -> None:
    """Keep this thread on a processor of its own, where the system can.

    Workers that are woken together are often put on one processor, where each waits for the other in vain.
    """
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[worker % len(allowed)]})
