"""What a simulation was told, checked: its shape, its fields, its parameters and what its step takes."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gyral.actors.steptext import Program
from gyral.core.dtypes import DType, StructType, Vec, bool_, f32, f64, i32
from gyral.core.errors import UserError
from gyral.jit.key import fingerprint
from gyral.runtime.array import element
from gyral.runtime.elements import numpy_of

BOUNDARIES = ("zero", "periodic", "clamp")
BEFORE = "_before"


@dataclass
class Declared:
    """A step function with the first values of its fields and the values of its parameters."""

    program: Program
    first: dict[str, NDArray[Any]]
    constants: dict[str, Any]
    started: int = 0

    def changed(self, shape: tuple[int, ...], parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Other values of parameters. UserError for one that is not there or does not fit."""
        found = {}
        for name, value in parameters.items():
            if name in self.program.grids:
                found[name] = _grid(name, value, self.program.grids[name], shape).copy()
            elif name in self.program.values:
                found[name] = _scalar(name, value, self.program.values[name])
            else:
                names = ", ".join(self.constants) or "none"
                raise UserError(f"the simulation has no parameter {name!r}; it has {names}")
        return found


def declared(
    step: Any, shape: tuple[int, ...], fields: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Declared:
    """A step function with its fields and parameters. UserError for what does not fit together."""
    function = getattr(step, "__gyral_func__", None)
    if function is None:
        raise UserError(f"a step is a function made with @gy.func, not {step!r}")
    if not fields:
        raise UserError("a simulation has at least one field")
    first, types = {}, {}
    for name, given in fields.items():
        types[name], first[name] = _field(name, given, shape)
    wide = f64 if f64 in types.values() else f32
    constants, values, grids = {}, {}, {}
    for name, given in parameters.items():
        if name in types:
            raise UserError(f"{name!r} is both a field and a parameter")
        t = _type(name, given, wide)
        if np.ndim(given):
            grids[name], constants[name] = t, _grid(name, given, t, shape).copy()
        else:
            values[name], constants[name] = t, _scalar(name, given, t)
    sources = _sources(function, types, values, grids)
    return Declared(Program(step, types, values, grids, sources), first, constants)


def _sources(
    function: Any, fields: Mapping[str, Any], values: Mapping[str, Any], grids: Mapping[str, Any]
) -> tuple[tuple[str, str], ...]:
    """Where each parameter of a step comes from."""
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        before = name.removesuffix(BEFORE)
        if name in fields:
            found.append((name, f"field {name}"))
        elif name in values or name in grids:
            found.append((name, f"{'value' if name in values else 'grid'} {name}"))
        elif before != name and before in fields:
            found.append((name, f"before {before}"))
        elif name in ("cell", "step"):
            found.append((name, name))
        elif parameter.default is inspect.Parameter.empty:
            names = ", ".join([*fields, *values, *grids])
            raise UserError(
                f"{function.__name__} takes {name!r}, which is no field or parameter of the simulation; "
                f"there are {names}, each field with {BEFORE!r} behind its name, and cell and step"
            )
    taken = {name for name, _ in found}
    for name in (*values, *grids):
        if name not in taken:
            raise UserError(f"{function.__name__} does not take the parameter {name!r}")
    return tuple(found)


def shape_of(shape: Any) -> tuple[int, ...]:
    """A grid's extents. UserError unless there are 1 to 3, each at least 1."""
    found = tuple(shape) if isinstance(shape, Sequence) else (shape,)
    fits = all(hasattr(n, "__index__") and not isinstance(n, bool) and n.__index__() >= 1 for n in found)
    if not fits or not 1 <= len(found) <= 3:
        raise UserError(f"a grid has 1 to 3 extents, each at least 1, not {shape!r}")
    return tuple(n.__index__() for n in found)


def boundary_of(boundary: Any, rank: int) -> tuple[str, ...]:
    """What lies beyond each axis."""
    found = (boundary,) * rank if isinstance(boundary, str) else tuple(boundary)
    if len(found) != rank or any(kind not in BOUNDARIES for kind in found):
        names = ", ".join(map(repr, BOUNDARIES))
        raise UserError(f"a boundary is one of {names}, or one of them per axis ({rank}), not {boundary!r}")
    return found


def scalar_of(t: DType, value: Any) -> Any:
    """A parameter's value as a kernel takes it."""
    return numpy_of(t).type(value)


def fingerprint_of(step: Any) -> str:
    """The text of a step function and of what it calls, as a digest."""
    found = fingerprint(step.__gyral_func__)
    return hashlib.sha256(repr((found.text, found.captures)).encode()).hexdigest()


def _field(name: str, given: Any, shape: tuple[int, ...]) -> tuple[DType, NDArray[Any]]:
    if not name.isidentifier():
        raise UserError(f"a field's name is that of a parameter of the step, not {name!r}")
    if isinstance(given, (DType, Vec, StructType)) or (
        isinstance(given, (type, np.dtype)) and given is not bool
    ):
        t = _scalar_type(name, given)
        return t, np.zeros((), numpy_of(t))
    t = _type(name, given, f32)
    return t, _grid(name, given, t, shape)


def _type(name: str, given: Any, wide: DType) -> DType:
    """The type of a value: NumPy's own, else that of a plain number."""
    if isinstance(given, bool):
        return bool_
    if isinstance(given, int):
        return i32
    if isinstance(given, float):
        return wide
    try:
        return _scalar_type(name, np.asarray(given).dtype)
    except (TypeError, ValueError):
        raise UserError(f"{name!r} is neither a number nor an array of numbers: {given!r}") from None


def _scalar_type(name: str, given: Any) -> DType:
    t = element(given)
    if not isinstance(t, DType):
        raise UserError(f"the cells of {name!r} are single numbers, not {t}; use a field for each part")
    return t


def _grid(name: str, given: Any, t: DType, shape: tuple[int, ...]) -> NDArray[Any]:
    values = np.asarray(given, numpy_of(t))
    try:
        return np.broadcast_to(values, shape)
    except ValueError:
        raise UserError(f"{name!r} has the shape {values.shape}, and the grid {shape}") from None


def _scalar(name: str, given: Any, t: DType) -> Any:
    if np.ndim(given):
        raise UserError(f"the parameter {name!r} is a single number")
    try:
        return numpy_of(t).type(given)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"the parameter {name!r} is a number of type {t}, not {given!r}") from None
