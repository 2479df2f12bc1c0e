"""Float formats that a device can store and not compute in, by their bits and to the last bit.

Rounding is to nearest, ties to even; denormals, infinities and NaN come through.
"""

from gyral.compiler.words import bitcast, clz
from gyral.core.dtypes import bool_, f32, i32, u32

SIGN = 0x80000000


def rounds_up(kept: u32, lost: u32, half: u32, sticky: bool_) -> u32:
    """1 where what is lost is more than half a unit, or half of one and `kept` is odd."""
    return u32(lost > half or (lost == half and (sticky or kept & 1 != 0)))


def f32_of_double(low: u32, high: u32) -> f32:
    """The f32 nearest to the f64 of these words."""
    exponent = i32(high >> 20 & 0x7FF) - 896
    mantissa = (high & 0xFFFFF) << 3 | low >> 29
    rest = low & 0x1FFFFFFF
    bits = (u32(exponent) << 23) + mantissa + rounds_up(mantissa, rest, u32(0x10000000), False)
    if exponent < 1:
        shift = u32(min(1 - exponent, 25))
        full = mantissa | 0x800000
        bits = full >> shift
        bits += rounds_up(bits, full & (u32(1) << shift) - 1, u32(1) << shift - 1, rest != 0)
    elif exponent >= 255:
        nan = exponent == 1151 and mantissa | rest != 0
        bits = u32(0x7FC00000) if nan else u32(0x7F800000)
    return bitcast(bits | high & SIGN, f32)


def double_of_f32(x: f32) -> tuple[u32, u32]:
    """The words of the f64 that is this f32."""
    bits = bitcast(x, u32)
    mantissa = bits & 0x7FFFFF
    exponent = bits >> 23 & 0xFF
    wide = exponent + 896
    if exponent == 255:
        wide = u32(2047)
        mantissa = mantissa | 0x400000 if mantissa != 0 else mantissa
    elif exponent == 0:
        zeros = clz(mantissa) - 8
        wide = 897 - zeros if mantissa != 0 else u32(0)
        mantissa = mantissa << zeros & 0x7FFFFF if mantissa != 0 else mantissa
    return mantissa << 29, bits & SIGN | wide << 20 | mantissa >> 3


def f32_of_half(bits: u32) -> f32:
    """The f32 that is this f16."""
    mantissa = bits & 0x3FF
    exponent = bits >> 10 & 0x1F
    rebias = u32(224) if exponent == 31 else u32(112)
    normal = exponent + rebias << 23 | mantissa << 13
    small = bitcast(f32(mantissa) * 5.9604644775390625e-08, u32)
    return bitcast((small if exponent == 0 else normal) | (bits & 0x8000) << 16, f32)


def half_of_f32(x: f32) -> u32:
    """The f16 nearest to this f32."""
    bits = bitcast(x, u32)
    mantissa = bits & 0x7FFFFF
    exponent = i32(bits >> 23 & 0xFF) - 112
    half = (u32(exponent) << 10) + (mantissa >> 13)
    half += rounds_up(half, mantissa & 0x1FFF, u32(0x1000), False)
    if exponent < 1:
        shift = u32(min(14 - exponent, 25))
        full = mantissa | 0x800000
        half = full >> shift
        half += rounds_up(half, full & (u32(1) << shift) - 1, u32(1) << shift - 1, False)
    elif exponent >= 31:
        half = u32(0x7E00) if exponent == 143 and mantissa != 0 else u32(0x7C00)
    return half | bits >> 16 & 0x8000


def f32_of_bfloat(bits: u32) -> f32:
    """The f32 that is this bf16."""
    return bitcast(bits << 16, f32)


def bfloat_of_f32(x: f32) -> u32:
    """The bf16 nearest to this f32."""
    bits = bitcast(x, u32)
    near = bits + 0x7FFF + (bits >> 16 & 1) >> 16
    return bits >> 16 | 0x40 if bits & 0x7FFFFFFF > 0x7F800000 else near
