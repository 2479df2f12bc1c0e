"""Launching one kernel with random arguments, on a device and in the interpreter."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import typer

from gyral.core.dtypes import ArrayType, DType, StaticType, Vec
from gyral.core.errors import CompileError, KernelFault, UnsupportedError
from gyral.jit.inspection import kinds_of_types
from gyral.jit.kernel import Kernel
from gyral.jit.parameters import REQUIRED, Parameter
from gyral.jit.ranks import rank_of
from gyral.runtime.device import device as device_named
from gyral.runtime.device import options
from gyral.testing.compare import Tolerance, difference
from gyral.testing.proofs import gap_of
from gyral.testing.sample import numpy_type

EXTENTS = ((1, 700), (1, 40), (1, 12))
"""Range of the extents of a launch of rank 1, 2 and 3: above and below a gang, divided by it and not."""

NEAR = Tolerance(ulp=8, relative=1e-5)
"""Maths functions may differ by a few units in the last place, sums by their order."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One launch: `difference` is "" where both agree, `fault` what both reported when a check failed.

    `refused` is why the device does not take the kernel at all.
    """

    shape: tuple[int, ...]
    fault: str
    difference: str
    refused: str = ""


def run_trials(kernel: Kernel, count: int, seed: int, device: str) -> list[Trial]:
    """`count` launches under check. typer.BadParameter for a kernel whose arguments cannot be made up."""
    random = np.random.default_rng(seed)
    for parameter in kernel.parameters:
        value_for(parameter, (1,), random)
    rank = kernel.rank or rank_of(kernel.__gyral_kernel__, kinds_of_types(kernel.name, kernel.parameters, ()))
    with device_named(device), options(check=True):
        return [run_trial(kernel, rank, random) for _ in range(count)]


def try_device(kernel: Kernel, count: int, seed: int, device: str) -> list[Trial]:
    """The same on one of several devices: one that lacks what the kernel needs gives one refused launch."""
    try:
        return run_trials(kernel, count, seed, device)
    except UnsupportedError as error:
        return [Trial((), "", "", str(error))]
    except CompileError as error:
        if not gap_of(error):
            raise
        return [Trial((), "", "", gap_of(error))]


def run_trial(kernel: Kernel, rank: int, random: np.random.Generator) -> Trial:
    """One random launch on both sides."""
    low, high = EXTENTS[rank - 1]
    shape = tuple(int(extent) for extent in random.integers(low, high + 1, rank))
    ours = [value_for(parameter, shape, random) for parameter in kernel.parameters]
    theirs = copy.deepcopy(ours)
    fault = attempt(lambda: kernel[shape](*ours))
    expected = attempt(lambda: kernel.interpret[shape](*theirs))
    if fault != expected:
        return Trial(
            shape, "", f"the device says {fault or 'nothing'!r}, the interpreter {expected or 'nothing'!r}"
        )
    if fault:
        return Trial(shape, fault, "")
    return Trial(shape, "", compare(kernel.parameters, theirs, ours))


def attempt(launch: Any) -> str:
    """What a launch reports as a fault of the kernel, "" when it is fine."""
    try:
        launch()
    except KernelFault as fault:
        return str(fault)
    return ""


def compare(parameters: Sequence[Parameter], expected: Sequence[Any], got: Sequence[Any]) -> str:
    """A sentence on the first array that differs, or ""."""
    for parameter, theirs, ours in zip(parameters, expected, got, strict=True):
        if isinstance(theirs, np.ndarray) and (found := difference(parameter.name, theirs, ours, NEAR)):
            return found
    return ""


def value_for(parameter: Parameter, shape: tuple[int, ...], random: np.random.Generator) -> Any:
    """A random argument: arrays as large as the launch, integers that may be indices, floats around 1."""
    match parameter.accepts:
        case ArrayType(elem=DType() as elem, rank=rank):
            return values(elem, extents(shape, rank), min(shape), random)
        case ArrayType(elem=Vec(elem=elem, size=size), rank=rank):
            return values(elem, (*extents(shape, rank), size), min(shape), random)
        case DType() as dtype:
            return values(dtype, (1,), min(shape), random).item()
        case StaticType() if parameter.default is not REQUIRED:
            return parameter.default
    raise typer.BadParameter(
        f"parameter {parameter.name!r} has no type to make values of; "
        "annotate it with a scalar type or gy.Array[...]"
    )


def extents(shape: tuple[int, ...], rank: int) -> tuple[int, ...]:
    """An array's extents for a launch: its last axes, with a few more in front where it has more axes."""
    return ((3,) * rank + shape)[-rank:]


def values(dtype: DType, shape: tuple[int, ...], below: int, random: np.random.Generator) -> np.ndarray:
    """Random values of a type: floats mostly in ±4, integers 0 … `below` − 1."""
    if dtype.is_float:
        return random.normal(0, 2, shape).astype(numpy_type(dtype))
    limit = 2 if dtype.kind == "bool" else min(below, dtype.bounds()[1])
    return random.integers(0, max(1, limit), shape).astype(numpy_type(dtype))
