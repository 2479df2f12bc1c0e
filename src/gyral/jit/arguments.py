"""A call's arguments against the parameters: what kind each is, where it lies, or why it will not do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, TypeAlias

import numpy as np

from gyral.core.dtypes import (
    ArrayType,
    DType,
    ElementType,
    GenericInput,
    StaticType,
    StructType,
    Vec,
    alignment,
)
from gyral.core.errors import UserError
from gyral.jit.parameters import Parameter
from gyral.jit.scalars import leaves_of
from gyral.runtime.array import DeviceArray, contiguous_strides
from gyral.runtime.elements import element_of, same_layout, scalar_of


class Weak(Enum):
    """A Python number given to a parameter without annotation: it takes the type of what it meets."""

    INT = "int"
    FLOAT = "float"
    BOOL = "bool"


@dataclass(frozen=True, slots=True, eq=False)
class StaticValue:
    """The value of a compile-time parameter. Two are equal when code made for one is right for the other."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StaticValue) and exact(self.value) == exact(other.value)

    def __hash__(self) -> int:
        return hash(exact(self.value))


def exact(value: Any) -> tuple[Any, ...]:
    """A key that tells apart 1, 1.0 and True, and 0.0 and -0.0, which Python calls equal, but not two NaN."""
    if isinstance(value, float):
        return type(value), repr(value)
    if isinstance(value, tuple):
        return tuple, *map(exact, value)
    return type(value), value


Kind: TypeAlias = ArrayType | DType | Vec | StructType | Weak | StaticValue


@dataclass(frozen=True, slots=True)
class ArrayGiven:
    """An array argument. Extents and strides (bytes) are those of the kernel's axes; `low` and `high`
    bound the bytes it may touch; `owner` is what was passed; `host` is its memory seen by NumPy.
    """

    name: str
    kind: ArrayType
    owner: Any
    host: np.ndarray[Any, Any] | None
    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    low: int
    high: int
    writable: bool

    @property
    def unit(self) -> bool:
        """Whether neighbours along the last axis are neighbours in memory."""
        return not self.shape or self.shape[-1] <= 1 or self.strides[-1] == self.kind.elem.itemsize


@dataclass(frozen=True, slots=True)
class ScalarGiven:
    """A scalar, vector or struct argument as the numbers of its leaves, in order."""

    name: str
    kind: DType | Vec | StructType | Weak
    values: tuple[Any, ...]
    typed: bool


@dataclass(frozen=True, slots=True)
class StaticGiven:
    """An argument that is part of the specialisation."""

    name: str
    kind: StaticValue


Given: TypeAlias = ArrayGiven | ScalarGiven | StaticGiven


def take(parameter: Parameter, value: Any) -> Given:
    """One argument, checked against its parameter. UserError says what is wrong and what to do."""
    accepts, name = parameter.accepts, parameter.name
    if isinstance(accepts, StaticType):
        return StaticGiven(name, StaticValue(_static(name, accepts, value)))
    if isinstance(accepts, ArrayType):
        return _take_array(name, value, accepts, readonly=accepts.readonly)
    if isinstance(accepts, (type, GenericInput)):
        return _take_array(name, value, None, readonly=isinstance(accepts, GenericInput))
    if accepts is None:
        if isinstance(value, DeviceArray) or (isinstance(value, np.ndarray) and value.ndim > 0):
            return _take_array(name, value, None, readonly=False)
        return _bare(name, value)
    if isinstance(value, (DeviceArray, np.ndarray)) and value.ndim > 0 and not isinstance(accepts, Vec):
        raise UserError(
            f"argument {name!r} is a {accepts}, and an array was given; did you mean Array[{accepts}]?"
        )
    values, typed = leaves_of(name, accepts, value)
    return ScalarGiven(name, accepts, values, typed)


def contiguous(given: ArrayGiven) -> ArrayGiven:
    """An array argument as its copy on another device will be: the same, without gaps."""
    return replace(given, strides=contiguous_strides(given.shape, given.kind.elem.itemsize))


def _bare(name: str, value: Any) -> Given:
    if isinstance(value, bool):
        return ScalarGiven(name, Weak.BOOL, (value,), False)
    if isinstance(value, int):
        return ScalarGiven(name, Weak.INT, (value,), False)
    if isinstance(value, float) and not isinstance(value, np.generic):
        return ScalarGiven(name, Weak.FLOAT, (value,), False)
    if isinstance(value, (np.generic, np.ndarray)):
        found = element_of(value.dtype)
        if found is not None:
            values, typed = leaves_of(name, found, value)
            return ScalarGiven(name, found, values, typed)
    if _exports(value):
        return _take_array(name, value, None, readonly=False)
    raise UserError(
        f"argument {name!r} is {_shown(value)}, which no kernel takes; "
        "give a number, a NumPy array or an array made by gy.array()"
    )


def _static(name: str, accepts: StaticType, value: Any) -> Any:
    of = accepts.of
    if isinstance(value, np.generic) and not isinstance(of, DType):
        value = value.item()
    if isinstance(of, DType):
        return (
            of(value)
            if isinstance(value, (bool, int, float, np.generic))
            else _refuse_static(name, of, value)
        )
    if of is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(of, type) and (not isinstance(value, of) or (of is int and isinstance(value, bool))):
        _refuse_static(name, of, value)
    try:
        hash(value)
    except TypeError:
        _refuse_static(name, of, value)
    return value


