"""Sine, cosine and tangent: quarter turns by Cody and Waite, by Payne and Hanek further out; polynomials."""

from math import inf

from gyral.compiler.words import bitcast, fma
from gyral.core.dtypes import f32, f64, i32, i64, u32, u64

TWO_OVER_PI = 0.6366197723675814
ONE_OVER_PI = 0.3183098861837907
HALF_PI_HI_F32 = 1.5707963
HALF_PI_MID_F32 = 7.5497894e-08
HALF_PI_LO_F32 = 5.3903025e-15
PI_HI_F32 = 3.1415925
PI_LO_F32 = 1.5099579e-07
# pi/2 * 2**-64 in two parts, for a fraction of a quarter turn held in 64 bits.
HALF_PI_64_HI_F32 = 8.515304e-20
HALF_PI_64_LO_F32 = -2.3695991e-27
# 1.5 * 2**23: adding it rounds to a whole number whose lowest bits can be read from the sum.
SHIFT_F32 = 12582912.0
# Beyond this the three-part product with pi/2 is no longer exact enough.
CODY_WAITE_LIMIT_F32 = 65536.0
HALF_PI_HI_F64 = 1.5707963267948966
HALF_PI_MID_F64 = 6.123233995736766e-17
HALF_PI_LO_F64 = -1.4973849048591698e-33
HALF_PI_64_HI_F64 = 8.515303950216386e-20
HALF_PI_64_LO_F64 = 3.319411800407449e-36
# 1.5 * 2**52.
SHIFT_F64 = 6755399441055744.0
CODY_WAITE_LIMIT_F64 = 4194304.0


def _two_over_pi_f32(index: u32) -> u32:
    """The 32-bit word of 2/pi at this index; word 0 is the whole part."""
    w = u32(0)
    w = u32(0xA2F9836E) if index == 1 else w
    w = u32(0x4E441529) if index == 2 else w
    w = u32(0xFC2757D1) if index == 3 else w
    w = u32(0xF534DDC0) if index == 4 else w
    w = u32(0xDB629599) if index == 5 else w
    w = u32(0x3C439041) if index == 6 else w
    w = u32(0xFE5163AB) if index == 7 else w
    return w


def _turns_large_f32(x: f32) -> tuple[i32, f32, f32]:
    """Payne-Hanek for any finite |x| >= 2**16: the quarter turn and the rest as a sum of two floats.

    The 24-bit significand is multiplied with 96 bits of 2/pi, chosen so that whole turns fall off the top.
    """
    bits = bitcast(x, u32) & 0x7FFFFFFF
    significand = u64((bits & 0x7FFFFF) | 0x800000)
    position = (bits >> 23) - 120
    word = position >> 5
    a = _two_over_pi_f32(word)
    b = _two_over_pi_f32(word + 1)
    c = _two_over_pi_f32(word + 2)
    d = _two_over_pi_f32(word + 3)
    shift = u64(position & 31)
    high = (((u64(a) << 32) | u64(b)) << shift) >> 32
    middle = (((u64(b) << 32) | u64(c)) << shift) >> 32
    low = (((u64(c) << 32) | u64(d)) << shift) >> 32
    high = high & 0xFFFFFFFF
    middle = middle & 0xFFFFFFFF
    low = low & 0xFFFFFFFF
    turn = ((significand * high) << 32) + significand * middle + ((significand * low) >> 32)
    quarter = i32((turn + 0x2000000000000000) >> 62)
    rest = bitcast(turn << 2, i64)
    whole = f32(rest)
    left = f32(rest - i64(whole))
    head = whole * HALF_PI_64_HI_F32
    tail = fma(whole, HALF_PI_64_HI_F32, -head) + fma(whole, HALF_PI_64_LO_F32, left * HALF_PI_64_HI_F32)
    r = head + tail
    tail = (head - r) + tail
    r = r if abs(x) < inf else x - x
    return (-quarter if x < 0.0 else quarter), (-r if x < 0.0 else r), (-tail if x < 0.0 else tail)


