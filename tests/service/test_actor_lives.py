"""What systems of actors promise of lives: states, supervision, names, topics, births and ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.actors import Add, Counter, Fail, Keeper, Mayfly, Member, Quit, Total

import gyral as gy
from gyral.core import wire
from gyral.core.errors import ActorStopped, HandlerFailed, MailboxFull, StateError, UserError
from gyral.core.events import ActorFailed, listening

PATIENCE = 20.0


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def hands() -> Hands:
    """The clock of restart budgets."""
    return Hands()


@pytest.fixture
def system(hands: Hands) -> Iterator[gy.ActorSystem]:
    """A system of two workers, without time limits that a busy machine could exceed."""
    with gy.ActorSystem(workers=2, hang_after=None, grace=PATIENCE, clock=hands) as made:
        yield made


def fails(system: gy.ActorSystem, ref: gy.Ref) -> None:
    """Let an actor's handler fail, and its supervisor act."""
    ref.tell(Fail(0))
    assert system.settle(PATIENCE)


def test_a_paused_actor_keeps_the_order(system: gy.ActorSystem) -> None:
    """What came before, while it was paused, and after."""
    counter = system.spawn(Counter)
    for first in range(0, 60, 20):
        counter.pause()
        counter.tell_many([Add(n) for n in range(first, first + 10)])
        counter.resume()
        counter.tell_many([Add(n) for n in range(first + 10, first + 20)])
    assert system.settle(PATIENCE)
    state = counter.state()
    assert (state["count"], state["disorder"]) == (60, 0)


def test_a_paused_actor_answers_nothing(system: gy.ActorSystem) -> None:
    """Its counters stand, and say what waits."""
    counter = system.spawn(Counter)
    counter.pause()
    counter.tell(Add(1))
    status = counter.status
    assert (status.state, status.accepted, status.handled, status.queued) == ("paused", 1, 0, 1)
    counter.resume()


def test_an_illegal_move_names_both_states(system: gy.ActorSystem) -> None:
    """An active actor cannot be resumed."""
    counter = system.spawn(Counter, name="alice")
    with pytest.raises(StateError, match="alice is active and cannot become active"):
        counter.resume()


def test_a_stopped_actor_drains_first(system: gy.ActorSystem) -> None:
    """What was queued is handled, nothing more is taken, and then it has ended."""
    counter = system.spawn(Counter, name="alice")
    worker = counter.slot % 2
    assert counter.mail.pause(PATIENCE, worker)
    counter.tell_many([Add(n) for n in range(5)])
    counter.stop()  # lets all workers go on when it is done
    assert system.settle(PATIENCE)
    with pytest.raises(ActorStopped):
        counter.tell(Add(9))
    assert (counter.status.state, counter.status.handled) == ("terminated", 5)
    assert system.dead_letters() == []


def test_an_actor_ends_itself_and_its_slot_is_used_again(system: gy.ActorSystem) -> None:
    """The slot's next actor is another generation; the old reference reaches nobody."""
    counter = system.spawn(Counter, name="alice")
    counter.tell(Quit())
    assert system.settle(PATIENCE)
    later = [system.spawn(Counter, name="alice" if k == 0 else "") for k in range(64)]
    assert counter.slot in [ref.slot for ref in later]
    assert counter not in later
    with pytest.raises(ActorStopped):
        counter.tell(Add(1))
    assert sum(ref.state()["total"] for ref in later) == 0


def test_a_slot_that_is_used_again_counts_anew(system: gy.ActorSystem) -> None:
    """Accepted, handled and queued are the new actor's own."""
    for _ in range(3):
        found = []
        for _ in range(64):
            found.append(system.spawn(Counter))
            found[-1].tell_many([Add(1)] * 40)
        assert system.settle(PATIENCE)
        assert {(r.status.accepted, r.status.handled, r.status.queued) for r in found} == {(40, 40, 0)}
        for ref in found:
            ref.stop()
    assert system.actors() == []


def test_a_failed_actor_begins_anew(system: gy.ActorSystem) -> None:
    """With the fields it was spawned with; what was queued behind the failure is handled."""
    counter = system.spawn(Counter, total=7)
    counter.tell_many([Add(1), Fail(0), Add(2)])
    assert system.settle(PATIENCE)
    assert counter.state()["total"] == 9
    status = counter.status
    assert (status.state, status.failed, status.handled, status.restarts) == ("active", 1, 2, 1)
    assert "not positive" in status.site


def test_a_failed_actor_goes_on_as_before(system: gy.ActorSystem) -> None:
    """With the fields it had when the message came."""
    keeper = system.spawn(Keeper, total=7)
    keeper.tell(Add(1))
    fails(system, keeper)
    assert (keeper.state(), keeper.status.state) == ({"total": 8}, "active")


