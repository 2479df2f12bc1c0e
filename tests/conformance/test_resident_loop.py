"""The loop of resident actors, message by message: interpreted and as code for this machine."""

from __future__ import annotations

from typing import Any

import pytest
from tests.resident import Full
from tests.resident_programs import (
    CAREFUL,
    CREW,
    HEAP,
    Add,
    Ask,
    Born,
    Divide,
    End,
    Index,
    Late,
    Total,
    Twice,
    Unheard,
    number,
    tell,
    total,
    world,
)

from gyral.core import wire

KEEPER = 0
RELAY = 1


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
