"""Lanes, in every interleaving: nothing is read early, overwritten early, lost, doubled or reordered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.protocol.explore import RELAXED, Broken
from tests.unit.protocol.lanes import Orders, credits, lane, shared_lane

AS_WRITTEN = Orders()


def test_a_lane_keeps_every_promise() -> None:
    """Twice as many messages as slots, over the wrap of positions at 2**32."""
    assert lane(AS_WRITTEN).run() > 100


def test_threads_of_the_host_share_a_lane_behind_its_lock() -> None:
    """Two threads of two messages each; a thread's own stay in order."""
    assert shared_lane(AS_WRITTEN).run() > 1000


def test_credits_bound_what_is_queued() -> None:
    """A mailbox of one message in a lane of two slots."""
    assert credits(AS_WRITTEN).run() > 50


@pytest.mark.parametrize("word", ["stamp_store", "stamp_load", "head_store", "head_load"])
def test_a_lane_needs_each_of_its_orders(word: str) -> None:
    """Where one access is relaxed, a run is found that races."""
    with pytest.raises(Broken, match="a race"):
        lane(replace(AS_WRITTEN, **{word: RELAXED})).run()


@pytest.mark.parametrize("word", ["lock_take", "lock_leave"])
def test_the_lock_needs_each_of_its_orders(word: str) -> None:
    """A thread that takes the lock must know what the last one wrote."""
    with pytest.raises(Broken, match="a race"):
        shared_lane(replace(AS_WRITTEN, **{word: RELAXED})).run()
