"""Memory that two processes have: nameless files, which are gone with the last who has them."""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gyral.core.errors import DeviceError, DeviceErrorKind


def nameless(name: str, content: Iterable[bytes] = ()) -> int:
    """The descriptor of a new nameless file; `name` is what people see of it."""
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        for part in content:
            file.write(part)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


class SharedPages:
    """Arrays of one world, in one nameless file: each at the start of a page."""

    def __init__(self) -> None:
        self.fd = nameless("gyral-actors")
        self.nbytes = 0
        self._places: dict[int, int] = {}
        self._end = weakref.finalize(self, os.close, self.fd)

    def zeros(self, shape: int | tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        """Zeroed memory for an array."""
        extents = shape if isinstance(shape, tuple) else (shape,)
        nbytes = int(np.prod(extents, dtype=np.int64)) * dtype.itemsize
        whole = -(-max(1, nbytes) // mmap.PAGESIZE) * mmap.PAGESIZE
        try:
            os.ftruncate(self.fd, self.nbytes + whole)
            memory = mmap.mmap(self.fd, whole, offset=self.nbytes)
        except OSError as error:
            raise DeviceError(
                f"no {nbytes} bytes of memory for two processes ({error})", DeviceErrorKind.RESOURCE
            ) from error
        array = np.frombuffer(memory, np.uint8)[:nbytes].view(dtype).reshape(extents)
        self._places[array.__array_interface__["data"][0]] = self.nbytes
        self.nbytes += whole
        return array

    def offset(self, array: NDArray[Any]) -> int:
        """Where an array of this memory begins in the file."""
        return self._places[array.__array_interface__["data"][0]]
