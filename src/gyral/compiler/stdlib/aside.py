"""Messages put aside for actors that do not take them now: a list per actor, in slots of the worker."""

from gyral.compiler.stdlib.arena import BLOCKED, ENDED, HELD, bump, control_of, put, read, see
from gyral.compiler.stdlib.outbox import copy_message
from gyral.core import wire
from gyral.core.dtypes import u32


def hold(arena, sys, w, at, slot, control, origin):
    """Put a message at the end of its actor's list; BLOCKED when the worker's store is full.

    A worker that is stalled lets it end instead.
    """
    outcome = u32(HELD)
    entry = held_slot(arena, sys, w, at)
    if entry == 0:
        outcome = u32(ENDED) if see(arena, at + wire.WK_STALLED) != 0 else u32(BLOCKED)
    else:
        copy_message(arena, entry + wire.LINE, slot)
        put(arena, entry, u32(0))
        put(arena, entry + 1, origin)
        last = read(arena, control + wire.CT_HELD_LAST)
        if read(arena, control + wire.CT_HELD_COUNT) == 0:
            put(arena, control + wire.CT_HELD_FIRST, entry)
        else:
            put(arena, last, entry)
        put(arena, control + wire.CT_HELD_LAST, entry)
        bump(arena, control + wire.CT_HELD_COUNT)
    return outcome


def held_slot(arena, sys, w, at):
    """A free slot of the worker's store, 0 when there is none: one given back, else the next never used."""
    entry = read(arena, at + wire.WK_HELD_FREE)
    count = read(arena, at + wire.WK_HELD_COUNT)
    if entry != 0:
        put(arena, at + wire.WK_HELD_FREE, arena[entry])
    elif count < sys.held_room:
        entry = sys.held_at + (w * sys.held_room + count) * (sys.stride + wire.LINE)
        put(arena, at + wire.WK_HELD_COUNT, count + 1)
    return entry


def next_aside(arena, sys, actor):
    """The first of a worker's actors from `actor` on whose messages were put aside and may go on now."""
    searching = True
    while searching:
        if actor >= sys.capacity:
            searching = False
        else:
            control = control_of(sys, actor)
            state = read(arena, control + wire.CT_STATE)
            waits = state == wire.PAUSED or state == wire.FAILING or state == wire.CREATED
            if read(arena, control + wire.CT_HELD_COUNT) != 0 and not waits:
                searching = False
            else:
                actor += sys.workers
    return actor


def give_back(arena, at, control):
    """Take the first message off an actor's list, and give its slot back."""
    entry = read(arena, control + wire.CT_HELD_FIRST)
    put(arena, control + wire.CT_HELD_FIRST, arena[entry])
    put(arena, control + wire.CT_HELD_COUNT, arena[control + wire.CT_HELD_COUNT] - 1)
    put(arena, entry, arena[at + wire.WK_HELD_FREE])
    put(arena, at + wire.WK_HELD_FREE, entry)
