"""One device opened: its context, made current around every call, and what became of it."""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from ctypes import byref, c_void_p
from typing import Any, Self

from gyral.core.driver import closed
from gyral.core.errors import DeviceError, DeviceErrorKind, StateError, UnsupportedError
from gyral.drivers.cuda.failures import STICKY, failure
from gyral.drivers.cuda.library import Library, integer

RESET_SECONDS = 5.0
"""How long a device is given to reset: one that runs a kernel without end may never answer."""

_open: weakref.WeakSet[Session] = weakref.WeakSet()


class Session:
    """The primary context of a device, which other libraries in the process share.

    `with session:` makes it current and puts back what was. Every call of the driver goes through `call`.
    """

    def __init__(self, library: Library, index: int) -> None:
        self.library = library
        self.index = index
        self.name = f"cuda:{index}" if index else "cuda"
        self.lost = ""
        self.forked = self.closed = False
        self._before = threading.local()
        self.call("cuInit", 0)
        count = self.integer("cuDeviceGetCount")
        if not 0 <= index < count:
            have = f"there are {count}, cuda:0 to cuda:{count - 1}" if count else "there is none"
            raise UnsupportedError(f"there is no device cuda:{index}: {have} that CUDA can use")
        self.device = self.integer("cuDeviceGet", index)
        context = c_void_p()
        self.call("cuDevicePrimaryCtxRetain", byref(context), self.device)
        self.context = context.value or 0
        _open.add(self)

    def call(self, name: str, *args: Any, detail: str = "") -> None:
        """Call a function of the driver; raises what its result means."""
        code = self.library[name](*args)
        if code:
            raise self.failure(name, code, detail)

    def failure(self, name: str, code: int, detail: str = "") -> Exception:
        """The error for a call that gave `code`; remembers when it is the end of the context."""
        found = failure(self.name, name, code, self.library.describe(code), detail)
        if code in STICKY:
            self.lost = self.lost or str(found)
        return found

    def integer(self, name: str, *args: Any) -> int:
        """What a function gives through its first parameter."""
        code, found = integer(self.library[name], *args)
        if code:
            raise self.failure(name, code)
        return found

    def attribute(self, number: int) -> int:
        """A device attribute; 0 when the driver does not know it."""
        code, found = integer(self.library["cuDeviceGetAttribute"], number, self.device)
        return 0 if code else found

    def handle(self, name: str, *args: Any) -> int:
        """What a function makes, given through its first parameter."""
        made = c_void_p()
        self.call(name, byref(made), *args)
        return made.value or 0

    def release(self, name: str, handle: int) -> None:
        """Destroy something, if there is still a device to do it on. Never raises: destructors call it."""
        if not self.usable:
            return
        before = c_void_p()
        self.library["cuCtxGetCurrent"](byref(before))
        if before.value != self.context:
            self.library["cuCtxSetCurrent"](self.context)
        self.library[name](handle)
        if before.value != self.context:
            self.library["cuCtxSetCurrent"](before)

    @property
    def usable(self) -> bool:
        """Whether calls can still do something."""
        return not (self.lost or self.closed or self.forked)

    def require(self) -> None:
        """Raise when the device cannot be used any more."""
        if self.forked:
            raise StateError(
                f"{self.name} was opened before this process was forked, which CUDA does not survive; "
                'start workers with the method "spawn" and open it there'
            )
        if self.closed:
            raise closed(self.name)
        if self.lost:
            raise DeviceError(
                f"{self.name} was lost by an earlier failure: {self.lost}", DeviceErrorKind.FATAL
            )

    def __enter__(self) -> Self:
        self.require()
        before = c_void_p()
        self.call("cuCtxGetCurrent", byref(before))
        if before.value != self.context:
            self.call("cuCtxSetCurrent", self.context)
        held = getattr(self._before, "held", None)
        if held is None:
            held = self._before.held = []
        held.append(before.value)
        return self

    def __exit__(self, *_: object) -> None:
        before = self._before.held.pop()
        if before != self.context:
            self.library["cuCtxSetCurrent"](before)

    def close(self) -> None:
        """Let go of the context; one that was lost is reset, which ends what still runs in it.

        DeviceError of kind FATAL when the device does not answer. Closing twice is harmless.
        """
        if self.closed or self.forked:
            self.closed = True
            return
        self.closed = True
        if not self.lost:
            self.call("cuDevicePrimaryCtxRelease_v2", self.device)
            return
        codes: list[int] = []
        reset = self.library["cuDevicePrimaryCtxReset_v2"]
        worker = threading.Thread(target=lambda: codes.append(reset(self.device)), daemon=True)
        worker.start()
        worker.join(RESET_SECONDS)
        if not codes or codes[0]:
            why = self.library.describe(codes[0])[0] if codes else f"no answer within {RESET_SECONDS:g} s"
            raise DeviceError(
                f"{self.name} could not be reset ({why}); start the process anew", DeviceErrorKind.FATAL
            )
        self.library["cuDevicePrimaryCtxRelease_v2"](self.device)


def memory_left(session: Session) -> tuple[int, int]:
    """Free and total bytes of the device's memory; zeros when the driver does not say."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    if session.library["cuMemGetInfo_v2"](byref(free), byref(total)):
        return 0, 0
    return free.value, total.value


def _after_fork() -> None:
    for session in list(_open):
        session.forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
