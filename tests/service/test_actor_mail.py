"""What systems of actors promise of messages: order, delivery, refusal, replies."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from tests.actors import Add, Counter, Fail, Get, Quit, Relay, Spin, Total

import gyral as gy
from gyral.core.errors import (
    ActorStopped,
    AskTimeout,
    DuplicateMessage,
    GyralError,
    HandlerFailed,
    LoopLost,
    MailboxFull,
    MessageExpired,
    StateError,
)

PATIENCE = 20.0


@pytest.fixture
def system() -> Iterator[gy.ActorSystem]:
    """A system of two workers, without time limits that a busy machine could exceed."""
    with gy.ActorSystem(workers=2, hang_after=None, grace=PATIENCE) as made:
        yield made


def test_one_sender_is_heard_in_order(system: gy.ActorSystem) -> None:
    """Single messages and whole arrays, from one thread."""
    counter = system.spawn(Counter)
    sent = 0
    while sent < 3000:
        batch = np.zeros(min(50, 3000 - sent), Add.dtype)
        batch["n"] = np.arange(sent, sent + len(batch))
        sent += counter.tell_many(batch, Add)
        if sent < 3000:
            try:
                counter.tell(Add(sent))
                sent += 1
            except MailboxFull:
                system.settle(PATIENCE)
    assert system.settle(PATIENCE)
    assert counter.state() == {"total": 3000 * 2999 // 2, "count": 3000, "last": 2999, "disorder": 0}


def test_threads_tell_at_once(system: gy.ActorSystem) -> None:
    """Four threads, one receiver: every message is handled once."""
    counter = system.spawn(Counter)

    def tell() -> None:
        sent = 0
        while sent < 500:
            try:
                counter.tell(Add(1))
                sent += 1
            except MailboxFull:
                system.settle(PATIENCE)

    threads = [threading.Thread(target=tell) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert system.settle(PATIENCE)
    assert counter.state()["total"] == 2000


def test_actors_pass_on_in_order(system: gy.ActorSystem) -> None:
    """From the host by a relay on another worker."""
    counter = system.spawn(Counter)
    relay = system.spawn(Relay, to=counter)
    for n in range(1000):
        relay.tell(Add(n))
    assert system.settle(PATIENCE)
    state = counter.state()
    assert (state["count"], state["disorder"]) == (1000, 0)


def test_a_full_mailbox_refuses_and_loses_nothing(system: gy.ActorSystem) -> None:
    """A paused actor takes as many as its mailbox holds, and handles them when it goes on."""
    counter = system.spawn(Counter)
    counter.pause()
    for n in range(64):
        counter.tell(Add(n))
    with pytest.raises(MailboxFull, match="actor #0 is full: 64 messages wait"):
        counter.tell(Add(64))
    assert counter.tell_many([Add(64), Add(65)]) == 0
    counter.resume()
    assert system.settle(PATIENCE)
    state = counter.state()
    assert (state["count"], state["disorder"]) == (64, 0)


def test_send_waits_for_room(system: gy.ActorSystem) -> None:
    """What does not fit yet is sent when the actor goes on."""
    counter = system.spawn(Counter)
    counter.pause()
    counter.tell_many([Add(n) for n in range(64)])

    async def main() -> None:
        waiting = asyncio.create_task(counter.send(Add(64)))
        await asyncio.sleep(0)
        counter.resume()
        await asyncio.wait_for(waiting, PATIENCE)

    asyncio.run(main())
    assert system.settle(PATIENCE)
    assert counter.state()["last"] == 64


def test_an_ask_is_answered(system: gy.ActorSystem) -> None:
    """By the handler's return value, blocking and awaited."""
    counter = system.spawn(Counter)
    assert counter.ask_sync(Add(5)) == Total(5, 1)
    assert asyncio.run(counter.ask(Add(6), timeout=PATIENCE)) == Total(11, 2)


def test_many_asks_are_answered_at_once(system: gy.ActorSystem) -> None:
    """More than there are reply cells, by one task each."""
    counters = system.spawn_many(Counter, 8)

    async def main() -> list[Total]:
        return await asyncio.gather(*(counters[k % 8].ask(Add(1), timeout=PATIENCE) for k in range(400)))

    found = asyncio.run(main())
    assert sum(reply.n for reply in found) == 8 * sum(range(1, 51))


