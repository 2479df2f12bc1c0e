"""Loops on the CPU: one native thread per worker that stays in the compiled loop, with the GIL released."""

from __future__ import annotations

import struct
from array import array
from typing import Any

from gyral.actors.host import open_mail
from gyral.actors.world import World
from gyral.core.driver import Bits, Pointer
from gyral.drivers.cpu.slots import pack
from gyral.jit.records import PRINTED, new_record, report

ENDLESS = 0xFFFFFFFF


class ThreadHost:
    """The CPU's host. `spins`: idle turns of a worker before it parks."""

    way = "resident"

    def __init__(self, spins: int, stall: float, hang_after: float) -> None:
        self._spins, self._stall, self._hang_after = spins, stall, hang_after
        self._mail: Any = None
        self._record: array[int] | None = None
        self._signature: Any = None

    @property
    def mail(self) -> Any:
        """What host threads send by."""
        return self._mail

    @property
    def rests(self) -> bool:
        """Whether the counts of the world are whole: they always are where the loop writes them itself."""
        return True

    def start(self, world: World, program: Any) -> None:
        """Start a thread per worker. The code and the memory are kept until they are joined."""
        if self._mail is not None:
            self._mail.renew()
        self._mail = open_mail(self._mail, world.arena)
        count, threads = world.geometry.workers, program.signature.item
        arguments = [_pointer(a) for a in world.arguments()]
        slots = pack([*arguments, Bits(ENDLESS), Bits(self._spins)])
        block = threads[2]
        self.flush()
        self._signature = program.signature
        self._record = new_record(program.signature) if self.prints else None
        record = struct.pack("<Q", self._record.buffer_info()[0] if self._record is not None else 0)
        frame = struct.pack("<9q", 1, 1, count * block, 1, 1, block, 1, 1, count) + record + slots
        workers = [(program.code, frame, program.signature.scratch_bytes)] * count
        kept = (world, program, self._record)
        self._mail.start(workers, kept, stall=self._stall, hang_after=self._hang_after)

    def pause(self, timeout: float) -> bool:
        """Bring all workers to a message boundary."""
        return self._mail.pause(timeout)

    def resume(self) -> None:
        """Let the workers go on."""
        self._mail.resume()

    def stop(self, timeout: float) -> bool:
        """Join the threads."""
        return self._mail.stop(timeout)

    @property
    def prints(self) -> bool:
        """Whether any handler prints."""
        return self._signature is not None and any(site.kind == "print" for site in self._signature.sites)

    @property
    def printed(self) -> bool:
        """Whether something was printed that is not written out."""
        return self._record is not None and self._record[PRINTED] != 0

    def flush(self) -> None:
        """Write out what was printed, by worker, and how much was lost. While the loop rests."""
        if self._record is not None and self.printed:
            report(self._record, self._signature, ())
            self._record[PRINTED] = 0


def _pointer(array: Any) -> Pointer:
    return Pointer(array.__array_interface__["data"][0], array.shape, array.strides)
