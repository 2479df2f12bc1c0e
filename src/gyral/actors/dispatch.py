"""A loop in launches: its program, and a world's arrays in the memory of a device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gyral.core.driver import Bits, Deadlines, Driver, Launch, Pointer, Residence
from gyral.core.errors import UnsupportedError
from gyral.jit.device_records import DeviceRecord, new_device_record
from gyral.jit.records import new_record, report
from gyral.runtime.device import Device


class Dispatch:
    """Arrays of a world on a device, copied by hand, and launches of its loop; all in one order.

    `arrays`, of the host, say how large the device's are; the first `shared` of them are used in place, on
    devices with `Residence`. Work is queued; `wait` waits for it.
    """

    def __init__(
        self,
        device: Device,
        program: Any,
        arrays: Sequence[NDArray[Any]],
        workers: int,
        shared: int = 0,
    ) -> None:
        self._device, self._driver, self._program = device, device.driver, program
        self._queue = self._driver.queue()
        self._shared = [_bytes(array) for array in arrays[:shared]]
        self._buffers = [device.buffer(-(-max(1, a.nbytes) // 16) * 16) for a in arrays[shared:]]
        self._addresses = [residence(self._driver).share(block) for block in self._shared]
        self._addresses += [buffer.address for buffer in self._buffers]
        pairs = zip(arrays, self._addresses, strict=True)
        self._pointers = tuple(Pointer(address, a.shape, a.strides) for a, address in pairs)
        self._shape = (workers * program.signature.threads[2],)
        self._prints = any(site.kind == "print" for site in program.signature.sites)
        self._record: Any = None

    def put(self, number: int, values: NDArray[Any], start: int = 0) -> None:
        """Copy elements to an array from `start` on; they must stay as they are until the copy is done."""
        if values.nbytes:
            address = self._addresses[number] + start * values.itemsize
            self._driver.copy_in(self._queue, address, _bytes(values))

    def get(self, number: int, target: NDArray[Any], start: int = 0) -> None:
        """Copy elements of an array from `start` on to the host."""
        if target.nbytes:
            address = self._addresses[number] + start * target.itemsize
            self._driver.copy_out(self._queue, _bytes(target), address)

    def run(self, budget: int, spins: int) -> None:
        """Launch the loop once: every worker returns after `spins` idle turns or `budget` messages."""
        self._driver.launch(self._queue, self._program, self._launch(budget, spins))

    def stay(self, budget: int, spins: int) -> None:
        """Launch the loop with all workers on the device at the same time."""
        residence(self._driver).stay(self._queue, self._program, self._launch(budget, spins))

    def is_done(self) -> bool:
        """Whether nothing is queued any more; raises what the work raised."""
        mark = self._driver.mark(self._queue)
        return isinstance(self._driver, Deadlines) and self._driver.wait_until(mark, 0)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for all work, so long at most where the device allows; whether it is done.

        Raises what the work raised. What handlers printed is printed.
        """
        mark = self._driver.mark(self._queue)
        if seconds is not None and isinstance(self._driver, Deadlines):
            if not self._driver.wait_until(mark, seconds):
                return False
        else:
            self._driver.wait(mark)
        if self._prints and self._record is not None:
            record, self._record = self._record, None
            self._report(record)
        return True

    def abandon(self) -> str:
        """Give up work that does not end; what became of the device."""
        if isinstance(self._driver, Deadlines):
            return self._driver.abandon(self._queue)
        return "its work goes on"

    def close(self) -> None:
        """Take back what was shared, once nothing uses it."""
        for block in self._shared:
            residence(self._driver).unshare(block)
        self._shared.clear()

    def _launch(self, budget: int, spins: int) -> Launch:
        if self._record is None:
            self._record = self._new_record()
        record = self._record.pointer if isinstance(self._record, DeviceRecord) else self._record
        arguments = (*self._pointers, Bits(budget), Bits(spins))
        return Launch(self._shape, arguments, record, (*self._buffers, self._record))

    def _new_record(self) -> Any:
        if not self._program.signature.needs_record:
            return None
        if self._device.capabilities.unified:
            return new_record(self._program.signature)
        return new_device_record(self._device, self._program.signature, self._shape)

    def _report(self, record: Any) -> None:
        if isinstance(record, DeviceRecord):
            record.report(self._program.signature, self._shape)
        else:
            report(record, self._program.signature, self._shape)


def residence(driver: Driver) -> Residence:
    """The driver as one whose launches may stay. UnsupportedError when they may not."""
    if not isinstance(driver, Residence):
        raise UnsupportedError(f"{driver.name} has no launches that stay in sight of the host's memory")
    return driver


def _bytes(values: NDArray[Any]) -> memoryview:
    """The bytes of a contiguous array, in place."""
    return values.reshape(-1).view(np.uint8).data
