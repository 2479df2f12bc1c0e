"""Many actors at once: found by name, supervised in groups, published to, asked, told together, gathered."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gyral.actors.asks import ask_many
from gyral.actors.barrier import MOST, Barrier
from gyral.actors.batching import Batch
from gyral.actors.declare import Restart
from gyral.actors.engine import Engine
from gyral.actors.ref import Ref
from gyral.actors.roster import Entry
from gyral.actors.supervisor import Group
from gyral.actors.topics import Topics
from gyral.core.errors import ActorStopped, MailboxFull, UserError


class Company:
    """The part of a system of actors that knows them by name, by group and by topic."""

    name: str
    _engine: Engine
    _topics: Topics
    _groups: list[Group]
    _ref: Callable[[Entry], Ref]
    spawn: Callable[..., Ref]

    def lookup(self, name: str) -> Any:
        """The actor of a name; for a pattern with `*`, `?` or `[…]` a list. UserError when there is none."""
        with self._engine.lock:
            found = [self._ref(entry) for entry in self._engine.roster.matching(name)]
        if any(letter in name for letter in "*?["):
            return found
        if not found:
            names = ", ".join(sorted(self._engine.roster.names)[:8]) or "none"
            raise UserError(f"{self.name} has no actor {name!r}; named actors: {names}")
        return found[0]

    @contextmanager
    def group(self, name: str, restart: Restart | None = None) -> Iterator[Group]:
        """Actors spawned in the block are supervised together.

        `restart`: who is restarted with one that failed; None leaves that to the class of the one that did.
        """
        with self._engine.lock:
            made = Group(name, restart)
            self._groups.append(made)
            try:
                yield made
            finally:
                self._groups.remove(made)

    def publish(self, topic: str, message: Any) -> int:
        """Tell every subscriber of a topic; how many there were.

        One that ended is no subscriber any more. MailboxFull when some had no room; all others were told.
        """
        told, full = 0, []
        for ref in self._topics.reached(topic):
            try:
                ref.tell(message)
                told += 1
            except ActorStopped:
                self._topics.drop(ref.slot)
            except MailboxFull:
                full.append(repr(ref))
        if full:
            names = ", ".join(full)
            raise MailboxFull(f"{names} had no room for what was published; {told} others were told")
        return told

    def ask_many(self, refs: Sequence[Ref], message: Any, timeout: float | None = None) -> list[Any]:
        """Ask many actors at once; a reply, or the error of an ask, for each, in order."""
        waits: Any = self  # every system is told when a reply is there
        return ask_many(waits, [(ref, message) for ref in refs], timeout)

    def batching(
        self, ref: Ref, most: int = 1024, within: float = 0.001, sent: Callable[[int], None] | None = None
    ) -> Batch:
        """Collect messages to an actor: `with system.batching(ref) as batch: batch.tell(message)`."""
        return Batch(ref, most, within, sent)

    def barrier(self, name: str, parties: int) -> Ref:
        """A barrier that actors tell `Arrive()`; when `parties` have, each of them is told `Released(round)`.

        Both messages are in `gyral.actors.barrier`.
        """
        if not 1 <= parties <= MOST:
            raise UserError(f"a barrier has 1 to {MOST} parties, not {parties}")
        return self.spawn(Barrier, name, parties=parties)

    def subscribe(self, pattern: str, ref: Ref) -> None:
        """Let an actor get what is published."""
        self._topics.subscribe(pattern, ref)

    def unsubscribe(self, pattern: str, ref: Ref) -> None:
        """End a subscription."""
        self._topics.unsubscribe(pattern, ref)
