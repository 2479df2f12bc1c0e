"""Hyperbolic functions and their inverses, from the exponential and the logarithm; polynomials near 0."""

from math import nan

from gyral.compiler.stdlib.exponential import exp_normal_f32, expm1_f64
from gyral.compiler.stdlib.logarithm import log1p_f32, log1p_f64
from gyral.compiler.words import bitcast, copysign, fma, sqrt
from gyral.core.dtypes import f32, f64, u32, u64

LOG2_E = 1.4426950408889634
LN2 = 0.6931471805599453
LN2_HI_F32 = 0.6931472
LN2_LO_F32 = -1.9046542e-09
# 1.5 * 2**23 + 127 - 2: the sum's low bits are the biased exponent of a quarter of 2**n.
QUARTER_SHIFT_F32 = 12583037.0
LN2_HI_F64 = 0.6931471805599453
LN2_LO_F64 = 2.3190468138462996e-17
# The same with 1.5 * 2**52 and 1023.
QUARTER_SHIFT_F64 = 6755399441056765.0


def tanh_f32(x: f32) -> f32:
    """tanh x: an odd polynomial below 1, 1 - 2 / (e**2x + 1) above."""
    a = abs(x)
    z = a * a
    p = fma(z, -4.7141028e-05, 0.00033395507)
    p = fma(p, z, -0.0012401425)
    p = fma(p, z, 0.0034824654)
    p = fma(p, z, -0.00883312)
    p = fma(p, z, 0.021866918)
    p = fma(p, z, -0.05396894)
    p = fma(p, z, 0.1333335)
    p = fma(p, z, -0.33333334)
    near = fma(a * z, p, a)
    e = exp_normal_f32(2.0 * min(a, 10.0))
    far = 1.0 - 2.0 / (e + 1.0)
    return copysign(near if a < 1.0 else far, x)


def tanh_f32_fast(x: f32) -> f32:
    """tanh x: one rational minimax function in x**2, x held within 8.8."""
    c = min(max(x, -8.8), 8.8)
    z = c * c
    p = fma(z, 1.3715122e-08, 2.086552e-05)
    p = fma(p, z, 0.0035110689)
    p = fma(p, z, 0.13394031)
    p = fma(p, z, 1.0)
    q = fma(z, 7.922864e-07, 0.00033110174)
    q = fma(q, z, 0.025935786)
    q = fma(q, z, 0.4672735)
    q = fma(q, z, 1.0)
    return min(max(c * (p / q), -1.0), 1.0)


def sinh_f32(x: f32) -> f32:
    """sinh x: an odd polynomial below 1, (e**x - e**-x) / 2 above,
    from a quarter of e**x so that nothing overflows.
    """
    a = abs(x)
    z = a * a
    p = fma(z, 2.789984e-06, 0.00019841666)
    p = fma(p, z, 0.008333315)
    p = fma(p, z, 0.16666667)
    near = fma(a * z, p, a)
    quarter = _quarter_exp_f32(a)
    far = 2.0 * quarter - 0.125 / quarter
    return copysign(near if a < 1.0 else far, x)


def cosh_f32(x: f32) -> f32:
    """cosh x = (e**x + e**-x) / 2, from a quarter of e**x so that nothing overflows."""
    quarter = _quarter_exp_f32(abs(x))
    return fma(2.0, quarter, 0.125 / quarter)


def _quarter_exp_f32(x: f32) -> f32:
    """e**x / 4 for x >= 0 as long as twice that is finite, else infinity."""
    clamped = min(x, 90.0)
    shifted = fma(clamped, LOG2_E, QUARTER_SHIFT_F32)
    n = shifted - QUARTER_SHIFT_F32
    r = fma(n, -LN2_HI_F32, clamped)
    r = fma(n, -LN2_LO_F32, r)
    p = fma(r, 0.0013744514, 0.008368965)
    p = fma(p, r, 0.04166966)
    p = fma(p, r, 0.16666518)
    p = fma(p, r, 0.49999988)
    p = fma(p, r, 1.0)
    p = fma(p, r, 1.0)
    return p * bitcast(bitcast(shifted, u32) << 23, f32)


