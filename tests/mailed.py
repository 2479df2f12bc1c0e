"""Worlds of actors (`tests.resident`) whose host side is the native mail: threads run the compiled loop."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from tests import resident_programs as programs
from tests.resident import World, program
from tests.resident_programs import BANK

from gyral import _native
from gyral.compiler.frontend.program import ActorClass, Field, Handler, ResidentProgram
from gyral.core import wire
from gyral.core.driver import Bits, Pointer
from gyral.core.dtypes import i32
from gyral.core.errors import ACTOR_ERRORS
from gyral.drivers.cpu.slots import pack

_native.set_actor_errors(ACTOR_ERRORS)

PLENTY = 1 << 31
ADD = programs.Add.__gyral_struct__


class Spinner:
    """Goes round until something else makes its turns negative: never."""

    turns = 0

    def add(self, msg: programs.Add) -> None:  # pyright: ignore[reportInvalidTypeForm]
        while self.turns >= 0:
            self.turns = (self.turns + 1) % 1000


NAMES = [struct_.name for struct_ in BANK.messages]
TYPES: dict[str, Any] = {
    name: _native.message_type(f"{__name__}.{name}", [("n", "i32", 0)], 4) for name in NAMES
}
SPIN = program(
    (ActorClass("Spinner", Spinner, (Field("turns", "state", i32),), (Handler(ADD, Spinner.add, 0),)),),
    list(BANK.messages),
)
Add, Total, Divide, End, Ask = (TYPES[name] for name in ("Add", "Total", "Divide", "End", "Ask"))
"""The messages of `tests.resident_programs`, as Python sends them."""


class Mailed(World):
    """A world whose arena a `_native.Mail` looks after. `go` lets native threads run its loop."""

    def __init__(
        self,
        geometry: wire.Geometry | None = None,
        mailbox: int = 64,
        actors: ResidentProgram = BANK,
        **options: Any,
    ) -> None:
        chosen = geometry or wire.Geometry(workers=1, capacity=8, classes=2, depth=64, out_depth=16)
        super().__init__(actors, "cpu", chosen, **options)
        self.arena = aligned(self.arena)
        self.arena[wire.SYS_CELLS] = chosen.cells
        for slot in range(chosen.capacity):
            self.control(slot)[wire.CT_MAILBOX] = mailbox
        self.mail = _native.Mail(self.arena)
        for number, name in enumerate(NAMES, 1):
            self.mail.number(TYPES[name], number)
        self.accepts = frozenset(TYPES[name] for name in NAMES if name != "Unheard")

    def keeper(self, slot: int = 3, **fields: Any) -> Any:
        """A reference to a new Keeper."""
        self.spawn(slot, 0, **fields)
        return _native.Ref(self.mail, slot, 1, self.accepts)

    def relay(self, slot: int, to: int) -> Any:
        """A reference to a new Relay to another actor."""
        self.spawn(slot, 1, to=self.ref(to))
        return _native.Ref(self.mail, slot, 1, self.accepts)

    def go(self, **options: Any) -> Mailed:
        """Start the threads."""
        _, loaded, signature = self.loop.compiled
        arrays = self.arrays()
        pointers = [Pointer(a.__array_interface__["data"][0], a.shape, a.strides) for a in arrays]
        slots = pack([*pointers, Bits(PLENTY), Bits(100)])
        count = self.geometry.workers
        frame = struct.pack("<9q", 1, 1, count, 1, 1, 1, 1, 1, count) + bytes(8) + bytes(slots)
        workers = [(loaded.code, frame, signature.scratch_bytes)] * count
        self.mail.start(workers, (self.memory, loaded), **options)
        return self

    def __enter__(self) -> Mailed:
        return self

    def __exit__(self, *reason: object) -> None:
        self.mail.close()


def aligned(words: np.ndarray) -> np.ndarray:
    """A copy that begins on a cache line."""
    room = np.zeros(len(words) + 16, np.uint32)
    first = -room.__array_interface__["data"][0] % 64 // 4
    found = room[first : first + len(words)]
    found[:] = words
    return found
