"""Sine, cosine and tangent: quarter turns by Cody-Waite steps, by Payne-Hanek beyond them, then minimax polynomials."""

from math import inf

from gyral.core.dtypes import f32, f64, i32, i64, u32, u64
from gyral.compiler.words import bitcast, copysign, fma

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


def _turns_large_f32(x: f32) -> tuple[i32, f32, f32]:
    """Payne-Hanek for any finite |x| >= 2**16: the quarter turn and the rest as a sum of two floats.

    The 24-bit significand is multiplied with 96 bits of 2/pi, chosen so that whole turns fall off the top.
    """
    bits = bitcast(x, u32) & 0x7FFFFFFF
    significand = u64((bits & 0x7FFFFF) | 0x800000)
    position = (bits >> 23) - 120
    word = position >> 5
    a = u32(0x00000000) if word == 0 else (u32(0xA2F9836E) if word == 1 else (u32(0x4E441529) if word == 2 else (u32(0xFC2757D1) if word == 3 else u32(0xF534DDC0))))
    b = u32(0xA2F9836E) if word == 0 else (u32(0x4E441529) if word == 1 else (u32(0xFC2757D1) if word == 2 else (u32(0xF534DDC0) if word == 3 else u32(0xDB629599))))
    c = u32(0x4E441529) if word == 0 else (u32(0xFC2757D1) if word == 1 else (u32(0xF534DDC0) if word == 2 else (u32(0xDB629599) if word == 3 else u32(0x3C439041))))
    d = u32(0xFC2757D1) if word == 0 else (u32(0xF534DDC0) if word == 1 else (u32(0xDB629599) if word == 2 else (u32(0x3C439041) if word == 3 else u32(0xFE5163AB))))
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
    r = whole * HALF_PI_64_HI_F32
    tail = fma(whole, HALF_PI_64_HI_F32, -r) + fma(whole, HALF_PI_64_LO_F32, left * HALF_PI_64_HI_F32)
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
    z = r * r
    p = fma(z, 0.009511731, 0.0029064433)
    p = fma(p, z, 0.024563797)
    p = fma(p, z, 0.05337339)
    p = fma(p, z, 0.13339269)
    p = fma(p, z, 0.33333138)
    t = fma(r * z, p, r)
    return -1.0 / t if (bitcast(shifted, u32) & 1) == 1 else t
