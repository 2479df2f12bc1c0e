"""References whose sends are kept in a journal, and the journal sent again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from gyral.actors.journal import Journal, Sent
from gyral.actors.message import read_message
from gyral.actors.ref import FIRST_WAIT, LONGEST_WAIT, Ref
from gyral.actors.routes import reroute_array
from gyral.core.errors import ActorStopped, AskTimeout, MailboxFull, StateError

PATIENCE = 10.0
"""Seconds that a message of the journal waits for room."""


class Journaled(Ref):
    """A reference as any other, whose sends go to its system's journal too; each takes microseconds."""

    __slots__ = ()

    def tell(self, message: Any, *fields: Any, **options: Any) -> None:
        """As `Ref.tell`; accepted messages are in the journal when it returns, and soon on disk."""
        message = _made(message, fields)
        with self._journal.lock:
            super().tell(message, **options)
            self._kept(message, options)

    def tell_many(self, messages: Any, kind: Any = None) -> int:
        """As `Ref.tell_many`."""
        journal = self._journal
        with journal.lock:
            count = super().tell_many(messages) if kind is None else super().tell_many(messages, kind)
            if kind is None:
                for message in list(messages)[:count]:
                    self._kept(message, {})
            else:
                for row in np.asarray(messages)[:count]:
                    journal.append(self.slot, self.gen, kind, row.tobytes(), {})
            return count

    def ask_begin(self, message: Any, *fields: Any, **options: Any) -> int:
        """As `Ref.ask_begin`."""
        message = _made(message, fields)
        with self._journal.lock:
            token = super().ask_begin(message, **options)
            self._kept(message, options)
            return token

    def ask_sync(self, message: Any, *fields: Any, timeout: float | None = None, **options: Any) -> Any:
        """As `Ref.ask_sync`."""
        if not isinstance(message, type) and fields:
            (timeout,), fields = fields, ()
        message = _made(message, fields)
        until = None if timeout is None else time.perf_counter() + timeout
        wait = FIRST_WAIT
        while True:
            try:
                token = self.ask_begin(message, **options)
                break
            except MailboxFull:
                if until is not None and time.perf_counter() >= until:
                    raise
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
        done = threading.Event()
        self._home.awaited(token, done.set)
        try:
            if not done.wait(None if until is None else max(0.0, until - time.perf_counter())):
                raise AskTimeout(
                    f"no reply of {self!r} within {timeout} s; whether it was handled is unknown"
                )
        except BaseException:
            self._home.forget(token)
            self.mail.ask_drop(token)
            raise
        return self.mail.ask_end(token)

    @property
    def _journal(self) -> Journal:
        found = self._home.journal
        if found is None:
            raise StateError("the journal of this system was closed")
        return found

    def _kept(self, message: Any, options: dict[str, Any]) -> None:
        self._journal.append(self.slot, self.gen, type(message), bytes(memoryview(message)), options)


def _made(message: Any, fields: tuple[Any, ...]) -> Any:
    return message(*fields) if isinstance(message, type) else message


def send_again(
    sent: Iterable[Sent],
    refs: Mapping[tuple[int, int], Ref],
    types: Mapping[str, Any],
    meanwhile: Callable[[], None],
) -> int:
    """Tell actors, by slot and generation, what a journal says they were told; how many messages were not.

    Those are messages to actors that ended or came after the checkpoint, messages whose deadline has passed,
    and messages of classes, by place, that nobody takes any more. `meanwhile` is called while a mailbox is
    full. StateError when one stays full.
    """
    lost = 0
    for one in sent:
        ref, kind = refs.get((one.slot, one.generation)), types.get(one.place)
        options: dict[str, Any] = {"priority": one.priority} if one.priority else {}
        if one.key:
            options["key"] = one.key
        if one.deadline:
            options["deadline"] = one.deadline / 1000 - time.time()
        if ref is None or kind is None or options.get("deadline", 1) <= 0:
            lost += 1
            continue
        row = np.frombuffer(one.payload, kind.dtype, 1).copy() if kind.__match_args__ else None
        if row is not None:
            reroute_array(row, one.route, ref.mail.route)
        message = read_message(kind, b"" if row is None else row.tobytes())
        lost += not _told(ref, message, options, meanwhile)
    return lost


def _told(ref: Ref, message: Any, options: dict[str, Any], meanwhile: Callable[[], None]) -> bool:
    """Tell an actor once more, when there is room; whether it takes messages."""
    until, wait = time.perf_counter() + PATIENCE, FIRST_WAIT
    while True:
        try:
            Ref.tell(ref, message, **options)
            return True
        except ActorStopped:
            return False
        except MailboxFull as error:
            if time.perf_counter() >= until:
                raise StateError(
                    f"the journal cannot be sent again: the mailbox of {ref!r} stays full"
                ) from error
            meanwhile()
            time.sleep(wait)
            wait = min(2 * wait, LONGEST_WAIT)
