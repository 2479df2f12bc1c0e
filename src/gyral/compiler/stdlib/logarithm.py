"""Logarithms: x = m 2**e with m around 1, minimax polynomials of ln(1 + f) / f."""

from math import inf, nan

from gyral.compiler.words import bitcast, fma
from gyral.core.dtypes import f32, f64, i32, i64

LN2 = 0.6931471805599453
MIN_NORMAL_F32 = 1.1754943508222875e-38
SQRT_HALF_BITS_F32 = 0x3F3504F3
LOG2_E_HI_F32 = 1.442695
LOG2_E_LO_F32 = 1.925963e-08
LOG10_E_HI_F32 = 0.4342945
LOG10_E_LO_F32 = -1.010305e-08
LOG10_2_HI_F32 = 0.30103
LOG10_2_LO_F32 = -1.4320989e-08
MIN_NORMAL_F64 = 2.2250738585072014e-308
SQRT_HALF_BITS_F64 = 0x3FE6A09E667F3BCD
LN2_LO_F64 = 2.3190468138462996e-17
LOG2_E_HI_F64 = 1.4426950408889634
LOG2_E_LO_F64 = 2.0355273740931033e-17
LOG10_E_HI_F64 = 0.4342944819032518
LOG10_E_LO_F64 = 1.098319650216765e-17
LOG10_2_HI_F64 = 0.3010299956639812
LOG10_2_LO_F64 = -2.8037281277851704e-18


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
    """ln x for normal x (a subnormal counts as 2**-127 or so, infinity as 2**128); ln 0 is -infinity;
    degree 9.
    """
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


def _log1p_rest_f64(f: f64) -> f64:
    """ln(1 + f) - f for 1 + f in [sqrt 1/2, sqrt 2): with s = f / (2 + f), ln(1 + f) = 2 s + s R(s**2)."""
    s = f / (2.0 + f)
    z = s * s
    p = fma(z, 0.14797756417918886, 0.1531386030667969)
    p = fma(p, z, 0.1818357227281316)
    p = fma(p, z, 0.22222198406542348)
    p = fma(p, z, 0.28571428744208216)
    p = fma(p, z, 0.3999999999940509)
    p = fma(p, z, 0.6666666666666736)
    half = 0.5 * f * f
    return fma(s, fma(z, p, half), -half)


def log_f64(x: f64) -> f64:
    """ln x: x = m 2**e with m in [sqrt 1/2, sqrt 2) and ln m from its atanh series, fitted."""
    tiny = x < MIN_NORMAL_F64
    scaled = x * 18014398509481984.0 if tiny else x
    bits = bitcast(scaled, i64)
    e = (bits - SQRT_HALF_BITS_F64) >> 52
    f = bitcast(bits - (e << 52), f64) - 1.0
    n = f64(e - 54 if tiny else e)
    rest = _log1p_rest_f64(f)
    y = fma(n, LN2, f + fma(n, LN2_LO_F64, rest))
    y = y if x < inf else x
    return y if x > 0.0 else (-inf if x == 0.0 else x * nan)


def log2_f64(x: f64) -> f64:
    """log2 x: as `log_f64`, times log2 e in two parts."""
    tiny = x < MIN_NORMAL_F64
    scaled = x * 18014398509481984.0 if tiny else x
    bits = bitcast(scaled, i64)
    e = (bits - SQRT_HALF_BITS_F64) >> 52
    f = bitcast(bits - (e << 52), f64) - 1.0
    n = f64(e - 54 if tiny else e)
    rest = _log1p_rest_f64(f)
    tail = fma(f, LOG2_E_LO_F64, rest * LOG2_E_HI_F64)
    y = n + fma(f, LOG2_E_HI_F64, tail)
    y = y if x < inf else x
    return y if x > 0.0 else (-inf if x == 0.0 else x * nan)


def log10_f64(x: f64) -> f64:
    """log10 x: as `log_f64`, times log10 e and log10 2 in two parts each."""
    tiny = x < MIN_NORMAL_F64
    scaled = x * 18014398509481984.0 if tiny else x
    bits = bitcast(scaled, i64)
    e = (bits - SQRT_HALF_BITS_F64) >> 52
    f = bitcast(bits - (e << 52), f64) - 1.0
    n = f64(e - 54 if tiny else e)
    rest = _log1p_rest_f64(f)
    tail = fma(f, LOG10_E_LO_F64, rest * LOG10_E_HI_F64)
    tail = fma(n, LOG10_2_LO_F64, tail)
    y = fma(n, LOG10_2_HI_F64, fma(f, LOG10_E_HI_F64, tail))
    y = y if x < inf else x
    return y if x > 0.0 else (-inf if x == 0.0 else x * nan)


def log1p_f64(x: f64) -> f64:
    """ln(1 + x): as `log1p_f32`."""
    bits = bitcast(1.0 + x, i64)
    e = (bits - SQRT_HALF_BITS_F64) >> 52
    scale = bitcast((1025 - e) << 52, f64)
    f = fma(x * 0.25, scale, fma(0.25, scale, -1.0))
    y = fma(f64(e), LN2, f + fma(f64(e), LN2_LO_F64, _log1p_rest_f64(f)))
    y = y if abs(x) > 1e-17 else x
    y = y if x < inf else x
    return y if x > -1.0 else (-inf if x == -1.0 else x * nan)
