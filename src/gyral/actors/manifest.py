"""What a saved system is, in words: its classes, messages, actors and subscriptions, as JSON.

Values that actors were spawned with are kept as the bytes their records hold; arrays among them stand one
after the other in a section of their own, each once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gyral.actors.declare import ActorKind
from gyral.actors.fields import Declared
from gyral.actors.records import stored
from gyral.actors.roster import Entry, Roster
from gyral.actors.saveformat import dtype_of, dtype_text
from gyral.actors.supervisor import Group
from gyral.core.errors import UserError
from gyral.runtime.elements import numpy_of

KIND: Final = "actors"
ALIGNMENT: Final = 64


def place_of(made: Any) -> str:
    """Where a class comes from: "module:qualified.name"."""
    return f"{made.__module__}:{made.__qualname__}"


def classes_of(kinds: Sequence[ActorKind], rows: Sequence[int], used: Sequence[Mapping[str, int]]) -> Any:
    """Classes, their fields, and how many rows and elements of pools they have."""
    return [
        {
            "name": place_of(kind.python),
            "fields": fields_of(kind),
            "keeps": kind.keeps,
            "rows": count,
            "used": dict(taken),
        }
        for kind, count, taken in zip(kinds, rows, used, strict=True)
    ]


def fields_of(kind: ActorKind) -> list[list[Any]]:
    """Fields as they lie in memory: name, kind, dtype, shape and rank."""
    return [[f.name, f.kind, dtype_text(numpy_of(f.type)), list(f.shape), f.rank] for f in kind.fields]


def messages_of(roster: Roster) -> list[list[Any]]:
    """Messages: where each comes from, its number, its layout."""
    return [[place_of(m), number, dtype_text(m.dtype)] for m, number in roster.messages.items()]


class Spawned:
    """Writes actors down with what they were spawned with; `blob` is the section of their arrays."""

    def __init__(self) -> None:
        self.table: list[list[Any]] = []
        self._parts: list[NDArray[np.uint8]] = []
        self._at = 0
        self._numbers: dict[tuple[int, str], int] = {}
        self._kept: list[Any] = []

    @property
    def blob(self) -> NDArray[np.uint8]:
        """The arrays, one after the other."""
        return np.concatenate(self._parts) if self._parts else np.zeros(0, np.uint8)

    def row(self, entry: Entry, kind: ActorKind, group: int | None, now: float) -> list[Any]:
        """One actor. UserError for a field whose value is nothing but a Python object."""
        fields = {}
        for name, value in entry.fields.items():
            one = kind.field(name)
            if one is not None and value is not None:
                try:
                    fields[name] = self._value(one, value)
                except (TypeError, ValueError) as error:
                    who = entry.name or f"#{entry.slot}"
                    raise UserError(
                        f"{name} of {kind.name} {who} was spawned as {value!r}, and that cannot be saved: "
                        f"{error}"
                    ) from error
        ages = [now - then for then in entry.restarts]
        where = entry.slot, entry.generation, entry.number, entry.row
        return [*where, entry.name, group, fields, entry.pools, ages]

    def _value(self, one: Declared, value: Any) -> Any:
        dtype = numpy_of(one.type)
        if one.kind == "state":
            held = np.zeros(1, [("v", dtype)])
            held["v"][0] = stored(value, dtype)
            return held.tobytes().hex()
        key = id(value), dtype.str
        if key not in self._numbers:
            given = np.asarray(value, dtype.base)
            array = np.ascontiguousarray(given)
            self._numbers[key] = len(self.table)
            self._kept.append(value)
            self.table.append([self._at, dtype_text(given.dtype), list(given.shape)])
            room = -(-array.nbytes // ALIGNMENT) * ALIGNMENT
            padded = np.zeros(room, np.uint8)
            padded[: array.nbytes] = array.reshape(-1).view(np.uint8)
            self._parts.append(padded)
            self._at += room
        return self._numbers[key]


def entries_of(about: Mapping[str, Any], blob: NDArray[np.uint8], now: float) -> list[Entry]:
    """The actors of a manifest; their groups are made anew, and shared as they were."""
    groups = [Group(name, restart, list(members)) for name, restart, members in about["groups"]]
    arrays = [_array(blob, *row) for row in about["spawned"]]
    dtypes = [{name: dtype_of(text) for name, _, text, _, _ in row["fields"]} for row in about["classes"]]
    found = []
    for slot, generation, number, row, name, group, fields, pools, ages in about["actors"]:
        own = {
            title: arrays[value] if isinstance(value, int) else _state(dtypes[number][title], value)
            for title, value in fields.items()
        }
        entry = Entry(slot, generation, number, row, own, name, pools=dict(pools))
        entry.group = None if group is None else groups[group]
        entry.restarts.extend(now - age for age in ages)
        found.append(entry)
    return found


def _array(blob: NDArray[np.uint8], at: int, text: Any, shape: Sequence[int]) -> NDArray[Any]:
    dtype = dtype_of(text)
    nbytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    return blob[at : at + nbytes].view(dtype).reshape(shape).copy()


def _state(dtype: np.dtype[Any], text: str) -> Any:
    return np.frombuffer(bytes.fromhex(text), [("v", dtype)])["v"][0]
