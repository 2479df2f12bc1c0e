"""Which OpenCL devices are here: every device of every platform that can compile, GPUs first."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from gyral.core.errors import UnsupportedError

_INSTALL = "install gyral[opencl], which brings pyopencl, and the OpenCL driver of your device"
_lock = threading.Lock()


def binding() -> Any:
    """The pyopencl package. UnsupportedError names the extra where it is missing or has no loader."""
    # pyopencl is optional; the one place that needs it asks for it when a device is first looked for.
    try:
        return __import__("pyopencl")
    except (ImportError, OSError) as error:
        raise UnsupportedError(f"OpenCL needs pyopencl ({error}): {_INSTALL}") from error


def found() -> tuple[Any, ...]:
    """The devices in the order of their numbers: GPUs, other accelerators, then processors."""
    with _lock:
        return _found()


@cache
def _found() -> tuple[Any, ...]:
    cl = binding()
    try:
        platforms = cl.get_platforms()
    except cl.Error:  # the loader says "not found" where no driver is installed
        return ()
    devices: list[Any] = []
    for platform in platforms:
        try:
            devices += [device for device in platform.get_devices() if _usable(device)]
        except cl.Error:  # a platform without a device of its own
            continue
    kinds = cl.device_type
    order = {kinds.GPU: 0, kinds.ACCELERATOR: 1}
    return tuple(sorted(devices, key=lambda device: order.get(device.type, 2)))


def pick(index: int) -> Any:
    """The device of a number. UnsupportedError when there is none of that number."""
    devices = found()
    if not devices:
        raise UnsupportedError(f"no OpenCL device was found: {_INSTALL}")
    if index >= len(devices):
        names = ", ".join(f"opencl:{at} {device.name.strip()}" for at, device in enumerate(devices))
        raise UnsupportedError(f"there is no opencl:{index}; there is {names}")
    return devices[index]


def _usable(device: Any) -> bool:
    """Whether a device compiles OpenCL C 1.2 and keeps numbers in our byte order."""
    major, minor = device.version.split()[1].split(".")[:2]
    return bool(
        device.available
        and device.compiler_available
        and device.endian_little
        and (int(major), int(minor[:1])) >= (1, 2)
    )
