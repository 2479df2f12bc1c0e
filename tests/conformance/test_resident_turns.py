"""Whose turn it is in the loop of resident actors: deadlines, keys, urgency, pauses, room and stalls."""

from __future__ import annotations

from tests.resident_programs import (
    CAREFUL,
    Add,
    End,
    Many,
    Twice,
    tell,
    total,
    world,
)

from gyral.core import wire

RELAY = 1


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


def test_a_stalled_worker_sends_what_has_room_and_lets_the_rest_be_dead_letters() -> None:
    """The handlers end well, and one after the stall is not blamed for it."""
    w = world(workers=2, depth=2)
    w.spawn(0)
    w.spawn(1, RELAY, to=w.ref(0))
    w.write("worker", 1, wire.WK_STALLED, 1)
    tell(w, 1, Add, 1)
    tell(w, 1, Twice, 10)
    w.step(1)
    assert w.counts(1) == {"handled": 2, "sent": 3, "overflows": 1}
    assert [(e.code, e.detail) for e in w.events(1)] == [(wire.EVENT_DEAD, wire.EVENT_OVERFLOW)]
    w.write("worker", 1, wire.WK_STALLED, 0)
    w.step(0)
    tell(w, 1, Twice, 100)
    w.step(1)
    w.step(0)
    assert (total(w, 0), w.counts(1)) == (212, {"handled": 3, "sent": 5, "overflows": 1})


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
