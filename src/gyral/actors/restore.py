"""A saved system made to fit the classes of this program: found by name, compared by field, or migrated."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gyral.actors.checkpoint import SPAWNED
from gyral.actors.declare import ActorKind, kind_of
from gyral.actors.image import ClassImage, Image
from gyral.actors.imagefile import image_of, room_of
from gyral.actors.manifest import entries_of, fields_of, place_of
from gyral.actors.migration import Migrate
from gyral.actors.records import read_row, write_fields
from gyral.actors.roster import Entry, Roster
from gyral.actors.savefile import Saved
from gyral.actors.saveformat import dtype_text
from gyral.actors.world import table_of
from gyral.core import wire
from gyral.core.errors import UserError

MESSAGE_TYPE = np.uint32((1 << wire.TYPE_BITS) - 1)


@dataclass(frozen=True, slots=True)
class Standing:
    """A system at rest that can be launched: classes in order, their rows and pools, memory, and actors."""

    kinds: tuple[ActorKind, ...]
    rows: tuple[int, ...]
    pools: dict[tuple[int, str], int]
    image: Image
    entries: tuple[Entry, ...]
    about: Mapping[str, Any]

    def room(self, workers: int, priorities: int) -> dict[str, int]:
        """What an arena must have room for, in terms of `wire.Geometry`."""
        return {"stride": int(self.about["stride"]), **room_of(self.image, workers, priorities)}


def standing(
    saved: Saved, kinds: Sequence[ActorKind], migrate: Mapping[str, Migrate], now: float
) -> Standing:
    """A saved system with these classes. UserError naming the class and the field that does not fit.

    `migrate`: functions by the name of a class, from an actor's old fields to its new ones. `now`: the
    system's clock.
    """
    about = saved.about
    image = image_of(saved.arrays, about)
    entries = tuple(entries_of(about, saved.arrays[SPAWNED], now))
    held = []
    for number, (kind, row) in enumerate(zip(kinds, about["classes"], strict=True)):
        function = _migration(migrate, kind)
        if function is None:
            _check_fields(kind, row)
            held.append(_as_kept(image.classes[number], row, kind))
        else:
            held.append(_Migration(kind, row, number, image, entries, function).done())
    image = replace(image, classes=tuple(held))
    _set_mailboxes(image, kinds)
    _number_messages(image, kinds, about["messages"])
    pools = {(n, name): size for n, one in enumerate(held) for name, size in one.used.items()}
    rows = tuple(row["rows"] for row in about["classes"])
    return Standing(tuple(kinds), rows, pools, image, entries, about)


def class_named(place: str, classes: Sequence[type]) -> ActorKind:
    """The class of a place as `manifest.place_of` gives it. UserError when it is not there.

    `classes` are looked at first, by name alone if need be, then modules that are imported.
    """
    found = _found(place, classes)
    if found is None:
        raise UserError(
            f"the checkpoint has actors of {place.replace(':', '.')}, which is not there; import its module "
            "first, or give classes=[…] with the class in it"
        )
    return kind_of(found)


def _found(place: str, classes: Sequence[Any]) -> Any:
    module, _, name = place.partition(":")
    given = [c for c in classes if c.__qualname__ == name]
    for one in given:
        if one.__module__ == module:
            return one
    if len(given) == 1:
        return given[0]
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _migration(migrate: Mapping[str, Migrate], kind: ActorKind) -> Migrate | None:
    return migrate.get(kind.name) or migrate.get(place_of(kind.python).replace(":", "."))


def _check_fields(kind: ActorKind, row: Mapping[str, Any]) -> None:
    old = {name: rest for name, *rest in row["fields"]}
    new = {name: rest for name, *rest in fields_of(kind)}
    told = [f"{name!r} is gone" for name in old if name not in new]
    told += [f"{name!r} is new" for name in new if name not in old]
    told += [
        f"{name!r} was {_named(old[name])} and is {_named(new[name])}"
        for name in old
        if name in new and old[name] != new[name]
    ]
    if not told and list(old) != list(new):
        told = ["their order is another"]
    if told:
        raise UserError(
            f"the fields of {kind.name} are not those of the checkpoint: {', '.join(told)}; give migrate="
            f"{{{kind.name!r}: function}}, a function from an actor's old fields (a dict) to its new ones"
        )


def _named(rest: Sequence[Any]) -> str:
    kind, dtype, shape, rank = rest
    extents = f" of {'×'.join(map(str, shape))}" if shape else f" of rank {rank}" if kind == "buffer" else ""
    return f"{dtype if isinstance(dtype, str) else 'a record or vector'}{extents}"


def _as_kept(held: ClassImage, row: Mapping[str, Any], kind: ActorKind) -> ClassImage:
    """Records with or without copies, as the class keeps them now."""
    if row["keeps"] == kind.keeps:
        return held
    records = np.zeros(row["rows"] * (2 if kind.keeps else 1), held.records.dtype)
    records[: row["rows"]] = held.records[: row["rows"]]
    return replace(held, records=records)


class _Migration:
    """The memory of one class, made anew from what a function makes of each actor's fields."""

    def __init__(
        self,
        kind: ActorKind,
        row: Mapping[str, Any],
        number: int,
        image: Image,
        entries: Sequence[Entry],
        function: Migrate,
    ) -> None:
        self._kind, self._row, self._function = kind, row, function
        self._old = image.classes[number]
        controls = image.controls
        mine = (controls[:, wire.CT_CLASS] == number) & (controls[:, wire.CT_STATE] != wire.FREE)
        self._slots = np.flatnonzero(mine)
        self._rows = controls[self._slots, wire.CT_ROW]
        self._entries = {entry.slot: entry for entry in entries if entry.number == number}

    def done(self) -> ClassImage:
        """The class's memory; its actors on the host know where their arrays lie."""
        places = [(name, kind, rank) for name, kind, _, _, rank in self._row["fields"]]
        found = []
        for row in self._rows:
            record = self._old.records[int(row)]
            found.append(self._moved(read_row(places, record, self._old.arrays, int(row))))
        buffers = [f.name for f in self._kind.fields if f.kind == "buffer"]
        sizes = {name: sum(np.asarray(own.get(name, ())).size for own in found) for name in buffers}
        table = table_of(self._kind, self._row["rows"], sizes)
        for slot, row, fields in zip(self._slots, self._rows, found, strict=True):
            pools: dict[str, int] = {}
            write_fields(table, int(row), fields, pools)
            entry = self._entries.get(int(slot))
            if entry is not None:
                entry.pools = pools
                entry.fields = self._first(entry.fields)
        return ClassImage(table.records, table.arrays, table.used, self._old.free)

    def _moved(self, fields: dict[str, Any]) -> dict[str, Any]:
        made = dict(self._function(fields))
        for name in made:
            if self._kind.field(name) is None:
                names = ", ".join(f.name for f in self._kind.fields) or "none"
                raise UserError(f"migrate= gave {name!r}, and {self._kind.name} has the fields {names}")
        return made

    def _first(self, fields: dict[str, Any]) -> dict[str, Any]:
        """What an actor gets when it is restarted: of its old first fields, those that are as they were."""
        old = {name: rest for name, *rest in self._row["fields"]}
        same = {name for name, *rest in fields_of(self._kind) if old.get(name) == rest}
        return {name: value for name, value in fields.items() if name in same}


