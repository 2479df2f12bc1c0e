"""Inverse trigonometric functions: odd polynomials on the middle, identities outside."""

from math import inf

from gyral.compiler.words import bitcast, copysign, fma, sqrt
from gyral.core.dtypes import f32, f64, u32, u64

HALF_PI_HI_F32 = 1.5707964
HALF_PI_LO_F32 = -4.371139e-08
PI_HI_F32 = 3.1415927
PI_LO_F32 = -8.742278e-08
HALF_PI_HI_F64 = 1.5707963267948966
HALF_PI_LO_F64 = 6.123233995736766e-17
PI_HI_F64 = 3.141592653589793
PI_LO_F64 = 1.2246467991473532e-16
QUARTER_PI_HI_F64 = 0.7853981633974483
QUARTER_PI_LO_F64 = 3.061616997868383e-17
TAN_EIGHTH_PI = 0.41421356237309503


def atan_f32(x: f32) -> f32:
    """atan x: an odd polynomial on [0, 1], of 1 / x beyond."""
    a = abs(x)
    steep = a > 1.0
    t = 1.0 / a if steep else a
    z = t * t
    p = fma(z, -0.0017888338, 0.010892881)
    p = fma(p, z, -0.031136787)
    p = fma(p, z, 0.057915777)
    p = fma(p, z, -0.08400972)
    p = fma(p, z, 0.10951326)
    p = fma(p, z, -0.14264075)
    p = fma(p, z, 0.19998533)
    p = fma(p, z, -0.333333)
    y = fma(t * z, p, t)
    return copysign(HALF_PI_HI_F32 - (y - HALF_PI_LO_F32) if steep else y, x)


def atan2_f32(y: f32, x: f32) -> f32:
    """Angle of the point (x, y): atan of the smaller over the larger coordinate, moved to its octant."""
    a = abs(x)
    b = abs(y)
    larger = max(a, b)
    smaller = min(a, b)
    big = larger > 1e37
    quotient = (smaller * 0.0625 if big else smaller) / (larger * 0.0625 if big else larger)
    t = quotient if larger > 0.0 else smaller
    t = f32(1.0) if (larger == inf) and (smaller == inf) else t
    z = t * t
    p = fma(z, -0.0017888338, 0.010892881)
    p = fma(p, z, -0.031136787)
    p = fma(p, z, 0.057915777)
    p = fma(p, z, -0.08400972)
    p = fma(p, z, 0.10951326)
    p = fma(p, z, -0.14264075)
    p = fma(p, z, 0.19998533)
    p = fma(p, z, -0.333333)
    r = fma(t * z, p, t)
    r = HALF_PI_HI_F32 - (r - HALF_PI_LO_F32) if b > a else r
    r = PI_HI_F32 - (r - PI_LO_F32) if bitcast(x, u32) >= 0x80000000 else r
    return copysign(r, y) if (x == x) and (y == y) else x + y


def _asin_core_f32(t: f32, z: f32) -> f32:
    """asin t for 0 <= t <= 1/2, z = t**2."""
    p = fma(z, 0.037575044, 0.014392216)
    p = fma(p, z, 0.03182164)
    p = fma(p, z, 0.044515006)
    p = fma(p, z, 0.075005166)
    p = fma(p, z, 0.1666666)
    return fma(t * z, p, t)


def asin_f32(x: f32) -> f32:
    """asin x: an odd polynomial up to 1/2, pi/2 - 2 asin sqrt((1 - x) / 2) beyond; NaN beyond 1."""
    a = abs(x)
    outer = a > 0.5
    half = fma(a, -0.5, 0.5)
    z = half if outer else a * a
    t = sqrt(half) if outer else a
    r = _asin_core_f32(t, z)
    y = fma(-2.0, r, HALF_PI_LO_F32) + HALF_PI_HI_F32 if outer else r
    return copysign(y, x)


def acos_f32(x: f32) -> f32:
    """acos x = pi/2 - asin x up to 1/2, 2 asin sqrt((1 - |x|) / 2) or its rest to pi beyond; NaN beyond 1."""
    a = abs(x)
    outer = a > 0.5
    half = fma(a, -0.5, 0.5)
    z = half if outer else a * a
    t = sqrt(half) if outer else a
    r = _asin_core_f32(t, z)
    middle = HALF_PI_HI_F32 - (copysign(r, x) - HALF_PI_LO_F32)
    side = PI_HI_F32 - fma(2.0, r, -PI_LO_F32) if x < 0.0 else 2.0 * r
    return side if outer else middle