def test_a_failed_actor_ends(system: gy.ActorSystem) -> None:
    """Where its class says so; what is queued becomes dead letters, and its slot is free."""
    mayfly = system.spawn(Mayfly)
    mayfly.pause()
    mayfly.tell_many([Fail(0), Add(1)])
    mayfly.resume()
    assert system.settle(PATIENCE)
    assert mayfly.status.state == "terminated"
    assert [(letter.message, letter.reason) for letter in system.dead_letters()] == [
        (Fail(0), "failed"), (Add(1), "dead"),
    ]  # fmt: skip
    assert system.actors() == []


def test_a_failed_actor_takes_its_group_along(system: gy.ActorSystem) -> None:
    """All members have failed; others live."""
    with system.group("all"):
        members = system.spawn_many(Member, 3)
    other = system.spawn(Member)
    fails(system, members[1])
    assert [m.status.state for m in members] == ["failed"] * 3
    assert other.status.state == "active"


@pytest.mark.parametrize(
    ("rule", "totals"),
    [("one_for_one", [5, 0, 5]), ("one_for_all", [0, 0, 0]), ("rest_for_one", [5, 0, 0])],
)
def test_a_group_is_restarted_together(system: gy.ActorSystem, rule: Any, totals: list[int]) -> None:
    """One alone, all, or those spawned later."""
    with system.group("some", restart=rule):
        members = system.spawn_many(Counter, 3)
    for member in members:
        member.tell(Add(5))
    assert system.settle(PATIENCE)
    fails(system, members[1])
    assert [m.state()["total"] for m in members] == totals


def test_a_budget_of_restarts_is_used_up(system: gy.ActorSystem, hands: Hands) -> None:
    """Three in sixty seconds; the fourth failure is the last, unless time has passed."""
    counter, other = system.spawn(Counter), system.spawn(Counter)
    for _ in range(3):
        fails(system, counter)
        fails(system, other)
    hands.seconds = 61.0
    fails(system, other)
    assert other.status.state == "active"
    hands.seconds = 59.0
    fails(system, counter)
    assert counter.status.state == "failed"
    with pytest.raises(ActorStopped, match="it is failed"):
        counter.tell(Add(1))
    counter.stop()
    assert counter.status.state == "terminated"


def test_an_actor_told_to_stop_ends_although_it_fails(system: gy.ActorSystem) -> None:
    """Restarted, it drains on."""
    counter = system.spawn(Counter)
    assert counter.mail.pause(PATIENCE, counter.slot % 2)
    counter.tell_many([Fail(0), Add(1)])
    counter.stop()
    assert system.settle(PATIENCE)
    assert (counter.status.state, counter.status.handled, counter.status.failed) == ("terminated", 1, 1)


def test_failures_are_events(system: gy.ActorSystem) -> None:
    """Who failed, why, and what was done."""
    found: list[Any] = []
    with listening(found.append):
        counter = system.spawn(Counter, name="alice")
        fails(system, counter)
    failed = [event for event in found if isinstance(event, ActorFailed)]
    assert [(e.system, e.actor, e.action) for e in failed] == [("actors", "alice", "restart")]
    assert "not positive" in failed[0].reason


def test_failures_whose_records_were_lost_are_dealt_with() -> None:
    """More actors fail at once than records have room; all of them are restarted."""
    with gy.ActorSystem(workers=1, hang_after=None, grace=PATIENCE) as system:
        counters = system.spawn_many(Counter, 1500)
        mail = counters[0].mail
        with system._engine.lock:  # nobody reads the records meanwhile
            for counter in counters:
                counter.tell(Fail(0))
            handled = system._engine.world.controls
            while (handled[:1500, wire.CT_STATE] != wire.FAILING).any():
                mail.wake()
        assert system.settle(PATIENCE)
        assert system.stats()["records_lost"] > 0
        assert {counter.status.state for counter in counters} == {"active"}


def test_what_a_listener_raises_reaches_who_closes() -> None:
    """An error on a thread of the system's own is not swallowed."""

    def listener(event: Any) -> None:
        if isinstance(event, ActorFailed):
            raise ValueError("from a listener")

    with listening(listener):
        system = gy.ActorSystem(hang_after=None)
        fails(system, system.spawn(Counter))
        with pytest.raises(ValueError, match="from a listener"):
            system.close()


