"""Roots: reciprocal square root, cube root, length of a pair."""

from math import inf

from gyral.compiler.words import bitcast, fma, sqrt
from gyral.core.dtypes import f32, f64, u32, u64


def rsqrt_f32(x: f32) -> f32:
    """1 / sqrt x; what the root lost is worked into the quotient."""
    tiny = x < 1e-28
    v = x * 281474976710656.0 if tiny else x
    root = sqrt(v)
    y = 1.0 / root
    lost = fma(-root, root, v)
    fixed = fma(-0.5 * (lost * y), y * y, y)
    y = fixed if (v > 0.0) and (v < inf) else y
    return y * 16777216.0 if tiny else y


def _third(n: u32) -> u32:
    """n / 3 but for the last 16 bits or so, without a division."""
    q = (n >> 2) + (n >> 4)
    q = q + (q >> 4)
    return q + (q >> 8)


def cbrt_f32(x: f32) -> f32:
    """Cube root: x**(-1/3) guessed from the exponent bits, two third-order steps, a corrected Newton step."""
    a = abs(x)
    tiny = a < 1.1754943508222875e-38
    v = a * 16777216.0 if tiny else a
    y = bitcast(0x548C39CB - _third(bitcast(v, u32)), f32)
    c = fma(-(v * y), y * y, 1.0)
    y = fma(y * c, fma(c, fma(c, 0.1728395061728395, 0.2222222222222222), 0.3333333333333333), y)
    c = fma(-(v * y), y * y, 1.0)
    y = fma(y * c, fma(c, 0.2222222222222222, 0.3333333333333333), y)
    t = v * y * y
    square = t * t
    residue = fma(-square, t, v) - fma(t, t, -square) * t
    t = fma(residue, y * y * 0.3333333333333333, t)
    t = t * 0.00390625 if tiny else t
    return (-t if x < 0.0 else t) if (a > 0.0) and (a < inf) else x


def hypot_f32(x: f32, y: f32) -> f32:
    """sqrt(x**2 + y**2), scaled clear of overflow and underflow, the squares' rounding errors added back."""
    a = max(abs(x), abs(y))
    b = min(abs(x), abs(y))
    scale = 8.271806125530277e-25 if a > 1e18 else (f32(1.2676506002282294e30) if a < 1e-18 else f32(1.0))
    back = 1.2089258196146292e24 if a > 1e18 else (f32(7.888609052210118e-31) if a < 1e-18 else f32(1.0))
    u = a * scale
    v = b * scale
    square = u * u
    rest = fma(u, u, -square)
    other = v * v
    sum = square + other
    low = ((square - sum) + other) + (rest + fma(v, v, -other))
    root = sqrt(sum)
    fix = fma(-root, root, sum) + low
    root = root + fix / (2.0 * root) if sum > 0.0 else root
    result = root * back
    result = result if a < inf else a
    result = x + y if not ((x == x) and (y == y)) else result
    return f32(inf) if (abs(x) == inf) or (abs(y) == inf) else result


def rsqrt_f64(x: f64) -> f64:
    """1 / sqrt x; as `rsqrt_f32`."""
    tiny = x < 1e-280
    v = x * 1.157920892373162e77 if tiny else x
    root = sqrt(v)
    y = 1.0 / root
    lost = fma(-root, root, v)
    fixed = fma(-0.5 * (lost * y), y * y, y)
    y = fixed if (v > 0.0) and (v < inf) else y
    return y * 3.402823669209385e38 if tiny else y


def cbrt_f64(x: f64) -> f64:
    """Cube root; as `cbrt_f32`, the guess from the upper half of the bits."""
    a = abs(x)
    tiny = a < 2.2250738585072014e-308
    v = a * 18014398509481984.0 if tiny else a
    third = _third(u32(bitcast(v, u64) >> 32))
    y = bitcast(u64(0x553EF0FF - third) << 32, f64)
    c = fma(-(v * y), y * y, 1.0)
    y = fma(y * c, fma(c, fma(c, 0.1728395061728395, 0.2222222222222222), 0.3333333333333333), y)
    c = fma(-(v * y), y * y, 1.0)
    y = fma(y * c, fma(c, fma(c, 0.1728395061728395, 0.2222222222222222), 0.3333333333333333), y)
    c = fma(-(v * y), y * y, 1.0)
    y = fma(y * c, 0.3333333333333333, y)
    t = v * y * y
    square = t * t
    residue = fma(-square, t, v) - fma(t, t, -square) * t
    t = fma(residue, y * y * 0.3333333333333333, t)
    t = t * 3.814697265625e-06 if tiny else t
    return (-t if x < 0.0 else t) if (a > 0.0) and (a < inf) else x


def hypot_f64(x: f64, y: f64) -> f64:
    """sqrt(x**2 + y**2); as `hypot_f32`."""
    a = max(abs(x), abs(y))
    b = min(abs(x), abs(y))
    large = a > 1e150
    small = a < 1e-150
    scale = 2.409919865102884e-181 if large else (f64(4.149515568880993e180) if small else f64(1.0))
    back = 4.149515568880993e180 if large else (f64(2.409919865102884e-181) if small else f64(1.0))
    u = a * scale
    v = b * scale
    square = u * u
    rest = fma(u, u, -square)
    other = v * v
    sum = square + other
    low = ((square - sum) + other) + (rest + fma(v, v, -other))
    root = sqrt(sum)
    fix = fma(-root, root, sum) + low
    root = root + fix / (2.0 * root) if sum > 0.0 else root
    result = root * back
    result = x + y if not ((x == x) and (y == y)) else result
    return f64(inf) if (abs(x) == inf) or (abs(y) == inf) else result
