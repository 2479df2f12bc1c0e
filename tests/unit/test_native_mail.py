"""The native mail without threads: what it writes into lanes is what the loop reads."""

import os
import threading
from typing import Any

import numpy as np
import pytest
from tests.mailed import Add, Ask, Divide, Mailed, Total, aligned

from gyral import _native
from gyral.core import wire
from gyral.core.errors import ActorStopped, MailboxFull, NeedsRoom, StateError

NEAR_THE_END = (1 << 32) - 5
"""A position from which lanes come round to 0 within a few messages."""


def test_what_is_told_is_handled() -> None:
    """A message, and one made of its type and fields, reach the actor's handler."""
    world = Mailed()
    keeper = world.keeper(total=1)
    keeper.tell(Add(5))
    keeper.tell(Add, 7)
    world.step()
    assert (world.record(3)["total"], world.counts(3)) == (13, {"handled": 2})


def test_positions_come_round() -> None:
    """Lanes go on past position 2**32, slot after slot."""
    world = Mailed(start=NEAR_THE_END)
    keeper = world.keeper()
    for round_ in range(5):
        for k in range(40):
            keeper.tell(Add, k + round_)
        world.step()
    assert (world.record(3)["total"], world.counts(3)["handled"]) == (5 * 780 + 40 * 10, 200)


def test_a_full_mailbox_pushes_back() -> None:
    """As many messages wait as the mailbox has room for; handled ones make room again."""
    world = Mailed(mailbox=3)
    keeper, other = world.keeper(3), world.keeper(4)
    for _ in range(3):
        keeper.tell(Add, 1)
    with pytest.raises(MailboxFull, match="is full: 3 messages wait"):
        keeper.tell(Add, 1)
    other.tell(Add, 1)
    world.step()
    keeper.tell(Add, 1)
    world.step()
    assert world.record(3)["total"] == 4


def test_a_full_lane_pushes_back() -> None:
    """A worker's lane takes no more than its slots, whoever the messages are for."""
    world = Mailed(mailbox=1000)
    keeper, other = world.keeper(3), world.keeper(4)
    for _ in range(64):
        keeper.tell(Add, 1)
    with pytest.raises(MailboxFull, match="lane"):
        other.tell(Add, 1)


def test_an_actor_that_ended_takes_nothing() -> None:
    """A message for an ended actor, or one of an earlier generation, raises ActorStopped."""
    world = Mailed()
    keeper = world.keeper()
    world.control(3)[wire.CT_STATE] = wire.TERMINATED
    with pytest.raises(ActorStopped, match="it is terminated"):
        keeper.tell(Add, 1)
    world.control(3)[wire.CT_STATE], world.control(3)[wire.CT_GENERATION] = wire.ACTIVE, 2
    with pytest.raises(ActorStopped, match="has ended"):
        keeper.tell(Add, 1)


@pytest.mark.parametrize("state", [wire.CREATED, wire.ACTIVE, wire.PAUSED, wire.FAILING])
def test_an_actor_that_waits_takes_messages(state: int) -> None:
    """Messages are accepted for actors that will go on."""
    world = Mailed()
    keeper = world.keeper(state=state)
    keeper.tell(Add, 1)
    assert world.arena[world.at["sent"] + 3] == 1


def test_a_message_without_a_handler_is_refused() -> None:
    """A message the class does not take raises before it is sent."""
    keeper = Mailed().keeper()
    with pytest.raises(TypeError, match="neither a message nor a message type"):
        keeper.tell(3)
    with pytest.raises(TypeError, match="no handler"):
        keeper.tell(_native.message_type("t.Strange", [], 4)())


def test_a_batch_is_accepted_as_far_as_there_is_room() -> None:
    """`tell_many` accepts a prefix and says how long it is; it raises only when the actor is gone."""
    world = Mailed(mailbox=10)
    keeper = world.keeper()
    numbers = np.arange(16, dtype=np.int32)
    assert (keeper.tell_many(numbers, Add), keeper.tell_many(numbers, Add)) == (10, 0)
    world.step()
    assert keeper.tell_many([Add(100), Divide(1)]) == 2
    world.step()
    assert (world.record(3)["total"], world.counts(3)["handled"]) == (45 + 100 + 1, 12)
    world.control(3)[wire.CT_STATE] = wire.FAILED
    with pytest.raises(ActorStopped):
        keeper.tell_many(numbers, Add)


