"""Looking inside a kernel: its types from annotations, its IR, and running it on the interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from gyral.core.artifact import Check
from gyral.core.dtypes import PARAMETER_OF_BUILTIN, ArrayType, DType, StaticType, StructType, Vec
from gyral.core.errors import UnsupportedError, UserError
from gyral.jit import targets
from gyral.jit.arguments import ArrayGiven, Given, Kind, ScalarGiven, StaticValue
from gyral.jit.launch import check_shape, choose_device
from gyral.jit.parameters import REQUIRED, Parameter
from gyral.jit.ranks import rank_of
from gyral.jit.request import Request
from gyral.jit.specialise import Spec, Terms, specialise
from gyral.runtime.array import DeviceArray
from gyral.runtime.device import Device


def kinds_of_types(kernel: str, parameters: Sequence[Parameter], types: Sequence[Any]) -> tuple[Kind, ...]:
    """The kinds behind `kernel.source(..., *types)`; the annotations where no types are given.

    A Static parameter takes its value in place of a type.
    """
    if not types:
        return tuple(_annotated(kernel, parameter) for parameter in parameters)
    if len(types) != len(parameters):
        raise UserError(f"{kernel} has {len(parameters)} parameters, and {len(types)} types were given")
    return tuple(_given(kernel, p, t) for p, t in zip(parameters, types, strict=True))


def show_ir(request: Request, stage: str | None) -> str:
    """The printed IR of a request."""
    return targets.print_ir(request, stage)


def promotions(kernel: Any, types: Sequence[Any]) -> list[Any]:
    """Every conversion of the kernel that nobody wrote: to f64, or of an integer to a narrower one.

    Each has `kind`, `source`, `target` and `span`.
    """
    request = kernel.request(types)
    return targets.promotions_of(request)


class Interpreted(Protocol):
    """What `Interpretation` needs of a kernel."""

    name: str
    rank: int
    fastmath: bool
    __gyral_kernel__: Any

    def take(self, args: Any, kwargs: Any) -> list[Given]: ...
    def block_for(self, block: Any, rank: int) -> tuple[int, ...]: ...
    def effective_check(self) -> Any: ...
    def asked(self, spec: Spec) -> Request: ...


class Interpretation:
    """`kernel.interpret`: index it by a shape, call what comes back with the kernel's arguments."""

    def __init__(self, kernel: Interpreted) -> None:
        self._kernel = kernel

    def __getitem__(self, key: Any) -> Any:
        """A launch on the reference interpreter, on this thread; NumPy arrays are used in place."""
        kernel = self._kernel

        def interpret(*args: Any, **kwargs: Any) -> None:
            given = kernel.take(args, kwargs)
            rank = kernel.rank or rank_of(kernel.__gyral_kernel__, tuple(g.kind for g in given))
            shape, block = key, None
            if isinstance(key, tuple) and len(key) == 2 and (isinstance(key[0], tuple) or rank == 1):
                shape, block = key
            self.run(check_shape(kernel.name, shape, rank), block, given, kernel.effective_check())

        return interpret

    def run(self, shape: tuple[int, ...], block: Any, given: Sequence[Given], check: Check) -> None:
        """A launch of checked arguments; `shape` has the kernel's rank."""
        kernel = self._kernel
        for argument in given:
            if isinstance(argument, ArrayGiven) and argument.host is None:
                _require_host(argument)
        chosen = kernel.block_for(block, len(shape))
        spec = specialise(given, shape, Terms(block=chosen, check=check, fastmath=kernel.fastmath))
        targets.interpret(kernel.asked(spec), shape, chosen, [_plain(g) for g in given])

    def watch(self, shape: tuple[int, ...], block: Any, given: Sequence[Given], asked: Device | None) -> None:
        """A launch that looks for races, at once and on this thread."""
        kernel = self._kernel
        there = choose_device(kernel.name, given, asked)
        if not there.capabilities.unified:
            raise UnsupportedError(
                f'check="race" runs in host memory, which {there.name} does not share; launch on the CPU'
            )
        kernel.rank = kernel.rank or rank_of(kernel.__gyral_kernel__, tuple(g.kind for g in given))
        self.run(check_shape(kernel.name, shape, kernel.rank), block, given, "race")


def _require_host(argument: ArrayGiven) -> None:
    if not isinstance(argument.owner, DeviceArray) or not argument.owner.device.capabilities.unified:
        raise UnsupportedError(
            f"the interpreter reads host memory, and argument {argument.name!r} is elsewhere"
        )


def _plain(given: Given) -> tuple[str, Any]:
    """An argument for the interpreter: ("array", NumPy array), ("scalars", numbers) or ("static", value)."""
    if isinstance(given, ArrayGiven):
        host = given.host if given.host is not None else np.asarray(given.owner.numpy())
        return "array", host
    if isinstance(given, ScalarGiven):
        return "scalars", given.values
    return "static", given.kind.value


def _annotated(kernel: str, parameter: Parameter) -> Kind:
    accepts = parameter.accepts
    if isinstance(accepts, (ArrayType, DType, Vec, StructType)):
        return accepts
    if isinstance(accepts, StaticType) and parameter.default is not REQUIRED:
        return StaticValue(parameter.default)
    what = "a value" if isinstance(accepts, StaticType) else "a type"
    raise UserError(f"parameter {parameter.name!r} of {kernel} needs {what}: give one type per parameter")


def _given(kernel: str, parameter: Parameter, given: Any) -> Kind:
    if isinstance(parameter.accepts, StaticType):
        return StaticValue(given)
    if isinstance(given, type) and given in PARAMETER_OF_BUILTIN:
        return PARAMETER_OF_BUILTIN[given]
    if isinstance(given, (ArrayType, DType, Vec, StructType)):
        return given
    raise UserError(
        f"{given!r} is no type for parameter {parameter.name!r} of {kernel}; give gy.f32, gy.Array[...]"
    )
