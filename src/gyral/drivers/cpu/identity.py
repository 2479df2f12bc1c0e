"""What this processor is, asked of the native module so that LLVM stays unloaded."""

from __future__ import annotations

import os
import platform

from gyral.core import native

_AVX2, _AVX512 = 1 << 5, 1 << 16 | 1 << 17 | 1 << 30 | 1 << 31  # F, DQ, BW, VL: CPUID leaf 7, EBX
_YMM_STATE, _ZMM_STATE = 0x06, 0xE6  # what the system must save: XCR0


def identity() -> str:
    """A text that differs whenever code compiled on one machine might not run, or run well, on the other."""
    return f"{platform.machine()} {_key()}"


def vector_bits(key: str | None = None) -> int:
    """Width of the vector registers kernels are compiled for."""
    fields = (key or _key()).split("-")
    if fields[0] != "x86_64" or len(fields) < 8:
        return 128
    features = int(fields[4].split(".")[0], 16)
    state = int(fields[7].split(".")[1], 16)
    if features & _AVX512 == _AVX512 and state & _ZMM_STATE == _ZMM_STATE:
        return 512
    return 256 if features & _AVX2 and state & _YMM_STATE == _YMM_STATE else 128


def memory_bytes() -> int:
    """The machine's memory, 0 where it cannot be told."""
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return 0
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _key() -> str:
    return native.module.host_key() if native.module is not None else platform.processor()
