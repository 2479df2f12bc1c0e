"""Exact remainders: `fmod` truncates the quotient, `remainder` rounds it to even."""

from math import inf

from gyral.compiler.words import bitcast, copysign, fma, trunc
from gyral.core.dtypes import f32, f64, i32, i64, u32, u64


def _reduce_f32(a: f32, b: f32) -> f32:
    """a mod b, exact, for finite a >= 0 and normal b > 0.

    Each round takes up to 20 bits off the quotient: a rounded quotient that small is off by at most one,
    and the fma that takes it away is exact.
    """
    exponent = i32(bitcast(b, u32) >> 23)
    while a >= b:
        ahead = min(max(i32(bitcast(a, u32) >> 23) - exponent - 20, 0), 252)
        first = ahead >> 1
        c = b * bitcast(u32(first + 127) << 23, f32) * bitcast(u32(ahead - first + 127) << 23, f32)
        a = fma(-trunc(a / c), c, a)
        a = a + c if a < 0.0 else a
    return a


def _fmod_magnitude_f32(a: f32, b: f32) -> f32:
    """a mod b, exact, for finite a >= 0 and b > 0; a tiny b is met in two stages, the second scaled up."""
    tiny = b < 1e-25
    scaled = b * 1.2676506002282294e30 if tiny else b
    a = _reduce_f32(a, scaled)
    a = _reduce_f32(a * 1.2676506002282294e30 if tiny else a, scaled)
    return a * 7.888609052210118e-31 if tiny else a


def fmod_f32(x: f32, y: f32) -> f32:
    """x - trunc(x / y) y, exact, with the sign of x; NaN for infinite x or zero y."""
    a = abs(x)
    b = abs(y)
    valid = (a < inf) and (b > 0.0)
    simple = (a < b) or not valid
    r = _fmod_magnitude_f32(f32(0.0) if simple else a, f32(1.0) if simple else b)
    r = a if simple else r
    r = copysign(r, x)
    return r if valid else (x * y) / (x * y)


def remainder_f32(x: f32, y: f32) -> f32:
    """x - n y, exact, n the whole number nearest to x / y and even in a tie; NaN for infinite x or zero y."""
    a = abs(x)
    b = abs(y)
    valid = (a < inf) and (b > 0.0)
    simple = not (valid and (b < 1.7014118346046923e38) and (a >= 2.0 * b))
    r = _fmod_magnitude_f32(f32(0.0) if simple else a, f32(1.0) if simple else 2.0 * b)
    r = a if simple else r
    over = (r > 0.5 * b) if b > 2.3509887016445750e-38 else (r + r > b)
    r = r - b if over else r
    again = ((r >= 0.5 * b) if b > 2.3509887016445750e-38 else (r + r >= b)) and over
    r = r - b if again else r
    y_sign = copysign(f32(1.0), x)
    r = copysign(r, x) if r == 0.0 else r * y_sign
    return r if valid and (b < inf) else (x if valid and (b == inf) else (x * y) / (x * y))


def _reduce_f64(a: f64, b: f64) -> f64:
    """a mod b, exact, for finite a >= 0 and normal b > 0.

    Each round takes up to 50 bits off the quotient: a rounded quotient that small is off by at most one,
    and the fma that takes it away is exact.
    """
    exponent = i64(bitcast(b, u64) >> 52)
    while a >= b:
        ahead = min(max(i64(bitcast(a, u64) >> 52) - exponent - 50, 0), 2044)
        first = ahead >> 1
        c = b * bitcast(u64(first + 1023) << 52, f64) * bitcast(u64(ahead - first + 1023) << 52, f64)
        a = fma(-trunc(a / c), c, a)
        a = a + c if a < 0.0 else a
    return a


def _fmod_magnitude_f64(a: f64, b: f64) -> f64:
    """a mod b, exact, for finite a >= 0 and b > 0; a tiny b is met in two stages, the second scaled up."""
    tiny = b < 1e-150
    scaled = b * 4.149515568880993e180 if tiny else b
    a = _reduce_f64(a, scaled)
    a = _reduce_f64(a * 4.149515568880993e180 if tiny else a, scaled)
    return a * 2.409919865102884e-181 if tiny else a


def fmod_f64(x: f64, y: f64) -> f64:
    """x - trunc(x / y) y, exact, with the sign of x; NaN for infinite x or zero y."""
    a = abs(x)
    b = abs(y)
    valid = (a < inf) and (b > 0.0)
    simple = (a < b) or not valid
    r = _fmod_magnitude_f64(f64(0.0) if simple else a, f64(1.0) if simple else b)
    r = a if simple else r
    r = copysign(r, x)
    return r if valid else (x * y) / (x * y)


def remainder_f64(x: f64, y: f64) -> f64:
    """x - n y, exact, n the whole number nearest to x / y and even in a tie; NaN for infinite x or zero y."""
    a = abs(x)
    b = abs(y)
    valid = (a < inf) and (b > 0.0)
    simple = not (valid and (b < 8.98846567431158e307) and (a >= 2.0 * b))
    r = _fmod_magnitude_f64(f64(0.0) if simple else a, f64(1.0) if simple else 2.0 * b)
    r = a if simple else r
    over = (r > 0.5 * b) if b > 4.450147717014403e-308 else (r + r > b)
    r = r - b if over else r
    again = ((r >= 0.5 * b) if b > 4.450147717014403e-308 else (r + r >= b)) and over
    r = r - b if again else r
    y_sign = copysign(f64(1.0), x)
    r = copysign(r, x) if r == 0.0 else r * y_sign
    return r if valid and (b < inf) else (x if valid and (b == inf) else (x * y) / (x * y))
