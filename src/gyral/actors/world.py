"""The memory of a system of actors on the host: the arena (`core.wire`) and each class's arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from gyral.actors.declare import ActorKind
from gyral.core import wire
from gyral.core.wire import Geometry
from gyral.runtime.elements import numpy_of

Words = NDArray[np.uint32]


class Memory(Protocol):
    """Where a world lies."""

    def zeros(self, shape: int | tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Zeroed memory for an array, which begins at a cache line."""
        ...


@dataclass(frozen=True, slots=True)
class Table:
    """The memory of one class: a record per row (twice as many where copies are kept), and its arrays.

    `slots`: the actors' slots by row. `arrays`: by field; the rows of fixed fields, the pool of buffers.
    """

    kind: ActorKind
    rows: int
    records: NDArray[Any]
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    used: dict[str, int] = field(default_factory=dict)
    """Elements of each pool that are taken."""


class World:
    """An arena with its tables. While a loop runs it is written as `wire` says, by nobody else."""

    def __init__(
        self,
        geometry: Geometry,
        kinds: Sequence[ActorKind],
        rows: Sequence[int],
        pools: dict[tuple[int, str], int] | None = None,
        route: int = 0,
        batched: bool = False,
        memory: Memory | None = None,
    ) -> None:
        self.memory = memory or Own()
        self.geometry = geometry
        self.at = geometry.offsets()
        self.arena: Words = self.memory.zeros(self.at["end"], np.dtype(np.uint32))
        self.tables = [
            table_of(
                kind, count, {name: n for (k, name), n in (pools or {}).items() if k == number}, self.memory
            )
            for number, (kind, count) in enumerate(zip(kinds, rows, strict=True))
        ]
        self._write_system(route, batched)
        self._write_lanes()

    def control(self, slot: int) -> Words:
        """An actor's control block, as a view."""
        start = self.at["control"] + slot * wire.CONTROL_WORDS
        return self.arena[start : start + wire.CONTROL_WORDS]

    @property
    def controls(self) -> Words:
        """All control blocks, one per row."""
        start, count = self.at["control"], self.geometry.capacity
        return self.arena[start : start + count * wire.CONTROL_WORDS].reshape(count, wire.CONTROL_WORDS)

    @property
    def workers(self) -> Words:
        """All worker blocks, one per row."""
        start, count = self.at["worker"], self.geometry.workers
        return self.arena[start : start + count * wire.WORKER_WORDS].reshape(count, wire.WORKER_WORDS)

    @property
    def lanes(self) -> Words:
        """All lane headers, out-lanes last, one per row."""
        start, count = self.at["lane"], self.geometry.lanes + self.geometry.workers
        return self.arena[start : start + count * wire.LANE_WORDS].reshape(count, wire.LANE_WORDS)

    @property
    def sent(self) -> Words:
        """Messages accepted, by origin (priority, then source) and actor."""
        return self._counts("sent")

    @property
    def done(self) -> Words:
        """Messages that ended, by origin and actor."""
        return self._counts("done")

    def class_block(self, number: int) -> Words:
        """A class's block, as a view."""
        start = self.at["class"] + number * wire.CLASS_WORDS
        return self.arena[start : start + wire.CLASS_WORDS]

    def give_slot(self, number: int, slot: int) -> None:
        """Let a free slot be taken by a new actor of a class."""
        block = self.class_block(number)
        given = int(block[wire.CL_GIVEN])
        self.arena[int(block[wire.CL_LIST_AT]) + (given & int(block[wire.CL_MASK]))] = slot
        block[wire.CL_GIVEN] = given + 1 & 0xFFFFFFFF

    def take_slot(self, number: int) -> int | None:
        """A free slot of a class, None when all are taken. Only where no loop runs, or under its pause."""
        block = self.class_block(number)
        taken = int(block[wire.CL_TAKEN])
        if taken == int(block[wire.CL_GIVEN]):
            return None
        block[wire.CL_TAKEN] = taken + 1 & 0xFFFFFFFF
        return int(self.arena[int(block[wire.CL_LIST_AT]) + (taken & int(block[wire.CL_MASK]))])

    def arguments(self) -> list[NDArray[Any]]:
        """What the loop takes, in order."""
        return [self.arena, *(a for t in self.tables for a in (t.records, *t.arrays.values()))]

    def _counts(self, name: str) -> Words:
        rows = self.geometry.priorities * (self.geometry.workers + 1)
        start = self.at[name]
        return self.arena[start : start + rows * self.geometry.capacity].reshape(rows, self.geometry.capacity)

    def _write_system(self, route: int, batched: bool) -> None:
        g, at, words = self.geometry, self.at, self.arena
        found = {
            wire.SYS_MAGIC: wire.MAGIC, wire.SYS_VERSION: wire.VERSION, wire.SYS_WORKERS: g.workers,
            wire.SYS_PRIORITIES: g.priorities, wire.SYS_CAPACITY: g.capacity, wire.SYS_STRIDE: g.stride,
            wire.SYS_ROUTE: route, wire.SYS_BATCHED: int(batched), wire.SYS_WORKER_AT: at["worker"],
            wire.SYS_LANE_AT: at["lane"], wire.SYS_OUT_AT: at["out"], wire.SYS_CLASS_AT: at["class"],
            wire.SYS_CELL_AT: at["cell"], wire.SYS_CELL_WORDS: g.cell_words,
            wire.SYS_CONTROL_AT: at["control"], wire.SYS_SENT_AT: at["sent"], wire.SYS_DONE_AT: at["done"],
            wire.SYS_HELD_AT: at["held"], wire.SYS_HELD_ROOM: g.held_room, wire.SYS_BATCH: 64,
            wire.SYS_DEDUP_AT: at["dedup"], wire.SYS_DEDUP: g.dedup,
            wire.SYS_LANES: g.priorities * (g.workers + 1), wire.SYS_CELLS: g.cells,
            wire.SYS_CLASSES: g.classes,
        }  # fmt: skip
        for place, value in found.items():
            words[place] = value
        for number in range(g.classes):
            block = self.class_block(number)
            block[wire.CL_LIST_AT] = at["list"] + number * g.list_room
            block[wire.CL_MASK] = g.list_room - 1

    def _write_lanes(self) -> None:
        g, start = self.geometry, self.at["slots"]
        for lane in range(g.lanes + g.workers):
            header = self.lanes[lane]
            if lane < g.lanes:
                depth, stride = g.lane_depth(lane), g.stride
            else:
                depth, stride = g.out_depth, g.event_stride
            if lane == g.lanes:
                start = self.at["events"]
            header[wire.LN_SLOTS_AT], header[wire.LN_MASK], header[wire.LN_STRIDE] = start, depth - 1, stride
            start += depth * stride