def _set_mailboxes(image: Image, kinds: Sequence[ActorKind]) -> None:
    for number, kind in enumerate(kinds):
        image.controls[image.controls[:, wire.CT_CLASS] == number, wire.CT_MAILBOX] = kind.mailbox


def _number_messages(image: Image, kinds: Sequence[ActorKind], saved: Sequence[Sequence[Any]]) -> None:
    """Give queued messages the numbers that their types have now."""
    roster = Roster()
    for kind in kinds:
        roster.enrol(kind)
    now = {place_of(m): (number, dtype_text(m.dtype)) for m, number in roster.messages.items()}
    by_name = {place.partition(":")[2]: held for place, held in now.items()}
    waiting = [*(q.messages for q in image.queued), *(a.messages for a in image.aside)]
    counts = np.zeros(1 << wire.TYPE_BITS, np.int64)
    for messages in waiting:
        np.add.at(counts, messages[:, wire.KIND] & MESSAGE_TYPE, 1)
    numbers = np.arange(1 << wire.TYPE_BITS, dtype=np.uint32)
    for place, number, layout in saved:
        name = place.partition(":")[2]
        found = now.get(place) or by_name.get(name)
        if counts[number] and (found is None or found[1] != layout):
            what = "nobody takes them any more" if found is None else "its fields have changed"
            raise UserError(
                f"{counts[number]} messages of {name} are queued in the checkpoint, and {what}; restore it "
                "with the program that saved it, and let them be handled first"
            )
        if found is not None:
            numbers[number] = found[0]
    for messages in waiting:
        messages[:, wire.KIND] = _renumbered(messages[:, wire.KIND], numbers)


def _renumbered(kinds: NDArray[Any], numbers: NDArray[Any]) -> NDArray[Any]:
    return kinds & ~MESSAGE_TYPE | numbers[kinds & MESSAGE_TYPE]
