"""Messages from actors of one system to those of another, by way of the host."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.actors import Add, Counter, Relay

import gyral as gy

PATIENCE = 20.0


@pytest.fixture
def systems() -> Iterator[tuple[gy.ActorSystem, gy.ActorSystem]]:
    """Two systems, the second without a relay, so that their messages are numbered otherwise."""
    with (
        gy.ActorSystem(name="left", hang_after=None, grace=PATIENCE) as left,
        gy.ActorSystem(name="right", hang_after=None, grace=PATIENCE) as right,
    ):
        yield left, right


def test_actors_tell_those_of_another_system(systems: tuple[gy.ActorSystem, gy.ActorSystem]) -> None:
    """In order, and counted; an actor in the same place of the sender's system gets nothing."""
    left, right = systems
    beside = left.spawn(Counter)
    counter = right.spawn(Counter)
    relay = left.spawn(Relay, to=counter)
    assert counter.slot == beside.slot
    for n in range(50):
        relay.tell(Add(n))
    assert left.settle(PATIENCE)
    assert right.settle(PATIENCE)
    state = counter.state()
    assert (state["count"], state["disorder"], beside.state()["count"]) == (50, 0, 0)
    assert left.stats()["forwarded"] == 50
    assert relay.state()["to"] == counter


def test_what_finds_no_room_elsewhere_is_a_dead_letter(
    systems: tuple[gy.ActorSystem, gy.ActorSystem],
) -> None:
    """Of the system that sent it: a full mailbox, and a system that was closed."""
    left, right = systems
    counter = right.spawn(Counter)
    relay = left.spawn(Relay, to=counter)
    counter.pause()
    for n in range(65):
        relay.tell(Add(n))
    assert left.settle(PATIENCE)
    assert [letter.message for letter in left.dead_letters()] == [Add(64)]
    counter.resume()
    right.close()
    relay.tell(Add(65))
    assert left.settle(PATIENCE)
    assert [letter.message for letter in left.dead_letters()] == [Add(64), Add(65)]
