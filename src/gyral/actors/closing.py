"""The end of a system: what went wrong on its threads is raised, and a loop that nobody closed is stopped."""

from __future__ import annotations

import os
from contextlib import suppress

from gyral.actors.engine import Engine
from gyral.core.errors import GyralError

STOP_SECONDS = 1.0


def raise_together(name: str, found: list[BaseException]) -> None:
    """Raise what was found: one as it is, several together."""
    if len(found) == 1:
        raise found[0]
    if found:
        raise BaseExceptionGroup(f"{name} met these on threads of its own", found)


def abandon(engine: Engine, owner: int) -> None:
    """End the loop of a system that nobody closed: it was dropped, or the process ends."""
    if os.getpid() == owner and engine.running:
        with suppress(GyralError):
            engine.stop(STOP_SECONDS)
            engine.close()
