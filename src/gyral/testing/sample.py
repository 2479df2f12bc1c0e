"""Deterministic test values: the edges of every scalar type, and random ones between."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np

from gyral.core.dtypes import DType, bf16, bool_, f16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64

INTEGERS: tuple[DType, ...] = (i8, i16, i32, i64, u8, u16, u32, u64)
SIGNED: tuple[DType, ...] = (i8, i16, i32, i64)
HAS_BF16 = find_spec("ml_dtypes") is not None
FLOATS: tuple[DType, ...] = (f16, bf16, f32, f64) if HAS_BF16 else (f16, f32, f64)
NUMBERS: tuple[DType, ...] = (*INTEGERS, *FLOATS)
ALL: tuple[DType, ...] = (bool_, *NUMBERS)


def numpy_type(dtype: DType) -> np.dtype[Any]:
    """The NumPy type of a scalar type; bf16 needs the `bf16` extra."""
    if dtype is bf16:
        import ml_dtypes  # noqa: PLC0415  optional, and the only NumPy spelling of bfloat16

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(dtype.code)


def spelled(dtype: DType) -> str:
    """The name a user writes after `gy.`."""
    return "bool_" if dtype is bool_ else dtype.name


def edges(dtype: DType) -> list[Any]:
    """Values where things go wrong: zeros, ones, limits, and for floats infinities, NaN and denormals."""
    if dtype is bool_:
        return [False, True]
    if not dtype.is_float:
        low, high = dtype.bounds()
        near = [0, 1, 2, 3, 7, high, high - 1, high // 2, low, low + 1]
        return near if low == 0 else [*near, -1, -2, -3, -7]
    tiny, least, largest = _FLOAT_LIMITS[dtype.name]
    positive = [0.0, least, tiny, 0.5, 1.0, 1.5, 2.0, 3.0, 7.0, largest, float("inf")]
    return [*positive, *(-v for v in positive), float("nan")]


_FLOAT_LIMITS = {
    "f16": (2.0**-14, 2.0**-24, 65504.0),
    "bf16": (2.0**-126, 2.0**-133, 2.0**127 * (2 - 2**-7)),
    "f32": (2.0**-126, 2.0**-149, 2.0**127 * (2 - 2**-23)),
    "f64": (2.0**-1022, 2.0**-1074, 1.7976931348623157e308),
}


def every_pair(dtype: DType) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays that hold every pair of edge values of a type."""
    values = np.array(edges(dtype), dtype=numpy_type(dtype))
    return np.repeat(values, values.size), np.tile(values, values.size)


def mixed(dtype: DType, count: int, seed: int = 1) -> np.ndarray:
    """`count` values: the edges first, then random ones over the whole type."""
    chosen = np.array(edges(dtype)[:count], dtype=numpy_type(dtype))
    rest = whole_range(dtype, count - chosen.size, seed)
    return np.concatenate([chosen, rest])


def whole_range(dtype: DType, count: int, seed: int = 1) -> np.ndarray:
    """Random bit patterns of a type; floats are finite."""
    source = np.random.default_rng(seed)
    kind = numpy_type(dtype)
    if dtype is bool_:
        return source.integers(0, 2, count).astype(kind)
    if not dtype.is_float:
        return source.integers(0, 256, count * kind.itemsize, dtype=np.uint8).view(kind)
    bits = source.integers(0, 256, count * kind.itemsize * 2, dtype=np.uint8).view(kind)
    finite = bits[np.isfinite(bits)]
    return np.resize(finite, count)


def moderate(dtype: DType, count: int, seed: int = 1, low: float = -4.0, high: float = 4.0) -> np.ndarray:
    """Random values in [low, high), rounded to the type; for unsigned types and bool from 0."""
    source = np.random.default_rng(seed)
    if dtype is bool_:
        return source.integers(0, 2, count).astype(bool)
    if dtype.kind == "uint":
        low = max(low, 0.0)
    return source.uniform(low, high, count).astype(numpy_type(dtype))


def zeros(dtype: DType, *shape: int) -> np.ndarray:
    """An array of zeros."""
    return np.zeros(shape, dtype=numpy_type(dtype))
