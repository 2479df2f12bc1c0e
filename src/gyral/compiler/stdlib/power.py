"""Powers: log2 of the base as a sum of two floats, times the exponent, then exp2 of the sum."""

from math import inf, nan

from gyral.compiler.words import bitcast, copysign, floor, fma
from gyral.core.dtypes import bool_, f32, i32, u32

SHIFT_F32 = 12583039.0
SHIFT_TWICE_F32 = 12583166.0
SQRT_HALF_BITS_F32 = 0x3F3504F3
MIN_NORMAL_F32 = 1.1754943508222875e-38
TWO_OVER_LN2_HI_F32 = 2.88539
TWO_OVER_LN2_LO_F32 = 3.851926e-08


def log2_pair_f32(x: f32) -> tuple[f32, f32]:
    """log2 of a positive normal x as high + low, good to about 2**-31 of its size.

    With m in [sqrt 1/2, sqrt 2) and q = (m - 1) / (m + 1), log2 m = 2 / ln 2 * (q + q**3 / 3 + ...); q, its product
    with 2 / ln 2 and the sum with the exponent each keep their rounding error.
    """
    bits = bitcast(x, i32)
    e = (bits - SQRT_HALF_BITS_F32) >> 23
    m = bitcast(bits - (e << 23), f32)
    n = f32(e)
    f = m - 1.0
    u = m + 1.0
    u_low = m - (u - 1.0)
    inverse = 1.0 / u
    q = f * inverse
    q_low = fma(-q, u_low, fma(-q, u, f)) * inverse
    z = q * q
    p = fma(z, 0.34024885, 0.41170484)
    p = fma(p, z, 0.5770829)
    p = fma(p, z, 0.9617967)
    head = q * TWO_OVER_LN2_HI_F32
    tail = fma(q, TWO_OVER_LN2_HI_F32, -head)
    tail = fma(fma(q_low, z, q_low), TWO_OVER_LN2_HI_F32, fma(q, TWO_OVER_LN2_LO_F32, tail))
    tail = fma(q * fma(q, q, -z), p, fma(q * z, p, tail))
    sum = n + head
    tail = ((n - sum) + head) + tail
    high = sum + tail
    return high, (sum - high) + tail


def exp2_pair_f32(high: f32, low: f32) -> f32:
    """2**(high + low), low being small beside high; subnormal results included."""
    clamped = min(max(high, -160.0), 160.0)
    shifted = clamped + SHIFT_TWICE_F32
    r = (clamped - (shifted - SHIFT_TWICE_F32)) + (low if clamped == high else 0.0 * clamped)
    p = fma(r, 0.00015238003, 0.0013391137)
    p = fma(p, r, 0.009618841)
    p = fma(p, r, 0.055503592)
    p = fma(p, r, 0.24022645)
    p = fma(p, r, 0.6931472)
    p = fma(p, r, 1.0)
    bits = bitcast(shifted, u32)
    half = bits >> 1
    return p * bitcast(half << 23, f32) * bitcast((bits - half) << 23, f32)


def _is_odd_f32(y: f32) -> bool_:
    """Whether y is an odd whole number; every float from 2**24 is even."""
    half = 0.5 * y
    return (floor(y) == y) and (floor(half) != half)


def pow_f32(x: f32, y: f32) -> f32:
    """x**y with the special values of C's pow."""
    a = abs(x)
    tiny = a < MIN_NORMAL_F32
    high, low = log2_pair_f32(a * 16777216.0 if tiny else a)
    base = high - 24.0 if tiny else high
    low = (high - (base + 24.0)) + low if tiny else low
    product = y * base
    rest = fma(y, base, -product)
    rest = fma(y, low, rest)
    p = exp2_pair_f32(product, rest)
    odd = _is_odd_f32(y)
    p = p if (a > 0.0) and (a < inf) else (f32(0.0) if (a == 0.0) == (y > 0.0) else inf)
    p = -p if odd and (bitcast(x, i32) < 0) else p
    p = nan if (x < 0.0) and (a < inf) and (floor(y) != y) else p
    p = _pow_infinite_exponent_f32(a, y) if abs(y) == inf else p
    p = p if (x == x) and (y == y) else x + y
    return f32(1.0) if (x == 1.0) or (y == 0.0) else p


def _pow_infinite_exponent_f32(a: f32, y: f32) -> f32:
    """|x| to an infinite power."""
    grows = inf if (a > 1.0) == (y > 0.0) else f32(0.0)
    return f32(1.0) if a == 1.0 else grows


def pow_f32_fast(x: f32, y: f32) -> f32:
    """x**y for normal x within 2 + |y| / 2 ULP; 0 where the result is subnormal; y = 0 and x = 0 as in C, infinities roughly."""
    a = abs(x)
    bits = bitcast(a, i32)
    e = (bits - SQRT_HALF_BITS_F32) >> 23
    f = bitcast(bits - (e << 23), f32) - 1.0
    p = fma(f, 0.12621109, -0.20706727)
    p = fma(p, f, 0.21545328)
    p = fma(p, f, -0.23896284)
    p = fma(p, f, 0.28795174)
    p = fma(p, f, -0.3607037)
    p = fma(p, f, 0.48090908)
    p = fma(p, f, -0.72134733)
    p = fma(p, f, 1.442695)
    n = f32(e)
    whole = y * n
    rest = fma(y, f * p, fma(y, n, -whole))
    t = min(max(whole + rest, -127.0), 128.0)
    shifted = t + SHIFT_F32
    k = shifted - SHIFT_F32
    r = min(max((whole - k) + rest, -1.0), 1.0)
    p = fma(r, 0.0013230442, 0.009671701)
    p = fma(p, r, 0.055508535)
    p = fma(p, r, 0.24022238)
    p = fma(p, r, 0.6931469)
    p = fma(p, r, 1.0)
    p = p * bitcast(bitcast(shifted, u32) << 23, f32)
    p = p if a > 0.0 else (f32(0.0) if y > 0.0 else inf)
    p = -p if _is_odd_f32(y) and (bitcast(x, i32) < 0) else p
    p = nan if (x < 0.0) and (floor(y) != y) else p
    return f32(1.0) if y == 0.0 else p
