"""The loop of resident actors, in the kernel language: poll the lanes, run handlers, send, answer, count.

One block of threads is a worker; `core.wire` says how its memory lies. What decides where the block goes is
read by `see`, so that all its threads agree; what is written is written by its first thread. In a block of
one thread both cost nothing.
"""

from gyral.compiler.stdlib.arena import (
    BLOCKED,
    DONE,
    ENDED,
    HELD,
    bump,
    bump_wide,
    control_of,
    publish,
    put,
    read,
    read_system,
    see,
    wide,
)
from gyral.compiler.stdlib.aside import give_back, hold, next_aside
from gyral.compiler.stdlib.outbox import answer, claim_cell, commit, discard, event, room
from gyral.compiler.words import (
    atomic_compare_exchange,
    atomic_load,
    atomic_store,
    batched,
    block_broadcast,
    block_id,
    dispatch,
    endless,
    give,
    local_id,
    remember,
    rescue,
    restore,
    serve,
)
from gyral.core import wire
from gyral.core.dtypes import u32, u64

UNKNOWN = 0xFFFFFFF0
"""In the place of a site: there is no handler."""


def loop(arena, world, budget, spins):
    """Serve a worker's lanes until told to return, idle for `spins` turns, or done with `budget` messages.

    A batched loop returns when it went idle or is done, an endless one when told alone.
    """
    sys = read_system(arena)
    w = u32(block_id(0))
    at = sys.worker_at + w * wire.WORKER_WORDS
    total, idle, reason = u32(0), u32(0), u32(wire.EXIT_IDLE)
    going = True
    while going:
        if see(arena, at + wire.WK_COMMAND) != wire.RUN:
            reason = u32(wire.EXIT_COMMAND)
            going = False
        else:
            did = turn(arena, world, sys, w, at)
            put(arena, at + wire.WK_HEARTBEAT, arena[at + wire.WK_HEARTBEAT] + 1)
            total += did
            idle = idle + 1 if did == 0 else u32(0)
            if not endless():
                if not batched() and see(arena, at + wire.WK_WAKE) != 0:
                    reason = u32(wire.EXIT_WAKE)
                    going = False
                elif total >= budget:
                    reason = u32(wire.EXIT_BUDGET)
                    going = False
                elif idle >= spins:
                    going = False
    put(arena, at + wire.WK_REASON, reason)


def turn(arena, world, sys, w, at):
    """Go round the lanes once, urgent ones first; how many messages were taken.

    When the host says that actors are active again, what was put aside for them comes before all lanes.
    """
    did = u32(0)
    sources = sys.workers + 1
    again = see(arena, at + wire.WK_RECHECK) != 0
    if again:
        put(arena, at + wire.WK_RECHECK, u32(0))
    for number in range(read(arena, wire.SYS_LANES) + 1):
        aside = number == 0
        if again or not aside:
            rest = u32(number) - 1
            priority = sys.priorities - 1 - rest // sources
            source = rest % sources
            lane = (priority * sys.workers + w) * sources + source
            did += drain(arena, world, sys, w, at, lane, priority * sources + source, aside)
    return did


def drain(arena, world, sys, w, at, lane, origin, aside):
    """Take messages from a lane, a batch at most, or all that were put `aside`; how many."""
    header = sys.lane_at + lane * wire.LANE_WORDS
    if aside:
        header = sys.lane_at
    head = read(arena, header + wire.LN_HEAD)
    base, mask = arena[header + wire.LN_SLOTS_AT], arena[header + wire.LN_MASK]
    actor = u32(w)
    taken = u32(0)
    going = True
    while going:
        slot, row = u32(0), u32(origin)
        if aside:
            actor = next_aside(arena, sys, actor)
            if actor < sys.capacity:
                slot = read(arena, control_of(sys, actor) + wire.CT_HELD_FIRST) + wire.LINE
                row = read(arena, slot - wire.LINE + 1)
        else:
            slot = base + (head & mask) * sys.stride
            if not arrived(arena, sys, header, slot, head):
                slot = u32(0)
        outcome = u32(BLOCKED)
        if slot != 0:
            outcome = take(arena, world, sys, w, at, slot, row, aside)
        if outcome == BLOCKED:
            going = False
            if aside and slot != 0:
                put(arena, at + wire.WK_RECHECK, u32(1))
        elif aside:
            taken += 1
            give_back(arena, at, control_of(sys, actor))
        else:
            head += 1
            taken += 1
            if taken & 15 == 0:
                publish(arena, header + wire.LN_HEAD, head)
            going = taken < sys.batch
    if taken != 0 and not aside:
        publish(arena, header + wire.LN_HEAD, head)
    return taken