def test_a_batch_may_be_strided() -> None:
    """Elements of any stride are sent, and of one byte size alone."""
    world = Mailed()
    keeper = world.keeper()
    assert keeper.tell_many(np.arange(20, dtype=np.int32)[::-2], Add) == 10
    with pytest.raises(TypeError, match="4 bytes"):
        keeper.tell_many(np.zeros(3), Add)
    with pytest.raises(TypeError, match="item 1 is no message"):
        keeper.tell_many([Add(1), 2])
    world.step()
    assert world.record(3)["total"] == sum(range(1, 20, 2))


def test_options_travel_in_an_extension() -> None:
    """A deadline in the past expires; the second message with a key is a duplicate."""
    geometry = wire.Geometry(workers=1, capacity=8, classes=2, stride=32, depth=64, out_depth=16, dedup=4)
    world = Mailed(geometry)
    keeper = world.keeper()
    world.mail.tick(1_000_000)
    keeper.tell(Add, 1, deadline=0.5)
    keeper.tell(Add(10), deadline=2.0)
    keeper.tell(Add(100), key=7)
    keeper.tell(Add(100), key=7)
    world.mail.tick(1_001_000)
    world.step()
    assert world.record(3)["total"] == 110
    assert world.counts(3) == {"handled": 2, "expired": 1, "duplicate": 1}


def test_an_extension_needs_room() -> None:
    """A message that does not fit a slot with its options is refused and not sent."""
    world = Mailed(wire.Geometry(workers=1, capacity=8, classes=2, depth=64))
    keeper = world.keeper()
    with pytest.raises(NeedsRoom):
        keeper.tell(Add(1), key=1)
    assert world.arena[world.at["sent"] + 3] == 0


def test_urgent_messages_overtake() -> None:
    """What is told at a higher priority is handled first."""
    geometry = wire.Geometry(workers=1, capacity=8, classes=2, depth=64, priorities=2, out_depth=16)
    world = Mailed(geometry)
    relay, _ = world.relay(1, wire.HOST), world.keeper(3)
    relay.tell(Ask, 0)
    relay.tell(Add, 1, priority=1)
    world.step()
    assert [event.message.type for event in world.events()] == [1, 2]
    with pytest.raises(ValueError, match="from 0 to 1"):
        relay.tell(Add(1), priority=2)


def test_the_clock_of_messages_never_goes_back() -> None:
    """Stamps grow with every message, whatever time it is, and follow the time when it goes on."""
    world = Mailed()
    keeper = world.keeper()
    stamps = []
    for now in (5_000, 5_000, 4_000, 6_000):
        world.mail.tick(now)
        keeper.tell(Add, 1)
        stamps.append(world.mail.clock)
    assert stamps == [5_000 << 16, (5_000 << 16) + 1, (5_000 << 16) + 2, 6_000 << 16]
    world.mail.clock = 1 << 60
    keeper.tell(Add, 1)
    assert world.mail.clock == (1 << 60) + 1


def test_records_come_out_as_tuples() -> None:
    """What happened to messages is told with the whole message, in order, and its place is free again."""
    world = Mailed()
    relay = world.relay(1, wire.HOST)
    for k in range(40):
        relay.tell(Add, k)
        world.step()
        assert [
            (code, actor, gen, message[32:]) for code, actor, gen, _, message in world.mail.take_events()
        ] == [(wire.EVENT_INBOX, 1, 1, k.to_bytes(4, "little"))]


def test_a_raw_message_can_be_delivered() -> None:
    """A message taken from a record goes to its actor as its sender sent it."""
    world = Mailed()
    keeper, relay = world.keeper(3), world.relay(1, wire.HOST)
    relay.tell(Add, 5)
    world.step()
    ((_, _, _, _, message),) = world.mail.take_events()
    words = np.frombuffer(message, np.uint32).copy()
    words[wire.DEST], words[wire.GENS] = keeper.slot, keeper.gen | words[wire.GENS] & 0xFFFF0000
    assert world.mail.deliver(words)
    world.step()
    assert world.record(3)["total"] == 5


