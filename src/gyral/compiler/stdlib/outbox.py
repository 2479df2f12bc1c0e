"""What leaves a worker: messages in lanes, records for the host, replies in cells.

Sends are staged while a handler runs and published when it ended well.
"""

from gyral.compiler.stdlib.arena import bump, control_of, publish, put, read, see
from gyral.compiler.words import (
    atomic_compare_exchange,
    atomic_load,
    batched,
    block_broadcast,
    endless,
    local_id,
)
from gyral.core import wire
from gyral.core.dtypes import u32


def room(arena, sys, w, count):
    """Whether every lane this worker sends to has room for `count` more."""
    enough = True
    if count != 0:
        for number in range(read(arena, wire.SYS_WORKERS) + 1):
            if number == 0:
                header = sys.out_at + w * wire.LANE_WORDS
            else:
                lane = (u32(number) - 1) * (sys.workers + 1) + w + 1
                header = sys.lane_at + lane * wire.LANE_WORDS
            if free_slots(arena, sys, header, count) < count:
                enough = False
    return enough


def free_slots(arena, sys, header, wanted):
    """Free slots of a lane, at least as many as are wanted if there are; may look at the other end."""
    depth = read(arena, header + wire.LN_MASK) + 1
    used = read(arena, header + wire.LN_TAIL) + read(arena, header + wire.LN_STAGED)
    free = depth - (used - read(arena, header + wire.LN_SEEN))
    if free < wanted:
        if batched():
            head = see(arena, header + wire.LN_ROOM)
        else:
            head = see(arena, header + wire.LN_HEAD)
        put(arena, header + wire.LN_SEEN, head)
        free = depth - (used - head)
    return free


def stage(arena, sys, w, at, me, my_gen, slot, gen, kind):
    """Begin a send, in the lane to the receiver's worker; where the payload goes, 0 when it goes nowhere.

    It is published when the handler ends well; if that is for want of room elsewhere, a message that its lane
    had no room for goes to the dead letters. A block of threads sends once, what its first thread says.
    """
    payload = u32(0)
    slot, gen = block_broadcast(slot), block_broadcast(gen)
    if gen & 0xFFFF == 0:
        bump(arena, control_of(sys, me) + wire.CT_NOBODY)
    else:
        to_host = slot == wire.HOST or gen >> 16 != sys.route
        lanes = sys.priorities * sys.workers * (sys.workers + 1)
        lane = lanes + w if to_host else slot % sys.workers * (sys.workers + 1) + w + 1
        header = sys.lane_at + lane * wire.LANE_WORDS
        code, detail = u32(wire.EVENT_INBOX if slot == wire.HOST else wire.EVENT_ROUTE), gen >> 16
        fits = free_slots(arena, sys, header, u32(1)) != 0
        if not fits:
            bump(arena, at + wire.WK_OVERFLOW)
            bump(arena, control_of(sys, me) + wire.CT_OVERFLOWS)
            if to_host:
                bump(arena, at + wire.WK_LOST)
            else:
                to_host, lane = True, lanes + w
                header = sys.lane_at + lane * wire.LANE_WORDS
                code, detail = u32(wire.EVENT_DEAD), u32(wire.EVENT_OVERFLOW)
                fits = free_slots(arena, sys, header, u32(1)) != 0
                if not fits:
                    bump(arena, at + wire.WK_LOST)
        if fits:
            staged, tail = read(arena, header + wire.LN_STAGED), read(arena, header + wire.LN_TAIL)
            stride = sys.stride + wire.EVENT_HEAD_WORDS if to_host else sys.stride
            place = (
                arena[header + wire.LN_SLOTS_AT] + ((tail + staged) & arena[header + wire.LN_MASK]) * stride
            )
            if staged == 0:
                touches = read(arena, at + wire.WK_TOUCHES)
                put(arena, at + wire.WK_TOUCHED + touches, lane)
                put(arena, at + wire.WK_TOUCHES, touches + 1)
            put(arena, header + wire.LN_STAGED, staged + 1)
            if to_host:
                put(arena, place + wire.EV_CODE, code)
                put(arena, place + wire.EV_ACTOR, me)
                put(arena, place + wire.EV_DETAIL, u32(0) if code == wire.EVENT_INBOX else detail)
                put(arena, place + wire.EV_GENERATION, my_gen)
                place += wire.EV_MESSAGE
            write_header(arena, at, place, me, my_gen, slot, gen, kind)
            payload = place + wire.HEADER_WORDS
    return payload


def write_header(arena, at, place, me, my_gen, slot, gen, kind):
    """The header of a message from an actor, but for its stamp."""
    if local_id(0) == 0:
        arena[place + wire.KIND] = kind
        arena[place + wire.DEST] = slot
        arena[place + wire.SOURCE] = me
        arena[place + wire.GENS] = gen & 0xFFFF | my_gen << 16
        arena[place + wire.CORR] = u32(0)
        arena[place + wire.HLC_LO] = arena[at + wire.WK_CLOCK_LO]
        arena[place + wire.HLC_HI] = arena[at + wire.WK_CLOCK_HI]