def test_a_failed_handler_is_told_with_its_line(system: gy.ActorSystem) -> None:
    """The Python file, the line and the words of the assertion."""
    counter = system.spawn(Counter, name="alice")
    with pytest.raises(HandlerFailed, match=r"tests/actors\.py:\d+:\d+: assertion failed: not positive"):
        counter.ask_sync(Fail(0))
    with pytest.raises(HandlerFailed, match=r"tests/actors\.py:\d+:\d+: division by zero"):
        asyncio.run(counter.ask(Fail(1)))


def test_an_ask_ends_in_time(system: gy.ActorSystem) -> None:
    """A paused actor answers nobody; what it answers later is dropped and counted."""
    counter = system.spawn(Counter)
    counter.pause()
    with pytest.raises(AskTimeout):
        counter.ask_sync(Get(), timeout=0.01)
    with pytest.raises(AskTimeout):
        asyncio.run(counter.ask(Get(), timeout=0.01))
    counter.resume()
    assert system.settle(PATIENCE)
    assert (counter.status.handled, counter.status.late_replies) == (2, 2)
    assert counter.ask_sync(Add(3), timeout=PATIENCE) == Total(3, 1)


def test_an_ask_that_finds_no_room_ends_in_time(system: gy.ActorSystem) -> None:
    """It says that nothing was sent."""
    counter = system.spawn(Counter, name="bob")
    counter.pause()
    counter.tell_many([Add(n) for n in range(64)])
    with pytest.raises(AskTimeout, match="the mailbox of bob had no room in time; the message was not sent"):
        counter.ask_sync(Get(), timeout=0.01)
    counter.resume()


def test_a_stopped_actor_takes_nothing(system: gy.ActorSystem) -> None:
    """Neither told nor asked, and its last status can still be read."""
    counter = system.spawn(Counter, name="alice")
    counter.ask_sync(Add(1))
    counter.stop()
    with pytest.raises(ActorStopped, match="has ended"):
        counter.tell(Add(1))
    with pytest.raises(ActorStopped):
        counter.ask_sync(Add(1))
    with pytest.raises(ActorStopped):
        counter.state()
    assert (counter.status.state, counter.status.handled) == ("terminated", 1)


def test_who_waits_for_an_actor_that_ends_is_told(system: gy.ActorSystem) -> None:
    """It was asked behind the message that ends it."""
    counter = system.spawn(Counter)
    counter.pause()
    counter.tell(Quit())
    token = counter.ask_begin(Get())
    counter.resume()
    assert system.settle(PATIENCE)
    with pytest.raises(ActorStopped):
        counter.mail.ask_end(token)


def test_a_message_past_its_deadline_is_not_handled(system: gy.ActorSystem) -> None:
    """Its asker is told; the dead letters have it."""
    counter = system.spawn(Counter)
    counter.pause()
    token = counter.ask_begin(Add(1), deadline=0.0)
    counter.tell(Add(2), deadline=1000.0)
    until = counter.mail.clock
    while counter.mail.clock >> 16 <= (until >> 16) + 1:  # the clock of messages goes on with messages
        system.spawn(Relay).tell(Get())
    counter.resume()
    assert system.settle(PATIENCE)
    with pytest.raises(MessageExpired):
        counter.mail.ask_end(token)
    assert counter.state()["total"] == 2
    assert [(letter.reason, letter.message) for letter in system.dead_letters()] == [("expired", Add(1))]


def test_a_key_is_handled_once() -> None:
    """The second message with it is a duplicate; its asker is told."""
    with gy.ActorSystem(hang_after=None) as system:
        once = gy.actor(mailbox=64, dedup=8)(type("Once", (Counter,), dict(vars(Counter))))
        actor = system.spawn(once)
        assert actor.ask_sync(Add(1), key=7) == Total(1, 1)
        with pytest.raises(DuplicateMessage):
            actor.ask_sync(Add(1), key=7)
        assert (actor.status.duplicate, actor.state()["total"]) == (1, 1)


