"""What Metal's errors mean for the caller."""

from __future__ import annotations

from typing import Any

from gyral.core.errors import DeviceError, DeviceErrorKind

COMPLETED, FAILED = 4, 5
"""Last states of a command buffer: MTLCommandBufferStatus."""

# MTLCommandBufferError: what happened, and what may help.
_COMMANDS = {
    1: (DeviceErrorKind.FATAL, "the driver failed inside"),
    2: (DeviceErrorKind.TRANSIENT, "it ran longer than the system lets it; launch it over parts"),
    3: (
        DeviceErrorKind.PROGRAMMER,
        "it used memory that is not there; run it with gy.options(check=True) to see where",
    ),
    4: (DeviceErrorKind.FATAL, "this process was cut off from the device after too many failures"),
    7: (DeviceErrorKind.FATAL, "the system does not let this process use the device"),
    8: (DeviceErrorKind.RESOURCE, "the device has no memory left for it"),
    9: (DeviceErrorKind.PROGRAMMER, "it used memory that was freed"),
    11: (DeviceErrorKind.FATAL, "the device was removed"),
    12: (DeviceErrorKind.RESOURCE, "a thread's private memory ran out; use smaller local arrays"),
}


def failure_of(command: Any, device: str) -> DeviceError | None:
    """Why a finished command buffer failed, None when it did not."""
    if command.status() != FAILED:
        return None
    error = command.error()
    code = int(error.code()) if error is not None else 0
    text = str(error.localizedDescription()) if error is not None else "no reason given"
    kind, meaning = _COMMANDS.get(code, (DeviceErrorKind.FATAL, "it failed"))
    return DeviceError(f"work on {device} was not done: {meaning} (Metal says: {text})", kind)
