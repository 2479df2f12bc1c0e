"""Places in pools that actors left when they ended, for others with arrays of the same size."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gyral.actors.declare import ActorKind
from gyral.actors.fields import MISSING
from gyral.actors.roster import Entry
from gyral.actors.world import Table


class Spare:
    """Free places by class, field and number of elements."""

    def __init__(self) -> None:
        self._places: defaultdict[tuple[int, str, int], list[int]] = defaultdict(list)

    def needs(self, number: int, kind: ActorKind, given: Sequence[Mapping[str, Any]]) -> dict[str, int]:
        """Elements that new actors need in the pools of their class, besides places that are free."""
        found: dict[str, int] = {}
        for name, default in _buffers(kind):
            sizes = Counter(_size(own.get(name, default)) for own in given)
            free = {size: len(self._places.get((number, name, size), ())) for size in sizes}
            found[name] = sum(size * max(0, count - free[size]) for size, count in sizes.items())
        return found

    def take(self, entry: Entry, kind: ActorKind) -> None:
        """Give a new actor free places for its arrays, where there are some."""
        for name, default in _buffers(kind):
            places = self._places.get((entry.number, name, _size(entry.fields.get(name, default))))
            if places:
                entry.pools[name] = places.pop()

    def give(self, entry: Entry, table: Table) -> None:
        """Take the places of an actor that ended. Before its record is erased."""
        record = table.records[entry.row]
        for one in table.kind.fields:
            if one.kind == "buffer" and one.name in entry.pools:
                size = int(np.prod([int(record[f"{one.name}@{axis}"]) for axis in range(one.rank)]))
                if size:
                    self._places[entry.number, one.name, size].append(entry.pools[one.name])

    def forget(self) -> None:
        """The pools were laid out anew."""
        self._places.clear()


def _buffers(kind: ActorKind) -> list[tuple[str, Any]]:
    return [(one.name, one.default) for one in kind.fields if one.kind == "buffer"]


def _size(value: Any) -> int:
    return 0 if value is None or value is MISSING else int(np.asarray(value).size)