class Own:
    """Memory of this process alone."""

    def zeros(self, shape: int | tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Zeroed memory for an array."""
        return zeros(shape, dtype)


def table_of(kind: ActorKind, rows: int, pools: dict[str, int], memory: Memory | None = None) -> Table:
    """The memory of a class: rows of its record and its fixed fields, pools of so many elements."""
    memory = memory or Own()
    arrays: dict[str, NDArray[Any]] = {}
    for one in kind.fields:
        if one.kind == "fixed":
            arrays[one.name] = memory.zeros((rows, *one.shape), numpy_of(one.type))
        elif one.kind == "buffer":
            arrays[one.name] = memory.zeros(max(1, pools.get(one.name, 0)), numpy_of(one.type))
    records = memory.zeros(rows * (2 if kind.keeps else 1), numpy_of(kind.record))
    return Table(kind, rows, records, arrays, dict.fromkeys(pools, 0))


def zeros(shape: int | tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeroed memory that begins at a cache line."""
    extents = shape if isinstance(shape, tuple) else (shape,)
    nbytes = int(np.prod(extents, dtype=np.int64)) * dtype.itemsize
    block = np.zeros(nbytes + 64, np.uint8)
    start = -block.__array_interface__["data"][0] % 64
    return block[start : start + nbytes].view(dtype).reshape(extents)