def arrived(arena, sys, header, slot, head):
    """Whether the message at `head` was published. A batched device goes by what the host saw before."""
    if batched():
        here = see(arena, header + wire.LN_LIMIT) != head
    else:
        here = see(arena, slot + wire.STAMP) == head + 1
    return here


def take(arena, world, sys, w, at, slot, origin, aside):
    """Give a message to its actor, put it aside, or let it end; what became of it."""
    dest, gens = read(arena, slot + wire.DEST), read(arena, slot + wire.GENS)
    control = control_of(sys, dest)
    state = read(arena, control + wire.CT_STATE)
    known = gens & 0xFFFF == read(arena, control + wire.CT_GENERATION)
    outcome, code, detail = u32(ENDED), u32(wire.EVENT_DEAD), u32(state)
    if known and (state == wire.ACTIVE or state == wire.DRAINING):
        if not aside and read(arena, control + wire.CT_HELD_COUNT) != 0:
            outcome = u32(HELD)
        else:
            outcome, code, detail = handle(arena, world, sys, w, at, slot, control, dest)
    elif known and (state == wire.PAUSED or state == wire.FAILING or state == wire.CREATED):
        outcome = u32(BLOCKED) if aside else u32(HELD)
    if outcome == HELD:
        outcome = hold(arena, sys, w, at, slot, control, origin)
        code, detail = u32(wire.EVENT_DEAD), u32(wire.EVENT_OVERFLOW)
    if outcome == ENDED:
        end(arena, sys, w, at, slot, control, code, detail)
    if outcome == DONE or outcome == ENDED:
        done = sys.done_at + origin * sys.capacity + dest
        publish(arena, done, arena[done] + 1)
    return outcome


def handle(arena, world, sys, w, at, slot, control, dest):
    """Run the handler, unless the message is too late or came before; outcome, event and its detail."""
    kind = read(arena, slot + wire.KIND)
    outcome, code, detail = u32(ENDED), u32(wire.EVENT_INBOX), u32(0)
    if kind & wire.EXTENDED != 0:
        code = admit(arena, sys, slot, control, dest)
    if code == wire.EVENT_INBOX:
        tick(arena, at, slot)
        put(arena, at + wire.WK_HAND, dest + 1)
        outcome, detail = dispatch(arena, world, sys, w, at, slot, control, dest, kind)
        put(arena, at + wire.WK_HAND, u32(0))
        if outcome == ENDED:
            code = u32(wire.EVENT_DEAD)
            if detail != UNKNOWN:
                code = u32(wire.EVENT_FAILED)
                discard(arena, sys, at)
                put(arena, control + wire.CT_ERROR_SITE, detail + 1)
                put(arena, control + wire.CT_STATE, u32(wire.FAILING))
        elif outcome == DONE and read(arena, at + wire.WK_STOPPING) != 0:
            put(arena, at + wire.WK_STOPPING, u32(0))
            put(arena, control + wire.CT_STATE, u32(wire.TERMINATED))
            put(arena, at + wire.WK_WAKE, arena[at + wire.WK_WAKE] | u32(1) << 31)
    return outcome, code, detail


def admit(arena, sys, slot, control, dest):
    """EVENT_INBOX for a message with an extension that is in time and new, else what happens to it."""
    code = u32(wire.EVENT_INBOX)
    deadline = wide(arena, slot + wire.DEADLINE_LO)
    now = u64(see(arena, wire.SYS_TIME_LO)) | u64(see(arena, wire.SYS_TIME_HI)) << 32
    if block_broadcast(deadline != 0 and deadline < now):
        code = u32(wire.EVENT_EXPIRED)
    elif sys.dedup != 0 and block_broadcast(wide(arena, slot + wire.KEY_LO) != 0):
        if seen_before(arena, sys, slot, control, dest):
            code = u32(wire.EVENT_DUPLICATE)
    return code


def seen_before(arena, sys, slot, control, dest):
    """Whether the actor met this key among its last ones; it knows it from now on."""
    low, high = read(arena, slot + wire.KEY_LO), read(arena, slot + wire.KEY_HI)
    table = sys.dedup_at + dest * sys.dedup * 2
    found = False
    for k in range(read(arena, wire.SYS_DEDUP)):
        entry = table + u32(k) * 2
        if read(arena, entry) == low and read(arena, entry + 1) == high:
            found = True
    if not found:
        following = read(arena, control + wire.CT_DEDUP_NEXT)
        put(arena, table + following * 2, low)
        put(arena, table + following * 2 + 1, high)
        following += 1
        put(arena, control + wire.CT_DEDUP_NEXT, following if following < sys.dedup else u32(0))
    return found


