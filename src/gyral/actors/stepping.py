"""The loop of a simulation, in the kernel language: wait for the neighbours, step the block, publish.

A block does step n + 1 when all its neighbours have published step n. Then their edges of step n are there,
and they no longer read step n - 1, whose memory step n + 1 takes. There is no barrier over the grid and no
launch per step. A block that waits too long returns; it goes on from the board when it is launched again.
"""

# pyright: reportMissingParameterType=false
# Each kernel gives these functions arguments of its own types.

from gyral.actors.board import (
    AHEAD,
    BLOCKS,
    COMMAND,
    DONE,
    FIRST_ROW,
    HALTED,
    LEVEL,
    LIMIT,
    LINE,
    NEAR_AT,
    NEARS,
    OWNER_WORDS,
    ROW_AT,
    ROWS,
    RUN,
    RUN_AT,
    RUNS,
    TARGET,
)
from gyral.compiler.words import (
    atomic_load,
    atomic_store,
    barrier,
    block_broadcast,
    block_dim,
    block_id,
    local_id,
    min,
    place,
)
from gyral.core.dtypes import i32, u32
from gyral.jit.func import func


@func
def loop(words, table, first, turns, resident, form, cell, copy, arrays):
    """Step a block as far as it may go; one step where blocks are not `resident`.

    `form`: levels, elements of a level, edge cells of a row and where they are listed, cells of a run, reach.
    `cell(arrays, read, before, write, at, number, row, x)` computes a cell, `copy(arrays, to, source)` copies
    one.
    """
    block = first + u32(block_id(0))
    mine = BLOCKS + block * LINE
    done, level = block_broadcast(words[mine + DONE]), block_broadcast(words[mine + LEVEL])
    limit = done
    going = True
    while going:
        if resident:
            limit = allowed(words, block, done, limit, turns)
        else:
            limit = block_broadcast(words[TARGET])
        if limit == done:
            going = False
        elif resident and not ready(words, table, block, done, turns):
            going = False
        else:
            following = level + 1 if level + 1 < form[0] else u32(0)
            earlier = level - 1 if level > 0 else u32(form[0] - 1)
            read, write = place(level) * form[1], place(following) * form[1]
            advance(table, block, done, read, place(earlier) * form[1], write, form, cell, copy, arrays)
            barrier()
            done += 1
            level = following
            if local_id(0) == 0:
                words[mine + LEVEL] = level
                if resident:
                    atomic_store(words, mine + DONE, done, order="release")
                else:
                    words[mine + DONE] = done
            if not resident:
                going = False


@func
def see(words, at):
    """A word that others may write, as the whole block sees it."""
    return block_broadcast(atomic_load(words, at, order="acquire"))


@func
def allowed(words, block, done, limit, turns):
    """The step that the block may go to; `done` when there is nothing to do.

    The leader allows a few steps at a time, so that all blocks stop at the same one.
    """
    if block == 0:
        ahead = see(words, u32(AHEAD))
        if (limit - done) * 2 <= ahead:
            if see(words, u32(COMMAND)) == RUN:
                limit = done + min(see(words, u32(TARGET)) - done, ahead)
                put(words, LIMIT, limit)
            elif limit == done:
                limit = see(words, u32(LIMIT))
                if limit == done:
                    put(words, HALTED, u32(1))
    else:
        turn = u32(0)
        waiting = limit == done
        while waiting:
            halted = see(words, u32(HALTED))
            limit = see(words, u32(LIMIT))
            turn += 1
            at_rest = halted != 0 or done == see(words, u32(TARGET))
            waiting = limit == done and not at_rest and turn < turns
    return limit


@func
def put(words, at, value):
    """Publish a word, with everything that the block wrote before."""
    barrier()
    if local_id(0) == 0:
        atomic_store(words, at, value, order="release")


@func
def ready(words, table, block, done, turns):
    """Whether all neighbours have published the state that the next step reads."""
    owner = block * OWNER_WORDS
    near, count = table[owner + NEAR_AT], table[owner + NEARS]
    met, turn = u32(0), u32(0)
    while met < count and turn < turns:
        theirs = see(words, table[near + met])
        if i32(theirs - done) >= 0:
            met += 1
        else:
            turn += 1
    return met == count


@func
def advance(table, block, number, read, before, write, form, cell, copy, arrays):
    """One step of a block: its cells, the edges of its rows, and what others' edges hold of it."""
    owner = block * OWNER_WORDS
    row_at, rows = table[owner + ROW_AT], table[owner + ROWS]
    row = table[owner + FIRST_ROW]
    wide = block_dim(0)
    for r in range(rows):
        base, count = place(table[row_at + r * 2]), place(table[row_at + r * 2 + 1])
        whole = count - count % wide
        for q in range(0, whole, wide):
            x = q + local_id(0)
            cell(arrays, read, before, write, base + x, number, row + r, x)
        if whole + local_id(0) < count:
            x = whole + local_id(0)
            cell(arrays, read, before, write, base + x, number, row + r, x)
    if form[2] > 0:
        barrier()
        for e in range(form[2]):
            to, source = place(table[form[3] + e * 2]), place(table[form[3] + e * 2 + 1])
            for r in range(local_id(0), rows, wide):
                base = write + place(table[row_at + r * 2])
                copy(arrays, base + to - form[5], base + source - form[5])
    if form[4] > 0:
        barrier()
        run_at = table[owner + RUN_AT]
        for k in range(table[owner + RUNS]):
            to, source = place(table[run_at + k * 2]), place(table[run_at + k * 2 + 1])
            for x in range(local_id(0), form[4], wide):
                copy(arrays, write + to + x, write + source + x)
