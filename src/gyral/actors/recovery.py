"""What becomes of a system whose loop does not come back: a last look at it, and a way back to where it was.

A thread that never returns may go on writing its memory, which is therefore never used again. The loop goes
on in new memory, from the last checkpoint, or, where there is none, from the values actors were spawned with.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from gyral.actors.accounts import status_of
from gyral.actors.image import put_image
from gyral.actors.lifecycle import ALIVE
from gyral.actors.records import write_fields
from gyral.actors.restore import Standing
from gyral.actors.roster import Entry
from gyral.actors.world import World
from gyral.core import wire

IDENTITY = (wire.CT_CLASS, wire.CT_ROW, wire.CT_MAILBOX)
WORKER_WORDS = {
    "heartbeat": wire.WK_HEARTBEAT,
    "reason": wire.WK_REASON,
    "handled": wire.WK_HANDLED_LO,
    "hand": wire.WK_HAND,
    "waiting": wire.WK_WAITING,
    "command": wire.WK_COMMAND,
    "abort": wire.WK_ABORT,
    "stalled": wire.WK_STALLED,
    "parked": wire.WK_PARKED,
    "lost": wire.WK_LOST,
}
LANE_WORDS = {"tail": wire.LN_TAIL, "head": wire.LN_HEAD}


def dump(world: World, stages: Iterable[dict[str, Any]], names: dict[int, str], torn: bool) -> dict[str, Any]:
    """The control blocks of a system, as JSON takes them.

    `hand` is the slot whose handler a worker runs, None between two messages. `torn`: it was read while the
    loop ran, so that its parts may be moments apart.
    """
    g = world.geometry
    blocks, controls = world.workers.copy(), world.controls.copy()
    workers = []
    for number, (block, stage) in enumerate(zip(blocks, stages, strict=False)):
        row: dict[str, Any] = {name: int(block[word]) for name, word in WORKER_WORDS.items()}
        row["hand"] = row["hand"] - 1 if row["hand"] else None
        workers.append({"worker": number, **stage, **row})
    lanes = []
    for lane in range(g.lanes):
        header = world.lanes[lane]
        row = {name: int(header[word]) for name, word in LANE_WORDS.items()}
        if row["tail"] != row["head"]:
            workers_and_host = g.workers + 1
            priority, rest = divmod(lane, g.workers * workers_and_host)
            to, source = divmod(rest, workers_and_host)
            lanes.append({"to": to, "source": source, "priority": priority, **row})
    actors = []
    for slot in np.flatnonzero(controls[:, wire.CT_STATE] != wire.FREE):
        kind = world.tables[int(controls[slot, wire.CT_CLASS])].kind.name
        seen = status_of(world, int(slot), names.get(int(slot), f"#{slot}"), kind, "")
        actors.append({"slot": int(slot), **{name: getattr(seen, name) for name in seen.__slots__}})
    return {"torn": torn, "workers": workers, "lanes": lanes, "actors": actors}


def fill_from(saved: Standing, lost: World, world: World) -> list[Entry]:
    """Put a checkpoint into new memory that has as much room as what was lost; who lives there."""
    image = saved.image
    put_image(world, image)
    count = len(image.controls)
    for slot in np.flatnonzero(image.controls[:, wire.CT_STATE] == wire.FREE):
        world.control(int(slot))[wire.CT_GENERATION] = _following(lost, int(slot))
    for slot in range(count, world.geometry.capacity):
        _free(world, lost, slot)
    return list(saved.entries)


def floors(saved: Standing, lost: World) -> dict[int, int]:
    """By slot, the least generation of whoever comes after an actor that lives again.

    Somebody may have followed it in what was lost, whose references must not mean anybody else.
    """
    controls = saved.image.controls
    living = np.flatnonzero(controls[:, wire.CT_STATE] != wire.FREE)
    found = {int(slot): _following(lost, int(slot)) for slot in living}
    return {slot: floor for slot, floor in found.items() if floor > controls[slot, wire.CT_GENERATION] + 1}


def fill_first(entries: Iterable[Entry], lost: World, world: World) -> list[Entry]:
    """Give the actors that the host spawned their first fields again; nothing is queued, all else is free."""
    known = {entry.slot: entry for entry in entries}
    living = []
    for table, old in zip(world.tables, lost.tables, strict=True):
        table.used.update(old.used)
    for slot in range(world.geometry.capacity):
        control, before = world.control(slot), lost.control(slot)
        entry, state = known.get(slot), int(before[wire.CT_STATE])
        mine = entry is not None and entry.generation == int(before[wire.CT_GENERATION])
        if entry is None or not mine or state not in (*ALIVE, wire.FAILED):
            _free(world, lost, slot)
            continue
        control[list(IDENTITY)] = before[list(IDENTITY)]
        control[wire.CT_GENERATION] = entry.generation
        control[wire.CT_STATE] = state if state in (wire.PAUSED, wire.FAILED) else wire.ACTIVE
        write_fields(world.tables[entry.number], entry.row, entry.fields, entry.pools)
        living.append(entry)
    return living


def _free(world: World, lost: World, slot: int) -> None:
    """Let a slot be taken, under a generation that nobody has had."""
    control, before = world.control(slot), lost.control(slot)
    control[list(IDENTITY)] = before[list(IDENTITY)]
    control[wire.CT_GENERATION] = _following(lost, slot)
    world.give_slot(int(control[wire.CT_CLASS]), slot)


def _following(lost: World, slot: int) -> int:
    """The generation after the one that lives in a slot, or the one that would have been next."""
    control = lost.control(slot)
    generation = int(control[wire.CT_GENERATION])
    return generation if control[wire.CT_STATE] == wire.FREE else generation % 0xFFFF + 1
