"""The states of an actor and the moves between them, as data."""

from __future__ import annotations

from typing import Any

from gyral.core import wire
from gyral.core.errors import StateError

NAMES = {
    wire.FREE: "free",
    wire.CREATED: "created",
    wire.ACTIVE: "active",
    wire.PAUSED: "paused",
    wire.FAILING: "failing",
    wire.DRAINING: "draining",
    wire.FAILED: "failed",
    wire.TERMINATED: "terminated",
}

MOVES: dict[int, tuple[int, ...]] = {
    wire.FREE: (wire.CREATED, wire.ACTIVE),
    wire.CREATED: (wire.ACTIVE, wire.TERMINATED),
    wire.ACTIVE: (wire.PAUSED, wire.FAILING, wire.DRAINING, wire.TERMINATED),
    wire.PAUSED: (wire.ACTIVE, wire.DRAINING, wire.FAILED, wire.TERMINATED),
    wire.FAILING: (wire.ACTIVE, wire.FAILED, wire.TERMINATED),
    wire.DRAINING: (wire.FAILING, wire.TERMINATED),
    wire.FAILED: (wire.ACTIVE, wire.TERMINATED),
    wire.TERMINATED: (wire.FREE,),
}
"""From each state, where it may go. The loop itself moves ACTIVE and DRAINING to FAILING and TERMINATED."""

ALIVE = frozenset({wire.CREATED, wire.ACTIVE, wire.PAUSED, wire.FAILING})


def move(control: Any, target: int, who: str) -> None:
    """Move an actor's control block to a state, under the loop's pause. StateError for an illegal move."""
    state = int(control[wire.CT_STATE])
    if target not in MOVES[state]:
        raise StateError(f"{who} is {NAMES[state]} and cannot become {NAMES[target]}")
    control[wire.CT_STATE] = target
