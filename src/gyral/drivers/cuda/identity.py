"""Which CUDA devices are here, and what code for them depends on. Loads no driver and no compiler."""

from __future__ import annotations

import sys
from functools import cache
from importlib import util
from pathlib import Path

from gyral.core.errors import UnsupportedError
from gyral.drivers.cuda.library import NAME, integer, library


def count(path: str = NAME) -> int:
    """Number of devices; 0 without a driver, or with one that does not work. Says nothing."""
    try:
        loaded = library(path)
    except UnsupportedError:
        return 0
    if loaded["cuInit"](0):
        return 0
    code, found = integer(loaded["cuDeviceGetCount"])
    return 0 if code else found


@cache
def identity() -> str:
    """What stands for the compiler in cache keys: its files by size and time, "none" where there is none.

    The device itself is no part of it: code is made for an architecture, which the options name.
    """
    stated = ((path.name, path.stat()) for path in _compiler_files())
    found = [f"{name} {status.st_size} {status.st_mtime_ns}" for name, status in stated]
    return "cuda " + (" ".join(found) or "none")


def _compiler_files() -> list[Path]:
    pattern = "nvrtc64_*.dll" if sys.platform == "win32" else "libnvrtc.so*"
    found: list[Path] = []
    for package in ("nvidia", "cuda"):
        spec = util.find_spec(package)
        for place in (spec.submodule_search_locations or ()) if spec is not None else ():
            found += Path(place).glob(f"*/lib/{pattern}")
            found += Path(place).glob(f"*/bin/{pattern}")
            found += Path(place).glob("bindings/nvrtc.*.so")
    return sorted({path.resolve() for path in found if path.is_file()})
