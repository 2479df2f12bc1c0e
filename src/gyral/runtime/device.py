"""The devices of this process: opened when first asked for, one object each."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from gyral.core import context, settings
from gyral.core.caps import Capabilities
from gyral.core.context import Scoped
from gyral.core.driver import Deadlines, Driver, NativeLaunches
from gyral.core.errors import DeviceError, GyralError, StateError, UnsupportedError, UserError
from gyral.core.events import Reset, emit
from gyral.runtime.buffer import Buffer
from gyral.runtime.pool import Pool, PoolStatistics
from gyral.runtime.stream import Stream

Opener = Callable[[int], Driver]
Count = Callable[[], int]


@dataclass(frozen=True, slots=True)
class _Kind:
    """How devices of a kind are opened and counted, whether they are listed, and DLPack's number for them."""

    opener: Opener
    count: Count
    listed: bool
    dlpack: int


_kinds: dict[str, _Kind] = {}
_open: dict[str, Device] = {}
_inherited: list[Any] = []
"""What a forked child got of its parent's devices: kept, as giving it back would hang or harm the parent."""
_lock = threading.RLock()


class Device:
    """One device: its memory, its streams, and what it can do. `with device:` sends launches to it."""

    def __init__(self, name: str, driver: Driver, dlpack: int = 0) -> None:
        self.name = name
        self.driver = driver
        self._dlpack = dlpack
        self.pool = Pool(driver, settings.current().pool_limit)
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()
        self._left: deque[Any] = deque()
        self._local = threading.local()
        self._scoped = Scoped(device=self)

    @property
    def kind(self) -> str:
        """The sort of device: its name without a number."""
        return self.name.partition(":")[0]

    @property
    def dlpack(self) -> tuple[int, int]:
        """Type and number of the device in DLPack, (0, 0) for kinds that other libraries do not share."""
        if not self._dlpack:
            return 0, 0
        return self._dlpack, int(self.name.partition(":")[2] or 0)

    @property
    def capabilities(self) -> Capabilities:
        """What the device can do."""
        return self.driver.capabilities

    @property
    def statistics(self) -> PoolStatistics:
        """The memory pool's figures, in bytes."""
        return self.pool.statistics()

    def buffer(self, nbytes: int) -> Buffer:
        """Fresh memory, contents undefined."""
        memory = self.pool.take(nbytes)
        return Buffer(memory, self.driver.address(memory), nbytes, self.pool.give)

    def stream(self) -> Stream:
        """A new stream of this device."""
        self._forget_done()
        made = Stream(self.driver, self._left.append)
        self._streams.add(made)
        return made

    def default_stream(self) -> Stream:
        """This Python thread's own stream on the device."""
        found: Stream | None = getattr(self._local, "stream", None)
        if found is None:
            found = self._local.stream = self.stream()
            if isinstance(self.driver, NativeLaunches):
                self.driver.serve_thread(found.queue)
        return found

    def current_stream(self) -> Stream:
        """The stream in scope if it is one of this device, else this thread's default one."""
        scoped = context.current().stream
        return scoped if scoped is not None and scoped.driver is self.driver else self.default_stream()

    def synchronize(self) -> None:
        """Wait for all work of the device; raises the first failure."""
        while (left := self._one_left()) is not None:
            if isinstance(left, GyralError):
                raise left
            self.driver.wait(left)
        for stream in list(self._streams):
            stream.synchronize()

    def _one_left(self) -> Any:
        """What a dropped stream left behind, the oldest first; None when there is nothing more."""
        try:
            return self._left.popleft()
        except IndexError:  # another thread was faster
            return None

    def _forget_done(self) -> None:
        """Let go of streams that were dropped and are done; what their work raised is kept to be raised."""
        driver = self.driver
        if not self._left or not isinstance(driver, Deadlines):
            return
        for _ in range(len(self._left)):
            if (left := self._one_left()) is None:
                return
            try:
                if isinstance(left, GyralError) or not driver.wait_until(left, 0):
                    self._left.append(left)
            except GyralError as error:
                self._left.append(error)

    def reset(self) -> Device:
        """Close the device, also after a fatal error, and open it anew: the result is the one to use.

        Its memory is lost. What belongs to the closed device, arrays and streams, raises StateError when
        it is used. The CPU keeps everything in this process and stays as it is.
        """
        if self.capabilities.unified:
            return self
        with _lock:
            self._close()
            if _open.get(self.name) is self:
                del _open[self.name]
            return device(self.name)

    def _close(self) -> None:
        reason = ""
        self.pool.close()
        self._streams = weakref.WeakSet()
        try:
            self.driver.close()
        except DeviceError as error:
            # A lost device cannot finish its work; opening it anew is what was asked for.
            reason = str(error)
        emit(Reset(self.name, reason))

    def _leave(self) -> None:
        """In a forked child: the parent's device is out of reach, and must stay untouched."""
        gone: Any = _Gone(self.name, self.driver.capabilities)
        _inherited.append((self.driver, self.pool, list(self._streams)))
        for stream in self._streams:
            stream.driver = gone
        self.pool.close()
        self.driver = gone

    def __enter__(self) -> Self:
        self._scoped.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scoped.__exit__(kind, error, trace)

    def __repr__(self) -> str:
        return f"gyral.device({self.name!r})"


