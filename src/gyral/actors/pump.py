"""The thread that carries what a loop says to the host: records, replies that are awaited, hangs."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any

EVENTS, REPLIES, HANG, STALL, HOST = 1, 2, 4, 8, 16
"""Bits of what `Mail.wait_events` gives."""
AT_ONCE = 256


class Pump:
    """Waits natively and hands on; it holds its system weakly, so that a dropped system ends."""

    def __init__(self, mail: Any, receive: Callable[[Any], None], hung: Callable[[], None]) -> None:
        self._mail = mail
        self._receive, self._hung = weakref.WeakMethod(receive), weakref.WeakMethod(hung)
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

    def drain(self) -> None:
        """Hand on every record there is now."""
        receive = self._receive()
        while receive is not None:
            found = self._mail.take_events(AT_ONCE)
            for event in found:
                receive(event)
            if len(found) < AT_ONCE:
                return

    def end(self) -> None:
        """End the thread, once what is there was handed on."""
        self._ending = True
        self._mail.wake_host()
        if threading.current_thread() is not self._thread:
            self._thread.join(10.0)

    def _run(self) -> None:
        while not self._ending:
            flags = self._mail.wait_events(1.0)
            if self._receive() is None:
                return
            self._answer()
            if flags & (EVENTS | HOST):
                self.drain()
            hung = self._hung()
            if flags & HANG and hung is not None:
                hung()
        self.drain()

    def _answer(self) -> None:
        with self._lock:
            ready = [token for token in self._awaited if self._mail.ask_poll(token)]
            calls = [self._awaited.pop(token) for token in ready]
        for call in calls:
            call()
