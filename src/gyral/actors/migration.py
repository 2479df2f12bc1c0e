"""What becomes of actors' fields when their class is replaced by another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from gyral.actors.declare import ActorKind
from gyral.actors.fields import MISSING
from gyral.actors.image import ClassImage, Image
from gyral.actors.records import read_fields, write_fields
from gyral.actors.roster import Entry
from gyral.actors.world import Table
from gyral.core.errors import UserError

Migrate: TypeAlias = Callable[[dict[str, Any]], Mapping[str, Any]]


@dataclass(slots=True)
class Moved:
    """Actors with the fields they are to have, and those they get when they are restarted."""

    kind: ActorKind
    actors: list[tuple[Entry, dict[str, Any], dict[str, Any]]]
    places: list[dict[str, int]] = field(default_factory=list)

    @property
    def pools(self) -> dict[str, int]:
        """Elements that the actors' arrays need, by field."""
        names = [one.name for one in self.kind.fields if one.kind == "buffer"]
        return {name: sum(np.asarray(f.get(name, ())).size for _, f, _ in self.actors) for name in names}

    def put(self, table: Table) -> None:
        """Write the fields into their new memory."""
        self.places = []
        for entry, fields, _ in self.actors:
            self.places.append({})
            write_fields(table, entry.row, fields, self.places[-1])

    def settle(self) -> None:
        """Let the host know what was written."""
        for (entry, _, first), places in zip(self.actors, self.places, strict=True):
            entry.fields, entry.pools = first, places


class Change:
    """A class that takes another's place. UserError when its fields lie otherwise and nothing moves them."""

    def __init__(self, old: ActorKind, new: ActorKind, migrate: Migrate | None) -> None:
        before, after = _layout(old), _layout(new)
        if before != after and migrate is None:
            names = sorted(n for n in before.keys() | after.keys() if before.get(n) != after.get(n))
            what = ", ".join(map(repr, names)) or "the order of its fields"
            raise UserError(
                f"{new.name} cannot replace {old.name}: {what} differ; "
                "give migrate=, a function from the old fields, a dict, to the new ones"
            )
        self._new = new
        self._migrate = migrate
        self._stays = before == after and migrate is None and old.keeps == new.keeps

    def moved(self, table: Table, entries: Sequence[Entry]) -> Moved | None:
        """The actors with their new fields; None when all stays where it is."""
        if self._stays:
            return None
        defaults = {f.name: f.default for f in table.kind.fields if f.default is not MISSING}
        return Moved(
            self._new,
            [
                (entry, self._of(read_fields(table, entry.row)), self._of(defaults | entry.fields))
                for entry in entries
            ],
        )

    def _of(self, fields: dict[str, Any]) -> dict[str, Any]:
        if self._migrate is None:
            return fields
        found = dict(self._migrate(fields))
        for name in found:
            if self._new.field(name) is None:
                names = ", ".join(f.name for f in self._new.fields) or "none"
                raise UserError(f"migrate= gave {name!r}; {self._new.name} has the fields {names}")
        return found


def without(image: Image, number: int) -> Image:
    """An image less the fields of one class; who lives there, and its free slots, stay."""
    held = image.classes[number]
    bare = ClassImage(held.records[:0], {}, {}, held.free)
    return replace(image, classes=(*image.classes[:number], bare, *image.classes[number + 1 :]))


def _layout(kind: ActorKind) -> dict[str, tuple[Any, ...]]:
    return {f.name: (k, f.kind, f.type, f.shape, f.rank) for k, f in enumerate(kind.fields)}
