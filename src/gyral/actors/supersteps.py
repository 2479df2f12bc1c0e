"""Supersteps: what the host does to an arena before and after each launch of a batched loop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gyral.core import wire

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
