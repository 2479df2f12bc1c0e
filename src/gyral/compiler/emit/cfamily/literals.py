"""Constants as operands."""

from __future__ import annotations

import math
import struct
from typing import ClassVar, Protocol

from gyral.core.dtypes import DType, bool_, f32, f64


class Spelling(Protocol):
    """What literals need of a dialect."""

    long: ClassVar[str]

    def from_bits(self, t: DType, a: str) -> str:
        """u32 or u64 as f32 or f64."""
        ...


def c_literal(dialect: Spelling, t: DType, value: bool | int | float) -> str:
    """A constant in C; negative ones stand in parentheses. f16 and bf16 are their bits."""
    if t is bool_:
        return "true" if value else "false"
    if t in (f32, f64):
        return c_float(dialect, t, float(value))
    if t.is_float:
        return f"((u16){pattern(t, float(value))})"
    value = int(value)
    suffix = ("u" if t.kind == "uint" else "") + (dialect.long if t.bits == 64 else "")
    if t.bits < 32:
        return f"(({t.name}){value})"
    if value == t.bounds()[0] and value < 0:
        return f"({value + 1}{suffix} - 1)"
    return f"{value}{suffix}" if value >= 0 else f"({value}{suffix})"


def c_float(dialect: Spelling, t: DType, value: float) -> str:
    """A float constant; what is not finite goes by bits."""
    if not math.isfinite(value):
        return dialect.from_bits(t, f"0x{pattern(t, value):x}u{dialect.long if t is f64 else ''}")
    text = finite(value) + ("f" if t is f32 else "")
    return f"({text})" if text.startswith("-") else text


def finite(value: float) -> str:
    """Decimal where that is short and plain, hexadecimal elsewhere: exact in both."""
    short = repr(value)
    if len(short) <= 12 and "e" not in short:
        return short
    mantissa, _, exponent = value.hex().partition("p")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}p{exponent}"


def pattern(t: DType, value: float) -> int:
    """The bits of a float."""
    if t.name == "bf16":
        return struct.unpack("<I", struct.pack("<f", value))[0] >> 16
    return int.from_bytes(struct.pack("<" + t.code, value), "little")
