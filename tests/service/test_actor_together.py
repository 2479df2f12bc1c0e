"""Actors among themselves: children, clocks, barriers, and many asked at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from tests.actors import Add, Counter, Fail, Get, Total

import gyral as gy
from gyral.actors.barrier import Arrive, Released
from gyral.core.errors import ActorStopped, AskTimeout, HandlerFailed, UserError

PATIENCE = 20.0


@gy.message
class Bear:
    n: gy.i32


@gy.message
class Born:
    child: gy.Ref


@gy.actor(mailbox=64, capacity=8)
class Child:
    """Ends itself when it was told enough."""

    parent: gy.Ref = None
    left: gy.i32 = 5

    def add(self, msg: Add) -> Total:
        self.left -= msg.n
        if self.left <= 0:
            self.stop()
        return Total(self.left, 0)

    def fail(self, msg: Fail):
        self.left = 100
        assert msg.n > 0


@gy.actor(mailbox=256)
class Parent:
    """Spawns a child for each message, and tells it how long it has."""

    born: gy.i32 = 0
    refused: gy.i32 = 0

    def bear(self, msg: Bear) -> Born:
        child = self.spawn(Child, parent=self.me, left=msg.n)
        if child:
            self.born += 1
            child.tell(Add(1))
        else:
            self.refused += 1
        return Born(child)


@gy.message
class Tick:
    pass


@gy.message
class Stamp:
    clock: gy.u64
    before: gy.u64


@gy.actor(mailbox=64)
class Clock:
    """Passes on what time it is, and keeps the largest difference that came."""

    to: gy.Ref = None
    backwards: gy.i32 = 0
    last: gy.u64 = 0

    def tick(self, msg: Tick):
        if self.to:
            self.to.tell(Stamp(gy.now(), self.last))

    def stamp(self, msg: Stamp) -> Stamp:
        if gy.now() <= msg.clock or gy.now() <= self.last:
            self.backwards += 1
        self.last = gy.now()
        return Stamp(gy.now(), msg.clock)


@gy.actor(mailbox=64)
class Walker:
    """Arrives at a barrier as often as it is told."""

    gate: gy.Ref = None
    passed: gy.u32 = 0
    wrong: gy.i32 = 0

    def tick(self, msg: Tick):
        self.gate.tell(Arrive())

    def released(self, msg: Released):
        if msg.round != self.passed:
            self.wrong += 1
        self.passed += 1


@pytest.fixture
def system() -> Iterator[gy.ActorSystem]:
    """A system of two workers, without time limits that a busy machine could exceed."""
    with gy.ActorSystem(workers=2, hang_after=None, grace=PATIENCE) as made:
        yield made


def test_children_are_born_and_end_in_handlers(system: gy.ActorSystem) -> None:
    """Many more than there are slots: those of children that ended are used again."""
    parent = system.spawn(Parent)
    system.spawn(Child).stop()
    for _ in range(40):
        child = system.reference(parent.ask_sync(Bear(1), timeout=PATIENCE).child)
        assert system.settle(PATIENCE)
        assert child is None or child.status.state == "terminated"
    assert parent.state() == {"born": 40, "refused": 0}
    assert len(system.actors()) == 1


def test_a_class_without_free_slots_bears_nobody(system: gy.ActorSystem) -> None:
    """An empty reference, until the host makes room."""
    parent = system.spawn(Parent)
    first = system.spawn(Child)
    found = [parent.ask_sync(Bear(5), timeout=PATIENCE) for _ in range(9)]
    assert [system.reference(born.child) is None for born in found] == [False] * 7 + [True] * 2
    assert parent.state() == {"born": 7, "refused": 2}
    system.spawn(Child)
    assert system.reference(parent.ask_sync(Bear(5), timeout=PATIENCE).child) is not None
    assert first.status.state == "active"


def test_a_child_is_known_to_the_host(system: gy.ActorSystem) -> None:
    """Told, asked, read and supervised; a restart gives it the values of its class."""
    parent = system.spawn(Parent)
    system.spawn(Child)
    child = system.reference(parent.ask_sync(Bear(4), timeout=PATIENCE).child)
    assert child is not None
    assert system.settle(PATIENCE)
    assert child.state() == {"parent": parent, "left": 3}
    assert child.ask_sync(Add(1), timeout=PATIENCE) == Total(2, 0)
    child.tell(Fail(0))
    assert system.settle(PATIENCE)
    assert (child.state()["left"], child.status.restarts) == (5, 1)


def test_clocks_never_go_back(system: gy.ActorSystem) -> None:
    """From the host, along a chain over both workers, and from one message to the next."""
    last = system.spawn(Clock)
    clocks = [system.spawn(Clock, to=last) for _ in range(5)]
    for _ in range(50):
        for clock in clocks:
            clock.tell(Tick())
        assert system.settle(PATIENCE)
    state = last.state()
    assert state["backwards"] == 0
    stamp = last.ask_sync(Stamp(0, 0))
    assert stamp.clock > state["last"]


def test_all_actors_of_a_barrier_pass_together(system: gy.ActorSystem) -> None:
    """Nobody before the last has come; then anew. The host may be one of them."""
    gate = system.barrier("gate", 4)
    walkers = system.spawn_many(Walker, 3, gate=gate)
    for number in range(3):
        for walker in walkers:
            walker.tell(Tick())
        assert system.settle(PATIENCE)
        assert [walker.state()["passed"] for walker in walkers] == [number] * 3
        gate.tell(Arrive())
        assert system.inbox.get(PATIENCE).message == Released(number)
        assert system.settle(PATIENCE)
    assert [walker.state() for walker in walkers] == [{"gate": gate, "passed": 3, "wrong": 0}] * 3
    assert system.lookup("gate") == gate
    with pytest.raises(UserError, match="1 to 64 parties, not 65"):
        system.barrier("wide", 65)


def test_many_are_asked_at_once(system: gy.ActorSystem) -> None:
    """A reply or an error for each, in order; more of them than there are reply cells."""
    counters = system.spawn_many(Counter, 300, total=np.arange(300))
    counters[7].stop()
    counters[8].pause()
    found = system.ask_many(counters, Get(), timeout=1.0)
    assert isinstance(found[7], ActorStopped)
    assert isinstance(found[8], AskTimeout)
    assert [reply.n for k, reply in enumerate(found) if k not in (7, 8)] == [
        k for k in range(300) if k not in (7, 8)
    ]
    failed = system.ask_many(counters[:2], Fail(0), timeout=PATIENCE)
    assert [isinstance(error, HandlerFailed) for error in failed] == [True, True]
    counters[8].resume()


def test_messages_are_collected_and_sent_together(system: gy.ActorSystem) -> None:
    """When there are enough, when time is up, and at the end of the block; in order."""
    counter = system.spawn(Counter)
    with system.batching(counter, most=10, within=1000.0) as batch:
        for n in range(9):
            batch.tell(Add(n))
        assert counter.status.accepted == 0
        batch.tell(Add(9))
        assert counter.status.accepted == 10
        batch.tell(Add(10))
    assert counter.status.accepted == 11
    sent = threading.Event()
    with system.batching(counter, most=10, within=0.001, sent=lambda count: sent.set()) as batch:
        batch.tell(Add(11))
        assert sent.wait(PATIENCE)
        assert counter.status.accepted == 12
    assert system.settle(PATIENCE)
    assert counter.state()["disorder"] == 0