class _Gone:
    """The driver of a device opened before the process was forked: whatever it is asked, it says so."""

    def __init__(self, name: str, capabilities: Capabilities) -> None:
        self.name = name
        self.capabilities = capabilities

    def __getattr__(self, word: str) -> Any:
        raise StateError(
            f"{self.name} was opened before this process was forked, and works in the parent alone; "
            'start workers by "spawn", or open the device in them only'
        )


def register(
    kind: str, opener: Opener, *, count: Count = lambda: 1, listed: bool = True, dlpack: int = 0
) -> None:
    """Make a kind of device known.

    `opener` makes the driver of its n-th device, or says why it cannot; `count` tells, silently, how many
    there are; `dlpack` is the number by which DLPack knows the kind, 0 when memory is not shared.
    """
    _kinds[kind] = _Kind(opener, count, listed, dlpack)


def device(name: str | Device) -> Device:
    """The device of a name such as "cpu" or "cuda:1"; opened at first use, the same object each time."""
    if isinstance(name, Device):
        return name
    kind, _, number = str(name).partition(":")
    if kind not in _kinds or not (number.isdecimal() or number == ""):
        known = ", ".join(sorted(kind for kind, row in _kinds.items() if row.listed))
        raise UserError(f"there is no device {name!r}; known kinds: {known}")
    index = int(number or 0)
    key = f"{kind}:{index}" if index else kind
    with _lock:
        if key not in _open:
            row = _kinds[kind]
            _open[key] = Device(key, row.opener(index), row.dlpack)
        return _open[key]


def devices() -> list[Device]:
    """The devices that work here, of every kind. `device(name)` says why one that is missing does not."""
    found = []
    for kind, row in _kinds.items():
        for number in range(row.count() if row.listed else 0):
            try:
                found.append(device(f"{kind}:{number}"))
            except (UnsupportedError, DeviceError):
                continue
    return found


def device_of_dlpack(kind: int, number: int) -> Device | None:
    """The device that DLPack knows by a type and a number, None for a type that is not shared."""
    for name, row in _kinds.items():
        if row.dlpack and row.dlpack == kind:
            return device(f"{name}:{number}")
    return None


def current_device() -> Device:
    """Where launches go that have only NumPy arrays: the scope's device, else GYRAL_DEVICE, else the CPU."""
    scoped = context.current().device
    return scoped if scoped is not None else device(settings.current().device)


def synchronize() -> None:
    """Wait for all work on all devices of this process; raises the first failure."""
    for opened in list(_open.values()):
        opened.synchronize()


def options(**changes: Any) -> Scoped:
    """Options for the launches inside a `with`: check, fastmath, downcast, implicit_copies, device, stream,
    time_limit (seconds that a launch may take).

    They belong to the task or thread that entered the block. UserError for an unknown option.
    """
    known = set(context.Scope.__dataclass_fields__) - {"recorder"}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise UserError(f"there is no option {unknown[0]!r}; known: {', '.join(sorted(known))}")
    if "device" in changes and changes["device"] is not None:
        changes["device"] = device(changes["device"])
    limit = changes.get("time_limit")
    if limit is not None and not (isinstance(limit, (int, float)) and limit > 0):
        raise UserError(f"time_limit is a number of seconds above 0, not {limit!r}")
    if "check" in changes:
        changes["check"] = check_level(changes["check"])
    return Scoped(**changes)


def check_level(value: Any) -> Any:
    """A user's `check=` as the compiler's: True is "on", False is "off". UserError for anything else."""
    levels = {True: "on", False: "off", None: None, "on": "on", "off": "off", "race": "race"}
    if not isinstance(value, (bool, str, type(None))) or value not in levels:
        raise UserError(f'check is True, False or "race", not {value!r}')
    return levels[value]


def _after_fork() -> None:
    global _lock
    _lock = threading.RLock()
    for opened in _open.values():
        opened._local = threading.local()
        opened.pool.renew_lock()
        if not opened.capabilities.unified:
            opened._leave()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@atexit.register
def _finish() -> None:
    """Queued work is finished, not dropped, when the process ends."""
    for opened in list(_open.values()):
        if not isinstance(opened.driver, _Gone):
            opened.synchronize()
