"""Workers that park, stand, put messages aside and are killed: nothing sleeps for ever, nothing is lost."""

from __future__ import annotations

import pytest
from tests.unit.protocol.explore import RELAXED, Broken
from tests.unit.protocol.workers import draining, lives, once_in_order, parking, recheck, standing


@pytest.mark.parametrize("barrier", ["membarrier", "fences"])
def test_a_parked_worker_is_woken(barrier: str) -> None:
    """Whoever publishes sees that it is parked, or it sees what was published."""
    assert parking(barrier).run() > 10


def test_a_parked_worker_without_barriers_may_sleep_for_ever() -> None:
    """Both look too early."""
    with pytest.raises(Broken, match="nothing moves"):
        parking("none").run()


def test_a_worker_that_does_not_look_again_may_sleep_for_ever() -> None:
    """The message came before it said that it is parked."""
    with pytest.raises(Broken, match="nothing moves"):
        parking("membarrier", looks_again=False).run()


def test_the_host_has_an_actor_to_itself_while_its_worker_stands() -> None:
    """It reads and writes plainly, and the worker sees what was written."""
    assert standing().run() > 10


def test_a_host_that_does_not_wait_for_its_worker_races() -> None:
    """The worker may be in a handler."""
    with pytest.raises(Broken, match="a race"):
        standing(waits=False).run()


def test_a_worker_that_does_not_release_where_it_stands_races() -> None:
    """The host must see what the last handler wrote."""
    with pytest.raises(Broken, match="a race"):
        standing(acknowledges=RELAXED).run()


def test_an_actor_that_is_resumed_while_its_worker_stands_is_served() -> None:
    """The state, then the word that says to look again."""
    assert recheck(stands=True).run() > 3


def test_an_actor_that_is_resumed_while_its_worker_runs_may_be_forgotten() -> None:
    """The worker clears the word when the host has set it, and does not see the state yet."""
    with pytest.raises(Broken, match="nothing moves"):
        recheck(stands=False).run()


def test_an_actor_that_drains_ends_with_its_last_message() -> None:
    """A message is counted as sent before it can be taken."""
    assert draining(counts_first=True).run() > 3


def test_an_actor_may_drain_for_ever_where_sends_are_counted_late() -> None:
    """The message was taken and counted before its sender counted it."""
    with pytest.raises(Broken, match="did not end"):
        draining(counts_first=False).run()


def test_a_worker_killed_at_any_store_leaves_all_but_the_message_in_hand_certain() -> None:
    """A successor goes on: everything in order, at most one message twice, the counts right."""
    found = [(words["handled"], words["done"], words["count"]) for _, words in lives(3)]
    for handled, _, _ in found:
        once_in_order(handled, 3)  # type: ignore[arg-type]
    assert {(done, count) for _, done, count in found} == {(3, 0)}
