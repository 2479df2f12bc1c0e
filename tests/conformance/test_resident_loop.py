"""The loop of resident actors, message by message: interpreted and as code for this machine."""

from __future__ import annotations

from typing import Any

import pytest
from tests.resident import Full, Twin
from tests.resident_programs import (
    BANK,
    CAREFUL,
    CREW,
    HEAP,
    MESSAGES,
    Add,
    Ask,
    Born,
    Divide,
    End,
    Index,
    Late,
    Many,
    Total,
    Twice,
    Unheard,
)

from gyral.core import wire
from gyral.core.wire import Geometry

KEEPER, RELAY = 0, 1


def world(program: Any = BANK, **sizes: Any) -> Twin:
    """A small world: one worker unless asked for more."""
    start = sizes.pop("start", 0)
    route = sizes.pop("route", 0)
    batch = sizes.pop("batch", 64)
    given = {
        "workers": 1, "capacity": 8, "classes": len(program.classes), "depth": 8, "urgent_depth": 4,
        "out_depth": 8, "held_room": 4, "list_room": 8, "cells": 4,
    } | sizes  # fmt: skip
    return Twin(program, Geometry(**given), start=start, route=route, batch=batch)


def tell(w: Twin, dest: int, message: Any, *values: Any, **options: Any) -> None:
    """Send a message named by its class."""
    w.tell(dest, message.__gyral_struct__, *values, **options)


def number(message: Any) -> int:
    """A message's type."""
    return MESSAGES.index(message) + 1


def total(w: Twin, slot: int) -> int:
    """What a keeper added up."""
    return int(w.record(slot)["total"])


def test_messages_reach_their_actors() -> None:
    """Two actors are told, in one lane."""
    w = world()
    w.spawn(0)
    w.spawn(3, total=10)
    tell(w, 0, Add, 5)
    tell(w, 3, Add, 1)
    tell(w, 0, Add, 7)
    w.step()
    assert (total(w, 0), total(w, 3), w.counts(0), w.counts(3)) == (12, 11, {"handled": 2}, {"handled": 1})


def test_a_loop_returns_idle_when_nothing_comes() -> None:
    """The reason of return says so."""
    assert world().step(spins=3) == wire.EXIT_IDLE


def test_a_loop_returns_when_its_budget_is_used_up() -> None:
    """Batches of two; three messages wait, and a budget of one."""
    w = world(batch=2)
    w.spawn(0)
    for n in (1, 2, 4):
        tell(w, 0, Add, n)
    assert (w.step(budget=1), total(w, 0)) == (wire.EXIT_BUDGET, 3)


def test_actors_tell_each_other_across_workers() -> None:
    """A relay on worker 1 passes on to a keeper on worker 0."""
    w = world(workers=2)
    w.spawn(0)
    w.spawn(1, RELAY, to=w.ref(0))
    tell(w, 1, Add, 7)
    tell(w, 1, Twice, 20)
    w.step(1)
    w.step(0)
    assert (total(w, 0), w.counts(1)) == (48, {"handled": 2, "sent": 3})


def test_a_worker_that_is_parked_is_noted_for_waking() -> None:
    """The bit of the receiver's worker, and the reason of return."""
    w = world(workers=3)
    w.spawn(2)
    w.spawn(1, RELAY, to=w.ref(2))
    w.write("worker", 2, wire.WK_PARKED, 1)
    tell(w, 1, Add, 7)
    assert (w.step(1), int(w.worker(1)[wire.WK_WAKE])) == (wire.EXIT_WAKE, 1 << 2)


def test_sends_to_nobody_are_counted() -> None:
    """An empty reference, in a system that is not the first."""
    w = world(route=3)
    w.spawn(0, RELAY, to=(0, 3 << 16))
    tell(w, 0, Add, 7)
    w.step()
    assert w.counts(0) == {"handled": 1, "nobody": 1}


def test_what_goes_to_another_system_is_left_for_the_host() -> None:
    """A reference whose route is another's."""
    w = world(route=3)
    w.spawn(0, RELAY, to=(5, 1 | 4 << 16))
    tell(w, 0, Add, 7)
    w.step()
    found = w.events()[0]
    assert (found.code, found.actor, found.message.dest, found.message.payload) == (
        wire.EVENT_ROUTE, 0, 5, (7).to_bytes(4, "little"),
    )  # fmt: skip


