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
    did, waiting = u32(0), u32(0)
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
            taken, waits = drain(arena, world, sys, w, at, lane, priority * sources + source, aside)
            did += taken
            waiting = waiting | waits
    put(arena, at + wire.WK_WAITING, waiting)
    return did


def drain(arena, world, sys, w, at, lane, origin, aside):
    """Take messages from a lane, a batch at most, or all put `aside`; how many, and whether any waits.

    Of what was put aside, what cannot go on now stays for the next turn, and other actors' goes on.
    """
    header = sys.lane_at + lane * wire.LANE_WORDS
    if aside:
        header = sys.lane_at
    head = read(arena, header + wire.LN_HEAD)
    base, mask = read(arena, header + wire.LN_SLOTS_AT), read(arena, header + wire.LN_MASK)
    actor = u32(w)
    taken, waits = u32(0), u32(0)
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
            going = aside and slot != 0
            waits = u32(1) if slot != 0 else waits
            actor += sys.workers
        else:
            taken += 1
            if aside:
                give_back(arena, at, control_of(sys, actor))
                if see(arena, at + wire.WK_COMMAND) != wire.RUN:
                    put(arena, at + wire.WK_RECHECK, u32(1))
                    going = False
            else:
                head += 1
                publish(arena, header + wire.LN_HEAD, head)
                going = taken < sys.batch
    if aside and waits != 0:
        put(arena, at + wire.WK_RECHECK, u32(1))
    return taken, waits


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
        begin(arena, at, u32(0))
        outcome = hold(arena, sys, w, at, slot, control, origin)
        code, detail = u32(wire.EVENT_DEAD), u32(wire.EVENT_OVERFLOW)
    if outcome == ENDED:
        end(arena, sys, w, at, slot, control, code, detail)
    if outcome == DONE or outcome == ENDED:
        done = sys.done_at + origin * sys.capacity + dest
        publish(arena, done, arena[done] + 1)
        if known and state == wire.DRAINING:
            leave(arena, sys, at, control, dest)
    return outcome


def begin(arena, at, slot):
    """Say which message is in hand from here on, for whoever goes on when the worker's process is killed.

    Published: stores before it must not be later, and compilers drop stores that nobody reads.
    """
    if not batched() and not endless():
        publish(arena, at + wire.WK_TAKEN, slot)


def leave(arena, sys, at, control, dest):
    """Let an actor that drains end, if nothing is queued for it any more."""
    queued = u32(0)
    for origin in range(read(arena, wire.SYS_LANES)):
        count = u32(origin) * sys.capacity + dest
        queued = queued | see(arena, sys.sent_at + count) ^ see(arena, sys.done_at + count)
    if queued == 0 and read(arena, control + wire.CT_STATE) == wire.DRAINING:
        put(arena, control + wire.CT_STATE, u32(wire.TERMINATED))
        gone(arena, at)


def gone(arena, at):
    """Tell the host that an actor ended."""
    bump(arena, at + wire.WK_ENDED)
    put(arena, at + wire.WK_WAKE, arena[at + wire.WK_WAKE] | u32(1) << 31)


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
        elif outcome == DONE:
            settle(arena, sys, w, at, slot, control, kind)
            if kind & wire.EXTENDED != 0:
                know(arena, sys, slot, control, dest)
            if read(arena, at + wire.WK_STOPPING) != 0:
                put(arena, at + wire.WK_STOPPING, u32(0))
                put(arena, control + wire.CT_STATE, u32(wire.TERMINATED))
                gone(arena, at)
    return outcome, code, detail


def admit(arena, sys, slot, control, dest):
    """EVENT_INBOX for a message with an extension that is in time and new, else what happens to it."""
    code = u32(wire.EVENT_INBOX)
    deadline = wide(arena, slot + wire.DEADLINE_LO)
    if block_broadcast(deadline != 0 and deadline < clock(arena)):
        code = u32(wire.EVENT_EXPIRED)
    elif sys.dedup != 0 and block_broadcast(wide(arena, slot + wire.KEY_LO) != 0):
        if knows(arena, sys, slot, dest):
            code = u32(wire.EVENT_DUPLICATE)
    return code


