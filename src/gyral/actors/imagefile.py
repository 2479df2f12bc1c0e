"""The image of a system as named arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gyral.actors.image import Aside, ClassImage, Image, Queued
from gyral.actors.world import Words
from gyral.core import wire
from gyral.core.wire import power_of_two

Arrays = dict[str, NDArray[Any]]


def arrays_of(image: Image) -> Arrays:
    """The arrays of an image. What is large is not copied."""
    found: Arrays = {
        "controls": image.controls,
        "accepted": image.accepted,
        "ended": image.ended,
        "counters": image.counters,
        "cells": np.ascontiguousarray(image.cells[:, wire.CE_STATE]),
        "dedup": image.dedup,
        "queued": _joined([q.messages for q in image.queued]),
        "queued.lanes": np.array(
            [(q.priority, q.source, len(q.messages)) for q in image.queued], np.uint32
        ).reshape(-1, 3),
        "aside": _joined([a.messages for a in image.aside]),
        "aside.actors": np.array([(a.actor, len(a.messages)) for a in image.aside], np.uint32).reshape(-1, 2),
        "aside.lanes": np.array([o for a in image.aside for o in a.origins], np.uint32).reshape(-1, 2),
    }
    for number, one in enumerate(image.classes):
        found[f"class {number}"] = one.records
        found[f"class {number} free"] = one.free
        for name, array in one.arrays.items():
            used = one.used.get(name)
            found[f"class {number} field {name}"] = array if used is None else array[:used]
    return found


def image_of(arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> Image:
    """The image whose arrays these are. Nobody waits for the replies of its time any more."""
    queued, aside, at = [], [], 0
    messages = np.split(arrays["queued"], np.cumsum(arrays["queued.lanes"][:, 2]))
    for (priority, source, _), rows in zip(arrays["queued.lanes"], messages, strict=False):
        queued.append(Queued(int(priority), int(source), rows))
    for actor, count in arrays["aside.actors"]:
        lanes = tuple((int(p), int(s)) for p, s in arrays["aside.lanes"][at : at + int(count)])
        aside.append(Aside(int(actor), arrays["aside"][at : at + int(count)], lanes))
        at += int(count)
    return Image(
        workers=about["workers"],
        priorities=about["priorities"],
        controls=arrays["controls"],
        accepted=arrays["accepted"],
        ended=arrays["ended"],
        counters=arrays["counters"],
        queued=tuple(queued),
        aside=tuple(aside),
        cells=_free_cells(arrays["cells"]),
        dedup=arrays["dedup"],
        classes=tuple(_class_of(arrays, number, row["used"]) for number, row in enumerate(about["classes"])),
    )


def room_of(image: Image, workers: int, priorities: int) -> dict[str, int]:
    """The least depth of lanes, of urgent ones, and room for messages put aside, with so many workers."""
    lanes: dict[tuple[int, int, int], int] = {}
    for one in image.queued:
        sources = (
            one.messages[:, wire.SOURCE] % workers + 1 if one.source else np.zeros(len(one.messages), int)
        )
        pairs, counts = np.unique(
            np.stack([one.messages[:, wire.DEST] % workers, sources], 1), axis=0, return_counts=True
        )
        for (worker, source), count in zip(pairs, counts, strict=True):
            lane = min(one.priority, priorities - 1), int(worker), int(source)
            lanes[lane] = lanes.get(lane, 0) + int(count)
    held: dict[int, int] = {}
    for one in image.aside:
        held[one.actor % workers] = held.get(one.actor % workers, 0) + len(one.messages)
    most = [
        max((n for lane, n in lanes.items() if (lane[0] > 0) is urgent), default=0)
        for urgent in (False, True)
    ]
    return {
        "depth": power_of_two(most[0]),
        "urgent_depth": power_of_two(most[1]),
        "held_room": max(held.values(), default=0),
    }


def _class_of(arrays: Mapping[str, NDArray[Any]], number: int, used: dict[str, int]) -> ClassImage:
    start = f"class {number} field "
    fields = {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}
    return ClassImage(arrays[f"class {number}"], fields, dict(used), arrays[f"class {number} free"])


def _free_cells(states: NDArray[Any]) -> Words:
    """Cells that are free, their generations kept: a late reply must not meet a new question."""
    cells = np.zeros((len(states), wire.CE_PAYLOAD), np.uint32)
    cells[:, wire.CE_STATE] = states & ~np.uint32(3) | np.uint32(wire.CELL_FREE)
    return cells


def _joined(parts: list[Words]) -> Words:
    return np.concatenate(parts) if parts else np.zeros((0, wire.HEADER_WORDS), np.uint32)
