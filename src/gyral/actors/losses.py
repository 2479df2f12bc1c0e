"""What becomes of a system whose loop's process died: a successor, the last checkpoint, or the end."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

from gyral.actors.engine import Engine
from gyral.actors.host import Mortal
from gyral.actors.reception import Reception
from gyral.actors.repair import Casualty
from gyral.core import wire
from gyral.core.errors import DeviceError
from gyral.core.events import LoopRecovered, ProcessLost, emit

LOST = "lost"
WHY = "the process of its loop died while it was handled"
ENDED = "the process of its loop died when it had been handled; what it sends and answers may be missing"


class Losses:
    """Deals with the deaths of a host's process. `go_back` returns the system to its last checkpoint."""

    def __init__(self, engine: Engine, reception: Reception, go_back: Callable[[], Any]) -> None:
        self._engine, self._reception, self._go_back = engine, reception, go_back
        host = engine.host
        self._host = host if isinstance(host, Mortal) else None
        if self._host is not None:
            me = weakref.ref(self)

            def casualty(found: Casualty) -> None:
                losses = me()
                if losses is not None:
                    losses._count(found)

            self._host.casualty = casualty

    def look(self) -> None:
        """See whether the process died, and do what is to be done then."""
        engine, host = self._engine, self._host
        if host is None:
            return
        for how in host.obituaries():
            emit(ProcessLost(engine.name, how))
        if host.lost:
            self._replace(host)
        for seconds in host.revivals():
            self._reception.find_failed()  # what was killed may not have told of them
            emit(LoopRecovered(engine.name, "", seconds, True))
        self._reception.act()

    def _replace(self, host: Mortal) -> None:
        """Do what is to be done about a loss, unless whoever paused the loop meanwhile brought it back."""
        engine = self._engine
        with engine.lock:
            if not host.lost:
                return
            if host.on_loss == "fail":
                self._reception.shut = True
                self._reception.note(
                    DeviceError(f"the process of the loop of {engine.name} died: {host.lost}")
                )
                host.mail.close()
            elif host.on_loss == "checkpoint":
                self._go_back()
            else:
                with engine.quiet():
                    self._reception.read()

    def give_up(self) -> bool:
        """Kill a loop that does not come back, where it has a process of its own; whether it has."""
        if self._host is None:
            return False
        self._host.kill()
        return True

    def _count(self, found: Casualty) -> None:
        """A message was in hand: it is a dead letter, and its actor's supervisor decides about its actor."""
        engine, reception = self._engine, self._reception
        reception.dead.add(reception.letter(found.message, LOST, WHY if found.failed else ENDED))
        if found.failed:
            engine.world.control(found.slot)[wire.CT_ERROR_SITE] = engine.sites.keep(WHY) + 1
            reception.later(partial(self._fail, found.slot, found.generation))

    def _fail(self, slot: int, generation: int) -> None:
        self._reception.failed(slot, generation, WHY)
