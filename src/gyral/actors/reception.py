"""What a loop tells the host: letters, failures, ends of actors. Read in order, acted upon in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gyral.actors.engine import Engine
from gyral.actors.image import take_image
from gyral.actors.letters import REASONS, Inbox, Letter, Letters
from gyral.actors.lifecycle import NAMES
from gyral.actors.message import read_message
from gyral.core import wire
from gyral.core.events import ActorTrouble, emit

AT_ONCE = 256


class Reception:
    """Takes the records that workers leave, and calls what is to be done about them.

    `known(slot, generation)` gives a reference, or None for the host and for those long gone. `failed(slot,
    generation, why)`, `ended()` and `routed(route, message class, words)` are called on the thread that
    drains, one at a time; what they raise is kept in `trouble`.
    """

    def __init__(self, name: str, engine: Engine, room: int, known: Callable[[int, int], Any]) -> None:
        self.dead, self.inbox = Letters(room), Inbox(room)
        self.trouble: list[BaseException] = []
        self.failed: Callable[[int, int, str], None] = lambda slot, generation, why: None
        self.ended: Callable[[], None] = lambda: None
        self.remains: Callable[[], bool] = lambda: False
        self.routed: Callable[[int, Any, Any], None] = lambda route, message, words: None
        self.forwarded = 0
        self.lost = 0
        self.shut = False
        """The loop is lost and says nothing any more."""
        self._name, self._engine, self._known = name, engine, known
        self._to_do: deque[Callable[[], None]] = deque()
        self._acting = threading.Lock()
        self._seen_lost = self._seen_ended = 0

    @property
    def idle(self) -> bool:
        """Whether nothing is to be done that was read."""
        return not self._to_do and not self._acting.locked()

    def drain(self) -> None:
        """Read all records there are, and act upon them."""
        self.read()
        self.act()

    def read(self) -> None:
        """Read all records there are, in the words of the loop that left them."""
        with self._engine.lock:
            if not self._engine.running or self.shut:
                return
            mail, count = self._engine.host.mail, AT_ONCE
            while count == AT_ONCE:
                found = mail.take_events(AT_ONCE)
                count = len(found)
                for event in found:
                    self._received(event)
            self._look()

    def relaunched(self) -> None:
        """The counters of workers begin anew."""
        self.read()
        self.lost += self._seen_lost
        self._seen_lost = 0
        self._seen_ended = -1

    def bury_queue(self, why: str) -> None:
        """Let all that is queued end as dead letters, once the loop has ended."""
        image = take_image(self._engine.world, copy=False)
        for batch in (*image.queued, *image.aside):
            for words in batch.messages:
                self.dead.add(self.letter(words.tobytes(), REASONS[wire.EVENT_DEAD], why))

    def act(self) -> None:
        """Do what is to be done, unless another thread is at it."""
        while self._to_do and self._acting.acquire(blocking=False):
            try:
                while self._to_do:
                    self._attempt(self._to_do.popleft())
            finally:
                self._acting.release()

    def later(self, action: Callable[[], None]) -> None:
        """Have something done in turn, by the next thread that acts."""
        self._to_do.append(action)

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except BaseException as error:  # noqa: BLE001  closing the system raises it
            self.note(error)

    def note(self, error: BaseException) -> None:
        """Keep what went wrong on a thread of the system's own, and tell listeners."""
        self.trouble.append(error)
        try:
            emit(ActorTrouble(self._name, error))
        except BaseException as other:  # noqa: BLE001  a listener's fault is kept beside the first
            self.trouble.append(other)

    def _look(self) -> None:
        """What workers count rather than tell: records that were lost, and actors that ended."""
        workers = self._engine.world.workers
        lost, ended = int(workers[:, wire.WK_LOST].sum()), int(workers[:, wire.WK_ENDED].sum())
        if lost != self._seen_lost:
            self._seen_lost = lost
            self.find_failed()
        if ended != self._seen_ended or self.remains():
            self._seen_ended = ended
            self.later(self.ended)

    def find_failed(self) -> None:
        """Failed actors whose record may be among those that were lost."""
        controls = self._engine.world.controls
        for slot in np.flatnonzero(controls[:, wire.CT_STATE] == wire.FAILING):
            generation, site = (int(controls[slot, k]) for k in (wire.CT_GENERATION, wire.CT_ERROR_SITE))
            why = self._engine.sites.why(site - 1)
            self.later(partial(self.failed, int(slot), generation, why))

    def _received(self, event: Any) -> None:
        code, slot, generation, detail, data = event
        if code == wire.EVENT_ROUTE:
            words = np.frombuffer(data, np.uint32)
            number = int(words[wire.KIND]) & (1 << wire.TYPE_BITS) - 1
            self.forwarded += 1
            self.later(partial(self.routed, detail, self._engine.roster.message(number), words))
            return
        letter = self._letter(code, detail, data)
        if code == wire.EVENT_INBOX:
            self.inbox.add(letter)
            self.later(lambda: self.inbox.tell(letter))
            return
        self.dead.add(letter)
        if code == wire.EVENT_FAILED:
            self.later(lambda: self.failed(slot, generation, letter.detail))

    def _letter(self, code: int, detail: int, data: bytes) -> Letter:
        text = ""
        if code == wire.EVENT_FAILED:
            text = self._engine.sites.why(detail)
        elif code == wire.EVENT_DEAD:
            text = "no room" if detail == wire.EVENT_OVERFLOW else NAMES.get(detail, "no handler")
        return self.letter(data, REASONS.get(code, "inbox"), text)

    def letter(self, data: bytes, reason: str, text: str) -> Letter:
        """A message as it lies in a lane, as a letter."""
        words = np.frombuffer(data[: 4 * wire.EXTENDED_WORDS], np.uint32)
        kind, gens = int(words[wire.KIND]), int(words[wire.GENS])
        start = wire.EXTENDED_WORDS if kind & wire.EXTENDED else wire.HEADER_WORDS
        message_class = self._engine.roster.message(kind & (1 << wire.TYPE_BITS) - 1)
        message = None if message_class is None else read_message(message_class, data[4 * start :])
        sender = self._known(int(words[wire.SOURCE]), gens >> 16)
        receiver = self._known(int(words[wire.DEST]), gens & 0xFFFF)
        return Letter(message, sender, receiver, reason, text)
