"""The arithmetic that Python's operators do not give: rounding, IEEE division, conversions between types."""

from __future__ import annotations

import math
import struct
from typing import TypeAlias

from gyral.core.dtypes import BY_NAME, DType, bf16, f16, f32, round_float

Number: TypeAlias = bool | int | float


def to_f32(value: float) -> float:
    """Round to f32."""
    return round_float(f32, value)


def to_f16(value: float) -> float:
    """Round an operation's f64 result to f32 and then to f16."""
    return round_float(f16, round_float(f32, value))


def to_bf16(value: float) -> float:
    """Round an operation's f64 result to f32 and then to bf16."""
    return round_float(bf16, round_float(f32, value))


def divide(lhs: float, rhs: float) -> float:
    """IEEE division in f64."""
    if rhs:
        return lhs / rhs
    if lhs != lhs or rhs != rhs or lhs == 0.0:
        return math.nan
    return math.copysign(math.inf, lhs) * math.copysign(1.0, rhs)


def fmod(lhs: float, rhs: float) -> float:
    """C's fmod: exact, with the sign of `lhs`."""
    try:
        return math.fmod(lhs, rhs)
    except ValueError:
        return math.nan


def float_mod(dtype: DType, lhs: float, rhs: float) -> float:
    """Python's % on floats, each step rounded in f32 for the types below it; NaN where rhs is 0."""
    wide = f32 if dtype.bits < 64 else dtype
    rest = fmod(lhs, rhs)
    if rest == 0.0:
        rest = math.copysign(0.0, rhs)
    elif (rhs < 0.0) != (rest < 0.0):
        rest = round_float(wide, rest + rhs)
    return round_float(dtype, rest)


def float_floordiv(dtype: DType, lhs: float, rhs: float) -> float:
    """Python's // on floats as NumPy has it: lhs / rhs where rhs is 0."""
    wide = f32 if dtype.bits < 64 else dtype
    if rhs == 0.0:
        return divide(lhs, rhs)
    rest = fmod(lhs, rhs)
    quotient = round_float(wide, divide(round_float(wide, lhs - rest), rhs))
    if rest != 0.0 and (rhs < 0.0) != (rest < 0.0):
        quotient = round_float(wide, quotient - 1.0)
    if quotient == 0.0:
        result = math.copysign(0.0, round_float(wide, divide(lhs, rhs)))
    elif math.isfinite(quotient):
        result = float(math.floor(quotient))
        if round_float(wide, quotient - result) > 0.5:
            result = round_float(wide, result + 1.0)
    else:
        result = quotient
    return round_float(dtype, result)


def int_to_float(dtype: DType, value: int) -> float:
    """An integer as a float, rounded once to f32 or f64; 16-bit types go through f32."""
    nearest = float(value)
    if dtype.bits == 64:
        return nearest
    if abs(value) > 1 << 53:
        error = value - int(nearest)
        if error and not int(math.frexp(nearest)[0] * 9007199254740992.0) & 1:
            nearest = math.nextafter(nearest, math.inf if error > 0 else -math.inf)
    return round_float(dtype, round_float(f32, nearest))


def float_to_int(low: int, high: int, value: float) -> int:
    """Toward zero, saturating, NaN to 0."""
    if value != value:
        return 0
    if value <= low:
        return low
    return high if value >= high else int(value)


def bits_of(dtype: DType, value: Number) -> int:
    """The bit pattern of a value as an unsigned number."""
    if dtype.name == "bf16":
        return struct.unpack("<I", struct.pack("<f", value))[0] >> 16
    if dtype.is_float:
        return int.from_bytes(struct.pack("<" + dtype.code, value), "little")
    return int(value) & ((1 << dtype.bits) - 1)


def from_bits(dtype: DType, bits: int) -> Number:
    """The value with this bit pattern."""
    if dtype.name == "bf16":
        return struct.unpack("<f", struct.pack("<I", bits << 16))[0]
    if dtype.is_float:
        return struct.unpack("<" + dtype.code, bits.to_bytes(dtype.itemsize, "little"))[0]
    if dtype.kind == "bool":
        return bool(bits & 1)
    if dtype.kind == "index":
        return BY_NAME["i64"].wrap(bits)
    return dtype.wrap(bits)


def f16_from_bits(bits: int) -> float:
    """The f16 with this bit pattern."""
    return struct.unpack("<e", struct.pack("<H", bits))[0]


def f16_bits(value: float) -> int:
    """Bit pattern of an f16 value."""
    return struct.unpack("<H", struct.pack("<e", value))[0]


def bf16_from_bits(bits: int) -> float:
    """The bfloat16 with this bit pattern."""
    return struct.unpack("<f", struct.pack("<I", bits << 16))[0]


def bf16_bits(value: float) -> int:
    """Bit pattern of a bfloat16 value."""
    return struct.unpack("<I", struct.pack("<f", value))[0] >> 16


def reduce_pair(kind: str, dtype: DType, lhs: Number, rhs: Number) -> Number:
    """One step of a reduction: sum, min, max, any, all."""
    match kind:
        case "sum":
            if dtype.is_float:
                return round_float(dtype, round_float(f32, lhs + rhs) if dtype.bits < 32 else lhs + rhs)
            return lhs + rhs if dtype.kind == "index" else dtype.wrap(int(lhs + rhs))
        case "min":
            return rhs if rhs < lhs else lhs
        case "max":
            return rhs if rhs > lhs else lhs
        case "any":
            return bool(lhs or rhs) if dtype.kind == "bool" else lhs | rhs  # type: ignore[operator]
    return bool(lhs and rhs) if dtype.kind == "bool" else lhs & rhs  # type: ignore[operator]
