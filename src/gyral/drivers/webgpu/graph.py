"""Recorded launches: everything but the encoding, which WebGPU wants done again for each run."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from gyral.core.driver import Launch
from gyral.drivers.webgpu.link import Dispatch, Series
from gyral.drivers.webgpu.program import Program
from gyral.drivers.webgpu.session import Session

Prepared = tuple[Any, Any, tuple[int, int, int], bytes]
"""Pipeline, bind group, blocks along x, y, z, parameters."""


class Graph:
    """Steps with their bind groups, and one buffer with the parameters of all of them."""

    def __init__(self, session: Session, generation: int, programs: Sequence[Program]) -> None:
        self.generation = generation
        self.programs = list(programs)
        self._session = session
        self._places = []
        room = 0
        for program in self.programs:
            self._places.append(room)
            room += session.padded(program.size)
        self.ring = session.link.buffer(max(room, 16), "UNIFORM|COPY_DST")
        self._items: list[Dispatch | None] = [None] * len(self.programs)
        self._keep: list[Any] = [None] * len(self.programs)
        self._ready: list[Series] | None = None

    def set(self, number: int, launch: Launch, prepared: Prepared | None) -> None:
        """Give a step its launch; None stands for one without threads."""
        self._ready = None
        self._items[number] = self._keep[number] = None
        if prepared is None:
            return
        pipeline, group, blocks, parameters = prepared
        place = self._places[number]
        self._session.link.write(self.ring, place, parameters)
        offset = self._session.offset_of(place)
        self._items[number] = (pipeline._internal, group._internal, offset, *blocks)
        self._keep[number] = (group, launch.keep)

    def items(self) -> list[Series]:
        """What a run puts on the device."""
        if self._ready is None:
            launches = [item for item in self._items if item is not None]
            self._ready = [Series(launches, b"".join(map(self._packed, launches)))] if launches else []
        return self._ready

    def _packed(self, launch: Dispatch) -> bytes:
        pipeline, group, offset, *blocks = launch
        address = self._session.link.address
        return struct.pack("=2Q4I", address(pipeline), address(group), offset[0], *blocks)