def test_a_sender_is_answered() -> None:
    """The host asked, so the answer comes to its inbox."""
    w = world()
    w.spawn(0, RELAY, count=9)
    tell(w, 0, Ask, 0)
    w.step()
    found = w.events()[0]
    assert (found.code, found.message.type, found.message.payload) == (
        wire.EVENT_INBOX, number(Total), (9).to_bytes(4, "little"),
    )  # fmt: skip


def test_a_reply_is_written_to_its_cell() -> None:
    """Type and payload, and the cell is done."""
    w = world()
    w.spawn(0, total=30)
    tell(w, 0, Add, 12, correlation=w.arm(2, 5))
    w.step()
    cell = w.cell(2)
    assert (int(cell[wire.CE_STATE]), int(cell[wire.CE_KIND]), int(cell[wire.CE_PAYLOAD])) == (
        5 << 2 | wire.CELL_DONE, wire.kind_of(number(Total), 1), 42,
    )  # fmt: skip


def test_a_waiter_that_sleeps_is_noted() -> None:
    """Bit 30 of the words to wake."""
    w = world()
    w.spawn(0)
    tell(w, 0, Add, 12, correlation=w.arm(2, 5, waiter=1))
    assert (w.step(), int(w.worker(0)[wire.WK_WAKE])) == (wire.EXIT_WAKE, 1 << 30)


def test_a_late_reply_is_dropped_and_counted() -> None:
    """The cell is armed for the next ask by then."""
    w = world()
    w.spawn(0)
    old = w.arm(2, 5)
    w.arm(2, 6)
    tell(w, 0, Add, 12, correlation=old)
    w.step()
    assert (w.counts(0), int(w.cell(2)[wire.CE_STATE])) == (
        {"handled": 1, "late": 1}, 6 << 2 | wire.CELL_ARMED,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("message", "value", "kind"), [(Add, -1, "assert"), (Divide, 0, "divide"), (Index, 4, "bounds")]
)
def test_a_failed_check_ends_the_message_alone(message: Any, value: int, kind: str) -> None:
    """Counted, recorded with its site, and its asker is told."""
    w = world()
    w.spawn(0)
    tell(w, 0, message, value, correlation=w.arm(0, 1))
    w.step()
    event, cell, control = w.events()[0], w.worlds[0].cell(0), w.worlds[0].control(0)
    site = w.worlds[0].site(int(control[wire.CT_ERROR_SITE]) - 1)
    assert (event.code, event.detail[0], event.detail) == (wire.EVENT_FAILED, kind, site)
    assert (int(cell[wire.CE_KIND]), int(cell[wire.CE_DETAIL])) == (
        wire.REPLY_FAILED, int(control[wire.CT_ERROR_SITE]) - 1,
    )  # fmt: skip
    assert (w.counts(0), int(control[wire.CT_STATE])) == ({"failed": 1}, wire.FAILING)


def test_a_failed_handler_sends_nothing() -> None:
    """Its sends were staged; the next handler's go out alone."""
    w = world()
    w.spawn(0)
    w.spawn(1, RELAY, to=w.ref(0))
    tell(w, 1, Late, 1)
    w.step()
    w.resume(1)
    tell(w, 1, Add, 50)
    w.step()
    assert (total(w, 0), w.counts(0), w.counts(1)) == (
        50, {"handled": 1}, {"handled": 1, "failed": 1, "sent": 1},
    )  # fmt: skip


def test_a_record_that_is_kept_is_restored() -> None:
    """The division fails after the total was changed."""
    w = world(CAREFUL)
    w.spawn(0, total=3)
    tell(w, 0, Divide, 0)
    w.step()
    assert total(w, 0) == 3


def test_a_record_that_is_not_kept_stays_as_it_was_left() -> None:
    """The division fails after the total was changed."""
    w = world()
    w.spawn(0, total=3)
    tell(w, 0, Divide, 0)
    w.step()
    assert total(w, 0) == 4


def test_an_actor_stops_itself() -> None:
    """What comes later is a dead letter, with the state of its receiver."""
    w = world()
    w.spawn(0)
    tell(w, 0, End, 0)
    tell(w, 0, Add, 1, correlation=w.arm(1, 1))
    w.step()
    event = w.events()[0]
    assert (event.code, event.detail, int(w.cell(1)[wire.CE_KIND])) == (
        wire.EVENT_DEAD, wire.TERMINATED, wire.REPLY_STOPPED,
    )  # fmt: skip
    assert (total(w, 0), w.counts(0)) == (1000, {"handled": 1, "dead": 1})