def test_options_that_need_more_room_get_it(system: gy.ActorSystem) -> None:
    """A deadline makes the message too long for the slots; the loop goes on with longer ones."""

    @gy.message
    class Wide:
        values: gy.f64x4

    @gy.actor
    class Sink:
        total: gy.f64 = 0.0

        def wide(self, msg: Wide):
            self.total += msg.values.x + msg.values.w

    sink = system.spawn(Sink)
    sink.tell(Wide((1.0, 0.0, 0.0, 2.0)))
    epochs = system.epochs
    sink.tell(Wide((1.0, 0.0, 0.0, 2.0)), deadline=1000.0)
    assert system.settle(PATIENCE)
    assert (sink.state()["total"], system.epochs) == (6.0, epochs + 1)


def test_urgent_messages_go_first() -> None:
    """A worker that rested takes them before what came earlier."""
    with gy.ActorSystem(workers=1, hang_after=None, priorities=2) as system:
        counter = system.spawn(Counter)
        assert counter.mail.pause(PATIENCE, 0)  # the worker rests, and mail is still taken
        counter.tell(Add(5))
        counter.tell(Add(7), priority=1)
        counter.mail.resume(0)
        assert system.settle(PATIENCE)
        state = counter.state()
        assert (state["last"], state["disorder"]) == (5, 1)


def test_dead_letters_say_why(system: gy.ActorSystem) -> None:
    """Message, receiver and reason, in order."""
    counter = system.spawn(Counter, name="alice")
    counter.tell(Fail(0))
    assert system.settle(PATIENCE)
    counter.pause()
    counter.tell_many([Quit(), Add(1)])
    counter.resume()
    assert system.settle(PATIENCE)
    found = system.dead_letters()
    assert [(letter.message, letter.reason) for letter in found] == [(Fail(0), "failed"), (Add(1), "dead")]
    assert "not positive" in found[0].detail
    assert found[1].detail == "terminated"


def test_the_host_is_answered_in_its_inbox(system: gy.ActorSystem) -> None:
    """By an actor that tells its sender."""
    relay = system.spawn(Relay, name="relay")
    relay.tell(Get())
    letter = system.inbox.get(PATIENCE)
    assert (letter.message, letter.sender) == (Total(0, 0), relay)


def test_an_empty_reference_is_nobody(system: gy.ActorSystem) -> None:
    """It is false in a handler."""
    relay = system.spawn(Relay)
    relay.tell(Add(1))
    assert system.settle(PATIENCE)
    assert relay.state() == {"to": None, "passed": 0}


def test_asks_that_wait_end_with_the_system() -> None:
    """In LoopLost, awaited or blocking."""
    found: list[BaseException] = []
    system = gy.ActorSystem(hang_after=None, grace=0.0)
    counter = system.spawn(Counter)
    counter.pause()

    def ask() -> None:
        try:
            counter.ask_sync(Get())
        except GyralError as error:
            found.append(error)

    async def main() -> None:
        task = asyncio.create_task(counter.ask(Get()))
        while counter.status.accepted < 2:
            await asyncio.sleep(0)
        system.close()
        with pytest.raises(LoopLost):
            await task

    thread = threading.Thread(target=ask)
    thread.start()
    asyncio.run(main())
    thread.join(PATIENCE)
    assert [type(error) for error in found] == [LoopLost]


def test_what_is_queued_at_the_end_goes_to_the_dead_letters() -> None:
    """The grace is over; the letters stay readable."""
    with gy.ActorSystem(hang_after=None, grace=0.0) as system:
        counter = system.spawn(Counter)
        counter.pause()
        counter.tell_many([Add(1), Add(2)])
    assert [letter.message for letter in system.dead_letters()] == [Add(1), Add(2)]
    with pytest.raises(StateError):
        counter.tell(Add(3))
    with pytest.raises(StateError):
        system.spawn(Counter)


def test_a_slow_handler_may_take_its_time(system: gy.ActorSystem) -> None:
    """Without a limit nobody interferes."""
    assert system.spawn(Counter).ask_sync(Spin(1)) == Total(10, 0)
