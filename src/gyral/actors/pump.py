"""The thread that carries what a loop says to the host: records, replies that are awaited, alarms."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, Protocol

from gyral.core.errors import StateError

EVENTS, REPLIES, HANG, STALL, WOKEN = 1, 2, 4, 8, 16
"""Bits of what `Mail.wait_events` gives."""
WAIT_SECONDS, PRINT_SECONDS = 1.0, 0.02


class Pumped(Protocol):
    """What the pump serves."""

    def rung(self, flags: int) -> float:
        """The loop rang, or time passed; how long to wait for the next ring, in seconds."""
        ...

    def note(self, error: BaseException) -> None:
        """Keep what went wrong on the pump's thread."""
        ...


class Pump:
    """Waits natively and hands on; it holds what it serves weakly, so that a dropped system ends."""

    def __init__(self, mail: Any, served: Pumped) -> None:
        self._mail = mail
        self._served = weakref.ref(served)
        self._awaited: dict[Any, Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="gyral-actors-pump", daemon=True)
        self._thread.start()

    def awaited(self, token: Any, done: Callable[[], None]) -> None:
        """Call `done`, on the pump's thread, when the reply of a token is there."""
        with self._lock:
            self._awaited[token] = done
        self._mail.wake_host()

    def forget(self, token: Any) -> None:
        """Nobody waits for a token any more."""
        with self._lock:
            self._awaited.pop(token, None)

    def answer(self, everybody: bool = False) -> None:
        """Call those whose reply is there, or everybody who waits."""
        with self._lock:
            ready = [token for token in self._awaited if everybody or self._mail.ask_poll(token)]
            calls = [self._awaited.pop(token) for token in ready]
        for call in calls:
            self._attempt(call)

    def end(self) -> None:
        """End the thread, once what it does is done."""
        self._ending = True
        try:
            self._mail.wake_host()
        except StateError:
            pass  # closed: the thread has seen it
        if threading.current_thread() is not self._thread:
            self._thread.join(10.0)

    def _attempt(self, call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException as error:  # noqa: BLE001  closing the system raises it
            served = self._served()
            if served is not None:
                served.note(error)

    def _run(self) -> None:
        seconds = WAIT_SECONDS
        while not self._ending:
            try:
                flags = self._mail.wait_events(seconds)
                self.answer()
            except StateError:
                self.answer(True)  # the loop is lost: who waits finds that out
                return
            served = self._served()
            if served is None:
                return
            try:
                seconds = served.rung(flags)
            except BaseException as error:  # noqa: BLE001  closing the system raises it
                served.note(error)
            del served
