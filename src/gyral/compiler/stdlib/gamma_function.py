"""Gamma and its logarithm: Stirling's formula from 6 on in log2, as sums of two floats; shifted there
by a product.

Below 0 the reflection gamma(-a) = -pi / (a sin(pi a) gamma(a)) takes over.
"""

from math import inf, nan

from gyral.compiler.stdlib.logarithm import log_f32, log_f64
from gyral.compiler.stdlib.power import exp2_pair_f32, exp2_pair_f64, log2_pair_f32, log2_pair_f64
from gyral.compiler.words import copysign, floor, fma, rint
from gyral.core.dtypes import f32, f64

LN2 = 0.6931471805599453
LOG2_E = 1.4426950408889634
STIRLING_FROM = 6.0
LOG2_E_HI_F32 = 1.442695
LOG2_E_LO_F32 = 1.925963e-08
HALF_LOG2_TWO_PI_HI_F32 = 1.3257481
HALF_LOG2_TWO_PI_LO_F32 = -2.1239488e-08
LOG2_E_HI_F64 = 1.4426950408889634
LOG2_E_LO_F64 = 2.0355273740931033e-17
HALF_LOG2_TWO_PI_HI_F64 = 1.3257480647361595
HALF_LOG2_TWO_PI_LO_F64 = -7.153413670427599e-17
LN2_LO_F32 = -1.9046542e-09
LN2_LO_F64 = 2.3190468138462996e-17


def _two_sum_f32(a: f32, b: f32) -> tuple[f32, f32]:
    """a + b and its rounding error."""
    sum = a + b
    other = sum - a
    return sum, (a - (sum - other)) + (b - other)


def _log2_gamma_f32(s: f32, s_low: f32) -> tuple[f32, f32]:
    """log2 gamma(s + s_low) for s >= 6 as high + low, by Stirling's formula and a fitted tail."""
    high, low = log2_pair_f32(s)
    b = s - 0.5
    first = b * high
    first_low = fma(b, high, -first) + b * low
    second = s * LOG2_E_HI_F32
    second_low = fma(s, LOG2_E_HI_F32, -second) + s * LOG2_E_LO_F32
    inverse = 1.0 / s
    z = inverse * inverse
    p = fma(z, -0.0007965839, 0.001143944)
    p = fma(p, z, -0.0040074806)
    p = fma(p, z, 0.12022459)
    sum, error = _two_sum_f32(first, -second)
    total, other = _two_sum_f32(sum, HALF_LOG2_TWO_PI_HI_F32)
    slope = high - 0.5 * LOG2_E * inverse
    tail = fma(s_low, slope, fma(p, inverse, HALF_LOG2_TWO_PI_LO_F32))
    tail = tail + ((error + other) + (first_low - second_low))
    return _two_sum_f32(total, tail)


def _rise_f32(a: f32) -> tuple[f32, f32]:
    """a (a + 1) ... (a + 5) as high + low: w (w + 4) (w + 6) with w = a (a + 5)."""
    square = a * a
    five = 5.0 * a
    w, w_low = _two_sum_f32(square, five)
    w_low = w_low + (fma(a, a, -square) + fma(5.0, a, -five))
    u, u_low = _two_sum_f32(w, f32(4.0))
    u_low = u_low + w_low
    v, v_low = _two_sum_f32(w, f32(6.0))
    v_low = v_low + w_low
    first = w * u
    first_low = fma(w, u, -first) + fma(w, u_low, u * w_low)
    product = first * v
    return product, fma(first, v, -product) + fma(first, v_low, v * first_low)


def _sin_pi_f32(a: f32) -> f32:
    """|sin(pi a)| / pi."""
    r = abs(a - rint(a))
    z = r * r
    p = fma(z, -0.00222797, 0.026111428)
    p = fma(p, z, -0.19074652)
    p = fma(p, z, 0.81174207)
    p = fma(p, z, -1.644934)
    return fma(r * z, p, r)


def gamma_f32(x: f32) -> f32:
    """gamma x; NaN at negative whole numbers and -infinity, infinite at zero with its sign."""
    a = abs(x)
    shifted = a < STIRLING_FROM
    s = a + 6.0 if shifted else min(a, 200.0)
    s_low = a - (s - 6.0) if shifted else f32(0.0)
    high, low = _log2_gamma_f32(s, s_low)
    rise, rise_low = _rise_f32(a if shifted else f32(1.0))
    fix = rise_low / rise * LOG2_E if (rise > 0.0) and shifted else f32(0.0)
    rise = rise if shifted else f32(1.0)
    low = low - fix
    negative = x < 0.0
    lifted = 64.0 - high
    power = lifted if negative else high
    power_low = ((64.0 - lifted) - high) - low if negative else low
    e = exp2_pair_f32(power, power_low)
    s_pi = _sin_pi_f32(a)
    reflected = e * (rise / (a * s_pi))
    reflected = reflected * 5.421010862427522e-20
    below = floor(a)
    even = floor(0.5 * below) == 0.5 * below
    reflected = -reflected if even else reflected
    y = reflected if negative else e / rise
    y = copysign(1.0 / a, x) if a < 1e-9 else y
    y = nan if negative and ((below == a) or (a == inf)) else y
    return y if x == x else x


