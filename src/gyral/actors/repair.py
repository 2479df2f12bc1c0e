"""What a killed loop left behind, made whole: `design/rings.md` says why each step is right.

The stores of a killed process are a prefix of its program. So all that was published is there, the message
that each worker had in hand is known, and everything else can be told from what is queued.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gyral.actors.world import Words, World
from gyral.core import wire

STALE = (
    wire.WK_HAND, wire.WK_WAITING, wire.WK_WAKE, wire.WK_TAKEN, wire.WK_ABORT, wire.WK_STALLED,
    wire.WK_PARKED, wire.WK_OVERFLOW, wire.WK_STOPPING, wire.WK_TOUCHES, wire.WK_STAGE,
)  # fmt: skip
ENDS = (wire.CT_HANDLED_LO, wire.CT_DEAD, wire.CT_EXPIRED, wire.CT_DUPLICATE, wire.CT_FAILED)


@dataclass(frozen=True, slots=True)
class Casualty:
    """A message that was in hand: the slot and generation it was for, and the message as it lay in its lane.

    `failed`: its handler had begun and not ended, and its actor waits for its supervisor.
    """

    slot: int
    generation: int
    message: bytes
    failed: bool


def repair(world: World) -> list[Casualty]:
    """Make an arena whole whose workers are no more; what they had in hand, one message each at most.

    Cells are left as they are: `Mail.end_asks` ends those that were being written.
    """
    return _Repair(world).done()


class _Repair:
    def __init__(self, world: World) -> None:
        self._world, self._arena = world, world.arena
        g = world.geometry
        self._sources = g.workers + 1
        self._taken = [int(word) for word in world.workers[:, wire.WK_TAKEN]]
        self._lists: dict[int, list[int]] = {}

    def done(self) -> list[Casualty]:
        world = self._world
        self._read_lists()
        for lane in range(len(world.lanes)):
            self._find_tail(lane)
        self._finish_holding()
        world.workers[:, STALE] = 0
        self._finish_messages()
        found = [c for worker in range(world.geometry.workers) for c in self._lose(worker)]
        self._write_lists()
        self._end_drained()
        self._give_slots()
        world.workers[:, wire.WK_RECHECK] = 1
        return found

    # Messages put aside.

    def _read_lists(self) -> None:
        """Lists as they are linked, or empty where nothing counts in them."""
        world = self._world
        for slot in map(int, np.flatnonzero(world.controls[:, wire.CT_HELD_COUNT])):
            entry, found = int(world.control(slot)[wire.CT_HELD_FIRST]), []
            while self._is_entry(entry, slot) and entry not in found:
                found.append(entry)
                entry = int(self._arena[entry])
            self._lists[slot] = found

    def _is_entry(self, entry: int, slot: int) -> bool:
        start, end = self._store(slot % self._world.geometry.workers)
        size = self._world.geometry.stride + wire.LINE
        inside = start <= entry < end and (entry - start) % size == 0
        return inside and int(self._arena[entry + wire.LINE + wire.DEST]) == slot

    def _store(self, worker: int) -> tuple[int, int]:
        g = self._world.geometry
        size = g.held_room * (g.stride + wire.LINE)
        start = self._world.at["held"] + worker * size
        return start, start + size

    def _finish_holding(self) -> None:
        """What was put aside and still lies at the head of its lane is taken from there."""
        for slot, entries in self._lists.items():
            if not entries:
                continue
            origin, stamp = int(self._arena[entries[-1] + 1]), self._arena[entries[-1] + wire.LINE]
            header = self._lane(origin, slot)
            at = self._head(header)
            if at is not None and self._arena[at] == stamp and int(self._arena[at + wire.DEST]) == slot:
                header[wire.LN_HEAD] += np.uint32(1)

    def _write_lists(self) -> None:
        """Link all lists and the free entries of each worker anew."""
        world, g = self._world, self._world.geometry
        used: set[int] = set()
        for slot, entries in self._lists.items():
            control = world.control(slot)
            for entry, following in zip(entries, [*entries[1:], 0], strict=True):
                self._arena[entry] = following
            control[wire.CT_HELD_COUNT] = len(entries)
            if entries:
                control[wire.CT_HELD_FIRST], control[wire.CT_HELD_LAST] = entries[0], entries[-1]
            used.update(entries)
        for worker in range(g.workers):
            block, size = world.workers[worker], g.stride + wire.LINE
            start, end = self._store(worker)
            here = [entry for entry in used if start <= entry < end]
            count = max(int(block[wire.WK_HELD_COUNT]), *((e - start) // size + 1 for e in here), 0)
            free = 0
            for entry in range(start, start + count * size, size):
                if entry not in used:
                    self._arena[entry], free = free, entry
            block[wire.WK_HELD_COUNT], block[wire.WK_HELD_FREE] = count, free

    # Lanes.

    def _lane(self, origin: int, slot: int) -> Words:
        """The lane by which an actor's messages of an origin come."""
        g = self._world.geometry
        priority, source = divmod(origin, self._sources)
        return self._world.lanes[g.lane(slot % g.workers, source, priority)]

    def _head(self, header: Words) -> int | None:
        """Where the message at a lane's head lies."""
        if header[wire.LN_HEAD] == header[wire.LN_TAIL]:
            return None
        position = int(header[wire.LN_HEAD]) & int(header[wire.LN_MASK])
        return int(header[wire.LN_SLOTS_AT]) + position * int(header[wire.LN_STRIDE])

    def _find_tail(self, lane: int) -> None:
        """The end of a lane is its last stamp that fits; what was staged behind it is forgotten."""
        g, header = self._world.geometry, self._world.lanes[lane]
        if lane < g.lanes and lane % self._sources == 0:
            return  # the host's own, which is whole
        head, mask, stride = (int(header[k]) for k in (wire.LN_HEAD, wire.LN_MASK, wire.LN_STRIDE))
        positions = np.arange(head, head + mask + 1, dtype=np.int64)
        stamps = self._arena[int(header[wire.LN_SLOTS_AT]) + (positions & mask) * stride]
        fits = stamps == (positions + 1 & 0xFFFFFFFF).astype(np.uint32)
        count = mask + 1 if fits.all() else int(np.argmin(fits))
        header[wire.LN_TAIL], header[wire.LN_STAGED] = head + count & 0xFFFFFFFF, 0

    def _queued(self) -> NDArray[np.int64]:
        """Messages that are queued, by origin and actor."""
        world, g = self._world, self._world.geometry
        found = np.zeros(world.sent.shape, np.int64)
        for lane in range(g.lanes):
            header = world.lanes[lane]
            count = int(header[wire.LN_TAIL]) - int(header[wire.LN_HEAD]) & 0xFFFFFFFF
            if count:
                order = int(header[wire.LN_HEAD]) + np.arange(count) & int(header[wire.LN_MASK])
                at = int(header[wire.LN_SLOTS_AT]) + order * g.stride
                origin = lane // (g.workers * self._sources) * self._sources + lane % self._sources
                np.add.at(found[origin], self._arena[at + wire.DEST], 1)
        for slot, entries in self._lists.items():
            for entry in entries:
                found[int(self._arena[entry + 1]), slot] += 1
        return found

    # Messages that were in hand.

    def _finish_messages(self) -> None:
        """What ended and was not taken from its lane, is; what was counted as sent and never was, is not."""
        world = self._world
        ahead = (world.done - world.sent).view(np.int32) + self._queued()
        for origin, slot in np.argwhere(ahead):
            if ahead[origin, slot] < 0:
                world.sent[origin, slot] -= np.uint32(1)
                continue
            self._take_off(int(origin), int(slot))

    def _take_off(self, origin: int, slot: int) -> None:
        """Take an actor's first message of an origin from its list, where that was in hand, or its lane."""
        entries = self._lists.get(slot, [])
        worker = slot % self._world.geometry.workers
        if entries and entries[0] + wire.LINE == self._taken[worker]:
            entries.pop(0)
        else:
            self._lane(origin, slot)[wire.LN_HEAD] += np.uint32(1)

    def _lose(self, worker: int) -> list[Casualty]:
        """The message that a worker had begun and not ended, counted as failed."""
        found = self._in_hand(worker)
        if found is None:
            return []
        at, origin = found
        world = self._world
        words = self._arena[at : at + world.geometry.stride].copy()
        slot, generation = int(words[wire.DEST]), int(words[wire.GENS]) & 0xFFFF
        control = world.control(slot)
        self._take_off(origin, slot)
        world.done[origin, slot] += np.uint32(1)
        ended = int(world.done[:, slot].sum(dtype=np.uint64))
        short = ended - int(control[list(ENDS)].sum(dtype=np.uint64)) & 0xFFFFFFFF
        failed = False
        if short == 1:  # else it was counted already, and its actor is as its handler left it
            control[wire.CT_FAILED] += np.uint32(1)
            state = int(control[wire.CT_STATE])
            known = int(control[wire.CT_GENERATION]) == generation
            failed = known and state in (wire.ACTIVE, wire.DRAINING, wire.FAILING)
            if failed:
                self._fail(control)
        return [Casualty(slot, generation, words.tobytes(), failed)]

    def _fail(self, control: Words) -> None:
        """Let an actor wait for its supervisor, with the fields it had before where copies are kept."""
        table, row = self._world.tables[int(control[wire.CT_CLASS])], int(control[wire.CT_ROW])
        if table.kind.keeps:
            table.records[row] = table.records[table.rows + row]
        control[wire.CT_STATE] = wire.FAILING

    def _in_hand(self, worker: int) -> tuple[int, int] | None:
        """Where the message lies that a worker had begun, and its origin; None between two messages."""
        g, taken = self._world.geometry, self._taken[worker]
        if taken == 0:
            return None
        for origin in range(g.priorities * self._sources):
            if self._head(self._lane(origin, worker)) == taken:
                return taken, origin
        for slot, entries in self._lists.items():
            if slot % g.workers == worker and entries and entries[0] + wire.LINE == taken:
                return taken, int(self._arena[entries[0] + 1])
        return None

    # Actors.

    def _end_drained(self) -> None:
        """Actors that drain and have nothing queued any more have ended."""
        world = self._world
        for slot in map(int, np.flatnonzero(world.controls[:, wire.CT_STATE] == wire.DRAINING)):
            if (world.sent[:, slot] == world.done[:, slot]).all():
                world.control(slot)[wire.CT_STATE] = wire.TERMINATED
                world.workers[slot % world.geometry.workers, wire.WK_ENDED] += np.uint32(1)

    def _give_slots(self) -> None:
        """Slots that were taken for actors that never lived can be taken again, under another generation."""
        world, g = self._world, self._world.geometry
        controls = world.controls
        for number in range(len(world.tables)):
            block = world.class_block(number)
            taken, given = int(block[wire.CL_TAKEN]), int(block[wire.CL_GIVEN])
            order = taken + np.arange(given - taken & 0xFFFFFFFF) & int(block[wire.CL_MASK])
            listed = set(map(int, self._arena[int(block[wire.CL_LIST_AT]) + order]))
            mine = (controls[:, wire.CT_CLASS] == number) & (controls[:, wire.CT_STATE] == wire.FREE)
            for slot in map(int, np.flatnonzero(mine)):
                if slot not in listed and slot < g.capacity:
                    generation = int(controls[slot, wire.CT_GENERATION])
                    controls[slot, wire.CT_GENERATION] = generation % 0xFFFF + 1
                    world.give_slot(number, slot)
