"""Logarithms: x = m 2**e with m around 1, minimax polynomials of ln(1 + f) / f."""

from math import inf, nan

from gyral.core.dtypes import f32, f64, i32, i64
from gyral.compiler.words import bitcast, fma

LN2 = 0.6931471805599453
MIN_NORMAL_F32 = 1.1754943508222875e-38
SQRT_HALF_BITS_F32 = 0x3F3504F3
LOG2_E_HI_F32 = 1.442695
LOG2_E_LO_F32 = 1.925963e-08
LOG10_E_HI_F32 = 0.4342945
LOG10_E_LO_F32 = -1.010305e-08
LOG10_2_HI_F32 = 0.30103
LOG10_2_LO_F32 = -1.4320989e-08


def log_f32(x: f32) -> f32:
    """ln x: x = m 2**e with m in [sqrt 1/2, sqrt 2), a degree 10 minimax polynomial in m - 1."""
    tiny = x < MIN_NORMAL_F32
    scaled = x * 8388608.0 if tiny else x
    bits = bitcast(scaled, i32)
    e = (bits - SQRT_HALF_BITS_F32) >> 23
    f = bitcast(bits - (e << 23), f32) - 1.0
    n = f32(e - 23 if tiny else e)
    p = fma(f, -0.076239385, 0.12909073)
    p = fma(p, f, -0.13244565)
    p = fma(p, f, 0.14181136)
    p = fma(p, f, -0.16608766)
    p = fma(p, f, 0.20002003)
    p = fma(p, f, -0.250016)
    p = fma(p, f, 0.33333325)
    p = fma(p, f, -0.49999988)
    y = fma(n, LN2, fma(f * f, p, f))
    y = y if x < inf else x
    return y if x > 0.0 else (-inf if x == 0.0 else x * nan)


def log_f32_fast(x: f32) -> f32:
    """ln x for normal x (a subnormal counts as 2**-127 or so, infinity as 2**128); ln 0 is -infinity; degree 9."""
    bits = bitcast(x, i32)
    e = (bits - SQRT_HALF_BITS_F32) >> 23
    f = bitcast(bits - (e << 23), f32) - 1.0
    p = fma(f, 0.087491795, -0.1432349)
    p = fma(p, f, 0.14918593)
    p = fma(p, f, -0.16567533)
    p = fma(p, f, 0.19961758)
    p = fma(p, f, -0.25001937)
    p = fma(p, f, 0.33333963)
    p = fma(p, f, -0.49999988)
    y = fma(f32(e), LN2, fma(f * f, p, f))
    return y if x > 0.0 else (-inf if x == 0.0 else x * nan)


def log2_f32(x: f32) -> f32:
    """log2 x: as `log_f32`, the mantissa's logarithm times log2 e in two parts."""
    tiny = x < MIN_NORMAL_F32
    scaled = x * 8388608.0 if tiny else x
    bits = bitcast(scaled, i32)
    e = (bits - SQRT_HALF_BITS_F32) >> 23
    f = bitcast(bits - (e << 23), f32) - 1.0
    n = f32(e - 23 if tiny else e)
    p = fma(f, -0.076239385, 0.12909073)
    p = fma(p, f, -0.13244565)
    p = fma(p, f, 0.14181136)
    p = fma(p, f, -0.16608766)
    p = fma(p, f, 0.20002003)
    p = fma(p, f, -0.250016)
    p = fma(p, f, 0.33333325)
    p = fma(p, f, -0.49999988)
    tail = fma(f, LOG2_E_LO_F32, (f * f * p) * LOG2_E_HI_F32)
    y = n + fma(f, LOG2_E_HI_F32, tail)
    y = y if x < inf else x
    return y if x > 0.0 else (-inf if x == 0.0 else x * nan)


def log2_f32_fast(x: f32) -> f32:
    """log2 x for normal x, edges as in `log_f32_fast`; one degree 9 polynomial for log2(1 + f)."""
    bits = bitcast(x, i32)
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
    y = fma(f, p, f32(e))
    return y if x > 0.0 else (-inf if x == 0.0 else x * nan)


def log10_f32(x: f32) -> f32:
    """log10 x: as `log_f32`, times log10 e and log10 2 in two parts each."""
    tiny = x < MIN_NORMAL_F32
    scaled = x * 8388608.0 if tiny else x
    bits = bitcast(scaled, i32)
    e = (bits - SQRT_HALF_BITS_F32) >> 23
    f = bitcast(bits - (e << 23), f32) - 1.0
    n = f32(e - 23 if tiny else e)
    p = fma(f, -0.076239385, 0.12909073)
    p = fma(p, f, -0.13244565)
    p = fma(p, f, 0.14181136)
    p = fma(p, f, -0.16608766)
    p = fma(p, f, 0.20002003)
    p = fma(p, f, -0.250016)
    p = fma(p, f, 0.33333325)
    p = fma(p, f, -0.49999988)
    tail = fma(f, LOG10_E_LO_F32, (f * f * p) * LOG10_E_HI_F32)
    tail = fma(n, LOG10_2_LO_F32, tail)
    y = fma(n, LOG10_2_HI_F32, fma(f, LOG10_E_HI_F32, tail))
    y = y if x < inf else x
    return y if x > 0.0 else (-inf if x == 0.0 else x * nan)


def log1p_f32(x: f32) -> f32:
    """ln(1 + x): the exponent e of 1 + x rescales x itself, so that f = (1 + x) 2**-e - 1 is rounded once."""
    bits = bitcast(1.0 + x, i32)
    e = (bits - SQRT_HALF_BITS_F32) >> 23
    scale = bitcast((129 - e) << 23, f32)
    f = fma(x * 0.25, scale, fma(0.25, scale, -1.0))
    p = fma(f, -0.076239385, 0.12909073)
    p = fma(p, f, -0.13244565)
    p = fma(p, f, 0.14181136)
    p = fma(p, f, -0.16608766)
    p = fma(p, f, 0.20002003)
    p = fma(p, f, -0.250016)
    p = fma(p, f, 0.33333325)
    p = fma(p, f, -0.49999988)
    y = fma(f32(e), LN2, fma(f * f, p, f))
    y = y if abs(x) > 1e-8 else x
    y = y if x < inf else x
    return y if x > -1.0 else (-inf if x == -1.0 else x * nan)
