"""The places in handlers that can fail, by the numbers that loops leave: of this one, and those before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gyral.actors.world import World
from gyral.core import wire
from gyral.core.artifact import Site
from gyral.core.report import reason

RETIRED = 0x80000000
"""Numbers from here on are places in code that was replaced, known by their words alone."""
OUTBOX = "it sent more messages than it said it would (OutboxFull); give @gy.actor sends="


class Sites:
    """What the numbers of failed checks mean."""

    def __init__(self) -> None:
        self._now: Sequence[Site] = ()
        self._retired: list[str] = []
        self._numbers: dict[str, int] = {}

    def why(self, site: int) -> str:
        """Where and why a check failed."""
        if site == wire.SITE_OUTBOX:
            return OUTBOX
        if site >= RETIRED:
            return self._retired[site - RETIRED]
        return reason(self._now[site])

    def change(self, sites: Sequence[Site], world: World | None) -> None:
        """Go over to another loop's sites; what a `world` at rest says in the old numbers stays known."""
        if world is not None:
            g, start = world.geometry, world.at["cell"]
            cells = world.arena[start : start + g.cells * g.cell_words].reshape(g.cells, g.cell_words)
            for row in np.flatnonzero(cells[:, wire.CE_KIND] == wire.REPLY_FAILED):
                cells[row, wire.CE_DETAIL] = self._retire(int(cells[row, wire.CE_DETAIL]))
            controls = world.controls
            for slot in np.flatnonzero(controls[:, wire.CT_ERROR_SITE]):
                site = int(controls[slot, wire.CT_ERROR_SITE]) - 1
                controls[slot, wire.CT_ERROR_SITE] = self._retire(site) + 1
        self._now = sites

    def _retire(self, site: int) -> int:
        """The number that a site keeps for ever."""
        if site >= RETIRED:
            return site
        return self.keep(self.why(site))

    def keep(self, text: str) -> int:
        """The number of a place known by its words alone."""
        if text not in self._numbers:
            self._numbers[text] = RETIRED + len(self._retired)
            self._retired.append(text)
        return self._numbers[text]
