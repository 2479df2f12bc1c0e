"""Powers: log2 of the base as a sum of two floats, times the exponent, then exp2 of the sum."""

from math import inf, nan

from gyral.compiler.words import bitcast, floor, fma
from gyral.core.dtypes import bool_, f32, f64, i32, i64, u32, u64

SHIFT_F32 = 12583039.0
SHIFT_TWICE_F32 = 12583166.0
SQRT_HALF_BITS_F32 = 0x3F3504F3
MIN_NORMAL_F32 = 1.1754943508222875e-38
TWO_OVER_LN2_HI_F32 = 2.88539
TWO_OVER_LN2_LO_F32 = 3.851926e-08
SHIFT_TWICE_F64 = 6755399441057790.0
SQRT_HALF_BITS_F64 = 0x3FE6A09E667F3BCD
MIN_NORMAL_F64 = 2.2250738585072014e-308
TWO_OVER_LN2_HI_F64 = 2.8853900817779268
TWO_OVER_LN2_LO_F64 = 4.0710547481862066e-17
THIRD_HI_F64 = 0.9617966939259756
THIRD_LO_F64 = 5.0577616648125907e-17


def log2_pair_f32(x: f32) -> tuple[f32, f32]:
    """log2 of a positive normal x as high + low, good to about 2**-31 of its size.

    With m in [sqrt 1/2, sqrt 2) and q = (m - 1) / (m + 1), log2 m = 2 / ln 2 * (q + q**3 / 3 + ...);
    q, its product with 2 / ln 2 and the sum with the exponent each keep their rounding error.
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
    """x**y for normal x within 2 + |y| / 2 ULP; 0 where the result is subnormal;
    y = 0 and x = 0 as in C, infinities roughly.
    """
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


def log2_pair_f64(x: f64) -> tuple[f64, f64]:
    """log2 of a positive normal x as high + low, good to about 2**-63 of its size; as `log2_pair_f32`.

    The cubic term is a product of pairs too: q**3 (2/3 / ln 2 + the series' rest).
    """
    bits = bitcast(x, i64)
    e = (bits - SQRT_HALF_BITS_F64) >> 52
    m = bitcast(bits - (e << 52), f64)
    n = f64(e)
    f = m - 1.0
    u = m + 1.0
    u_low = m - (u - 1.0)
    inverse = 1.0 / u
    q = f * inverse
    q_low = fma(-q, u_low, fma(-q, u, f)) * inverse
    z = q * q
    p = fma(z, 0.17381752370753445, 0.16831528729805542)
    p = fma(p, z, 0.1924090901266484)
    p = fma(p, z, 0.22195203008336575)
    p = fma(p, z, 0.2623082030213771)
    p = fma(p, z, 0.32059889786581264)
    p = fma(p, z, 0.4121985831116328)
    p = fma(p, z, 0.5770780163555842)
    rest = z * p
    factor = THIRD_HI_F64 + rest
    factor_low = ((THIRD_HI_F64 - factor) + rest) + THIRD_LO_F64
    cube = q * z
    cube_low = fma(q, fma(q, q, -z), fma(q, z, -cube)) + 3.0 * z * q_low
    body = cube * factor
    body_low = fma(cube, factor, -body) + fma(cube, factor_low, cube_low * factor)
    head = q * TWO_OVER_LN2_HI_F64
    tail = fma(q, TWO_OVER_LN2_HI_F64, -head)
    tail = fma(q_low, TWO_OVER_LN2_HI_F64, fma(q, TWO_OVER_LN2_LO_F64, tail)) + body_low
    first = head + body
    tail = ((head - first) + body) + tail
    sum = n + first
    tail = ((n - sum) + first) + tail
    high = sum + tail
    return high, (sum - high) + tail


def exp2_pair_f64(high: f64, low: f64) -> f64:
    """2**(high + low), low being small beside high; subnormal results included."""
    clamped = min(max(high, -1100.0), 1100.0)
    shifted = clamped + SHIFT_TWICE_F64
    r = (clamped - (shifted - SHIFT_TWICE_F64)) + (low if clamped == high else 0.0 * clamped)
    p = fma(r, 4.450286591180108e-10, 7.0738274691139236e-09)
    p = fma(p, r, 1.0178084635189649e-07)
    p = fma(p, r, 1.3215434993444437e-06)
    p = fma(p, r, 1.5252733810369278e-05)
    p = fma(p, r, 0.00015403530457778098)
    p = fma(p, r, 0.001333355814637615)
    p = fma(p, r, 0.009618129107593491)
    p = fma(p, r, 0.05550410866482228)
    p = fma(p, r, 0.24022650695910133)
    p = fma(p, r, 0.6931471805599453)
    p = fma(p, r, 1.0)
    bits = bitcast(shifted, u64)
    half = bits >> 1
    return p * bitcast(half << 52, f64) * bitcast((bits - half) << 52, f64)


def _is_odd_f64(y: f64) -> bool_:
    """Whether y is an odd whole number; every float from 2**53 is even."""
    half = 0.5 * y
    return (floor(y) == y) and (floor(half) != half)


def pow_f64(x: f64, y: f64) -> f64:
    """x**y with the special values of C's pow."""
    a = abs(x)
    tiny = a < MIN_NORMAL_F64
    high, low = log2_pair_f64(a * 18014398509481984.0 if tiny else a)
    base = high - 54.0 if tiny else high
    low = (high - (base + 54.0)) + low if tiny else low
    product = y * base
    rest = fma(y, base, -product)
    rest = fma(y, low, rest)
    p = exp2_pair_f64(product, rest)
    odd = _is_odd_f64(y)
    p = p if (a > 0.0) and (a < inf) else (f64(0.0) if (a == 0.0) == (y > 0.0) else inf)
    p = -p if odd and (bitcast(x, i64) < 0) else p
    p = nan if (x < 0.0) and (a < inf) and (floor(y) != y) else p
    p = _pow_infinite_exponent_f64(a, y) if abs(y) == inf else p
    p = p if (x == x) and (y == y) else x + y
    return f64(1.0) if (x == 1.0) or (y == 0.0) else p


def _pow_infinite_exponent_f64(a: f64, y: f64) -> f64:
    """|x| to an infinite power."""
    grows = inf if (a > 1.0) == (y > 0.0) else f64(0.0)
    return f64(1.0) if a == 1.0 else grows
