"""Copies of NumPy arguments to a device that cannot reach host memory, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gyral.core import context
from gyral.core.artifact import ArrayParameter, Signature
from gyral.core.driver import Pointer
from gyral.core.errors import UserError
from gyral.core.events import Copied, emit
from gyral.jit.arguments import ArrayGiven
from gyral.runtime.array import DeviceArray
from gyral.runtime.create import array
from gyral.runtime.device import Device


class Copies:
    """One launch's copies. `pointers` has the device side by argument name; nothing on unified devices."""

    def __init__(
        self, kernel: str, device: Device, signature: Signature, arrays: Sequence[ArrayGiven]
    ) -> None:
        self.pointers: dict[str, Pointer] = {}
        self._kernel, self._device = kernel, device
        self._back: dict[tuple[Any, ...], tuple[str, np.ndarray[Any, Any], DeviceArray]] = {}
        self._made: dict[tuple[Any, ...], DeviceArray] = {}
        if device.capabilities.unified:
            return
        parameters = [p for p in signature.parameters if isinstance(p, ArrayParameter)]
        for given, parameter in zip(arrays, parameters, strict=True):
            if given.host is not None:
                self._bring(given, given.host, parameter.writes)
        self._refuse_partial_overlap(arrays)

    @property
    def kept(self) -> tuple[Any, ...]:
        """What must live until the launch is done."""
        return tuple(self._made.values())

    def bring_back(self) -> None:
        """Copy what the kernel wrote to where it came from."""
        for name, host, made in self._back.values():
            host[...] = made.numpy()
            emit(Copied(self._kernel, name, self._device.name, "out", made.nbytes))

    def _bring(self, given: ArrayGiven, host: np.ndarray[Any, Any], writes: bool) -> None:
        if not context.current().implicit_copies:
            raise UserError(
                f"argument {given.name!r} of {self._kernel}() is a NumPy array and would be copied to "
                f"{self._device.name}, which implicit_copies=False forbids; use gy.array(..., device=)"
            )
        # The same array given twice is one copy, so that both parameters see each other's writes.
        same = (given.address, given.shape, given.strides, given.kind.elem)
        if same not in self._made:
            self._made[same] = array(host, given.kind.elem, device=self._device)
            emit(Copied(self._kernel, given.name, self._device.name, "in", host.nbytes))
        made = self._made[same]
        self.pointers[given.name] = Pointer(made.address, made.shape, made.strides)
        if writes:
            self._back[same] = given.name, host, made

    def _refuse_partial_overlap(self, arrays: Sequence[ArrayGiven]) -> None:
        hosted = [(a, (a.address, a.shape, a.strides, a.kind.elem)) for a in arrays if a.host is not None]
        for at, (a, key) in enumerate(hosted):
            for b, other in hosted[at + 1 :]:
                if (
                    key != other
                    and a.low < b.high
                    and b.low < a.high
                    and (key in self._back or other in self._back)
                ):
                    raise UserError(
                        f"arguments {a.name!r} and {b.name!r} of {self._kernel}() overlap in host memory, "
                        f"which {self._device.name} cannot see; copy one of them with gy.array()"
                    )