def knows(arena, sys, slot, dest):
    """Whether the message's key is among the last ones that the actor handled."""
    low, high = read(arena, slot + wire.KEY_LO), read(arena, slot + wire.KEY_HI)
    table = sys.dedup_at + dest * sys.dedup * 2
    found = False
    for k in range(read(arena, wire.SYS_DEDUP)):
        entry = table + u32(k) * 2
        if read(arena, entry) == low and read(arena, entry + 1) == high:
            found = True
    return found


def know(arena, sys, slot, control, dest):
    """Let the actor know a message's key, if it has one. What was not handled may come again."""
    low, high = read(arena, slot + wire.KEY_LO), read(arena, slot + wire.KEY_HI)
    if sys.dedup != 0 and low | high != 0:
        following = read(arena, control + wire.CT_DEDUP_NEXT)
        entry = sys.dedup_at + (dest * sys.dedup + following) * 2
        put(arena, entry, low)
        put(arena, entry + 1, high)
        following += 1
        put(arena, control + wire.CT_DEDUP_NEXT, following if following < sys.dedup else u32(0))


def clock(arena):
    """The host's time in milliseconds.

    The host writes the low word, then releases the high one: read the other way round, the two of them may
    tell a time that is past (every 50 days, for a moment), but never one that is to come.
    """
    high = atomic_load(arena, wire.SYS_TIME_HI, order="acquire")
    return u64(high) << 32 | u64(atomic_load(arena, wire.SYS_TIME_LO))


def tick(arena, at, slot):
    """Set the worker's clock past its own, the message's and the host's (Kulkarni et al., 2014)."""
    if local_id(0) == 0:
        mine, theirs = wide(arena, at + wire.WK_CLOCK_LO) + 1, wide(arena, slot + wire.HLC_LO) + 1
        stamp = max(max(mine, theirs), clock(arena) << wire.HLC_LOGICAL_BITS)
        arena[at + wire.WK_CLOCK_LO] = u32(stamp)
        arena[at + wire.WK_CLOCK_HI] = u32(stamp >> 32)


def end(arena, sys, w, at, slot, control, code, detail):
    """Count a message that has no reply of its own, tell who asked, and leave a record for the host."""
    begin(arena, at, slot)
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
    stalled = False
    if sends != 0:
        stalled = see(arena, at + wire.WK_STALLED) != 0
    if stalled or room(arena, sys, w, u32(sends)):
        remember(arena, world, sys, w, at, slot, control, dest, role, entry)
        begin(arena, at, slot)
        reply = serve(arena, world, sys, w, at, slot, control, dest, role, entry)
        site = rescue()
        if sends != 0:
            over = read(arena, at + wire.WK_OVERFLOW) != 0
            put(arena, at + wire.WK_OVERFLOW, u32(0))
            if site == wire.NONE and over and not stalled:
                site = u32(wire.SITE_OUTBOX)
        if site != wire.NONE:
            outcome = u32(ENDED)
            restore(arena, world, sys, w, at, slot, control, dest, role, entry)
        else:
            outcome = u32(DONE)
            if kind & wire.ASKED != 0 and local_id(0) == 0:
                give(arena, draft_of(arena, sys, w), reply)
    return outcome, site


def settle(arena, sys, w, at, slot, control, kind):
    """Count a message that was handled, publish what its handler sent, and answer who asked."""
    bump_wide(arena, control + wire.CT_HANDLED_LO)
    bump_wide(arena, at + wire.WK_HANDLED_LO)
    commit(arena, sys, w, at, control)
    if kind & wire.ASKED != 0:
        cell = claim_cell(arena, sys, slot)
        if cell == 0:
            bump(arena, control + wire.CT_LATE)
        else:
            copy_reply(arena, cell, draft_of(arena, sys, w))
            answer(arena, at, slot, cell)
            bump(arena, control + wire.CT_REPLIES)


def draft_of(arena, sys, w):
    """Where a worker's handlers leave their replies, before it is known whether they are still waited for."""
    return sys.cell_at + (arena[wire.SYS_CELLS] + w) * sys.cell_words


def copy_reply(arena, cell, reply):
    """Copy a reply into its cell, as long as it is."""
    if local_id(0) == 0:
        kind = arena[reply + wire.CE_KIND]
        arena[cell + wire.CE_KIND] = kind
        if kind != wire.REPLY_NONE:
            for k in range(kind >> wire.TYPE_BITS & wire.MAX_PAYLOAD_WORDS):
                arena[cell + wire.CE_PAYLOAD + u32(k)] = arena[reply + wire.CE_PAYLOAD + u32(k)]


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