def _atan_quotient_f64(b: f64, a: f64) -> f64:
    """atan(b / a) for 0 <= b <= a; above tan(pi/8) as pi/4 + atan((b - a) / (b + a)), below it as it is."""
    turned = b > a * TAN_EIGHTH_PI
    t = (b - a if turned else b) / (b + a if turned else a)
    t = t if a > 0.0 else b
    z = t * t
    p = fma(z, 0.015132534286305625, -0.03340784404440287)
    p = fma(p, z, 0.04500439476729294)
    p = fma(p, z, -0.05217567137579361)
    p = fma(p, z, 0.05876878192191724)
    p = fma(p, z, -0.06666210394623305)
    p = fma(p, z, 0.07692281505947593)
    p = fma(p, z, -0.0909090808081748)
    p = fma(p, z, 0.11111111086099976)
    p = fma(p, z, -0.14285714285347476)
    p = fma(p, z, 0.19999999999997256)
    p = fma(p, z, -0.33333333333333326)
    r = fma(t * z, p, t)
    return QUARTER_PI_HI_F64 + (r + QUARTER_PI_LO_F64) if turned else r


def atan_f64(x: f64) -> f64:
    """atan x, through the quotient of the smaller over the larger of |x| and 1."""
    a = abs(x)
    steep = a > 1.0
    r = _atan_quotient_f64(1.0 / a if steep else a, f64(1.0))
    return copysign(HALF_PI_HI_F64 - (r - HALF_PI_LO_F64) if steep else r, x)


def atan2_f64(y: f64, x: f64) -> f64:
    """Angle of the point (x, y); as `atan2_f32`."""
    a = abs(x)
    b = abs(y)
    larger = max(a, b)
    smaller = min(a, b)
    unbounded = larger == inf
    scale = f64(0.0625) if larger > 1e300 else (f64(18014398509481984.0) if larger < 1e-290 else f64(1.0))
    top = (f64(1.0) if smaller == inf else f64(0.0)) if unbounded else smaller * scale
    r = _atan_quotient_f64(top, f64(1.0) if unbounded else larger * scale)
    r = HALF_PI_HI_F64 - (r - HALF_PI_LO_F64) if b > a else r
    r = PI_HI_F64 - (r - PI_LO_F64) if bitcast(x, u64) >= 0x8000000000000000 else r
    return copysign(r, y) if (x == x) and (y == y) else x + y


def _asin_core_f64(t: f64, z: f64) -> f64:
    """asin t for 0 <= t <= 1/2, z = t**2."""
    p = fma(z, 0.032640935950484735, -0.021020206098416573)
    p = fma(p, z, 0.021723582774963435)
    p = fma(p, z, 0.0036992000863209037)
    p = fma(p, z, 0.010782343012361025)
    p = fma(p, z, 0.011398500097963725)
    p = fma(p, z, 0.013980876814912072)
    p = fma(p, z, 0.017351606700756993)
    p = fma(p, z, 0.02237221532806738)
    p = fma(p, z, 0.030381942693565585)
    p = fma(p, z, 0.044642857174971684)
    p = fma(p, z, 0.07499999999970319)
    p = fma(p, z, 0.16666666666666763)
    return fma(t * z, p, t)


def asin_f64(x: f64) -> f64:
    """asin x; as `asin_f32`."""
    a = abs(x)
    outer = a > 0.5
    half = fma(a, -0.5, 0.5)
    z = half if outer else a * a
    t = sqrt(half) if outer else a
    r = _asin_core_f64(t, z)
    y = fma(-2.0, r, HALF_PI_LO_F64) + HALF_PI_HI_F64 if outer else r
    return copysign(y, x)


def acos_f64(x: f64) -> f64:
    """acos x; as `acos_f32`."""
    a = abs(x)
    outer = a > 0.5
    half = fma(a, -0.5, 0.5)
    z = half if outer else a * a
    t = sqrt(half) if outer else a
    r = _asin_core_f64(t, z)
    middle = HALF_PI_HI_F64 - (copysign(r, x) - HALF_PI_LO_F64)
    side = PI_HI_F64 - fma(2.0, r, -PI_LO_F64) if x < 0.0 else 2.0 * r
    return side if outer else middle