def _turns_f32(x: f32) -> tuple[i32, f32, f32]:
    """x = quarter * pi/2 + (r + tail) with |r| <= pi/4: the quarter's low bits, r and tail."""
    shifted = fma(x, TWO_OVER_PI, SHIFT_F32)
    quarter = bitcast(shifted, i32)
    n = shifted - SHIFT_F32
    head = fma(n, -HALF_PI_HI_F32, x)
    product = n * HALF_PI_MID_F32
    r = head - product
    tail = fma(n, -HALF_PI_LO_F32, ((head - r) - product) - fma(n, HALF_PI_MID_F32, -product))
    if not (abs(x) < CODY_WAITE_LIMIT_F32):
        quarter, r, tail = _turns_large_f32(x)
    return quarter, r, tail


def _sin_cos_quarter_f32(quarter: i32, r: f32, tail: f32) -> f32:
    """sin(r + tail) turned on by `quarter` quarter turns."""
    z = r * r
    s = fma(z, 2.7996243e-06, -0.00019849864)
    s = fma(s, z, 0.008333372)
    s = fma(s, z, -0.16666667)
    s = r + fma(r * z, s, tail)
    c = fma(z, 2.4431802e-05, -0.0013887307)
    c = fma(c, z, 0.041666646)
    half = 0.5 * z
    w = 1.0 - half
    c = w + (((1.0 - w) - half) + fma(z * z, c, -(r * tail)))
    y = c if (quarter & 1) == 1 else s
    return bitcast(bitcast(y, u32) ^ ((bitcast(quarter, u32) & 2) << 30), f32)


def sin_f32(x: f32) -> f32:
    """sin x for every x."""
    quarter, r, tail = _turns_f32(x)
    y = _sin_cos_quarter_f32(quarter, r, tail)
    return x if x == 0.0 else y


def cos_f32(x: f32) -> f32:
    """cos x for every x."""
    quarter, r, tail = _turns_f32(x)
    return _sin_cos_quarter_f32(quarter + 1, r, tail)


def cos_turns_f32(turns: f32) -> f32:
    """cos(2 pi turns) for 0 <= turns <= 1: the quarter comes off exactly, only the rest meets pi."""
    shifted = 4.0 * turns + SHIFT_F32
    rest = 4.0 * turns - (shifted - SHIFT_F32)
    r = rest * HALF_PI_HI_F32
    tail = fma(rest, HALF_PI_HI_F32, -r) + rest * HALF_PI_MID_F32
    return _sin_cos_quarter_f32(bitcast(shifted, i32) + 1, r, tail)


def tan_f32(x: f32) -> f32:
    """tan x for every x; -1 / tan in odd quarter turns."""
    quarter, r, tail = _turns_f32(x)
    z = r * r
    p = fma(z, 0.0044480455, -5.5226017e-05)
    p = fma(p, z, 0.010949796)
    p = fma(p, z, 0.021238055)
    p = fma(p, z, 0.054068577)
    p = fma(p, z, 0.13332585)
    p = fma(p, z, 0.33333352)
    p = r * z * p
    t = r + (p + fma(r * r, tail, tail))
    y = -1.0 / t if (quarter & 1) == 1 else t
    return x if x == 0.0 else y


def sin_f32_fast(x: f32) -> f32:
    """sin x within 4 ULP or 2**-24 for |x| < 30000; less and less beyond, never outside [-1, 1]."""
    shifted = fma(x, ONE_OVER_PI, SHIFT_F32)
    n = shifted - SHIFT_F32
    r = fma(n, -PI_HI_F32, x)
    r = fma(n, -PI_LO_F32, r)
    r = min(max(r, -1.6), 1.6)
    z = r * r
    p = fma(z, 2.6057774e-06, -0.00019809665)
    p = fma(p, z, 0.008333068)
    p = fma(p, z, -0.1666666)
    p = fma(p, z, 1.0)
    y = r * p
    return bitcast(bitcast(y, u32) ^ (bitcast(shifted, u32) << 31), f32)