def tick(arena, at, slot):
    """Set the worker's clock past its own, the message's and the host's (Kulkarni et al., 2014)."""
    if local_id(0) == 0:
        now = u64(atomic_load(arena, wire.SYS_TIME_LO)) | u64(atomic_load(arena, wire.SYS_TIME_HI)) << 32
        mine, theirs = wide(arena, at + wire.WK_CLOCK_LO) + 1, wide(arena, slot + wire.HLC_LO) + 1
        clock = max(max(mine, theirs), now << wire.HLC_LOGICAL_BITS)
        arena[at + wire.WK_CLOCK_LO] = u32(clock)
        arena[at + wire.WK_CLOCK_HI] = u32(clock >> 32)


def end(arena, sys, w, at, slot, control, code, detail):
    """Count a message that has no reply of its own, tell who asked, and leave a record for the host."""
    which = code - wire.EVENT_DEAD
    bump(arena, control + wire.CT_DEAD + which)
    if read(arena, slot + wire.KIND) & wire.ASKED != 0:
        cell = claim_cell(arena, sys, slot)
        if cell != 0:
            put(arena, cell + wire.CE_KIND, which + wire.REPLY_STOPPED)
            put(arena, cell + wire.CE_DETAIL, detail)
            answer(arena, at, slot, cell)
    event(arena, sys, w, at, slot, code, read(arena, slot + wire.DEST), detail)


def case_key(arena, control, kind):
    """What chooses a case: the actor's class, and the type of the message."""
    return read(arena, control + wire.CT_CLASS) << wire.TYPE_BITS | kind & ((1 << wire.TYPE_BITS) - 1)


def unknown():
    """A message its receiver has no handler for."""
    return u32(ENDED), u32(UNKNOWN)


def case(arena, world, sys, w, at, slot, control, dest, kind, role, entry, sends):
    """Run one handler on a message, and let its sends and reply go out if it ends well; outcome and site."""
    outcome, site = u32(BLOCKED), u32(0)
    if room(arena, sys, w, at, u32(sends)):
        remember(arena, world, sys, w, at, slot, control, dest, role, entry)
        reply = serve(arena, world, sys, w, at, slot, control, dest, role, entry)
        site = rescue()
        if site == wire.NONE and too_much(arena, at, sends):
            site = u32(wire.SITE_OUTBOX)
        if site != wire.NONE:
            outcome = u32(ENDED)
            restore(arena, world, sys, w, at, slot, control, dest, role, entry)
        else:
            outcome = u32(DONE)
            bump_wide(arena, control + wire.CT_HANDLED_LO)
            bump_wide(arena, at + wire.WK_HANDLED_LO)
            if sends != 0:
                commit(arena, sys, w, at, control)
            if kind & wire.ASKED != 0:
                cell = claim_cell(arena, sys, slot)
                if cell == 0:
                    bump(arena, control + wire.CT_LATE)
                else:
                    if local_id(0) == 0:
                        give(arena, cell, reply)
                    answer(arena, at, slot, cell)
                    bump(arena, control + wire.CT_REPLIES)
    return outcome, site


def too_much(arena, at, sends):
    """Whether the handler sent more than there was room for, and nothing says that it may."""
    over = False
    if sends != 0:
        over = read(arena, at + wire.WK_OVERFLOW) != 0 and see(arena, at + wire.WK_STALLED) == 0
    return over


def payload_at(arena, slot):
    """Where a message's payload begins."""
    extended = arena[slot + wire.KIND] & wire.EXTENDED
    return slot + (wire.EXTENDED_WORDS if extended != 0 else wire.HEADER_WORDS)


def born(arena, sys, number):
    """A free slot for a new actor of a class and its generation; generation 0 when all are taken."""
    block = sys.class_at + number * wire.CLASS_WORDS
    slot, generation = u32(0), u32(0)
    if local_id(0) == 0:
        taken = atomic_load(arena, block + wire.CL_TAKEN)
        trying = True
        while trying:
            if taken == atomic_load(arena, block + wire.CL_GIVEN, order="acquire"):
                trying = False
            else:
                old = atomic_compare_exchange(arena, block + wire.CL_TAKEN, taken, taken + 1)
                if old == taken:
                    slot = arena[arena[block + wire.CL_LIST_AT] + (taken & arena[block + wire.CL_MASK])]
                    generation = arena[control_of(sys, slot) + wire.CT_GENERATION]
                    trying = False
                taken = old
    return block_broadcast(slot), block_broadcast(generation)


def live(arena, control):
    """Let a new actor take messages."""
    arena[control + wire.CT_HELD_COUNT] = u32(0)
    atomic_store(arena, control + wire.CT_STATE, u32(wire.ACTIVE), order="release")
