"""Builds and calls `reference.c`: errors of computed values in units in the last place of the true ones."""

from __future__ import annotations

import ctypes
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SOURCE = Path(__file__).with_name("reference.c")
FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-fopenmp", "-shared", "-fPIC")


@dataclass(frozen=True, slots=True)
class Worst:
    """The largest error found and the arguments it was found at."""

    ulp: float
    arguments: tuple[float, ...]


def _pointer(values: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(values.ctypes.data)


class Reference:
    """The compiled reference; needs gcc with OpenMP and libquadmath."""

    def __init__(self, folder: Path) -> None:
        """Compile into `folder`; CalledProcessError with the compiler's own words when that fails."""
        library = folder / "reference.so"
        subprocess.run(["gcc", *FLAGS, str(SOURCE), "-o", str(library), "-lquadmath", "-lm"], check=True)
        self._library = ctypes.CDLL(str(library))

    def sweep(self, name: str, start: int, stride: int, got: np.ndarray, absolute: float = 0.0) -> Worst:
        """Compare got[k] with `name` of the float whose bits are start + k * stride (modulo 2**32).

        Differences up to `absolute` count as none.
        """
        largest, bits = ctypes.c_double(), ctypes.c_uint32()
        self._found(
            self._library.sweep(
                name.encode(), ctypes.c_uint32(start), ctypes.c_uint32(stride), ctypes.c_int64(got.size),
                _pointer(got), ctypes.c_double(absolute), ctypes.byref(largest), ctypes.byref(bits),
            ),
            name,
        )  # fmt: skip
        at = np.array([bits.value], np.uint32).view(np.float32)
        return Worst(largest.value, (float(at[0]),))

    def compare(self, name: str, got: np.ndarray, *arguments: np.ndarray, absolute: float = 0.0) -> Worst:
        """Compare got with `name` of one or two arrays of its dtype, float32 or float64."""
        family = "compare2" if len(arguments) == 2 else "compare"
        function = self._library[f"{family}_f{got.dtype.itemsize * 8}"]
        second = _pointer(arguments[1]) if len(arguments) == 2 else None
        largest, index = ctypes.c_double(), ctypes.c_int64()
        self._found(
            function(
                name.encode(), _pointer(arguments[0]), second, ctypes.c_int64(got.size), _pointer(got),
                ctypes.c_double(absolute), ctypes.byref(largest), ctypes.byref(index),
            ),
            name,
        )  # fmt: skip
        return Worst(largest.value, tuple(float(a[index.value]) for a in arguments))

    @staticmethod
    def _found(status: int, name: str) -> None:
        if status:
            raise KeyError(
                f"reference.c has no function {name!r} of that many arguments; add it to its tables"
            )