def test_a_message_for_another_generation_is_a_dead_letter() -> None:
    """The slot has another actor by now."""
    w = world()
    w.spawn(0, generation=2)
    tell(w, 0, Add, 1, generation=1)
    w.step()
    assert (w.events()[0].code, w.counts(0)) == (wire.EVENT_DEAD, {"dead": 1})


def test_a_message_nobody_handles_is_a_dead_letter() -> None:
    """The actor goes on."""
    w = world()
    w.spawn(0)
    tell(w, 0, Unheard, 1)
    tell(w, 0, Add, 1)
    w.step()
    assert (w.events()[0].code, w.counts(0)) == (wire.EVENT_DEAD, {"handled": 1, "dead": 1})


def test_a_handler_spawns_an_actor() -> None:
    """The child has its field, is known to its parent, and is told at once."""
    w = world(workers=2)
    w.offer(KEEPER, [2, 3], generation=4)
    w.spawn(1, RELAY)
    tell(w, 1, Born, 20)
    w.step(1)
    w.step(0)
    assert (total(w, 2), w.record(1)["to"].tolist(), int(w.control(2)[wire.CT_STATE])) == (
        21, (2, 4), wire.ACTIVE,
    )  # fmt: skip


def test_spawning_without_free_slots_gives_nobody() -> None:
    """The parent's send to its child is counted as sent nowhere."""
    w = world(route=2)
    w.spawn(1, RELAY)
    tell(w, 1, Born, 20)
    w.step()
    assert w.counts(1) == {"handled": 1, "nobody": 1}


def test_a_message_past_its_deadline_expires() -> None:
    """One in time is handled; the other's asker is told."""
    w = world(stride=32)
    w.spawn(0)
    w.time(5 << 32 | 1000)
    tell(w, 0, Add, 1, deadline=5 << 32 | 1000)
    tell(w, 0, Add, 2, deadline=5 << 32 | 999, correlation=w.arm(0, 1))
    w.step()
    assert (total(w, 0), w.counts(0), int(w.cell(0)[wire.CE_KIND])) == (
        1, {"handled": 1, "expired": 1}, wire.REPLY_EXPIRED,
    )  # fmt: skip


def test_a_key_that_was_handled_is_not_handled_again() -> None:
    """Until as many others came as an actor remembers."""
    w = world(stride=32, dedup=2)
    w.spawn(0)
    for n, key in ((1, 7), (2, 7), (4, 8), (8, 7 << 32), (16, 7)):
        tell(w, 0, Add, n, key=key)
    w.step()
    assert (total(w, 0), w.counts(0)) == (29, {"handled": 4, "duplicate": 1})


def test_a_key_whose_message_waited_for_room_is_new_still() -> None:
    """The handler could not start at first."""
    w = world(stride=32, dedup=2, workers=2, depth=2)
    w.spawn(0)
    w.spawn(1, RELAY, to=w.ref(0))
    tell(w, 1, Twice, 1)
    w.step(1)
    tell(w, 1, Twice, 10, key=7)
    w.step(1)
    w.step(0)
    w.step(1)
    w.step(0)
    assert (total(w, 0), w.counts(1)) == (24, {"handled": 2, "sent": 4})


def test_a_key_whose_message_failed_may_come_again() -> None:
    """What did nothing is no duplicate of what is tried again."""
    w = world(stride=32, dedup=2)
    w.spawn(0)
    tell(w, 0, Add, -1, key=7)
    w.step()
    w.resume(0)
    tell(w, 0, Add, 3, key=7)
    w.step()
    assert w.counts(0) == {"handled": 1, "failed": 1}


def test_urgent_messages_go_first() -> None:
    """The plain one came earlier and finds its actor ended."""
    w = world(priorities=2)
    w.spawn(0)
    tell(w, 0, Add, 1)
    tell(w, 0, End, 2, priority=1)
    w.step()
    assert w.counts(0) == {"handled": 1, "dead": 1}


def test_messages_for_a_paused_actor_are_put_aside_in_order() -> None:
    """They go first when it is resumed; others were served meanwhile."""
    w = world(CAREFUL)
    w.spawn(0, state=wire.PAUSED)
    w.spawn(1)
    for n in (5, 6):
        tell(w, 0, Add, n)
    tell(w, 1, Add, 1)
    w.step()
    assert (w.counts(0), w.counts(1)) == ({"held": 2}, {"handled": 1})
    tell(w, 0, End, 0)
    w.resume(0)
    w.step()
    assert (total(w, 0), w.counts(0)) == (1011, {"handled": 3})


