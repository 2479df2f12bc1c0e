"""Launches that were checked once, on devices to which Python sends launches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gyral.core import context
from gyral.core.driver import Launch
from gyral.jit.arguments import ArrayGiven, Given
from gyral.jit.launch import check_writes, enqueue, pack
from gyral.jit.plan import has_launcher
from gyral.runtime.array import DeviceArray
from gyral.runtime.device import Device


def repeated(
    kernel: str,
    device: Device,
    program: Any,
    shape: tuple[int, ...],
    given: Sequence[Given],
    otherwise: Callable[[], None],
) -> Callable[[], None]:
    """A launch that packs its arguments once; `otherwise` where it takes more than to be queued."""
    owners = [g.owner for g in given if isinstance(g, ArrayGiven)]
    arrays = [owner for owner in owners if isinstance(owner, DeviceArray)]
    queued = device.capabilities.streams and not has_launcher(device.driver)
    if not queued or program.signature.needs_record or not arrays or len(arrays) < len(owners):
        return otherwise
    check_writes(kernel, program.signature, given)
    launch = Launch(shape, tuple(pack(program.signature, given, {})), keep=tuple(arrays))
    return Repeat(device, program, launch, otherwise)


class Repeat:
    """A launch on arrays of a device, ready to be queued: calling it puts it on the current stream there."""

    def __init__(self, device: Device, program: Any, launch: Launch, otherwise: Callable[[], None]) -> None:
        self._device = device
        self._program = program
        self._launch = launch
        self._otherwise = otherwise
        self._buffers = list({id(array.buffer): array.buffer for array in launch.keep}.values())

    def __call__(self) -> None:
        scope = context.VARIABLE.get()
        limited = scope is not None and scope.time_limit is not None
        if limited or any(buffer.exposed for buffer in self._buffers):
            self._otherwise()
        else:
            enqueue(self._device, self._device.current_stream(), self._buffers, self._put)

    def _put(self, queue: Any) -> None:
        self._device.driver.launch(queue, self._program, self._launch)
