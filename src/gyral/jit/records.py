"""The buffer in which kernels leave faults and prints, and what becomes of them on the host."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Sequence
from typing import Any, TextIO

from gyral.core.artifact import Signature
from gyral.core.dtypes import DType
from gyral.core.errors import KernelFault
from gyral.core.report import fault, printed

_HEADER = 10
_NO_FAULT = (1 << 63) - 1
_PRINTS = 4096
_FAULT_THREAD, _FAULT_SITE, _FAULT_VALUES, _CAPACITY, _COUNT, _WORDS = 1, 2, 3, 7, 8, 9


def new_record(signature: Signature) -> array[int]:
    """A fresh record buffer for one launch, with room for 4096 prints where the kernel prints."""
    prints = [site for site in signature.sites if site.kind == "print"]
    words = 2 + max((len(site.types) for site in prints), default=0)
    capacity = _PRINTS if prints else 0
    record = array("q", bytes(8 * (_HEADER + capacity * words)))
    record[_FAULT_THREAD] = _NO_FAULT
    record[_CAPACITY], record[_WORDS] = capacity, words
    return record


def report(
    record: array[int], signature: Signature, shape: Sequence[int], stdout: TextIO | None = None
) -> None:
    """Print what a launch printed, in thread order, then raise KernelFault if one of its checks failed."""
    if record[_COUNT]:
        _write_prints(record, signature, stdout or sys.stdout)
    if record[_FAULT_THREAD] != _NO_FAULT:
        raise _fault(record, signature, shape)


def _write_prints(record: array[int], signature: Signature, stdout: TextIO) -> None:
    count, capacity, words = record[_COUNT], record[_CAPACITY], record[_WORDS]
    kept = min(count, capacity)
    rows = [record[_HEADER + k * words : _HEADER + (k + 1) * words] for k in range(kept)]
    # The sort is stable, so that what one thread printed stays in its order.
    for row in sorted(rows, key=lambda r: r[0]):
        site = signature.sites[row[1]]
        values = [value_of(t, word) for t, word in zip(site.types, row[2:], strict=False)]
        stdout.write(printed(site.parts, site.types, values))
    if count > kept:
        stdout.write(f"[{signature.name}: {count - kept} more prints did not fit the buffer and are lost]\n")


def value_of(dtype: DType, word: int) -> Any:
    """The Python number in the low bytes of a 64-bit word."""
    data = struct.pack("<q", word)
    if dtype.name == "bf16":
        return struct.unpack("<f", b"\0\0" + data[:2])[0]
    if dtype.name == "index":
        return word
    return struct.unpack_from("<" + dtype.code, data)[0]


def _fault(record: array[int], signature: Signature, shape: Sequence[int]) -> KernelFault:
    site = signature.sites[record[_FAULT_SITE]]
    words = record[_FAULT_VALUES : _FAULT_VALUES + 4]
    values = [value_of(t, w) for t, w in zip(site.types, words, strict=False)] or list(words)
    return fault(site, values, _unravel(record[_FAULT_THREAD], shape))


def _unravel(linear: int, shape: Sequence[int]) -> tuple[int, ...]:
    found = []
    for extent in reversed(shape):
        found.append(linear % max(1, extent))
        linear //= max(1, extent)
    return tuple(reversed(found))
