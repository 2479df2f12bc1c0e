"""Relaunches: new classes, more room, replaced handlers; nothing is lost, while messages flow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tests.actors import Add, Counter, Fail, Get, Keeper, Total

import gyral as gy
from gyral.core.errors import CompileError, HandlerFailed, MailboxFull, UserError
from gyral.core.events import Relaunched, listening

PATIENCE = 20.0


@gy.actor(mailbox=64)
class Doubler:
    """A counter of twice what comes, in the fields of `Counter`."""

    total: gy.i64 = 0
    count: gy.i32 = 0
    last: gy.i32 = -1
    disorder: gy.i32 = 0

    def add(self, msg: Add) -> Total:
        self.total += 2 * msg.n
        self.count += 1
        if msg.n <= self.last:
            self.disorder += 1
        self.last = msg.n
        return Total(self.total, self.count)


@gy.actor
class Pair:
    """Other fields than `Counter`'s."""

    first: gy.f64 = 0.0
    numbers: gy.Array[gy.f32] = None

    def add(self, msg: Add) -> Total:
        self.first += msg.n
        self.numbers[0] += 1.0
        return Total(gy.i64(self.first), gy.i32(self.numbers[0]))


@pytest.fixture
def system() -> Iterator[gy.ActorSystem]:
    """A system of two workers, without time limits that a busy machine could exceed."""
    with gy.ActorSystem(workers=2, hang_after=None, grace=PATIENCE) as made:
        yield made


def while_messages_flow(system: gy.ActorSystem, ref: gy.Ref, act: Callable[[], None], count: int) -> None:
    """Do something while a thread tells an actor 0, 1, 2, …, at least `count`."""
    enough, done = threading.Event(), threading.Event()
    told: list[int] = []

    def tell() -> None:
        n = 0
        while n < count or not done.is_set():
            try:
                ref.tell(Add(n))
                n += 1
            except MailboxFull:
                system.settle(PATIENCE)
            if n > 10:
                enough.set()
        told.append(n)

    thread = threading.Thread(target=tell)
    thread.start()
    assert enough.wait(PATIENCE)
    act()
    done.set()
    thread.join(PATIENCE)
    assert system.settle(PATIENCE)
    state = ref.state()
    assert (state["count"], state["disorder"]) == (told[0], 0)


def test_more_room_while_messages_flow(system: gy.ActorSystem) -> None:
    """The class's slots are used up several times over."""
    counter = system.spawn(Counter)
    while_messages_flow(system, counter, lambda: [system.spawn_many(Counter, 100) for _ in range(5)], 500)
    assert system.epochs > 3


def test_another_class_while_messages_flow(system: gy.ActorSystem) -> None:
    """The loop is compiled for both before it stops."""
    counter = system.spawn(Counter)
    while_messages_flow(system, counter, lambda: system.spawn(Keeper), 500)
    assert system.epochs == 2


def test_replaced_while_messages_flow(system: gy.ActorSystem) -> None:
    """Handlers change at one message; none is lost, and the references stay."""
    counter = system.spawn(Counter, name="alice")
    while_messages_flow(system, counter, lambda: system.replace(Counter, Doubler), 500)
    assert system.lookup("alice") == counter
    before = counter.state()["total"]
    assert counter.ask_sync(Add(1)).n == before + 2


def test_queued_messages_meet_the_new_handlers(system: gy.ActorSystem) -> None:
    """What the new class does not handle becomes a dead letter, and senders are told at once."""
    counter = system.spawn(Counter)
    counter.pause()
    counter.tell_many([Add(1), Get(), Add(2)])
    system.replace(Counter, Doubler)
    counter.resume()
    assert system.settle(PATIENCE)
    assert counter.state()["total"] == 6
    assert [(x.message, x.detail) for x in system.dead_letters()] == [(Get(), "no handler")]
    with pytest.raises(TypeError, match="no handler"):
        counter.tell(Get())


def test_other_fields_are_migrated(system: gy.ActorSystem) -> None:
    """Of those that live, and of those they begin with when they are restarted."""

    def migrate(old: dict[str, Any]) -> dict[str, Any]:
        return {"first": old["total"] + 0.5, "numbers": np.full(3, old["count"], np.float32)}

    counters = system.spawn_many(Counter, 3, total=[10, 20, 30])
    counters[1].tell(Add(1))
    assert system.settle(PATIENCE)
    system.replace(Counter, Pair, migrate)
    assert [ref.state()["first"] for ref in counters] == [10.5, 21.5, 30.5]
    assert counters[1].ask_sync(Add(1)) == Total(22, 2)
    assert counters[1].state()["numbers"].tolist() == [2.0, 1.0, 1.0]
    assert system.spawn(Pair, numbers=np.zeros(1, np.float32)).ask_sync(Add(3)) == Total(3, 1)


def test_other_fields_need_a_migration(system: gy.ActorSystem) -> None:
    """The refusal names them, and the old handlers go on."""
    counter = system.spawn(Counter)
    with pytest.raises(UserError, match="Pair cannot replace Counter: 'count', 'disorder'"):
        system.replace(Counter, Pair)
    with pytest.raises(UserError, match="migrate= gave 'sum'; Pair has the fields first, numbers"):
        system.replace(Counter, Pair, lambda old: {"sum": 1})
    assert counter.ask_sync(Add(1)) == Total(1, 1)


def test_handlers_that_do_not_compile_change_nothing(system: gy.ActorSystem) -> None:
    """The loop has not stopped."""

    @gy.actor(mailbox=64)
    class Broken:
        total: gy.i64 = 0
        count: gy.i32 = 0
        last: gy.i32 = -1
        disorder: gy.i32 = 0

        def add(self, msg: Add):
            self.total = print  # no number

    counter, epochs = system.spawn(Counter), system.epochs
    with pytest.raises(CompileError):
        system.replace(Counter, Broken)
    with pytest.raises(CompileError):
        system.spawn(Broken)
    assert counter.ask_sync(Add(1)) == Total(1, 1)
    assert system.epochs == epochs


def test_what_failed_before_is_told_in_the_old_lines(system: gy.ActorSystem) -> None:
    """An ask that had failed, and the last failure of an actor, read after the code was replaced."""
    keeper, counter = system.spawn(Keeper), system.spawn(Counter)
    token = keeper.ask_begin(Fail(0))
    counter.tell(Fail(0))
    assert system.settle(PATIENCE)
    system.replace(Counter, Doubler)
    with pytest.raises(HandlerFailed, match="assertion failed: not positive"):
        keeper.mail.ask_end(token)
    assert "assertion failed: not positive" in counter.status.site


def test_relaunches_are_events(system: gy.ActorSystem) -> None:
    """Their reason and how long the loop stood."""
    found: list[Any] = []
    system.spawn(Counter)
    with listening(found.append):
        system.spawn_many(Counter, 64)
        system.replace(Counter, Doubler)
    assert [event.why for event in found if isinstance(event, Relaunched)] == ["grow", "replace"]


def test_sends_wait_while_the_loop_stands(system: gy.ActorSystem) -> None:
    """A thread tells in the middle of a pause; its message is handled afterwards."""
    counter = system.spawn(Counter)
    with system.quiet():
        thread = threading.Thread(target=counter.tell, args=(Add(1),))
        thread.start()
    thread.join(PATIENCE)
    assert system.settle(PATIENCE)
    assert counter.state()["total"] == 1
