"""How WGSL keeps values: it has i32, u32, f32 and bool.

Smaller integers are i32 or u32 within their bounds, 16-bit floats are their bits in a u32, and all of 64 bits
is a vec2<u32>, low word first. Constants that WGSL's own evaluation refuses go through helper functions.
"""

from __future__ import annotations

import math

from gyral.compiler.emit.cfamily.literals import finite, pattern
from gyral.core.dtypes import DType, bool_, f32

_LEAST_NORMAL = 2.0**-126


def kept_as(t: DType) -> str:
    """The WGSL type of a value."""
    if t is bool_:
        return "bool"
    if t.bits == 64:
        return "vec2<u32>"
    if t is f32:
        return "f32"
    return "i32" if t.kind == "int" else "u32"


def literal(t: DType, value: bool | int | float) -> str:
    """A constant as an operand."""
    if t is bool_:
        return "true" if value else "false"
    if t is f32:
        return _float(float(value))
    if t.is_float:
        bits = pattern(t, float(value))
        return f"{bits}u" if t.bits == 16 else _words(bits)
    value = int(value)
    if t.bits == 64:
        return _words(value & 0xFFFFFFFFFFFFFFFF)
    if t.kind == "uint":
        return f"{value}u"
    if value == -(1 << 31):
        return f"i32({value})"
    return f"{value}i" if value >= 0 else f"({value}i)"


def is_literal(text: str) -> bool:
    """Whether an operand is a constant to WGSL, which then computes with it and refuses overflow and NaN."""
    text = text.lstrip("(-")
    return text[:1].isdigit() or text.startswith(("i32(-", "bitcast<f32>(0x")) or text in ("true", "false")


def converted(source: str, target: str, a: str) -> str:
    """The same 32 bits as another of i32, u32 and f32."""
    return a if source == target else f"bitcast<{target}>({a})"


def fitted(t: DType, a: str) -> str:
    """An i32 or u32 reduced to an integer type within it."""
    if t.bits >= 32:
        return a
    if t.kind == "uint":
        return f"({a} & {(1 << t.bits) - 1}u)"
    return f"(({a} << {32 - t.bits}u) >> {32 - t.bits}u)"


def _float(value: float) -> str:
    bits = pattern(f32, value)
    if not math.isfinite(value):
        return f"gyral_constant_f32({bits:#x}u)"
    if abs(value) < _LEAST_NORMAL and bits:
        return f"bitcast<f32>({bits:#x}u)"
    text = finite(value) + "f"
    return f"({text})" if text.startswith("-") else text


def _words(bits: int) -> str:
    return f"vec2<u32>({bits & 0xFFFFFFFF}u, {bits >> 32}u)"
