"""A system of actors at rest, apart from where it lies: what moves to a larger arena, or into a file.

Mailboxes are lists of messages here. An image fits any number of workers: a message keeps its order among
those of one sender to one receiver, because a sender's messages to one receiver all lie in one lane.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gyral.actors.world import Words, World
from gyral.core import wire
from gyral.core.errors import InternalError

WORKER_COUNTERS = (wire.WK_HANDLED_LO, wire.WK_HANDLED_HI, wire.WK_CLOCK_LO, wire.WK_CLOCK_HI, wire.WK_LOST)


@dataclass(frozen=True, slots=True)
class Queued:
    """Messages of one lane, oldest first, one per row."""

    priority: int
    source: int
    messages: Words


@dataclass(frozen=True, slots=True)
class Aside:
    """Messages put aside for one actor, oldest first, and the lane each came by: priority and source."""

    actor: int
    messages: Words
    origins: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ClassImage:
    """A class's memory and its free slots."""

    records: NDArray[Any]
    arrays: dict[str, NDArray[Any]]
    used: dict[str, int]
    free: Words


@dataclass(frozen=True, slots=True)
class Image:
    """A system at rest. `accepted` and `ended` count messages by origin (priority, source) and actor."""

    workers: int
    priorities: int
    controls: Words
    accepted: Words
    ended: Words
    counters: Words
    queued: tuple[Queued, ...]
    aside: tuple[Aside, ...]
    cells: Words
    dedup: Words
    classes: tuple[ClassImage, ...] = field(default=())


def take_image(world: World, copy: bool = True) -> Image:
    """The image of a world whose loop stands at message boundaries; its records to the host must be read."""
    g = world.geometry
    keep = np.array if copy else np.asarray
    return Image(
        workers=g.workers,
        priorities=g.priorities,
        controls=keep(world.controls),
        accepted=keep(world.sent),
        ended=keep(world.done),
        counters=keep(world.workers[:, WORKER_COUNTERS]),
        queued=tuple(_queued(world)),
        aside=tuple(_aside(world)),
        cells=keep(_region(world, "cell", g.cells, g.cell_words)),
        dedup=keep(_region(world, "dedup", g.capacity, 2 * g.dedup)),
        classes=tuple(
            ClassImage(
                keep(table.records),
                {name: keep(a) for name, a in table.arrays.items()},
                dict(table.used),
                _free(world, number),
            )
            for number, table in enumerate(world.tables)
        ),
    )