def lgamma_f32(x: f32) -> f32:
    """ln |gamma x|, infinite at 0, negative whole numbers and infinities; near its
    zeros below 0 close only in absolute terms.
    """
    a = abs(x)
    shifted = a < STIRLING_FROM
    s = a + 6.0 if shifted else min(a, 1e8)
    s_low = a - (s - 6.0) if shifted else f32(0.0)
    high, low = _log2_gamma_f32(s, s_low)
    rise, rise_low = _rise_f32(max(a, 1e-9) if shifted else f32(1.0))
    down, down_low = log2_pair_f32(rise)
    down_low = fma(rise_low / rise, LOG2_E, down_low)
    down = down if shifted else f32(0.0)
    down_low = down_low if shifted else f32(0.0)
    sum, error = _two_sum_f32(high, -down)
    low = (low - down_low) + error
    y = fma(sum, LN2, fma(sum, LN2_LO_F32, low * LN2))
    d = a - 1.0
    p = fma(d, 0.11434659, -0.12686206)
    p = fma(p, d, 0.124708444)
    p = fma(p, d, -0.14317696)
    p = fma(p, d, 0.16957529)
    p = fma(p, d, -0.20740528)
    p = fma(p, d, 0.27058068)
    p = fma(p, d, -0.4006855)
    p = fma(p, d, 0.822467)
    p = fma(p, d, -0.5772157)
    e = a - 2.0
    q = fma(e, 0.00052232563, -0.0012211385)
    q = fma(q, e, 0.0028900132)
    q = fma(q, e, -0.007384436)
    q = fma(q, e, 0.020580815)
    q = fma(q, e, -0.06735232)
    q = fma(q, e, 0.32246703)
    q = fma(q, e, 0.42278433)
    y = fma(d, p, 0.0) if abs(d) <= 0.25 else (e * q if abs(e) <= 0.25 else y)
    s_pi = _sin_pi_f32(a)
    ratio = 1.0 / (max(a, 1e-9) * s_pi)
    log_a = log_f32(a)
    y = fma(a, log_a - 1.0, -0.5 * log_a) if a > 1e8 else y
    y = log_f32(ratio) - y if x < 0.0 else y
    y = -log_a if a < 1e-9 else y
    y = inf if ((x <= 0.0) and (floor(a) == a)) or (a == inf) else y
    return y if x == x else x


def _two_sum_f64(a: f64, b: f64) -> tuple[f64, f64]:
    """a + b and its rounding error."""
    sum = a + b
    other = sum - a
    return sum, (a - (sum - other)) + (b - other)


def _log2_gamma_f64(s: f64, s_low: f64) -> tuple[f64, f64]:
    """log2 gamma(s + s_low) for s >= 6 as high + low, by Stirling's formula and a fitted tail."""
    high, low = log2_pair_f64(s)
    b = s - 0.5
    first = b * high
    first_low = fma(b, high, -first) + b * low
    second = s * LOG2_E_HI_F64
    second_low = fma(s, LOG2_E_HI_F64, -second) + s * LOG2_E_LO_F64
    inverse = 1.0 / s
    z = inverse * inverse
    p = fma(z, 4.698032526639165, -1.3285387281133874)
    p = fma(p, z, 0.23786910153419585)
    p = fma(p, z, -0.042186148844839934)
    p = fma(p, z, 0.009241806258845072)
    p = fma(p, z, -0.0027663493875787937)
    p = fma(p, z, 0.0012143894339369705)
    p = fma(p, z, -0.0008587470470196429)
    p = fma(p, z, 0.001144996064195604)
    p = fma(p, z, -0.004007486224691563)
    p = fma(p, z, 0.12022458674074694)
    sum, error = _two_sum_f64(first, -second)
    total, other = _two_sum_f64(sum, HALF_LOG2_TWO_PI_HI_F64)
    slope = high - 0.5 * LOG2_E * inverse
    tail = fma(s_low, slope, fma(p, inverse, HALF_LOG2_TWO_PI_LO_F64))
    tail = tail + ((error + other) + (first_low - second_low))
    return _two_sum_f64(total, tail)


def _rise_f64(a: f64) -> tuple[f64, f64]:
    """a (a + 1) ... (a + 5) as high + low: w (w + 4) (w + 6) with w = a (a + 5)."""
    square = a * a
    five = 5.0 * a
    w, w_low = _two_sum_f64(square, five)
    w_low = w_low + (fma(a, a, -square) + fma(5.0, a, -five))
    u, u_low = _two_sum_f64(w, f64(4.0))
    u_low = u_low + w_low
    v, v_low = _two_sum_f64(w, f64(6.0))
    v_low = v_low + w_low
    first = w * u
    first_low = fma(w, u, -first) + fma(w, u_low, u * w_low)
    product = first * v
    return product, fma(first, v, -product) + fma(first, v_low, v * first_low)