def _refuse_static(name: str, of: Any, value: Any) -> Any:
    shown = getattr(of, "__name__", of)
    raise UserError(f"argument {name!r} is Static[{shown}], and {_shown(value)} was given")


def _exports(value: Any) -> bool:
    return isinstance(value, memoryview) or any(
        hasattr(value, protocol) for protocol in ("__array_interface__", "__dlpack__")
    )


def _host_array(name: str, value: Any) -> np.ndarray[Any, Any]:
    """Foreign arrays in host memory, seen by NumPy without a copy."""
    if type(value).__module__.startswith("numpy.ma"):
        raise UserError(
            f"argument {name!r} is a masked array, whose mask a kernel would not see; give .data or .filled()"
        )
    if isinstance(value, np.ndarray):
        return value
    try:
        if isinstance(value, memoryview) or hasattr(value, "__array_interface__"):
            return np.asarray(value)
        if hasattr(value, "__dlpack__"):
            return np.from_dlpack(value)
    except (TypeError, ValueError, BufferError, RuntimeError) as error:
        raise UserError(f"argument {name!r} ({_shown(value)}) cannot be used in place: {error}") from error
    raise UserError(
        f"argument {name!r} must be an array, and {_shown(value)} was given; "
        "give a NumPy array or one made by gy.array()"
    )


def _take_array(name: str, value: Any, declared: ArrayType | None, *, readonly: bool) -> ArrayGiven:
    if isinstance(value, DeviceArray):
        host, shape, strides = None, value.shape, value.strides
        dtype, address, writable = value.numpy_dtype, value.address, True
        found: ElementType | None = value.dtype
    else:
        host = _host_array(name, value)
        shape, strides, dtype, writable = host.shape, host.strides, host.dtype, host.flags.writeable
        address, found = host.__array_interface__["data"][0], None
    _check_memory(name, host, dtype)
    if declared is None:
        elem = found or element_of(dtype)
        if elem is None:
            raise UserError(f"argument {name!r} has dtype {dtype}, which kernels do not have")
        kind = ArrayType(elem, len(shape), readonly)
    else:
        kind = declared
        shape, strides = _match(name, declared, dtype, found, shape, strides)
    if not 1 <= kind.rank <= 4:
        raise UserError(f"argument {name!r} has {len(shape)} axes, and arrays of kernels have 1 to 4")
    low, high = _extent(address, shape, strides, kind.elem.itemsize)
    given = ArrayGiven(name, kind, value, host, address, tuple(shape), tuple(strides), low, high, writable)
    _check_alignment(given)
    return given


def _check_memory(name: str, host: np.ndarray[Any, Any] | None, dtype: np.dtype[Any]) -> None:
    if host is not None and not dtype.isnative:
        raise UserError(
            f"argument {name!r} is byte-swapped ({dtype.str}); convert it with "
            f"{name}.astype({name}.dtype.newbyteorder('='))"
        )
    if host is not None and dtype.hasobject:
        raise UserError(f"argument {name!r} holds Python objects; give it a numeric dtype")


def _check_alignment(given: ArrayGiven) -> None:
    mask = alignment(given.kind.elem) - 1
    moved = [s for s, extent in zip(given.strides, given.shape, strict=True) if extent > 1]
    if 0 not in given.shape and (given.address & mask or any(s & mask for s in moved)):
        raise UserError(
            f"argument {given.name!r} is misaligned: a {given.kind.elem} stands at a multiple of "
            f"{mask + 1} bytes; give a copy ({given.name}.copy())"
        )


def _match(
    name: str,
    declared: ArrayType,
    dtype: np.dtype[Any],
    found: ElementType | None,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Check an array against its declaration; return extents and strides without a vector's own axis."""
    elem = declared.elem
    if found is not None:
        fits = found == elem
    elif isinstance(elem, Vec):
        size = elem.elem.itemsize
        fits = scalar_of(dtype) == elem.elem and shape[-1:] == (elem.size,) and strides[-1] == size
        shape, strides = (shape[:-1], strides[:-1]) if fits else (shape, strides)
    else:
        fits = same_layout(dtype, elem)
    if not fits:
        have = found or dtype
        raise UserError(
            f"argument {name!r} has {_elements(have, shape)}, and the kernel declares {declared}"
            f"{_advice(elem, have)}"
        )
    if len(shape) != declared.rank:
        raise UserError(
            f"argument {name!r} has shape {shape}, and {declared} is declared, of rank {declared.rank}"
        )
    return shape, strides


def _elements(have: Any, shape: tuple[int, ...]) -> str:
    return f"elements of type {have} and shape {shape}"


def _advice(elem: ElementType, have: Any) -> str:
    if isinstance(elem, Vec):
        return f"; give an array of {elem.elem} whose last axis is contiguous and has {elem.size} elements"
    if isinstance(elem, StructType):
        return f"; make the array with dtype={elem.name}.dtype"
    known = scalar_of(have) if isinstance(have, np.dtype) else have
    return "; annotate the parameter gy.Array to take any type" if known is not None else ""


def _extent(address: int, shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> tuple[int, int]:
    if 0 in shape:
        return address, address
    steps = [(extent - 1) * stride for extent, stride in zip(shape, strides, strict=True)]
    return address + sum(s for s in steps if s < 0), address + sum(s for s in steps if s > 0) + itemsize


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text}" if len(text) <= 40 else f"a {type(value).__name__}"
