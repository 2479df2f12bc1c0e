"""What changed between two images of a system: the rows of actors that did something, and the queues.

Whoever handled a message, failed, moved in its life, or was given other fields, has another control block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gyral.actors.imagefile import Arrays
from gyral.actors.world import Words
from gyral.core import wire

LARGE: Final = ("controls", "dedup")
"""Rows by actor. Besides these, records and arrays of classes are kept by row; all else is kept whole."""


def same_shape(old: Arrays, new: Arrays) -> bool:
    """Whether two images can be compared: none of what is kept by row has grown or changed its layout."""
    return all(
        name in old and (old[name].dtype, old[name].shape) == (array.dtype, array.shape)
        for name, array in new.items()
        if name in LARGE or _is_rows(name)
    )


def changes(old: Arrays, new: Arrays, kinds: Sequence[Any]) -> Arrays:
    """The changes from one image to another of the same shape, copied. `kinds`: the classes, in order."""
    slots = np.flatnonzero((old["controls"] != new["controls"]).any(1)).astype(np.uint32)
    found: Arrays = {"slots": slots}
    for name, array in new.items():
        if name in LARGE:
            found[name] = array[slots]
        elif not _is_rows(name):
            found[name] = array.copy()
    for number, kind in enumerate(kinds):
        title = f"class {number}"
        rows = _rows_of(new["controls"], slots, number)
        records = new[title]
        halves = (0, len(records) // 2) if kind.keeps else (0,)
        found[f"{title} at"] = np.concatenate([rows + half for half in halves])
        found[title] = records[found[f"{title} at"]]
        for one in kind.fields:
            place = f"{title} field {one.name}"
            if one.kind == "fixed":
                found[f"{place} at"], found[place] = rows, new[place][rows]
            elif one.kind == "buffer":
                at = _elements(records, rows, one.name, one.rank)
                found[f"{place} at"], found[place] = at, new[place][at]
    return found


def apply(arrays: Arrays, delta: Arrays) -> None:
    """Turn the arrays of the older image into those of the newer one, in place where they are kept by row."""
    for name, part in delta.items():
        if name in LARGE:
            arrays[name][delta["slots"]] = part
        elif f"{name} at" in delta:
            arrays[name][delta[f"{name} at"]] = part
        elif name != "slots" and not name.endswith(" at"):
            arrays[name] = part


def _is_rows(name: str) -> bool:
    return name.startswith("class ") and not name.endswith(" free")


def _rows_of(controls: Words, slots: Words, number: int) -> NDArray[np.int64]:
    mine = slots[controls[slots, wire.CT_CLASS] == number]
    return controls[mine, wire.CT_ROW].astype(np.int64)


def _elements(records: NDArray[Any], rows: NDArray[np.int64], name: str, rank: int) -> NDArray[np.int64]:
    """Where in their pool the arrays of these rows lie, element by element."""
    starts = records[f"{name}@"][rows].astype(np.int64)
    sizes = np.ones(len(rows), np.int64)
    for axis in range(rank):
        sizes *= records[f"{name}@{axis}"][rows]
    ranges = [np.arange(start, start + size) for start, size in zip(starts, sizes, strict=True)]
    return np.concatenate(ranges) if ranges else np.zeros(0, np.int64)