def _sin_pi_f64(a: f64) -> f64:
    """|sin(pi a)| / pi."""
    r = abs(a - rint(a))
    z = r * r
    p = fma(z, -6.305467949236624e-09, 2.520777529329618e-07)
    p = fma(p, z, -6.975377637327065e-06)
    p = fma(p, z, 0.00014842866186807015)
    p = fma(p, z, -0.0023460810148060694)
    p = fma(p, z, 0.026147847815706237)
    p = fma(p, z, -0.19075182412197866)
    p = fma(p, z, 0.8117424252833507)
    p = fma(p, z, -1.6449340668482264)
    return fma(r * z, p, r)


def gamma_f64(x: f64) -> f64:
    """gamma x; NaN at negative whole numbers and -infinity, infinite at zero with its sign."""
    a = abs(x)
    shifted = a < STIRLING_FROM
    s = a + 6.0 if shifted else min(a, 200.0)
    s_low = a - (s - 6.0) if shifted else f64(0.0)
    high, low = _log2_gamma_f64(s, s_low)
    rise, rise_low = _rise_f64(a if shifted else f64(1.0))
    fix = rise_low / rise * LOG2_E if (rise > 0.0) and shifted else f64(0.0)
    rise = rise if shifted else f64(1.0)
    low = low - fix
    negative = x < 0.0
    lifted = 256.0 - high
    power = lifted if negative else high
    power_low = ((256.0 - lifted) - high) - low if negative else low
    e = exp2_pair_f64(power, power_low)
    s_pi = _sin_pi_f64(a)
    reflected = e * (rise / (a * s_pi))
    reflected = reflected * 8.636168555094445e-78
    below = floor(a)
    even = floor(0.5 * below) == 0.5 * below
    reflected = -reflected if even else reflected
    y = reflected if negative else e / rise
    y = copysign(1.0 / a, x) if a < 1e-18 else y
    y = nan if negative and ((below == a) or (a == inf)) else y
    return y if x == x else x


def lgamma_f64(x: f64) -> f64:
    """ln |gamma x|, infinite at 0, negative whole numbers and infinities; near its
    zeros below 0 close only in absolute terms.
    """
    a = abs(x)
    shifted = a < STIRLING_FROM
    s = a + 6.0 if shifted else min(a, 1e15)
    s_low = a - (s - 6.0) if shifted else f64(0.0)
    high, low = _log2_gamma_f64(s, s_low)
    rise, rise_low = _rise_f64(max(a, 1e-18) if shifted else f64(1.0))
    down, down_low = log2_pair_f64(rise)
    down_low = fma(rise_low / rise, LOG2_E, down_low)
    down = down if shifted else f64(0.0)
    down_low = down_low if shifted else f64(0.0)
    sum, error = _two_sum_f64(high, -down)
    low = (low - down_low) + error
    y = fma(sum, LN2, fma(sum, LN2_LO_F64, low * LN2))
    d = a - 1.0
    p = fma(d, 0.06609226742254867, -0.07047052757485814)
    p = fma(p, d, 0.07134075620771727)
    p = fma(p, d, -0.0768349288444959)
    p = fma(p, d, 0.08335506588968748)
    p = fma(p, d, -0.09095531418762656)
    p = fma(p, d, 0.10009944851100423)
    p = fma(p, d, -0.1113342563412577)
    p = fma(p, d, 0.125509669560611)
    p = fma(p, d, -0.14404989680681152)
    p = fma(p, d, 0.16955717699733805)
    p = fma(p, d, -0.20738555102859976)
    p = fma(p, d, 0.2705808084277846)
    p = fma(p, d, -0.4006856343865315)
    p = fma(p, d, 0.8224670334241132)
    p = fma(p, d, -0.5772156649015329)
    e = a - 2.0
    q = fma(e, -9.54376206939442e-06, 2.0730898319505266e-05)
    q = fma(q, e, -4.492419550850445e-05)
    q = fma(q, e, 9.945313421907635e-05)
    q = fma(q, e, -0.0002231547776112624)
    q = fma(q, e, 0.0005096695658353084)
    q = fma(q, e, -0.0011927539116158982)
    q = fma(q, e, 0.002890510330554147)
    q = fma(q, e, -0.007385551028674156)
    q = fma(q, e, 0.020580808427784914)
    q = fma(q, e, -0.06735230105319809)
    q = fma(q, e, 0.3224670334241132)
    q = fma(q, e, 0.42278433509846713)
    y = fma(d, p, 0.0) if abs(d) <= 0.125 else (e * q if abs(e) <= 0.125 else y)
    s_pi = _sin_pi_f64(a)
    ratio = 1.0 / (max(a, 1e-18) * s_pi)
    log_a = log_f64(a)
    y = fma(a, log_a - 1.0, -0.5 * log_a) if a > 1e15 else y
    y = log_f64(ratio) - y if x < 0.0 else y
    y = -log_a if a < 1e-18 else y
    y = inf if ((x <= 0.0) and (floor(a) == a)) or (a == inf) else y
    return y if x == x else x