def test_messages_put_aside_for_an_actor_that_ended_are_dead_letters() -> None:
    """The host stops a paused actor."""
    w = world()
    w.spawn(0, state=wire.PAUSED)
    tell(w, 0, Add, 5, correlation=w.arm(0, 1))
    w.step()
    w.resume(0, wire.TERMINATED)
    w.step()
    assert (w.counts(0), int(w.cell(0)[wire.CE_KIND])) == ({"dead": 1}, wire.REPLY_STOPPED)


def test_a_full_store_holds_the_lane_back() -> None:
    """The rest stays in the lane, and the worker says that it waits; nothing is lost."""
    w = world(held_room=2)
    w.spawn(0, state=wire.PAUSED)
    for n in (1, 2, 4, 8):
        tell(w, 0, Add, n)
    w.step()
    assert (w.counts(0), int(w.worker(0)[wire.WK_WAITING])) == ({"held": 2}, 1)
    w.resume(0)
    w.step()
    assert (total(w, 0), w.counts(0), int(w.worker(0)[wire.WK_WAITING])) == (15, {"handled": 4}, 0)


def test_a_stalled_worker_lets_what_finds_no_store_end() -> None:
    """The message is a dead letter with the detail that there was no room."""
    w = world(held_room=1)
    w.spawn(0, state=wire.PAUSED)
    w.write("worker", 0, wire.WK_STALLED, 1)
    for n in (1, 2):
        tell(w, 0, Add, n)
    w.step()
    event = w.events()[0]
    assert (event.code, event.detail, w.counts(0)) == (
        wire.EVENT_DEAD, wire.EVENT_OVERFLOW, {"held": 1, "dead": 1},
    )  # fmt: skip


def test_slots_of_the_store_are_used_again() -> None:
    """Pausing and resuming for longer than the store is large."""
    w = world(held_room=2)
    w.spawn(0)
    for n in range(5):
        w.resume(0, wire.PAUSED)
        tell(w, 0, Add, n)
        tell(w, 0, Add, n)
        w.step()
        w.resume(0)
        w.step()
    assert (total(w, 0), w.counts(0), int(w.worker(0)[wire.WK_HELD_COUNT])) == (20, {"handled": 10}, 2)


def test_an_actor_that_waits_for_room_does_not_hold_others_back() -> None:
    """Both had messages put aside; the first one's receiver has a full lane."""
    w = world(workers=2, depth=2)
    w.spawn(1)
    w.spawn(0, RELAY, to=w.ref(1))
    w.spawn(2)
    tell(w, 0, Twice, 1)
    w.step(0)
    for slot in (0, 2):
        w.resume(slot, wire.PAUSED)
        tell(w, slot, Add, 7)
    w.step(0)
    for slot in (0, 2):
        w.resume(slot)
    w.step(0)
    assert (w.counts(0), total(w, 2)) == ({"handled": 1, "held": 1, "sent": 2}, 7)
    w.step(1)
    w.step(0)
    assert w.counts(0) == {"handled": 2, "sent": 3}


def test_a_handler_waits_for_room_in_the_lanes_it_sends_to() -> None:
    """It starts when the receiver's worker took what was there."""
    w = world(workers=2, depth=2)
    w.spawn(0)
    w.spawn(1, RELAY, to=w.ref(0))
    tell(w, 1, Twice, 1)
    tell(w, 1, Twice, 10)
    w.step(1)
    assert (w.counts(1), int(w.worker(1)[wire.WK_WAITING])) == ({"handled": 1, "sent": 2}, 1)
    w.step(0)
    w.step(1)
    assert (w.counts(1), int(w.worker(1)[wire.WK_WAITING])) == ({"handled": 2, "sent": 4}, 0)


def test_a_stalled_worker_sends_what_has_room_and_counts_the_rest() -> None:
    """The handlers end well, and one after the stall is not blamed for it."""
    w = world(workers=2, depth=2)
    w.spawn(0)
    w.spawn(1, RELAY, to=w.ref(0))
    w.write("worker", 1, wire.WK_STALLED, 1)
    tell(w, 1, Add, 1)
    tell(w, 1, Twice, 10)
    w.step(1)
    assert w.counts(1) == {"handled": 2, "sent": 2, "overflows": 1}
    w.write("worker", 1, wire.WK_STALLED, 0)
    w.step(0)
    tell(w, 1, Twice, 100)
    w.step(1)
    w.step(0)
    assert (total(w, 0), w.counts(1)) == (212, {"handled": 3, "sent": 4, "overflows": 1})


