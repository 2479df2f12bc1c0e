"""Who lives in a system, as the host knows it: classes, messages and actors by slot and by name."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gyral.actors.declare import ActorKind
from gyral.actors.message import messages_of, named_by
from gyral.core.errors import UserError

MAX_MESSAGES = 4095


@dataclass(slots=True)
class Entry:
    """One actor that the host spawned: its class, its fields as they were at first, its name and group."""

    slot: int
    generation: int
    number: int
    row: int
    fields: dict[str, Any]
    name: str = ""
    group: Any = None
    restarts: list[float] = field(default_factory=list)
    pools: dict[str, int] = field(default_factory=dict)


class Roster:
    """Classes and messages in the order they were met, and the actors of the host."""

    def __init__(self) -> None:
        self.kinds: list[ActorKind] = []
        self.messages: dict[Any, int] = {}
        self.entries: dict[int, Entry] = {}
        self.names: dict[str, int] = {}

    def number(self, kind: ActorKind) -> int | None:
        """The number of a class, None when it is new."""
        return self.kinds.index(kind) if kind in self.kinds else None

    def enrol(self, kind: ActorKind) -> int:
        """Take in a class and all messages that it names."""
        self.messages = self.numbered(kind)
        self.kinds.append(kind)
        return len(self.kinds) - 1

    def beside(self, kind: ActorKind) -> list[ActorKind]:
        """A class and all that its handlers may spawn, and theirs, that are new."""
        found, at = [kind], 0
        while at < len(found):
            functions = [f for f in vars(found[at].python).values() if hasattr(f, "__code__")]
            for python in named_by(functions):
                other = vars(python).get("__gyral_actor__")
                if isinstance(other, ActorKind) and other not in found and other not in self.kinds:
                    found.append(other)
            at += 1
        return found

    def numbered(self, kind: ActorKind) -> dict[Any, int]:
        """All messages with their numbers, once those that a class names are there too."""
        found = dict(self.messages)
        functions = [f for f in vars(kind.python).values() if hasattr(f, "__code__")]
        for message in (*(h.message for h in kind.handlers), *messages_of(functions)):
            if message not in found:
                if len(found) >= MAX_MESSAGES:
                    raise UserError(f"a system knows at most {MAX_MESSAGES} types of message")
                found[message] = len(found) + 1
        return found

    def message(self, number: int) -> Any:
        """The message class of a number."""
        return next((m for m, n in self.messages.items() if n == number), None)

    def free_names(self, names: Sequence[str] | None, n: int) -> Sequence[str]:
        """The names of `n` new actors, empty for those without. UserError when one is taken."""
        if names is None:
            return [""] * n
        if len(names) != n:
            raise UserError(f"{n} actors have {n} names, not {len(names)}")
        given = [name for name in names if name]
        for name in given:
            if name in self.names or given.count(name) > 1:
                raise UserError(f"there is an actor {name!r} in this system already")
        return names

    def add(self, entry: Entry) -> None:
        """Take in an actor. UserError when its name is taken."""
        if entry.name:
            if entry.name in self.names:
                raise UserError(f"there is an actor {entry.name!r} in this system already")
            self.names[entry.name] = entry.slot
        self.entries[entry.slot] = entry

    def drop(self, slot: int) -> Entry | None:
        """Let an actor go."""
        entry = self.entries.pop(slot, None)
        if entry is not None and entry.name:
            self.names.pop(entry.name, None)
        return entry

    def settle(self, entries: Iterable[Entry]) -> None:
        """Let these be all that live here."""
        self.entries, self.names = {}, {}
        for entry in entries:
            self.add(entry)

    def matching(self, pattern: str) -> Iterator[Entry]:
        """Actors by name or pattern (`*`, `?`, `[…]`), in the order of their names."""
        for name in sorted(self.names):
            if fnmatch.fnmatchcase(name, pattern):
                yield self.entries[self.names[name]]
