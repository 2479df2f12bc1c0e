"""Workers whose handler runs for longer than it may: whose, where, and what waits behind it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from gyral.actors.engine import Engine
from gyral.actors.lives import Lives
from gyral.core import wire


@dataclass(frozen=True, slots=True)
class Hang:
    """A worker that does not get on. `handler` is the method and its line, `queued` what waits for the actor.

    `torn`: it was read while the worker ran, so that its parts may be a moment apart.
    """

    worker: int
    actor: str
    slot: int
    kind: str
    handler: str
    message: str
    heartbeat: int
    queued: int
    hangs: int
    torn: bool = True

    def __str__(self) -> str:
        return (
            f"worker {self.worker} has not come back from {self.kind}.{self.handler}, "
            f"which {self.actor} runs on {self.message}; {self.queued} messages wait for it"
        )


def diagnose(engine: Engine, lives: Lives) -> list[Hang]:
    """All workers that hang in a handler, read without disturbing them."""
    rows = engine.host.mail.workers()
    found = [_diagnosis(engine, lives, w, row) for w, row in enumerate(rows) if row["hung"]]
    return [hang for hang in found if hang is not None]


def _diagnosis(engine: Engine, lives: Lives, worker: int, row: dict[str, Any]) -> Hang | None:
    block = engine.world.workers[worker]
    slot, beat = int(block[wire.WK_HAND]) - 1, int(block[wire.WK_HEARTBEAT])
    if slot < 0:
        return None  # it came back a moment ago, or waits for a processor
    status = lives.seen(slot)
    kind = engine.kind(engine.entry(slot))
    message = _in_hand(engine, worker, slot)
    handler = next((h.function for h in kind.handlers if h.message is message), None)
    return Hang(
        worker, status.name, slot, kind.name, _place(handler),
        "a message" if message is None else message.__name__, beat, status.queued, int(row["hangs"]),
    )  # fmt: skip


def _place(function: Any) -> str:
    if function is None:
        return "a handler"
    code = inspect.unwrap(function).__code__
    return f"{function.__name__} ({code.co_filename}:{code.co_firstlineno})"


def _in_hand(engine: Engine, worker: int, slot: int) -> Any:
    """The type of the message whose handler runs: it lies at the head of the one lane it came by."""
    world = engine.world
    g, first = world.geometry, int(world.control(slot)[wire.CT_HELD_FIRST])
    places = [first + wire.LINE] if world.control(slot)[wire.CT_HELD_COUNT] else []
    for priority in reversed(range(g.priorities)):
        for source in range(g.workers + 1):
            header = world.lanes[g.lane(worker, source, priority)]
            head = int(header[wire.LN_HEAD])
            at = int(header[wire.LN_SLOTS_AT]) + (head & int(header[wire.LN_MASK])) * g.stride
            if int(world.arena[at + wire.STAMP]) == head + 1 & 0xFFFFFFFF:
                places.append(at)
    for at in places:
        if int(world.arena[at + wire.DEST]) == slot:
            return engine.roster.message(int(world.arena[at + wire.KIND]) & (1 << wire.TYPE_BITS) - 1)
    return None