def test_a_handler_that_sends_more_than_it_said_fails() -> None:
    """Where there is no room for more; nothing of it is sent."""
    w = world(workers=2, depth=2)
    w.spawn(0)
    w.spawn(1, RELAY, to=w.ref(0))
    tell(w, 1, Many, 3)
    w.step(1)
    w.step(0)
    assert (w.events(1)[0].detail, w.counts(0), w.counts(1)) == (
        wire.SITE_OUTBOX, {}, {"failed": 1, "overflows": 1},
    )  # fmt: skip


def test_records_that_find_no_room_are_counted() -> None:
    """Ten dead letters, eight places."""
    w = world(depth=16)
    w.spawn(0, state=wire.TERMINATED)
    for n in range(10):
        tell(w, 0, Add, n)
    w.step()
    assert (len(w.events()), w.lost(), w.counts(0)) == (8, 2, {"dead": 10})


def test_the_host_finds_its_lane_full() -> None:
    """Until the worker took something."""
    w = world().worlds[0]
    w.spawn(0)
    for n in range(8):
        w.tell(0, Add.__gyral_struct__, n)
    with pytest.raises(Full):
        w.tell(0, Add.__gyral_struct__, 9)
    w.step()
    w.tell(0, Add.__gyral_struct__, 9)
    w.step()
    assert w.counts(0) == {"handled": 9}


@pytest.mark.parametrize("start", [(1 << 32) - 5, (1 << 32) - 16, (1 << 32) - 1])
def test_positions_wrap(start: int) -> None:
    """All lanes begin shortly before 2**32."""
    w = world(workers=2, start=start, depth=4)
    w.spawn(0)
    w.spawn(1, RELAY, to=w.ref(0))
    for n in range(12):
        tell(w, 1, Twice, n)
        tell(w, 1, Ask, n)
        w.step(1)
        w.step(0)
        assert [event.code for event in w.events(1)] == [wire.EVENT_INBOX]
    assert (total(w, 0), w.counts(0)) == (144, {"handled": 24})


def test_the_clock_follows_messages_and_the_host() -> None:
    """Never back, and past all that it has seen."""
    w = world()
    w.spawn(0)
    w.time(3)
    seen = []
    for clock in (0, 5 << 16 | 9, 0):
        tell(w, 0, Add, 1, clock=clock)
        w.step()
        seen.append(int(w.worker(0)[wire.WK_CLOCK_LO]))
    assert seen == [3 << 16, 5 << 16 | 10, 5 << 16 | 11]


def test_a_loop_that_is_told_to_yield_leaves_everything() -> None:
    """No message is taken."""
    w = world(workers=2)
    w.spawn(0)
    tell(w, 0, Add, 1)
    w.step(1)
    assert (int(w.worker(0)[wire.WK_REASON]), w.counts(0)) == (wire.EXIT_COMMAND, {})


def test_an_actor_has_an_array_of_its_own() -> None:
    """Two actors' places in one pool; an index beyond the own one fails."""
    w = world(HEAP)
    for slot, (first, extent) in enumerate(((0, 4), (4, 2))):
        w.spawn(slot, **{"store@": first, "store@0": extent})
        tell(w, slot, Add, 1)
    tell(w, 1, Add, 2)
    w.step()
    assert (w.worlds[0].memory[0][1][:8].tolist(), w.counts(1)) == (
        [0, 1.5, 0, 0, 0, 1.5, 0, 0], {"handled": 1, "failed": 1},
    )  # fmt: skip


def test_a_block_of_threads_serves_a_message_together() -> None:
    """Each adds to its cell, and the sum is the reply."""
    w = world(CREW)
    w.spawn(0)
    tell(w, 0, Add, 2, correlation=w.arm(0, 1))
    w.step()
    assert (total(w, 0), int(w.cell(0)[wire.CE_PAYLOAD])) == (560, 560)


def test_a_block_whose_thread_fails_fails_as_one() -> None:
    """One thread of 32 stops at its check; the record is restored."""
    w = world(CREW)
    w.spawn(0, total=4)
    tell(w, 0, Add, -2)
    tell(w, 0, Add, 1)
    w.step()
    assert (total(w, 0), w.counts(0)) == (4, {"failed": 1, "held": 1})


def test_a_block_of_threads_sends_once() -> None:
    """Two sends of a handler are two messages."""
    w = world(CREW, workers=2)
    w.spawn(0)
    w.spawn(1, to=w.ref(0))
    tell(w, 1, Twice, 3)
    w.step(1)
    w.step(0)
    assert (w.counts(0), w.counts(1)) == ({"handled": 2}, {"handled": 1, "sent": 2})
