"""Which Metal devices are here, and what code for them depends on."""

from __future__ import annotations

from gyral.drivers.metal import framework


def count() -> int:
    """Number of devices; 0 where there is no Metal."""
    return len(framework.devices(framework.load())) if framework.present() else 0


def identity() -> str:
    """What stands for the toolchain in cache keys: text is kept, which no toolchain has touched."""
    return "metal"
