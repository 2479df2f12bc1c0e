"""Host numbers as the bits kernels take: what fits, what converts, what is refused."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from gyral.core.dtypes import DType, ElementType, Vec
from gyral.core.errors import UserError


def leaves_of(name: str, kind: ElementType, value: Any) -> tuple[tuple[Any, ...], bool]:
    """The numbers of a scalar, vector or struct argument in leaf order, and whether NumPy typed them."""
    if isinstance(kind, DType):
        number = _number(name, value)
        return (number,), isinstance(value, (np.generic, np.ndarray))
    if isinstance(kind, Vec):
        parts = list(value) if isinstance(value, (tuple, list, np.ndarray)) else []
        if len(parts) != kind.size:
            raise UserError(f"argument {name!r} is a {kind} and takes {kind.size} numbers, not {value!r}")
        return tuple(_number(name, part) for part in parts), isinstance(value, np.ndarray)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.void) and value.dtype.names == tuple(n for n, _ in kind.fields):
        parts = [value[n] for n, _ in kind.fields]
    elif isinstance(value, tuple) and len(value) == len(kind.fields):
        parts = list(value)
    else:
        raise UserError(f"argument {name!r} is a {kind}; give {kind}(...) or an element of an array of it")
    rows = [leaves_of(f"{name}.{n}", t, part) for (n, t), part in zip(kind.fields, parts, strict=True)]
    return tuple(number for row, _ in rows for number in row), isinstance(value, np.void)


def _number(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.generic):
        if value.dtype.name == "bfloat16":
            return float(value)
        value = value.item()
    if isinstance(value, (bool, int, float)):
        return value
    if hasattr(value, "__index__"):
        return int(value.__index__())
    raise UserError(f"argument {name!r} must be a number, and {value!r} was given")


def bits_of(name: str, dtype: DType, value: Any, *, typed: bool) -> int:
    """The bit pattern of a number in a parameter's type.

    Integers and floats convert as a store does: an int may become a float, never the reverse. A Python
    number that does not fit is refused; a NumPy scalar (`typed`) wraps or rounds as a store would.
    """
    if dtype.is_float:
        return _float_bits(name, dtype, value, typed)
    if isinstance(value, float):
        raise UserError(
            f"argument {name!r} is {dtype}, and the float {value!r} was given; convert it: int(...)"
        )
    if dtype.kind == "bool":
        if not isinstance(value, bool) and value not in (0, 1):
            raise UserError(f"argument {name!r} is bool_, and {_shown(value)} was given; write bool(...)")
        return int(value)
    low, high = dtype.bounds()
    if not low <= value <= high and not typed:
        raise UserError(
            f"argument {name!r} is {dtype}, which holds {low} to {high}, and {_shown(value)} was given; "
            f"annotate the parameter with a wider type"
        )
    return int(value) & ((1 << (8 * dtype.itemsize)) - 1)


def _shown(value: Any) -> str:
    """A number as messages show it; Python refuses to write out integers of thousands of digits."""
    long = isinstance(value, int) and value.bit_length() > 128
    return f"an integer of {value.bit_length()} bits" if long else repr(value)


def _float_bits(name: str, dtype: DType, value: Any, typed: bool) -> int:
    try:
        wide = float(value)
    except OverflowError:
        wide = float("inf") if value > 0 else float("-inf")
    rounded = dtype(wide)
    if rounded in (float("inf"), float("-inf")) and value != rounded and not typed:
        raise UserError(
            f"argument {name!r} is {dtype}, which cannot hold {_shown(value)}; annotate it with a wider type"
        )
    if dtype.name == "bf16":
        return struct.unpack("<I", struct.pack("<f", rounded))[0] >> 16
    size = {16: "<H", 32: "<I", 64: "<Q"}[dtype.bits]
    return struct.unpack(size, struct.pack("<" + dtype.code, rounded))[0]