def asinh_f32(x: f32) -> f32:
    """asinh x = log1p(|x| + x**2 / (1 + sqrt(1 + x**2))) with the sign of x;
    ln 2|x| where x**2 would overflow.
    """
    a = abs(x)
    huge = a > 1e9
    z = 1.0 if huge else a * a
    inner = a if huge else a + z / (1.0 + sqrt(1.0 + z))
    y = log1p_f32(inner)
    return copysign(y + LN2 if huge else y, x)


def acosh_f32(x: f32) -> f32:
    """acosh x = log1p(t + sqrt(t (t + 2))), t = x - 1; NaN below 1."""
    t = x - 1.0
    huge = t > 1e9
    s = 1.0 if huge else t
    inner = t if huge else t + sqrt(fma(s, s, 2.0 * s))
    y = log1p_f32(inner)
    y = y + LN2 if huge else y
    return y if t >= 0.0 else t * nan


def atanh_f32(x: f32) -> f32:
    """atanh x = log1p(2x / (1 - x)) / 2, infinite at 1 and NaN beyond."""
    a = abs(x)
    return copysign(0.5 * log1p_f32(2.0 * a / (1.0 - a)), x)


def tanh_f64(x: f64) -> f64:
    """tanh x = m / (m + 2) with m = e**2|x| - 1."""
    m = expm1_f64(2.0 * min(abs(x), 20.0))
    return copysign(m / (m + 2.0), x)


def sinh_f64(x: f64) -> f64:
    """sinh x; as `sinh_f32`."""
    a = abs(x)
    z = a * a
    p = fma(z, 4.494898029866924e-15, 7.5783585024316e-13)
    p = fma(p, z, 1.6060202647151922e-10)
    p = fma(p, z, 2.5052098122225567e-08)
    p = fma(p, z, 2.7557319274882027e-06)
    p = fma(p, z, 0.00019841269841131128)
    p = fma(p, z, 0.00833333333333352)
    p = fma(p, z, 0.16666666666666666)
    near = fma(a * z, p, a)
    quarter = _quarter_exp_f64(a)
    far = 2.0 * quarter - 0.125 / quarter
    return copysign(near if a < 1.0 else far, x)


def cosh_f64(x: f64) -> f64:
    """cosh x; as `cosh_f32`."""
    quarter = _quarter_exp_f64(abs(x))
    return fma(2.0, quarter, 0.125 / quarter)


def _quarter_exp_f64(x: f64) -> f64:
    """e**x / 4 for x >= 0 as long as twice that is finite, else infinity."""
    clamped = min(x, 711.0)
    shifted = fma(clamped, LOG2_E, QUARTER_SHIFT_F64)
    n = shifted - QUARTER_SHIFT_F64
    r = fma(n, -LN2_HI_F64, clamped)
    r = fma(n, -LN2_LO_F64, r)
    p = fma(r, 2.503039122272668e-08, 2.76315060884351e-07)
    p = fma(p, r, 2.7557490049604964e-06)
    p = fma(p, r, 2.480148925214226e-05)
    p = fma(p, r, 0.0001984126961530912)
    p = fma(p, r, 0.0013888888947777777)
    p = fma(p, r, 0.008333333333443597)
    p = fma(p, r, 0.04166666666651186)
    p = fma(p, r, 0.16666666666666494)
    p = fma(p, r, 0.5000000000000013)
    p = fma(p, r, 1.0)
    p = fma(p, r, 1.0)
    return p * bitcast(bitcast(shifted, u64) << 52, f64)


def asinh_f64(x: f64) -> f64:
    """asinh x; as `asinh_f32`."""
    a = abs(x)
    huge = a > 1e18
    z = 1.0 if huge else a * a
    inner = a if huge else a + z / (1.0 + sqrt(1.0 + z))
    y = log1p_f64(inner)
    return copysign(y + LN2 if huge else y, x)


def acosh_f64(x: f64) -> f64:
    """acosh x; as `acosh_f32`."""
    t = x - 1.0
    huge = t > 1e18
    s = 1.0 if huge else t
    inner = t if huge else t + sqrt(fma(s, s, 2.0 * s))
    y = log1p_f64(inner)
    y = y + LN2 if huge else y
    return y if t >= 0.0 else t * nan


def atanh_f64(x: f64) -> f64:
    """atanh x; as `atanh_f32`."""
    a = abs(x)
    return copysign(0.5 * log1p_f64(2.0 * a / (1.0 - a)), x)
