"""The counters of a system and its workers, as JSON takes them."""

from __future__ import annotations

from typing import Any

from gyral.actors.engine import Engine
from gyral.actors.reception import Reception
from gyral.core import wire


def stats_of(name: str, device: str, engine: Engine, reception: Reception) -> dict[str, Any]:
    """Counters read without disturbing the loop; they may be a message apart from one another."""
    found: dict[str, Any] = {
        "system": name,
        "device": device,
        "way": engine.host.way,
        "epochs": engine.epochs,
        "dead_letters": reception.dead.total,
        "dead_letters_dropped": reception.dead.dropped,
        "inbox": len(reception.inbox),
        "inbox_dropped": reception.inbox.dropped,
        "forwarded": reception.forwarded,
        "records_lost": reception.lost,
        "trouble": [repr(error) for error in reception.trouble],
        "workers": [],
    }
    if engine.running:
        world = engine.world
        found["records_lost"] += int(world.workers[:, wire.WK_LOST].sum())
        rows = engine.host.mail.workers()
        found["workers"] = [_worker(block, row) for block, row in zip(world.workers, rows, strict=True)]
    return found


def _worker(block: Any, row: dict[str, Any]) -> dict[str, Any]:
    hand = int(block[wire.WK_HAND])
    return {
        **row,
        "handled": int(block[wire.WK_HANDLED_LO]) | int(block[wire.WK_HANDLED_HI]) << 32,
        "heartbeat": int(block[wire.WK_HEARTBEAT]),
        "in_hand": hand - 1 if hand else None,
        "stalled": bool(block[wire.WK_STALLED]),
    }