def test_a_reference_is_an_actor_of_a_mail() -> None:
    """References compare by mail, slot and generation, and know their parts."""
    world = Mailed()
    one, same, other = world.keeper(3), world.keeper(3), world.keeper(4)
    assert (one == same, one == other, hash(one) == hash(same)) == (True, False, True)
    assert (one.slot, one.gen, one.mail) == (3, 1, world.mail)
    with pytest.raises(ValueError, match="no actor 99"):
        _native.Ref(world.mail, 99, 1, world.accepts)


def test_an_arena_that_is_none_is_refused() -> None:
    """A mail takes aligned arenas of its own version alone, whose regions lie within them."""
    good = Mailed().arena
    for word, value in (
        (wire.SYS_MAGIC, 1),
        (wire.SYS_VERSION, 9),
        (wire.SYS_CAPACITY, 1 << 30),
        (wire.SYS_CELLS, 5000),
    ):
        wrong = aligned(good)
        wrong[word] = value
        with pytest.raises(ValueError):
            _native.Mail(wrong)
    with pytest.raises(ValueError, match="64 bytes"):
        _native.Mail(aligned(np.concatenate([[0], good]).astype(np.uint32))[1:])
    with pytest.raises((BufferError, TypeError, ValueError)):
        _native.Mail(bytes(good))


def test_a_closed_mail_says_so() -> None:
    """After `close` every call raises StateError."""
    world = Mailed()
    keeper = world.keeper()
    world.mail.close()
    for call in (lambda: keeper.tell(Add, 1), world.mail.take_events, lambda: world.mail.pause(0)):
        with pytest.raises(StateError, match="closed"):
            call()


def test_a_mail_moves_to_another_arena() -> None:
    """After `rebind` messages go to the new arena, which may have more actors, and asks go on there."""
    world = Mailed()
    keeper = world.keeper()
    token = keeper.ask_begin(Add, 5)
    wider = Mailed(wire.Geometry(workers=1, capacity=16, classes=2, depth=64, out_depth=16))
    later = wider.keeper()
    arena = aligned(wider.arena)
    wider.mail.close()
    world.mail.rebind(arena)
    wider.arena, wider.mail = arena, world.mail
    keeper.tell(Add, 7)
    wider.step()
    assert (wider.record(3)["total"], later.slot, world.mail.ask_poll(token)) == (7, 3, False)
    with pytest.raises(ValueError, match="no fewer slots"):
        world.mail.rebind(aligned(Mailed().arena))


def test_what_is_told_while_a_system_stands_waits() -> None:
    """Between `pause` and `resume` nothing is written to the arena; who tells something waits."""
    world = Mailed()
    keeper = world.keeper()
    assert world.mail.pause(0)
    before = world.arena.copy()
    told = threading.Thread(target=keeper.tell, args=(Add, 1))
    told.start()
    same = np.array_equal(world.arena, before)
    world.mail.resume()
    told.join()
    assert (same, int(world.arena[world.at["sent"] + 3])) == (True, 1)


def test_a_forked_child_has_no_system() -> None:
    """In a forked child every call raises StateError."""
    world = Mailed()
    keeper = world.keeper()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            keeper.tell(Add, 1)
        except StateError as error:
            status = 0 if "forked" in str(error) else 2
        os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def batched() -> Any:
    world = Mailed()
    return world, world.keeper()


def test_a_batched_device_is_told_of_work() -> None:
    """`wait_work` returns at once where something waits, and after its time where nothing does."""
    world, keeper = batched()
    assert (world.mail.work_pending(), world.mail.wait_work(0.0)) == (False, False)
    keeper.tell(Add, 1)
    assert (world.mail.work_pending(), world.mail.wait_work(5.0)) == (True, True)


def test_replies_are_taken_from_a_copy_of_the_cells() -> None:
    """`merge_cells` completes the asks that the copy answers, and no others."""
    world, keeper = batched()
    first, second = keeper.ask_begin(Add, 1), keeper.ask_begin(Add, 2)
    dropped = keeper.ask_begin(Add, 3)
    copy = world.arena.copy()
    device = Mailed()
    device.arena[:] = copy
    device.keeper()
    device.step()
    world.mail.ask_drop(dropped)
    begin = world.at["cell"]
    world.mail.merge_cells(device.arena[begin:].copy())
    assert world.mail.wait_events(5.0) & 2 == 2
    assert [world.mail.ask_end(token) for token in (first, second)] == [Total(1), Total(3)]
    with pytest.raises(ValueError, match="ended before"):
        world.mail.ask_end(dropped)