def put_image(world: World, image: Image) -> None:
    """Fill a fresh world, at least as large, with an image."""
    g, count = world.geometry, len(image.controls)
    world.controls[:count] = image.controls
    for column in (wire.CT_HELD_FIRST, wire.CT_HELD_LAST, wire.CT_HELD_COUNT):
        world.controls[:, column] = 0
    _put_counts(world, image)
    if g.workers == image.workers:
        world.workers[:, WORKER_COUNTERS] = image.counters
    else:
        world.workers[0, WORKER_COUNTERS] = _together(image.counters)
    cells = _region(world, "cell", g.cells, g.cell_words)
    rows, words = min(len(cells), len(image.cells)), min(g.cell_words, image.cells.shape[1])
    cells[:rows, :words] = image.cells[:rows, :words]
    if image.dedup.size and g.dedup:
        width = 2 * min(g.dedup, image.dedup.shape[1] // 2)
        _region(world, "dedup", g.capacity, 2 * g.dedup)[:count, :width] = image.dedup[:, :width]
    for queued in image.queued:
        if g.workers == image.workers and queued.priority < g.priorities:
            _push_all(world, queued)
            continue
        for message in queued.messages:
            _push(world, queued, message)
    for aside in image.aside:
        _put_aside(world, aside, image)
    for number, (table, held) in enumerate(zip(world.tables, image.classes, strict=False)):
        half = 2 if table.kind.keeps else 1
        old, new = len(held.records) // half, len(table.records) // half
        for part in range(half if old else 0):
            table.records[part * new : part * new + old] = held.records[part * old : (part + 1) * old]
        for name, array in held.arrays.items():
            table.arrays[name][: len(array)] = array
        table.used.update(held.used)
        for slot in held.free:
            world.give_slot(number, int(slot))


def _region(world: World, name: str, rows: int, words: int) -> Words:
    start = world.at[name]
    return world.arena[start : start + rows * words].reshape(rows, words)


def _queued(world: World) -> list[Queued]:
    g, found = world.geometry, []
    for lane in range(g.lanes):
        header = world.lanes[lane]
        tail, head, mask = (int(header[k]) for k in (wire.LN_TAIL, wire.LN_HEAD, wire.LN_MASK))
        count = tail - head & 0xFFFFFFFF
        if count:
            slots = _region_at(world, int(header[wire.LN_SLOTS_AT]), mask + 1, g.stride)
            order = (head + np.arange(count)) & mask
            priority, source = lane // (g.workers * (g.workers + 1)), lane % (g.workers + 1)
            found.append(Queued(priority, source, slots[order]))
    return found


def _aside(world: World) -> list[Aside]:
    g, found = world.geometry, []
    sources = g.workers + 1
    for actor in np.flatnonzero(world.controls[:, wire.CT_HELD_COUNT]):
        control = world.control(int(actor))
        entry, messages, origins = int(control[wire.CT_HELD_FIRST]), [], []
        for _ in range(int(control[wire.CT_HELD_COUNT])):
            start = entry + wire.LINE
            messages.append(world.arena[start : start + g.stride].copy())
            origin = int(world.arena[entry + 1])
            origins.append((origin // sources, origin % sources))
            entry = int(world.arena[entry])
        found.append(Aside(int(actor), np.array(messages), tuple(origins)))
    return found


def _free(world: World, number: int) -> Words:
    block = world.class_block(number)
    taken, given = int(block[wire.CL_TAKEN]), int(block[wire.CL_GIVEN])
    at, mask = int(block[wire.CL_LIST_AT]), int(block[wire.CL_MASK])
    return world.arena[at + ((taken + np.arange(given - taken & 0xFFFFFFFF)) & mask)]


def _region_at(world: World, start: int, rows: int, words: int) -> Words:
    return world.arena[start : start + rows * words].reshape(rows, words)


def _source_in(world: World, source: int, message: Words) -> int:
    """The lane source of a message in a world: the host, or the worker of the actor that sent it."""
    return 0 if source == 0 else 1 + int(message[wire.SOURCE]) % world.geometry.workers


def _push(world: World, queued: Queued, message: Words) -> None:
    g = world.geometry
    destination = int(message[wire.DEST]) % g.workers
    priority = min(queued.priority, g.priorities - 1)
    header = world.lanes[g.lane(destination, _source_in(world, queued.source, message), priority)]
    tail, mask = int(header[wire.LN_TAIL]), int(header[wire.LN_MASK])
    if tail > mask:
        raise InternalError("a lane of the new arena is too short for the messages of the old one")
    start = int(header[wire.LN_SLOTS_AT]) + (tail & mask) * g.stride
    words = min(len(message), g.stride)
    world.arena[start : start + words] = message[:words]
    world.arena[start + wire.STAMP] = tail + 1
    header[wire.LN_TAIL] = tail + 1


def _push_all(world: World, queued: Queued) -> None:
    """All messages of a lane into the same lane of another arena, which is empty."""
    g, count = world.geometry, len(queued.messages)
    destination = int(queued.messages[0, wire.DEST]) % g.workers
    header = world.lanes[g.lane(destination, queued.source, queued.priority)]
    if count > int(header[wire.LN_MASK]) + 1:
        raise InternalError("a lane of the new arena is too short for the messages of the old one")
    slots = _region_at(world, int(header[wire.LN_SLOTS_AT]), count, g.stride)
    words = min(queued.messages.shape[1], g.stride)
    slots[:, :words] = queued.messages[:, :words]
    slots[:, wire.STAMP] = np.arange(1, count + 1)
    header[wire.LN_TAIL] = count


def _put_aside(world: World, aside: Aside, image: Image) -> None:
    g = world.geometry
    worker = aside.actor % g.workers
    block, control = world.workers[worker], world.control(aside.actor)
    for message, (priority, source) in zip(aside.messages, aside.origins, strict=True):
        used = int(block[wire.WK_HELD_COUNT])
        if used >= g.held_room:
            raise InternalError("the new arena has no room for messages that were put aside")
        entry = world.at["held"] + (worker * g.held_room + used) * (g.stride + wire.LINE)
        block[wire.WK_HELD_COUNT] = used + 1
        origin = min(priority, g.priorities - 1) * (g.workers + 1) + _source_in(world, source, message)
        world.arena[entry], world.arena[entry + 1] = 0, origin
        words = min(len(message), g.stride)
        start = entry + wire.LINE
        world.arena[start : start + words] = message[:words]
        if control[wire.CT_HELD_COUNT] == 0:
            control[wire.CT_HELD_FIRST] = entry
        else:
            world.arena[int(control[wire.CT_HELD_LAST])] = entry
        control[wire.CT_HELD_LAST] = entry
        control[wire.CT_HELD_COUNT] += 1
    block[wire.WK_RECHECK] = 1


def _put_counts(world: World, image: Image) -> None:
    """The counts by origin; what is queued counts where it now lies, the rest with the first worker's."""
    g, count = world.geometry, len(image.controls)
    if (g.workers, g.priorities) == (image.workers, image.priorities):
        world.sent[:, :count] = image.accepted
        world.done[:, :count] = image.ended
        return
    old_sources, sources = image.workers + 1, g.workers + 1
    for row in range(len(image.accepted)):
        priority, source = min(row // old_sources, g.priorities - 1), row % old_sources
        target = priority * sources + min(source, 1)
        world.sent[target, :count] += image.ended[row]
        world.done[target, :count] += image.ended[row]
    for queued in image.queued:
        priority = min(queued.priority, g.priorities - 1)
        for message in queued.messages:
            source = _source_in(world, queued.source, message)
            world.sent[priority * sources + source, int(message[wire.DEST])] += 1
    for aside in image.aside:
        for message, (old, source) in zip(aside.messages, aside.origins, strict=True):
            row = min(old, g.priorities - 1) * sources + _source_in(world, source, message)
            world.sent[row, aside.actor] += 1


def _together(counters: Words) -> Words:
    """The counters of all workers as one: handled and lost are added, the latest clock is kept."""
    wide = counters.astype(np.uint64)
    handled = (wide[:, 0] | wide[:, 1] << np.uint64(32)).sum()
    clock = (wide[:, 2] | wide[:, 3] << np.uint64(32)).max()
    low = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    found = [handled & low, handled >> shift, clock & low, clock >> shift, wide[:, 4].sum() & low]
    return np.array(found, np.uint32)
