"""Reply cells, in every interleaving: each ask gets its own reply or none, and nobody sleeps through it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.protocol.cells import Orders, cell, clock, listeners, sleeper
from tests.unit.protocol.explore import RELAXED, Broken

AS_WRITTEN = Orders()


def test_a_cell_is_used_again_and_again() -> None:
    """Three asks that may be given up at any step; late replies are dropped."""
    assert cell(AS_WRITTEN).run() > 100


@pytest.mark.parametrize(
    "change",
    [
        {"done_store": RELAXED},
        {"done_load": RELAXED},
        {"claims": False},
        {"generations": False},
    ],
    ids=str,
)
def test_a_cell_needs_each_part_of_its_protocol(change: dict[str, object]) -> None:
    """Where one is left out, a wrong reply or a race is found."""
    with pytest.raises(Broken):
        cell(replace(AS_WRITTEN, **change)).run()


def test_a_claim_needs_no_order_of_its_own() -> None:
    """The message that it answers came by a stamp, which says all that the claim could."""
    assert cell(replace(AS_WRITTEN, claim=RELAXED)).run() > 100


def test_a_waiter_that_sleeps_is_woken() -> None:
    """It says that it sleeps, makes the barrier for both, and looks again."""
    assert sleeper(AS_WRITTEN).run() > 10


def test_a_waiter_without_a_barrier_may_sleep_for_ever() -> None:
    """The reply is seen late by the one, and the waiter's word by the other."""
    with pytest.raises(Broken, match="nothing moves"):
        sleeper(replace(AS_WRITTEN, barrier=False)).run()


def test_news_of_one_ask_is_not_taken_for_that_of_the_next() -> None:
    """CE_WAITER has the generation of its ask."""
    assert listeners(stamped=True).run() > 50


def test_news_without_a_generation_is_taken_for_that_of_the_next() -> None:
    """A worker that looked at the last ask marks the next one as told."""
    with pytest.raises(Broken):
        listeners(stamped=False).run()


def test_the_time_is_never_one_that_is_to_come() -> None:
    """The low word is written first and read last."""
    assert clock(low_first=True, high_first=True).run() > 4


@pytest.mark.parametrize("orders", [(True, False), (False, True), (False, False)])
def test_the_time_in_another_order_may_be_one_that_is_to_come(orders: tuple[bool, bool]) -> None:
    """The new high word beside the old low one."""
    with pytest.raises(Broken, match="the loop read"):
        clock(*orders).run()
