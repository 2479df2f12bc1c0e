"""What a killed worker leaves behind, store by store, and what `repair` makes of it."""

from __future__ import annotations

import pytest
from tests.mortals import Sink

from gyral.actors.declare import kind_of
from gyral.actors.image import take_image
from gyral.actors.repair import repair
from gyral.actors.world import World
from gyral.core import wire
from gyral.core.wire import Geometry

HOST_LANE, OWN_LANE = 0, 1
WAITING = 3


@pytest.fixture
def world() -> World:
    """One worker, one active actor, and three messages for it from the host, of which none was begun."""
    made = World(Geometry(workers=1, capacity=2, classes=1, depth=8, out_depth=8), [kind_of(Sink)], [2])
    for slot in range(2):
        control = made.control(slot)
        control[wire.CT_GENERATION], control[wire.CT_ROW], control[wire.CT_MAILBOX] = 1, slot, 8
    made.control(0)[wire.CT_STATE] = made.control(1)[wire.CT_STATE] = wire.ACTIVE
    for n in range(WAITING):
        publish(made, HOST_LANE, n)
    made.lanes[HOST_LANE][wire.LN_TAIL] = WAITING
    made.sent[0, 0] = WAITING
    return made


def slot_of(world: World, lane: int, position: int) -> int:
    """Where a message of a lane lies."""
    header = world.lanes[lane]
    return int(header[wire.LN_SLOTS_AT]) + position % (int(header[wire.LN_MASK]) + 1) * world.geometry.stride


def publish(world: World, lane: int, position: int) -> None:
    """Put a message for actor 0 into a lane, but for the lane's end."""
    at = slot_of(world, lane, position)
    world.arena[at + wire.KIND] = wire.kind_of(1, 2)
    world.arena[at + wire.DEST], world.arena[at + wire.GENS] = 0, 1
    world.arena[at + wire.STAMP] = position + 1


def queued(world: World) -> int:
    """Messages that wait for actor 0."""
    image = take_image(world)
    return sum(len(q.messages) for q in image.queued) + sum(len(a.messages) for a in image.aside)


def assert_even(world: World, waiting: int) -> None:
    """What was accepted has ended, by one account or another, or waits."""
    control = world.control(0)
    ends = (wire.CT_HANDLED_LO, wire.CT_DEAD, wire.CT_EXPIRED, wire.CT_DUPLICATE, wire.CT_FAILED)
    assert queued(world) == waiting
    assert int(world.sent[:, 0].sum()) - int(world.done[:, 0].sum()) == waiting
    assert int(control[list(ends)].sum()) == int(world.done[:, 0].sum())


def test_between_two_messages_nothing_is_lost(world: World) -> None:
    """What was not begun waits as before."""
    assert repair(world) == []
    assert_even(world, WAITING)


def test_a_message_that_was_begun_has_failed(world: World) -> None:
    """Its actor has the fields it had before, and waits for its supervisor."""
    table = world.tables[0]
    table.records["count"][:] = [8, 0, 7, 0]
    world.workers[0, wire.WK_TAKEN] = slot_of(world, HOST_LANE, 0)
    (found,) = repair(world)
    assert (found.slot, found.generation, found.failed) == (0, 1, True)
    assert int(world.control(0)[wire.CT_STATE]) == wire.FAILING
    assert int(table.records["count"][0]) == 7
    assert_even(world, WAITING - 1)


def test_a_message_that_was_counted_is_not_counted_again(world: World) -> None:
    """The handler had ended; its actor is as that left it."""
    world.workers[0, wire.WK_TAKEN] = slot_of(world, HOST_LANE, 0)
    world.control(0)[wire.CT_HANDLED_LO] = 1
    (found,) = repair(world)
    assert not found.failed
    assert int(world.control(0)[wire.CT_STATE]) == wire.ACTIVE
    assert_even(world, WAITING - 1)


def test_a_message_that_ended_is_only_taken_off_its_lane(world: World) -> None:
    """It was counted everywhere, and only the head was behind."""
    world.workers[0, wire.WK_TAKEN] = slot_of(world, HOST_LANE, 0)
    world.control(0)[wire.CT_HANDLED_LO] = world.done[0, 0] = 1
    assert repair(world) == []
    assert_even(world, WAITING - 1)


def test_a_send_that_was_published_is_there(world: World) -> None:
    """Although the end of its lane was not moved on."""
    world.sent[1, 0] = 1
    publish(world, OWN_LANE, 0)
    world.lanes[OWN_LANE][wire.LN_STAGED] = 1
    assert repair(world) == []
    assert int(world.lanes[OWN_LANE][wire.LN_STAGED]) == 0
    assert_even(world, WAITING + 1)


def test_a_send_that_was_counted_alone_was_not_sent(world: World) -> None:
    """Its stamp was never published, so nobody will ever take it."""
    world.sent[1, 0] = 1
    world.lanes[OWN_LANE][wire.LN_STAGED] = 1
    assert repair(world) == []
    assert_even(world, WAITING)


def test_a_message_that_was_put_aside_is_not_in_its_lane_too(world: World) -> None:
    """It was linked, and the head was behind."""
    control, at = world.control(0), slot_of(world, HOST_LANE, 0)
    entry, stride = world.at["held"], world.geometry.stride
    start = entry + wire.LINE
    world.arena[start : start + stride] = world.arena[at : at + stride]
    control[wire.CT_STATE] = wire.PAUSED
    control[wire.CT_HELD_FIRST] = control[wire.CT_HELD_LAST] = entry
    control[wire.CT_HELD_COUNT] = 1
    world.workers[0, wire.WK_HELD_COUNT] = 1
    assert repair(world) == []
    assert int(world.lanes[HOST_LANE][wire.LN_HEAD]) == 1
    assert_even(world, WAITING)


def test_an_actor_that_drained_has_ended(world: World) -> None:
    """Nothing is queued for it, and nobody else would notice."""
    world.control(1)[wire.CT_STATE] = wire.DRAINING
    assert repair(world) == []
    assert int(world.control(1)[wire.CT_STATE]) == wire.TERMINATED
