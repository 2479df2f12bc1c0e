"""Asking many at once: all are asked before the first answer is waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gyral.core.clock import MONOTONIC
from gyral.core.errors import AskTimeout, GyralError, MailboxFull

NAP = 0.0005


class Waits(Protocol):
    """Who calls when a reply is there."""

    def awaited(self, token: Any, done: Callable[[], None]) -> None:
        """Call `done` when a reply is there."""
        ...

    def forget(self, token: Any) -> None:
        """Nobody waits for a reply any more."""
        ...


def ask_many(waits: Waits, asks: Sequence[tuple[Any, Any]], timeout: float | None) -> list[Any]:
    """Ask by each reference its message; a reply or a GyralError for each, in order.

    AskTimeout for those that have not answered within `timeout` seconds of the call.
    """
    until = None if timeout is None else MONOTONIC() + timeout
    results: list[Any] = [None] * len(asks)
    came = threading.Semaphore(0)
    waiting: list[tuple[int, Any, Any]] = []
    for number, (ref, message) in enumerate(asks):
        token = None
        while token is None:
            try:
                token = ref.ask_begin(message)
            except MailboxFull as full:
                if not _one_came(waits, waiting, results, came, until):
                    results[number] = AskTimeout(f"{full}; the message was not sent")
                    break
            except GyralError as error:
                results[number] = error
                break
        if token is not None:
            waiting.append((number, ref, token))
            waits.awaited(token, came.release)
    while waiting and _one_came(waits, waiting, results, came, until):
        pass
    for number, ref, token in waiting:
        waits.forget(token)
        results[number] = _end(ref, token)
    return results


def _one_came(waits: Waits, waiting: list[Any], results: list[Any], came: Any, until: float | None) -> bool:
    """Wait until a reply is there and take all that are; False when time is up."""
    left = None if until is None else until - MONOTONIC()
    if left is not None and left <= 0:
        return False
    if not waiting:
        time.sleep(NAP)  # nothing of ours fills the mailbox: others do
        return True
    if not came.acquire(timeout=left):
        return False
    for row in list(waiting):
        number, ref, token = row
        if ref.mail.ask_poll(token):
            waits.forget(token)
            results[number] = _end(ref, token)
            waiting.remove(row)
    return True


def _end(ref: Any, token: Any) -> Any:
    try:
        return ref.mail.ask_end(token)
    except GyralError as error:
        return error
