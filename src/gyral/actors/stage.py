"""Memory that a checkpoint is copied into while the loop stands, kept for the next one."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from gyral.actors.saveformat import CHUNK, pages

THREADS: Final = min(4, os.cpu_count() or 1)
SLACK: Final = 1 << 20
"""Bytes more than are needed, for what the next copy has more of."""


class Stage:
    """Whole pages that only grow; what they hold is replaced by the next copy."""

    def __init__(self) -> None:
        self._memory = np.zeros(0, np.uint8)

    def reserve(self, nbytes: int) -> None:
        """Have room for so many bytes, touched already, so that a copy is not held up by the system."""
        if self._memory.size < nbytes:
            memory = mmap.mmap(-1, pages(nbytes + nbytes // 16 + SLACK))
            if hasattr(mmap, "MADV_HUGEPAGE"):
                memory.madvise(mmap.MADV_HUGEPAGE)
            self._memory = np.frombuffer(memory, np.uint8)
            self._memory[:: pages(1)] = 0

    def copy(self, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Copies of contiguous arrays, each at the start of a page, made by several threads."""
        self.reserve(sum(pages(a.nbytes) for a in arrays.values()))
        found: dict[str, NDArray[Any]] = {}
        work: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
        at = 0
        for name, array in arrays.items():
            target = self._memory[at : at + array.nbytes]
            source = array.reshape(-1).view(np.uint8)
            found[name] = target.view(array.dtype).reshape(array.shape)
            work += [(target[k : k + CHUNK], source[k : k + CHUNK]) for k in range(0, array.nbytes, CHUNK)]
            at += pages(array.nbytes)
        if len(work) > len(arrays):
            with ThreadPoolExecutor(THREADS) as pool:
                for _ in pool.map(lambda pair: np.copyto(*pair), work):
                    pass
        else:
            for target, source in work:
                np.copyto(target, source)
        return found
