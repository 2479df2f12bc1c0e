"""OpenCL's error codes as Gyral's errors: whose move it is, and what the code says."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from gyral.core.errors import DeviceError, DeviceErrorKind

_KINDS = {
    -2: DeviceErrorKind.FATAL,  # DEVICE_NOT_AVAILABLE
    -4: DeviceErrorKind.RESOURCE,  # MEM_OBJECT_ALLOCATION_FAILURE
    -5: DeviceErrorKind.RESOURCE,  # OUT_OF_RESOURCES
    -6: DeviceErrorKind.RESOURCE,  # OUT_OF_HOST_MEMORY
    -14: DeviceErrorKind.FATAL,  # EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST
    -34: DeviceErrorKind.FATAL,  # INVALID_CONTEXT
    -36: DeviceErrorKind.FATAL,  # INVALID_COMMAND_QUEUE
    -61: DeviceErrorKind.RESOURCE,  # INVALID_BUFFER_SIZE
    -9999: DeviceErrorKind.FATAL,  # what one vendor says of an access to memory that is not there
}


def failure(error: Any, doing: str) -> DeviceError:
    """A pyopencl error, raised by a call, as a DeviceError; `doing` says what was asked."""
    code = int(getattr(error, "code", 0) or 0)
    return DeviceError(f"OpenCL failed to {doing}: {error}", _KINDS.get(code, DeviceErrorKind.PROGRAMMER))


def broken(error: Any, status: int) -> DeviceError:
    """Queued work that failed while it ran: the context cannot be trusted any more."""
    return DeviceError(
        f"work queued on the OpenCL device failed while it ran (status {status}): {error}; "
        "a kernel may have reached beyond its arrays: run it with check=True, after device.reset()",
        DeviceErrorKind.FATAL,
    )


class Checked:
    """`with Checked(cl.Error, "copy to the device"):` turns what pyopencl raises into a DeviceError."""

    __slots__ = ("_doing", "_error")

    def __init__(self, error: type[Exception], doing: str) -> None:
        self._error, self._doing = error, doing

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, self._error):
            raise failure(error, self._doing) from error
