"""Faults and prints of launches on devices that are not the CPU: u32 words in device memory (`core.abi`)."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gyral.core import abi
from gyral.core.artifact import Signature
from gyral.core.driver import Pointer
from gyral.core.errors import KernelFault, UserError
from gyral.core.span import NOWHERE
from gyral.jit.records import Printed, raise_fault, write_prints
from gyral.runtime.buffer import Buffer
from gyral.runtime.device import Device

_FAULTS, _PRINTS = 1024, 4096
_MOST_THREADS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """One launch's record: its words on the device."""

    device: Device
    buffer: Buffer
    words: int

    @property
    def pointer(self) -> Pointer:
        """The record as a launch takes it."""
        return Pointer(self.buffer.address, (self.words,), (4,))

    def report(self, signature: Signature, shape: Sequence[int]) -> None:
        """Print what the launch printed, in thread order; raise KernelFault if one of its checks failed."""
        found = array("I", bytes(4 * self.words))
        self.device.driver.copy_out(None, memoryview(found).cast("B"), self.buffer.address)
        if found[abi.PRINTS]:
            write_prints(signature, _prints(found), found[abi.PRINTS] - found[abi.PRINT_ROOM])
        if found[abi.LOWEST] != _MOST_THREADS:
            _raise(found, signature, shape)


def new_device_record(device: Device, signature: Signature, shape: Sequence[int]) -> DeviceRecord:
    """A fresh record in a device's memory. UserError for more threads than a record can tell apart."""
    threads = 1
    for extent in shape:
        threads *= extent
    if threads >= _MOST_THREADS:
        raise UserError(
            f"{signature.name} checks or prints, and {device.name} can do so for less than 2**32 - 1 "
            f"threads; it was launched over {threads}"
        )
    words = array("I", abi.record_words(signature, _FAULTS, _PRINTS))
    buffer = device.buffer(4 * len(words))
    device.driver.copy_in(None, buffer.address, memoryview(words).cast("B"))
    return DeviceRecord(device, buffer, len(words))


def _prints(found: array[int]) -> list[Printed]:
    first = abi.RECORD_HEADER + found[abi.FAULT_ROOM] * found[abi.ENTRY_WORDS]
    return [_entry(found, first, k) for k in range(min(found[abi.PRINTS], found[abi.PRINT_ROOM]))]


def _entry(found: array[int], first: int, number: int) -> Printed:
    width = found[abi.ENTRY_WORDS]
    words = found[first + number * width : first + (number + 1) * width]
    values = struct.unpack(f"<{(width - 2) // 2}q", words[2:].tobytes())
    return Printed(words[0], words[1], values)


def _raise(found: array[int], signature: Signature, shape: Sequence[int]) -> Any:
    lowest = found[abi.LOWEST]
    kept = min(found[abi.FAULTS], found[abi.FAULT_ROOM])
    entries = (_entry(found, abi.RECORD_HEADER, k) for k in range(kept))
    failed = next((entry for entry in entries if entry.thread == lowest), None)
    if failed is None:
        raise KernelFault(
            f"a check of {signature.name} failed in thread {lowest} of the launch, and so many others that "
            "which check it was got lost; launch fewer threads",
            (lowest,),
            NOWHERE,
        )
    raise_fault(signature, failed, shape)
