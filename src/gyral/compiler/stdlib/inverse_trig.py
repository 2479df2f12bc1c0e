"""Inverse trigonometric functions: odd polynomials on the middle, identities outside."""

from math import inf

from gyral.compiler.words import bitcast, copysign, fma, sqrt
from gyral.core.dtypes import f32, u32

HALF_PI_HI_F32 = 1.5707964
HALF_PI_LO_F32 = -4.371139e-08
PI_HI_F32 = 3.1415927
PI_LO_F32 = -8.742278e-08


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
