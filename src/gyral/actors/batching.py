"""Messages to one actor, collected and sent together: a lock and a clock stamp for many."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from gyral.core.clock import MONOTONIC
from gyral.core.errors import MailboxFull, StateError, UserError

FIRST_WAIT, LONGEST_WAIT = 50e-6, 5e-3


class Batch:
    """What `ActorSystem.batching` gives: `tell` collects, and sends when there are `most` messages.

    They are sent after `within` seconds at the latest, and when the block ends; whoever sends waits while the
    mailbox is full. `sent` is called with the number of messages each time. Any thread may tell.
    """

    def __init__(self, ref: Any, most: int, within: float, sent: Callable[[int], None] | None) -> None:
        if most < 1 or within <= 0:
            raise UserError(f"a batch has at least one message and some time, not {most} and {within} s")
        self._ref, self._most, self._within, self._sent = ref, most, within, sent
        self._held: list[Any] = []
        self._since = 0.0
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._failure: BaseException | None = None
        self._open = True
        self._thread = threading.Thread(target=self._watch, name="gyral-actors-batch", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._open = False
            self._changed.notify_all()
        self._thread.join()
        if error is None:
            self.flush()

    def tell(self, message: Any) -> None:
        """Collect a message. Raises what went wrong when others were sent."""
        with self._changed:
            self._check()
            if not self._open:
                raise StateError("the block of this batch has ended")
            if not self._held:
                self._since = MONOTONIC()
                self._changed.notify_all()
            self._held.append(message)
            full = len(self._held) >= self._most
        if full:
            self.flush()

    def flush(self) -> None:
        """Send what was collected."""
        with self._sending:  # one at a time, so that the order stays
            with self._changed:
                self._check()
                messages, self._held = self._held, []
            self._send(messages)

    def _check(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _send(self, messages: list[Any]) -> None:
        wait, at = FIRST_WAIT, 0
        while at < len(messages):
            try:
                count = self._ref.tell_many(messages[at:])
            except MailboxFull:  # it stands still for long
                count = 0
            at += count
            if at < len(messages):
                wait = FIRST_WAIT if count else min(2 * wait, LONGEST_WAIT)
                time.sleep(wait)
        if messages and self._sent is not None:
            self._sent(len(messages))

    def _watch(self) -> None:
        """Send what has waited for long enough."""
        while True:
            with self._changed:
                while self._open and not self._held:
                    self._changed.wait()
                if not self._open:
                    return
                left = self._since + self._within - MONOTONIC()
                if left > 0:
                    self._changed.wait(left)
                    continue
            try:
                self.flush()
            except BaseException as error:  # noqa: BLE001  whoever tells next is told
                with self._changed:
                    self._failure = error