def cos_f32_fast(x: f32) -> f32:
    """cos x as the sine of half a turn's rest, with the bounds of `sin_f32_fast`."""
    shifted = fma(x, ONE_OVER_PI, -0.5) + SHIFT_F32
    n = (shifted - SHIFT_F32) + 0.5
    r = fma(n, -PI_HI_F32, x)
    r = fma(n, -PI_LO_F32, r)
    r = min(max(r, -1.6), 1.6)
    z = r * r
    p = fma(z, 2.6057774e-06, -0.00019809665)
    p = fma(p, z, 0.008333068)
    p = fma(p, z, -0.1666666)
    p = fma(p, z, 1.0)
    y = -r * p
    return bitcast(bitcast(y, u32) ^ (bitcast(shifted, u32) << 31), f32)


def tan_f32_fast(x: f32) -> f32:
    """tan x within 4 ULP for |x| < 30000; less and less beyond."""
    shifted = fma(x, TWO_OVER_PI, SHIFT_F32)
    n = shifted - SHIFT_F32
    r = fma(n, -HALF_PI_HI_F32, x)
    r = fma(n, -HALF_PI_MID_F32, r)
    r = fma(n, -HALF_PI_LO_F32, r)
    z = r * r
    p = fma(z, 0.009511731, 0.0029064433)
    p = fma(p, z, 0.024563797)
    p = fma(p, z, 0.05337339)
    p = fma(p, z, 0.13339269)
    p = fma(p, z, 0.33333138)
    t = fma(r * z, p, r)
    return -1.0 / t if (bitcast(shifted, u32) & 1) == 1 else t


def _two_over_pi_f64(index: i64) -> u64:
    """The 64-bit word of 2/pi at this index; word 0 is the whole part."""
    w = u64(0)
    w = u64(0xA2F9836E4E441529) if index == 1 else w
    w = u64(0xFC2757D1F534DDC0) if index == 2 else w
    w = u64(0xDB6295993C439041) if index == 3 else w
    w = u64(0xFE5163ABDEBBC561) if index == 4 else w
    w = u64(0xB7246E3A424DD2E0) if index == 5 else w
    w = u64(0x06492EEA09D1921C) if index == 6 else w
    w = u64(0xFE1DEB1CB129A73E) if index == 7 else w
    w = u64(0xE88235F52EBB4484) if index == 8 else w
    w = u64(0xE99C7026B45F7E41) if index == 9 else w
    w = u64(0x3991D639835339F4) if index == 10 else w
    w = u64(0x9C845F8BBDF9283B) if index == 11 else w
    w = u64(0x1FF897FFDE05980F) if index == 12 else w
    w = u64(0xEF2F118B5A0A6D1F) if index == 13 else w
    w = u64(0x6D367ECF27CB09B7) if index == 14 else w
    w = u64(0x4F463F669E5FEA2D) if index == 15 else w
    w = u64(0x7527BAC7EBE5F17B) if index == 16 else w
    w = u64(0x3D0739F78A5292EA) if index == 17 else w
    w = u64(0x6BFB5FB11F8D5D08) if index == 18 else w
    w = u64(0x56033046FC7B6BAB) if index == 19 else w
    return w


def _high_product(a: u64, b: u64) -> u64:
    """The upper 64 bits of a * b."""
    a_low = a & 0xFFFFFFFF
    a_high = a >> 32
    b_low = b & 0xFFFFFFFF
    b_high = b >> 32
    cross = a_high * b_low + ((a_low * b_low) >> 32)
    other = a_low * b_high + (cross & 0xFFFFFFFF)
    return a_high * b_high + (cross >> 32) + (other >> 32)


def _window(a: u64, b: u64, shift: u64) -> u64:
    """64 bits of a and b put end to end, from this bit of a on."""
    return (a << shift) | ((b >> 1) >> (63 - shift))


