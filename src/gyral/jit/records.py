"""The buffer in which kernels leave faults and prints, and what becomes of them on the host."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TextIO

from gyral.core.artifact import Signature
from gyral.core.dtypes import DType
from gyral.core.report import fault, printed

_HEADER = 10
_NO_FAULT = (1 << 63) - 1
_PRINTS = 4096
PRINTED = 8
"""The word of a record that counts prints."""
_FAULT_THREAD, _FAULT_SITE, _FAULT_VALUES, _CAPACITY, _COUNT, _WORDS = 1, 2, 3, 7, PRINTED, 9


def new_record(signature: Signature) -> array[int]:
    """A fresh record buffer for one launch, with room for 4096 prints where the kernel prints."""
    prints = [site for site in signature.sites if site.kind == "print"]
    words = 2 + max((len(site.types) for site in prints), default=0)
    capacity = _PRINTS if prints else 0
    record = array("q", bytes(8 * (_HEADER + capacity * words)))
    record[_FAULT_THREAD] = _NO_FAULT
    record[_CAPACITY], record[_WORDS] = capacity, words
    return record


@dataclass(frozen=True, slots=True)
class Printed:
    """What one thread left at one site: a print, or the values of a check that failed."""

    thread: int
    site: int
    words: Sequence[int]


def report(
    record: array[int], signature: Signature, shape: Sequence[int], stdout: TextIO | None = None
) -> None:
    """Print what a launch printed, in thread order, then raise KernelFault if one of its checks failed."""
    if record[_COUNT]:
        count, capacity, words = record[_COUNT], record[_CAPACITY], record[_WORDS]
        rows = (record[_HEADER + k * words : _HEADER + (k + 1) * words] for k in range(min(count, capacity)))
        left = [Printed(row[0], row[1], row[2:]) for row in rows]
        write_prints(signature, left, count - capacity, stdout)
    if record[_FAULT_THREAD] != _NO_FAULT:
        values = record[_FAULT_VALUES : _FAULT_VALUES + 4]
        raise_fault(signature, Printed(record[_FAULT_THREAD], record[_FAULT_SITE], values), shape)


def write_prints(
    signature: Signature, left: Sequence[Printed], lost: int, stdout: TextIO | None = None
) -> None:
    """Write prints in thread order, and how many were `lost`, if any."""
    out = stdout or sys.stdout
    # The sort is stable, so that what one thread printed stays in its order.
    for row in sorted(left, key=lambda r: r.thread):
        site = signature.sites[row.site]
        values = [value_of(t, word) for t, word in zip(site.types, row.words, strict=False)]
        out.write(printed(site.parts, site.types, values))
    if lost > 0:
        out.write(f"[{signature.name}: {lost} more prints did not fit the buffer and are lost]\n")


def raise_fault(signature: Signature, failed: Printed, shape: Sequence[int]) -> NoReturn:
    """Raise the KernelFault of a thread that failed."""
    site = signature.sites[failed.site]
    words = failed.words
    values = [value_of(t, w) for t, w in zip(site.types, words, strict=False)] or list(words)
    raise fault(site, values, _unravel(failed.thread, shape))


def value_of(dtype: DType, word: int) -> Any:
    """The Python number in the low bytes of a 64-bit word."""
    data = struct.pack("<q", word)
    if dtype.name == "bf16":
        return struct.unpack("<f", b"\0\0" + data[:2])[0]
    if dtype.name == "index":
        return word
    return struct.unpack_from("<" + dtype.code, data)[0]


def _unravel(linear: int, shape: Sequence[int]) -> tuple[int, ...]:
    found = []
    for extent in reversed(shape):
        found.append(linear % max(1, extent))
        linear //= max(1, extent)
    return tuple(reversed(found))
