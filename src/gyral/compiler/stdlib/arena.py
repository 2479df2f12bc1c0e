"""How the loop of resident actors reads and writes its arena (`core.wire`): alone, or as a whole block."""

from gyral.compiler.words import atomic_load, atomic_store, block_broadcast, local_id
from gyral.core import wire
from gyral.core.dtypes import StructType, u32, u64

SIZES = (
    "workers priorities capacity stride route batched worker_at lane_at out_at class_at cell_at cell_words "
    "control_at sent_at done_at held_at held_room batch dedup_at dedup"
).split()
Sys = StructType("Sys", tuple((name, u32) for name in SIZES))
"""The system block, read once."""

DONE, BLOCKED, HELD, ENDED = range(4)
"""What became of a message: handled, left where it is, put aside, or ended with a record for the host."""


def read_system(arena):
    """The sizes and offsets of the arena."""
    return Sys(
        read(arena, wire.SYS_WORKERS),
        read(arena, wire.SYS_PRIORITIES),
        read(arena, wire.SYS_CAPACITY),
        read(arena, wire.SYS_STRIDE),
        read(arena, wire.SYS_ROUTE),
        read(arena, wire.SYS_BATCHED),
        read(arena, wire.SYS_WORKER_AT),
        read(arena, wire.SYS_LANE_AT),
        read(arena, wire.SYS_OUT_AT),
        read(arena, wire.SYS_CLASS_AT),
        read(arena, wire.SYS_CELL_AT),
        read(arena, wire.SYS_CELL_WORDS),
        read(arena, wire.SYS_CONTROL_AT),
        read(arena, wire.SYS_SENT_AT),
        read(arena, wire.SYS_DONE_AT),
        read(arena, wire.SYS_HELD_AT),
        read(arena, wire.SYS_HELD_ROOM),
        read(arena, wire.SYS_BATCH),
        read(arena, wire.SYS_DEDUP_AT),
        read(arena, wire.SYS_DEDUP),
    )


def see(arena, at):
    """A word that others may write, as the whole block sees it."""
    return block_broadcast(atomic_load(arena, at, order="acquire"))


def read(arena, at):
    """A word that nobody writes meanwhile, as the whole block sees it."""
    return block_broadcast(arena[at])


def put(arena, at, value):
    """Write a word of the worker's own."""
    if local_id(0) == 0:
        arena[at] = value


def publish(arena, at, value):
    """Write a word that others read, after all that was written before."""
    if local_id(0) == 0:
        atomic_store(arena, at, value, order="release")


def bump(arena, at):
    """Count one."""
    put(arena, at, arena[at] + 1)


def bump_wide(arena, at):
    """Count one in two words."""
    if local_id(0) == 0:
        low = arena[at] + 1
        arena[at] = low
        if low == 0:
            arena[at + 1] = arena[at + 1] + 1


def wide(arena, at):
    """Two words as one number."""
    return u64(arena[at]) | u64(arena[at + 1]) << 32


def control_of(sys, slot):
    """An actor's control block."""
    return sys.control_at + slot * wire.CONTROL_WORDS