def _turns_large_f64(x: f64) -> tuple[i64, f64, f64]:
    """Payne-Hanek for finite |x| >= 2**22: the 53-bit significand times 192 bits of 2/pi,
    less whole turns.
    """
    bits = bitcast(x, u64) & 0x7FFFFFFFFFFFFFFF
    significand = (bits & 0xFFFFFFFFFFFFF) | 0x10000000000000
    position = i64(bits >> 52) - 1013
    index = position >> 6
    shift = u64(position & 63)
    a = _two_over_pi_f64(index)
    b = _two_over_pi_f64(index + 1)
    c = _two_over_pi_f64(index + 2)
    d = _two_over_pi_f64(index + 3)
    middle = _window(b, c, shift)
    low = significand * middle + _high_product(significand, _window(c, d, shift))
    carry = u64(1) if low < significand * middle else u64(0)
    turn = significand * _window(a, b, shift) + _high_product(significand, middle) + carry
    quarter = i64((turn + 0x2000000000000000) >> 62)
    rest = bitcast((turn << 2) | (low >> 62), i64)
    whole = f64(rest)
    left = f64(rest - i64(whole)) + f64(low << 2) * 5.421010862427522e-20
    sum = whole + left
    left = (whole - sum) + left
    r = sum * HALF_PI_64_HI_F64
    tail = fma(sum, HALF_PI_64_HI_F64, -r) + fma(sum, HALF_PI_64_LO_F64, left * HALF_PI_64_HI_F64)
    r = r if abs(x) < inf else x - x
    return (-quarter if x < 0.0 else quarter), (-r if x < 0.0 else r), (-tail if x < 0.0 else tail)


def _turns_f64(x: f64) -> tuple[i64, f64, f64]:
    """x = quarter * pi/2 + (r + tail); as `_turns_f32`."""
    shifted = fma(x, TWO_OVER_PI, SHIFT_F64)
    quarter = bitcast(shifted, i64)
    n = shifted - SHIFT_F64
    head = fma(n, -HALF_PI_HI_F64, x)
    product = n * HALF_PI_MID_F64
    r = head - product
    tail = fma(n, -HALF_PI_LO_F64, ((head - r) - product) - fma(n, HALF_PI_MID_F64, -product))
    if not (abs(x) < CODY_WAITE_LIMIT_F64):
        quarter, r, tail = _turns_large_f64(x)
    return quarter, r, tail


def _sin_f64(r: f64, tail: f64) -> f64:
    """sin(r + tail) for |r| <= pi/4."""
    z = r * r
    p = fma(z, -7.489973763680723e-13, 1.6056343834203685e-10)
    p = fma(p, z, -2.5052086640017608e-08)
    p = fma(p, z, 2.7557319131472526e-06)
    p = fma(p, z, -0.00019841269841060398)
    p = fma(p, z, 0.008333333333333102)
    p = fma(p, z, -0.16666666666666666)
    return r + fma(r * z, p, fma(-0.5 * z, tail, tail))


def _cos_f64(r: f64, tail: f64) -> f64:
    """cos(r + tail) for |r| <= pi/4."""
    z = r * r
    p = fma(z, -1.1357588520849167e-11, 2.0875682774151175e-09)
    p = fma(p, z, -2.755731404687488e-07)
    p = fma(p, z, 2.480158728838741e-05)
    p = fma(p, z, -0.0013888888888872282)
    p = fma(p, z, 0.04166666666666659)
    half = 0.5 * z
    w = 1.0 - half
    return w + (((1.0 - w) - half) + fma(z * z, p, -(r * tail)))


def _sin_cos_quarter_f64(quarter: i64, r: f64, tail: f64) -> f64:
    """sin(r + tail) turned on by `quarter` quarter turns."""
    y = _cos_f64(r, tail) if (quarter & 1) == 1 else _sin_f64(r, tail)
    return bitcast(bitcast(y, u64) ^ ((bitcast(quarter, u64) & 2) << 62), f64)


def sin_f64(x: f64) -> f64:
    """sin x for every x."""
    quarter, r, tail = _turns_f64(x)
    y = _sin_cos_quarter_f64(quarter, r, tail)
    return x if x == 0.0 else y


def cos_f64(x: f64) -> f64:
    """cos x for every x."""
    quarter, r, tail = _turns_f64(x)
    return _sin_cos_quarter_f64(quarter + 1, r, tail)


def tan_f64(x: f64) -> f64:
    """tan x for every x, as the quotient of sine and cosine."""
    quarter, r, tail = _turns_f64(x)
    s = _sin_f64(r, tail)
    c = _cos_f64(r, tail)
    odd = (quarter & 1) == 1
    y = (-c if odd else s) / (s if odd else c)
    return x if x == 0.0 else y
