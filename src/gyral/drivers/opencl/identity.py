"""How many OpenCL devices are here, and what their code depends on."""

from __future__ import annotations

from gyral.core.errors import UnsupportedError
from gyral.drivers.opencl.platforms import found


def count() -> int:
    """Number of devices, 0 without pyopencl or without a driver; prints nothing."""
    try:
        return len(found())
    except UnsupportedError:
        return 0


def identity() -> str:
    """Artifacts are OpenCL C that each device's driver builds; what it may use stands in the options."""
    return "opencl-c-1.2"
