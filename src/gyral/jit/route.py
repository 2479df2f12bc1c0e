"""Launches of a sort that was seen before, on devices to which Python sends launches.

Checking arguments and finding code costs more than putting the launch on a queue, and both depend on little:
elements, extents, strides and alignment of the arrays, which of them share memory, the types of the numbers,
shape, block and the options in force. For launches that agree in all that, the program is known.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from gyral.core import context
from gyral.core.driver import Bits, Launch, Pointer
from gyral.core.dtypes import StaticType
from gyral.jit.arguments import ScalarGiven, take
from gyral.jit.launch import enqueue, scalars_of
from gyral.jit.parameters import Parameter
from gyral.jit.plan import has_launcher
from gyral.runtime.array import DeviceArray
from gyral.runtime.device import Device

_MOST = 256
"""Sorts of launches that a kernel remembers; with one more it begins anew."""
_NUMBERS = np.number, np.bool_
_ALIGNMENT = 63
"""No code is promised more: memory begins at a multiple of 64 bytes."""


class Routed(Protocol):
    """What `Routes` needs of a kernel."""

    placement: Any

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]: ...
    def options_in_force(self) -> tuple[Any, ...]: ...


class Routes:
    """A kernel's programs by the sort of launch they are for."""

    def __init__(self, kernel: Routed) -> None:
        self._kernel = kernel
        self._known: dict[tuple[Any, ...], Any] = {}

    def launch(self, shape: tuple[int, ...], block: Any, values: Sequence[Any]) -> bool:
        """Put a launch on the current stream of its arrays' device.

        False, and nothing done, for a launch of a sort that is not known, or that is not simply queued.
        """
        if not self._known:
            return False
        sort = self._sort(shape, block, values)
        program = None if sort is None else self._known.get(sort)
        if program is None:
            return False
        arrays = [value for value in values if type(value) is DeviceArray]
        device: Device = arrays[0].device
        driver = device.driver
        asked = Launch(shape, self._packed(program, values), keep=tuple(arrays))
        buffers = {id(array.buffer): array.buffer for array in arrays}
        enqueue(
            device,
            device.current_stream(),
            list(buffers.values()),
            lambda queue: driver.launch(queue, program, asked),
        )
        return True

    def learn(
        self, shape: tuple[int, ...], block: Any, values: Sequence[Any], device: Device, program: Any
    ) -> None:
        """Remember what ran a launch that was checked, if others may go the same way."""
        if not self._may_learn(device, program):
            return
        sort = self._sort(shape, block, values)
        if sort is not None:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[sort] = program

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()

    def _may_learn(self, device: Device, program: Any) -> bool:
        """Whether launches of this kernel there are put on a queue as they are, and by Python."""
        kernel, signature = self._kernel, program.signature
        static = any(isinstance(p.accepts, StaticType) for p in kernel.parameters)
        special = kernel.placement is not None or static or signature.needs_record
        return device.capabilities.streams and not special and not has_launcher(device.driver)

    def _sort(self, shape: tuple[int, ...], block: Any, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """What a launch is known by; None when it takes more than to be queued."""
        scope = context.VARIABLE.get()
        if scope is not None and (scope.recorder is not None or scope.time_limit is not None):
            return None
        if block is not None and (type(block) is not tuple or {*map(type, block)} != {int}):
            return None
        home = None
        facts: list[Any] = []
        places: list[tuple[int, int, int]] = []
        for value in values:
            kind = type(value)
            if kind is DeviceArray:
                buffer = value.buffer
                if buffer.exposed or (home is not None and value.device is not home):
                    return None
                home = value.device
                facts += value.dtype, value.shape, value.strides, value.address & _ALIGNMENT
                places.append((buffer.address, buffer.address + buffer.nbytes, value.address))
            elif kind is float or kind is int or kind is bool or isinstance(value, _NUMBERS):
                facts.append(kind)
            else:
                return None
        if home is None:
            return None
        # Arrays in memory of their own may lie anywhere; of those that share some, it matters where.
        shared = places if len(places) > 1 and _overlap(places) else ()
        return shape, block, self._kernel.options_in_force(), home, *facts, *shared

    def _packed(self, program: Any, values: Sequence[Any]) -> list[Pointer | Bits]:
        packed: list[Pointer | Bits] = []
        compiled = iter(program.signature.parameters)
        for parameter, value in zip(self._kernel.parameters, values, strict=True):
            if type(value) is DeviceArray:
                next(compiled)
                packed.append(Pointer(value.address, value.shape, value.strides))
            elif isinstance(given := take(parameter, value), ScalarGiven):
                packed += scalars_of(given, compiled)
        return packed


def _overlap(places: Sequence[tuple[int, int, int]]) -> bool:
    """Whether any of these ranges, (begin, end, ...), share a byte."""
    ordered = sorted(places)
    return any(after[0] < before[1] for before, after in itertools.pairwise(ordered))
