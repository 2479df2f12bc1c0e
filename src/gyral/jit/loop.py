"""The loop of a program of actors as something that is compiled, cached and loaded like a kernel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from types import FunctionType
from typing import Any

from gyral.core.artifact import CompileOptions
from gyral.core.caps import Capabilities
from gyral.core.dtypes import ArrayType, StructType, u32
from gyral.core.errors import UnsupportedError, UserError
from gyral.jit import targets
from gyral.jit.programs import Programs
from gyral.jit.specialise import Spec, spell
from gyral.runtime.device import Device

BLOCK = (1,)


class Loop:
    """What stands where a kernel's function would: the classes of a system and its messages.

    `classes`: per class its Python class and the arrays it brings to the kernel, records first. `build` makes
    the `ResidentProgram`; it is asked for only when nothing is cached. `spelling` says everything besides the
    functions in words that are equal only for equal programs. `way`: how it stays, `program.Way`.
    """

    def __init__(
        self,
        classes: Sequence[tuple[type, tuple[ArrayType, ...]]],
        messages: dict[StructType, int],
        block: tuple[int, ...],
        spelling: str,
        build: Callable[[], Any],
        way: str = "threads",
    ) -> None:
        self.arrays = (ArrayType(u32, 1), *(t for _, arrays in classes for t in arrays))
        self.functions = tuple(
            found
            for python, _ in classes
            for _, found in sorted(vars(python).items())
            if isinstance(found, FunctionType)
        )
        numbered = [(spell(t), number) for t, number in messages.items()]
        self.spelling = f"{spelling} {[spell(t) for t in self.arrays]} {numbered} {block} {way}"
        self.block = block
        self.way = way
        self._build = build

    __name__ = "loop"

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """A loop is run by a system of actors, never called."""
        raise UserError("the loop of a system of actors is started by the system")

    def program(self) -> Any:
        """The `ResidentProgram`."""
        return replace(self._build(), way=self.way)

    def spec(self, kind: str, capabilities: Capabilities) -> Spec:
        """The one specialisation that a device of this kind runs."""
        row = targets.target(kind)
        options = CompileOptions(
            check="on",
            noalias=self.way != "endless",  # the host writes meanwhile
            unit_stride=(True,) * len(self.arrays),
            block=self.block,
            features=tuple(sorted(capabilities.features)) if row.by_blocks else (),
            groups=tuple(range(len(self.arrays))) if capabilities.separate_buffers else (),
        )
        return Spec((), options, 1, kind)

    def load(self, device: Device) -> Any:
        """The loaded program on a device; CompileError when a handler cannot be compiled.

        UnsupportedError when actors work in blocks of many threads and the device cannot do that.
        """
        if prod(self.block) > 1 and not device.capabilities.branched_barriers:
            raise UnsupportedError(
                f"{device.name} cannot compile loops of actors in blocks of {prod(self.block)} threads: they "
                "have barriers in branches; give the actors block=1, or another device"
            )
        return Programs("loop", self, 1).get(self.spec(device.kind, device.capabilities), device)
