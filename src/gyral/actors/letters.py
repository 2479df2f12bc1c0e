"""Messages that reached the host: those sent to it, and those that nobody handled."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gyral.core import wire

REASONS = {
    wire.EVENT_DEAD: "dead",
    wire.EVENT_EXPIRED: "expired",
    wire.EVENT_DUPLICATE: "duplicate",
    wire.EVENT_FAILED: "failed",
    wire.EVENT_OVERFLOW: "overflow",
}


@dataclass(frozen=True, slots=True)
class Letter:
    """A message that reached the host: who sent it, and to whom; `detail` says why nobody handled it."""

    message: Any
    sender: Any
    receiver: Any
    reason: str = "inbox"
    detail: str = ""


class Letters:
    """A bounded list, oldest dropped first; `dropped` counts them."""

    def __init__(self, room: int) -> None:
        self._held: deque[Letter] = deque(maxlen=room)
        self._lock = threading.Lock()
        self.dropped = 0
        self.total = 0

    def add(self, letter: Letter) -> None:
        """Append a letter."""
        with self._lock:
            self.dropped += len(self._held) == self._held.maxlen
            self.total += 1
            self._held.append(letter)

    def all(self) -> list[Letter]:
        """What is held, oldest first."""
        with self._lock:
            return list(self._held)


class Inbox:
    """Messages that actors sent to the host, in the order each sent them.

    `listeners` are called with each letter, on a thread of the system's own. `dropped` counts letters that
    found no room.
    """

    def __init__(self, room: int) -> None:
        self._queue: queue.Queue[Letter] = queue.Queue(room)
        self.listeners: list[Callable[[Letter], None]] = []
        self.dropped = 0

    def add(self, letter: Letter) -> None:
        """Append a letter; one that finds no room is counted."""
        try:
            self._queue.put_nowait(letter)
        except queue.Full:
            self.dropped += 1

    def tell(self, letter: Letter) -> None:
        """Hand a letter to listeners."""
        for listener in list(self.listeners):
            listener(letter)

    def get(self, timeout: float | None = None) -> Letter:
        """The oldest letter; waits for one. TimeoutError when none comes within `timeout` seconds."""
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError("no message came to the host in time") from None

    def take(self) -> list[Letter]:
        """All letters there are now."""
        found: list[Letter] = []
        while True:
            try:
                found.append(self._queue.get_nowait())
            except queue.Empty:
                return found

    def __len__(self) -> int:
        return self._queue.qsize()
