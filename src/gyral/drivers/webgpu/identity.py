"""Which WebGPU devices are here, and what code for them depends on."""

from __future__ import annotations

from gyral.core.errors import UnsupportedError
from gyral.drivers.webgpu import library


def count() -> int:
    """Number of devices; 0 without wgpu."""
    try:
        return len(library.adapters())
    except UnsupportedError:
        return 0


def identity() -> str:
    """What stands for the toolchain in cache keys: nothing, as WGSL is the same for all."""
    return "webgpu"
