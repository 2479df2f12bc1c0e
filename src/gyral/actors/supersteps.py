"""What the host does to the arena of a loop it watches: before and after supersteps, and against stalls."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gyral.core import wire
from gyral.core.clock import MONOTONIC

Words = NDArray[np.uint32]


def lanes_of(arena: Words) -> Words:
    """All lane headers of an arena, those to the host last, one per row."""
    start = int(arena[wire.SYS_LANE_AT])
    rows = inner_lanes(arena) + int(arena[wire.SYS_WORKERS])
    return arena[start : start + rows * wire.LANE_WORDS].reshape(rows, wire.LANE_WORDS)


def inner_lanes(arena: Words) -> int:
    """How many lanes lead to workers."""
    workers = int(arena[wire.SYS_WORKERS])
    return int(arena[wire.SYS_PRIORITIES]) * workers * (workers + 1)


def workers_of(arena: Words) -> Words:
    """All worker blocks of an arena, one per row."""
    start, rows = int(arena[wire.SYS_WORKER_AT]), int(arena[wire.SYS_WORKERS])
    return arena[start : start + rows * wire.WORKER_WORDS].reshape(rows, wire.WORKER_WORDS)


def begin(arena: Words) -> None:
    """Let the next launch see what was sent, and the room there was made, before it."""
    lanes = lanes_of(arena)
    lanes[:, wire.LN_LIMIT] = lanes[:, wire.LN_TAIL]
    lanes[:, wire.LN_ROOM] = lanes[:, wire.LN_HEAD]
    workers_of(arena)[:, wire.WK_WAKE] = 0


def is_waiting(arena: Words) -> bool:
    """Whether a launch would find messages in lanes, or ones put aside that may go on."""
    lanes = lanes_of(arena)[: inner_lanes(arena)]
    if (lanes[:, wire.LN_TAIL] != lanes[:, wire.LN_HEAD]).any():
        return True
    return bool(workers_of(arena)[:, wire.WK_RECHECK].any())


class Stalls:
    """Tells workers that wait for room longer than so many seconds, without moving on, that they stall."""

    def __init__(self, arena: Words, seconds: float) -> None:
        self._arena, self._seconds = arena, seconds
        count = int(arena[wire.SYS_WORKERS])
        self._moved, self._since = np.zeros(count, np.uint32), np.full(count, MONOTONIC())

    def look(self) -> bool:
        """Whether any worker moved on since the last look."""
        arena, now = self._arena, MONOTONIC()
        blocks, count = workers_of(arena), int(arena[wire.SYS_WORKERS])
        heads = lanes_of(arena)[: inner_lanes(arena), wire.LN_HEAD].reshape(-1, count, count + 1)
        moved = heads.sum(axis=(0, 2), dtype=np.uint32) + blocks[:, wire.WK_HANDLED_LO]
        same = moved == self._moved
        self._since[~same] = now
        self._moved[:] = moved
        waits = blocks[:, wire.WK_WAITING] != 0
        blocks[:, wire.WK_STALLED] = waits & same & (now - self._since >= self._seconds)
        return not same.all()
