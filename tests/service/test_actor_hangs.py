"""Handlers that do not come back, cycles of full mailboxes, and prints: the loop goes on, and says so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.actors import Add, Counter, Spin, Total

import gyral as gy
from gyral.core.errors import HandlerFailed, MailboxFull
from gyral.core.events import ActorHung, ActorsStalled, listening

PATIENCE = 20.0


@pytest.fixture
def system() -> Iterator[gy.ActorSystem]:
    """A system whose handlers may take 0.3 seconds."""
    with gy.ActorSystem(workers=2, hang_after=0.3, grace=PATIENCE) as made:
        yield made


def test_a_handler_that_never_returns_is_ended(system: gy.ActorSystem) -> None:
    """Its asker is told the line of its loop; its actor is restarted, and the others go on."""
    counter, other = system.spawn_many(Counter, 2)
    counter.tell(Add(5))
    with pytest.raises(HandlerFailed, match=r"tests/actors\.py:\d+:\d+: the loop `while .*` was told to end"):
        counter.ask_sync(Spin(-1), timeout=PATIENCE)
    assert system.settle(PATIENCE)
    assert counter.ask_sync(Add(1), timeout=PATIENCE) == Total(1, 1)
    assert other.ask_sync(Add(2), timeout=PATIENCE) == Total(2, 1)


def test_a_hang_has_a_diagnosis(system: gy.ActorSystem) -> None:
    """Worker, actor, class, handler and what waits, as an event and on request."""
    found: list[Any] = []

    def listener(event: Any) -> None:
        if isinstance(event, ActorHung):
            found.extend([event, *system.hangs()])

    with listening(listener):
        counter = system.spawn(Counter, name="alice")
        counter.tell_many([Spin(-1), Add(1), Add(2)])
        assert system.settle(PATIENCE)
    event, hang = found[0], found[1]
    assert (event.actor, hang.actor, hang.kind, hang.worker) == ("alice", "alice", "Counter", event.worker)
    assert (hang.message, hang.queued, hang.torn) == ("Spin", 3, True)
    assert "Counter.spin" in event.diagnosis
    assert "tests/actors.py:" in event.diagnosis
    assert system.hangs() == []


def test_a_pause_does_not_wait_for_a_handler_for_ever(system: gy.ActorSystem) -> None:
    """Whoever pauses the loop has the handler ended."""
    counter = system.spawn(Counter)
    counter.tell(Spin(-1))
    system.spawn_many(Counter, 100)
    assert system.settle(PATIENCE)
    assert counter.status.failed == 1


def test_a_system_closes_over_a_handler_that_never_returns() -> None:
    """After its grace; what was asked has failed."""
    system = gy.ActorSystem(hang_after=None, grace=0.0)
    counter = system.spawn(Counter)
    counter.tell(Spin(-1))
    while counter.status.state == "active" and system.stats()["workers"][0]["in_hand"] is None:
        if system.stats()["workers"][-1]["in_hand"] is not None:
            break
    system.close()
    assert [letter.reason for letter in system.dead_letters()] == ["failed"]


def test_a_cycle_of_full_mailboxes_is_resolved() -> None:
    """Two relays on two workers fill each other's lanes; what finds no room ends, and is counted."""
    found: list[Any] = []
    with (
        listening(found.append),
        gy.ActorSystem(workers=2, hang_after=None, stall=0.05, depth=64, grace=PATIENCE) as system,
    ):
        a, b = system.spawn_many(Ring, 2)
        for ref, other in ((a, b), (b, a)):
            ref.ask_sync(Meet(other))
        sent = 0
        while sent < 400:
            try:
                (a if sent % 2 else b).tell(Add(2))
                sent += 1
            except MailboxFull:
                pass
        assert system.settle(PATIENCE)
        statuses = system.actors()
    assert any(isinstance(event, ActorsStalled) for event in found)
    assert sum(s.accepted for s in statuses) == sum(s.handled + s.failed + s.dead for s in statuses)


@gy.message
class Meet:
    other: gy.Ref


@gy.actor(mailbox=64, sends=3)
class Ring:
    """Sends two for one that it gets, while those last."""

    other: gy.Ref = None
    handled: gy.i32 = 0

    def meet(self, msg: Meet) -> Total:
        self.other = msg.other
        return Total(0, 0)

    def add(self, msg: Add):
        self.handled += 1
        if msg.n > 0:
            self.other.tell(Add(msg.n - 1))
            self.other.tell(Add(msg.n - 1))


@gy.actor
class Speaker:
    """A counter that prints what it is told."""

    total: gy.i32 = 0

    def add(self, msg: Add) -> Total:
        self.total += msg.n
        print("told", msg.n)
        return Total(self.total, 0)


def test_handlers_print(capsys: pytest.CaptureFixture[str]) -> None:
    """In order for one actor, while the loop runs; progress is that of an actor that does not print."""
    with gy.ActorSystem(workers=2, hang_after=None, grace=PATIENCE) as system:
        speaker, counter = system.spawn(Speaker), system.spawn(Counter)
        for n in range(20):
            assert speaker.ask_sync(Add(n)).n == counter.ask_sync(Add(n)).n
        text = ""
        while text.count("\n") < 20:
            text += capsys.readouterr().out
    assert text == "".join(f"told {n}\n" for n in range(20))


def test_prints_that_are_too_many_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """The actor goes on; how many were lost is said."""
    with gy.ActorSystem(workers=1, hang_after=None, grace=PATIENCE) as system:
        speaker = system.spawn(Speaker)
        with system._engine.lock:  # nobody takes what is printed
            sent = 0
            while sent < 5000:
                sent += speaker.tell_many([Add(1)] * 100)
            while system.queued:
                speaker.mail.wake()
        assert speaker.state()["total"] == sent
    text = capsys.readouterr().out
    assert text.count("told 1\n") == 4096
    assert f"{sent - 4096} more prints did not fit the buffer and are lost" in text