def commit(arena, sys, w, at, control):
    """Publish the sends of a handler that ended well."""
    touches = read(arena, at + wire.WK_TOUCHES)
    if touches != 0:
        for k in range(touches):
            lane = read(arena, at + wire.WK_TOUCHED + u32(k))
            to_host = lane >= sys.priorities * sys.workers * (sys.workers + 1)
            header = sys.lane_at + lane * wire.LANE_WORDS
            stride = sys.stride + wire.EVENT_HEAD_WORDS if to_host else sys.stride
            tail, staged = read(arena, header + wire.LN_TAIL), read(arena, header + wire.LN_STAGED)
            base, mask = arena[header + wire.LN_SLOTS_AT], arena[header + wire.LN_MASK]
            for _ in range(staged):
                slot = base + (tail & mask) * stride
                tail += 1
                if not to_host:  # first, so that who takes the message knows that it was sent
                    sent = sys.sent_at + (w + 1) * sys.capacity + arena[slot + wire.DEST]
                    put(arena, sent, arena[sent] + 1)
                publish(arena, slot, tail)
                bump(arena, control + wire.CT_SENT)
            put(arena, header + wire.LN_TAIL, tail)
            put(arena, header + wire.LN_STAGED, u32(0))
            wake(arena, sys, w, at, lane, to_host)
        put(arena, at + wire.WK_TOUCHES, u32(0))


def wake(arena, sys, w, at, lane, to_host):
    """Note a worker, or the host, that may sleep and has been sent something."""
    if to_host:
        put(arena, at + wire.WK_WAKE, arena[at + wire.WK_WAKE] | u32(1) << 31)
    else:
        other = lane // (sys.workers + 1)
        parked = see(arena, sys.worker_at + other * wire.WORKER_WORDS + wire.WK_PARKED)
        if parked != 0 and other != w:
            put(arena, at + wire.WK_WAKE, arena[at + wire.WK_WAKE] | u32(1) << other)


def discard(arena, sys, at):
    """Forget the sends of a handler that failed."""
    touches = read(arena, at + wire.WK_TOUCHES)
    for k in range(touches):
        lane = read(arena, at + wire.WK_TOUCHED + u32(k))
        put(arena, sys.lane_at + lane * wire.LANE_WORDS + wire.LN_STAGED, u32(0))
    put(arena, at + wire.WK_TOUCHES, u32(0))
    put(arena, at + wire.WK_STOPPING, u32(0))


def event(arena, sys, w, at, slot, code, actor, detail):
    """Append a record with a copy of the message to the lane to the host; counted as lost when it is full."""
    header = sys.out_at + w * wire.LANE_WORDS
    if free_slots(arena, sys, header, u32(1)) == 0:
        bump(arena, at + wire.WK_LOST)
    else:
        tail = read(arena, header + wire.LN_TAIL)
        entry = arena[header + wire.LN_SLOTS_AT] + (tail & arena[header + wire.LN_MASK]) * (
            sys.stride + wire.EVENT_HEAD_WORDS
        )
        put(arena, entry + wire.EV_CODE, code)
        put(arena, entry + wire.EV_ACTOR, actor)
        put(arena, entry + wire.EV_DETAIL, detail)
        put(arena, entry + wire.EV_GENERATION, arena[slot + wire.GENS] & 0xFFFF)
        copy_message(arena, entry + wire.EV_MESSAGE, slot)
        publish(arena, entry + wire.EV_STAMP, tail + 1)
        put(arena, header + wire.LN_TAIL, tail + 1)
    put(arena, at + wire.WK_WAKE, arena[at + wire.WK_WAKE] | u32(1) << 31)


def copy_message(arena, target, slot):
    """Copy a message, as long as it is."""
    if local_id(0) == 0:
        kind = arena[slot + wire.KIND]
        words = (kind >> wire.TYPE_BITS & wire.MAX_PAYLOAD_WORDS) + wire.HEADER_WORDS
        if kind & wire.EXTENDED != 0:
            words += wire.EXTENDED_WORDS - wire.HEADER_WORDS
        for k in range(words):
            arena[target + u32(k)] = arena[slot + u32(k)]


def claim_cell(arena, sys, slot):
    """The reply cell of a message that is still waited for, now being written; 0 when nobody waits."""
    corr = read(arena, slot + wire.CORR)
    cell = sys.cell_at + (corr & ((1 << wire.CELL_BITS) - 1)) * sys.cell_words
    armed = corr >> wire.CELL_BITS << 2 | wire.CELL_ARMED
    old = u32(0)
    if local_id(0) == 0:
        if endless():  # across a bus nothing is exchanged at once: cells given up rest until a pause
            old = atomic_load(arena, cell + wire.CE_STATE, order="acquire")
        else:
            old = atomic_compare_exchange(arena, cell + wire.CE_STATE, armed, armed + 1, order="acq_rel")
    return cell if block_broadcast(old) == armed else u32(0)


def answer(arena, at, slot, cell):
    """Release a reply that was written, and note a waiter that sleeps."""
    corr = read(arena, slot + wire.CORR)
    publish(arena, cell + wire.CE_STATE, corr >> wire.CELL_BITS << 2 | wire.CELL_DONE)
    if see(arena, cell + wire.CE_WAITER) != 0:
        put(arena, at + wire.WK_WAKE, arena[at + wire.WK_WAKE] | u32(1) << 30)