def test_actors_are_found_by_name(system: gy.ActorSystem) -> None:
    """A name gives one, a pattern a list in the order of names."""
    a, b, c = system.spawn_many(Counter, 3, names=["bank/b", "bank/a", "shop"])
    assert system.lookup("shop") == c
    assert system.lookup("bank/*") == [b, a]
    assert system.lookup("none*") == []
    with pytest.raises(UserError, match="no actor 'nobody'; named actors: bank/a, bank/b, shop"):
        system.lookup("nobody")


def test_a_name_is_given_once(system: gy.ActorSystem) -> None:
    """Nobody is spawned when one name of many is taken."""
    system.spawn(Counter, name="alice")
    with pytest.raises(UserError, match="'alice'"):
        system.spawn_many(Counter, 2, names=["bob", "alice"])
    assert [status.name for status in system.actors()] == ["alice"]


def test_nobody_is_spawned_when_a_field_does_not_fit(system: gy.ActorSystem) -> None:
    """A wrong name, or a wrong value for the last one of many."""
    with pytest.raises(UserError, match="Counter has no field 'sum'; its fields are total, count"):
        system.spawn(Counter, sum=1)
    with pytest.raises((UserError, ValueError, TypeError)):
        system.spawn_many(Counter, 3, total=[1, 2, "three"])
    assert system.actors() == []


def test_what_is_published_reaches_its_subscribers(system: gy.ActorSystem) -> None:
    """Each once, by words and wildcards; nobody after the end of a subscription or an actor."""
    a, b, c = system.spawn_many(Counter, 3)
    a.subscribe("orders.*")
    b.subscribe("orders.#")
    b.subscribe("orders.created")
    c.subscribe("stock.#")
    assert system.publish("orders.created", Add(1)) == 2
    assert system.publish("orders.created.late", Add(10)) == 1
    a.unsubscribe("orders.*")
    b.stop()
    assert system.publish("orders.created", Add(100)) == 0
    assert system.settle(PATIENCE)
    assert (a.state()["total"], b.status.handled, c.state()["total"]) == (1, 2, 0)


def test_a_full_subscriber_keeps_nobody_from_what_is_published(system: gy.ActorSystem) -> None:
    """The others are told, and who publishes learns of the one that was not."""
    a, b, c = system.spawn_many(Counter, 3, names=["a", "b", "c"])
    for ref in (a, b, c):
        ref.subscribe("orders.#")
    b.pause()
    b.tell_many([Add(n) for n in range(64)])
    with pytest.raises(MailboxFull, match="<actor b> had no room for what was published; 2 others were told"):
        system.publish("orders.created", Add(1))
    b.resume()
    assert system.settle(PATIENCE)
    assert (a.state()["total"], c.state()["total"]) == (1, 1)


def test_a_class_says_who_is_restarted_with_it(system: gy.ActorSystem) -> None:
    """In a group that does not say so itself."""

    @gy.actor(mailbox=64, restart="one_for_all")
    class Together:
        total: gy.i64 = 0

        def add(self, msg: Add):
            self.total += msg.n

        def fail(self, msg: Fail):
            assert msg.n > 0

    with system.group("some"):
        members = system.spawn_many(Together, 2)
    members[0].tell(Add(5))
    assert system.settle(PATIENCE)
    fails(system, members[1])
    assert members[0].state()["total"] == 0


def test_statistics_are_json(system: gy.ActorSystem) -> None:
    """Of the system, its workers and everybody in it."""
    counter = system.spawn(Counter, name="alice")
    counter.ask_sync(Add(1))
    found = json.loads(json.dumps(system.stats()))
    assert (found["system"], found["way"], found["epochs"], found["trouble"]) == ("actors", "resident", 1, [])
    assert sum(worker["handled"] for worker in found["workers"]) == 1
    assert [(a["name"], a["handled"], a["replies"]) for a in found["actors"]] == [("alice", 1, 1)]


def test_restart_keeps_a_paused_member_paused(system: gy.ActorSystem) -> None:
    """Its fields are its first ones, and its messages wait on."""
    with system.group("all", restart="one_for_all"):
        a, b = system.spawn_many(Counter, 2)
    b.ask_sync(Add(5))
    b.pause()
    b.tell(Add(1))
    a.tell(Fail(0))
    while a.status.restarts == 0:
        system.settle(0.001)
    assert (b.status.state, b.state()["total"], b.status.queued) == ("paused", 0, 1)
    b.resume()


def test_an_ask_that_fails_leaves_the_actor_to_its_supervisor(system: gy.ActorSystem) -> None:
    """The asker is told, and the next ask finds a fresh actor."""
    counter = system.spawn(Counter)
    counter.ask_sync(Add(5))
    with pytest.raises(HandlerFailed):
        counter.ask_sync(Fail(0))
    assert counter.ask_sync(Add(1), timeout=PATIENCE) == Total(1, 1)
