"""The counters of actors, from their control blocks, without disturbing them."""

from __future__ import annotations

import numpy as np

from gyral.actors.lifecycle import NAMES
from gyral.actors.ref import Status
from gyral.actors.world import World
from gyral.core import wire


def status_of(world: World, slot: int, name: str, actor: str, site: str) -> Status:
    """An actor at a glance. While the loop runs the counts may be a message apart from one another."""
    control = world.control(slot)
    done = int(world.done[:, slot].sum(dtype=np.uint64))
    accepted = int(world.sent[:, slot].sum(dtype=np.uint64))
    return Status(
        name=name,
        actor=actor,
        state=NAMES[int(control[wire.CT_STATE])],
        generation=int(control[wire.CT_GENERATION]),
        accepted=accepted,
        handled=int(control[wire.CT_HANDLED_LO]) | int(control[wire.CT_HANDLED_HI]) << 32,
        failed=int(control[wire.CT_FAILED]),
        expired=int(control[wire.CT_EXPIRED]),
        duplicate=int(control[wire.CT_DUPLICATE]),
        dead=int(control[wire.CT_DEAD]),
        queued=max(0, accepted - done),
        sent=int(control[wire.CT_SENT]),
        replies=int(control[wire.CT_REPLIES]),
        late_replies=int(control[wire.CT_LATE]),
        to_nobody=int(control[wire.CT_NOBODY]),
        no_room=int(control[wire.CT_OVERFLOWS]),
        restarts=int(control[wire.CT_RESTARTS]),
        step=int(control[wire.CT_STEP]),
        site=site,
    )
