"""Exponentials: Cody-Waite reduction by ln 2, minimax polynomials, scaling through the exponent bits."""

from gyral.compiler.words import bitcast, fma
from gyral.core.dtypes import f32, f64, u32, u64

LOG2_E = 1.4426950408889634
LN2 = 0.6931471805599453
LN2_HI_F32 = 0.6931472
LN2_LO_F32 = -1.9046542e-09

# 1.5 * 2**23 rounds to a whole number and leaves it in the low bits; + 127 leaves it biased, ready to shift.
SHIFT_F32 = 12583039.0
SHIFT_TWICE_F32 = 12583166.0
LN2_HI_F64 = 0.6931471805599453
LN2_LO_F64 = 2.3190468138462996e-17
# The same with 1.5 * 2**52 and 1023.
SHIFT_F64 = 6755399441056767.0
SHIFT_TWICE_F64 = 6755399441057790.0


def exp_f32(x: f32) -> f32:
    """e**x, subnormal results included: x - n ln 2 in two steps, a degree 6 polynomial,
    2**n in two factors.
    """
    clamped = min(max(x, -104.0), 89.0)
    shifted = fma(clamped, LOG2_E, SHIFT_TWICE_F32)
    n = shifted - SHIFT_TWICE_F32
    r = fma(n, -LN2_HI_F32, clamped)
    r = fma(n, -LN2_LO_F32, r)
    p = fma(r, 0.0013744514, 0.008368965)
    p = fma(p, r, 0.04166966)
    p = fma(p, r, 0.16666518)
    p = fma(p, r, 0.49999988)
    p = fma(p, r, 1.0)
    p = fma(p, r, 1.0)
    bits = bitcast(shifted, u32)
    half = bits >> 1
    return p * bitcast(half << 23, f32) * bitcast((bits - half) << 23, f32)


def exp_pair_f32(high: f32, low: f32) -> f32:
    """e**(high + low), low being small beside high; as `exp_f32`."""
    clamped = min(max(high, -104.0), 89.0)
    shifted = fma(clamped, LOG2_E, SHIFT_TWICE_F32)
    n = shifted - SHIFT_TWICE_F32
    r = fma(n, -LN2_HI_F32, clamped)
    r = fma(n, -LN2_LO_F32, r + low)
    p = fma(r, 0.0013744514, 0.008368965)
    p = fma(p, r, 0.04166966)
    p = fma(p, r, 0.16666518)
    p = fma(p, r, 0.49999988)
    p = fma(p, r, 1.0)
    p = fma(p, r, 1.0)
    bits = bitcast(shifted, u32)
    half = bits >> 1
    return p * bitcast(half << 23, f32) * bitcast((bits - half) << 23, f32)


def exp_f32_fast(x: f32) -> f32:
    """e**x without subnormal results: 0 below -87.7, infinity above 88.3; ln 2 in one step, degree 5."""
    clamped = min(max(x, -88.0), 89.0)
    shifted = fma(clamped, LOG2_E, SHIFT_F32)
    n = shifted - SHIFT_F32
    r = fma(n, -LN2, clamped)
    p = fma(r, 0.008334528, 0.04189912)
    p = fma(p, r, 0.1666688)
    p = fma(p, r, 0.4999914)
    p = fma(p, r, 1.0)
    p = fma(p, r, 1.0)
    return p * bitcast(bitcast(shifted, u32) << 23, f32)


def exp_normal_f32(x: f32) -> f32:
    """e**x for -87 <= x <= 88 or NaN as a step of other functions; as `exp_f32`, scaled in one step."""
    shifted = fma(x, LOG2_E, SHIFT_F32)
    n = shifted - SHIFT_F32
    r = fma(n, -LN2_HI_F32, x)
    r = fma(n, -LN2_LO_F32, r)
    p = fma(r, 0.0013744514, 0.008368965)
    p = fma(p, r, 0.04166966)
    p = fma(p, r, 0.16666518)
    p = fma(p, r, 0.49999988)
    p = fma(p, r, 1.0)
    p = fma(p, r, 1.0)
    return p * bitcast(bitcast(shifted, u32) << 23, f32)


def exp2_f32(x: f32) -> f32:
    """2**x, subnormal results included: two factors for the whole part,
    a degree 6 polynomial for the rest.
    """
    clamped = min(max(x, -151.0), 129.0)
    shifted = clamped + SHIFT_TWICE_F32
    r = clamped - (shifted - SHIFT_TWICE_F32)
    p = fma(r, 0.00015238003, 0.0013391137)
    p = fma(p, r, 0.009618841)
    p = fma(p, r, 0.055503592)
    p = fma(p, r, 0.24022645)
    p = fma(p, r, 0.6931472)
    p = fma(p, r, 1.0)
    bits = bitcast(shifted, u32)
    half = bits >> 1
    return p * bitcast(half << 23, f32) * bitcast((bits - half) << 23, f32)


def exp2_f32_fast(x: f32) -> f32:
    """2**x without subnormal results: 0 below -126.5, infinity from 127.5; degree 5."""
    clamped = min(max(x, -127.0), 128.0)
    shifted = clamped + SHIFT_F32
    r = clamped - (shifted - SHIFT_F32)
    p = fma(r, 0.0013230442, 0.009671701)
    p = fma(p, r, 0.055508535)
    p = fma(p, r, 0.24022238)
    p = fma(p, r, 0.6931469)
    p = fma(p, r, 1.0)
    return p * bitcast(bitcast(shifted, u32) << 23, f32)


def expm1_f32(x: f32) -> f32:
    """e**x - 1: expm1 of the reduced argument, rescaled as 2 (p 2**(n-1) + (2**(n-1) - 1/2))."""
    clamped = min(max(x, -18.0), 89.0)
    shifted = fma(clamped, LOG2_E, SHIFT_F32 - 1.0)
    n = shifted - (SHIFT_F32 - 1.0)
    r = fma(n, -LN2_HI_F32, clamped)
    r = fma(n, -LN2_LO_F32, r)
    p = fma(r, 0.00019742601, 0.0013933713)
    p = fma(p, r, 0.0083335675)
    p = fma(p, r, 0.041666478)
    p = fma(p, r, 0.16666666)
    p = fma(p, r, 0.5)
    p = fma(r * r, p, r)
    scale = bitcast(bitcast(shifted, u32) << 23, f32)
    y = 2.0 * fma(p, scale, scale - 0.5)
    return y if abs(x) > 1e-8 else x


def exp_f64(x: f64) -> f64:
    """e**x, subnormal results included; as `exp_f32` with a degree 11 polynomial."""
    clamped = min(max(x, -746.0), 710.0)
    shifted = fma(clamped, LOG2_E, SHIFT_TWICE_F64)
    n = shifted - SHIFT_TWICE_F64
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
    bits = bitcast(shifted, u64)
    half = bits >> 1
    return p * bitcast(half << 52, f64) * bitcast((bits - half) << 52, f64)


def exp_pair_f64(high: f64, low: f64) -> f64:
    """e**(high + low), low being small beside high; as `exp_f64`."""
    clamped = min(max(high, -746.0), 710.0)
    shifted = fma(clamped, LOG2_E, SHIFT_TWICE_F64)
    n = shifted - SHIFT_TWICE_F64
    r = fma(n, -LN2_HI_F64, clamped)
    r = fma(n, -LN2_LO_F64, r + low)
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
    bits = bitcast(shifted, u64)
    half = bits >> 1
    return p * bitcast(half << 52, f64) * bitcast((bits - half) << 52, f64)


def exp2_f64(x: f64) -> f64:
    """2**x, subnormal results included; as `exp2_f32` with a degree 11 polynomial."""
    clamped = min(max(x, -1076.0), 1025.0)
    shifted = clamped + SHIFT_TWICE_F64
    r = clamped - (shifted - SHIFT_TWICE_F64)
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


def expm1_f64(x: f64) -> f64:
    """e**x - 1; as `expm1_f32` with a degree 12 polynomial."""
    clamped = min(max(x, -38.0), 710.0)
    shifted = fma(clamped, LOG2_E, SHIFT_F64 - 1.0)
    n = shifted - (SHIFT_F64 - 1.0)
    r = fma(n, -LN2_HI_F64, clamped)
    r = fma(n, -LN2_LO_F64, r)
    p = fma(r, 2.088934168965777e-09, 2.5109203542960585e-08)
    p = fma(p, r, 2.7557353362814516e-07)
    p = fma(p, r, 2.7557243734885177e-06)
    p = fma(p, r, 2.4801587237083774e-05)
    p = fma(p, r, 0.0001984126988660108)
    p = fma(p, r, 0.001388888888892394)
    p = fma(p, r, 0.008333333333321436)
    p = fma(p, r, 0.04166666666666661)
    p = fma(p, r, 0.16666666666666677)
    p = fma(p, r, 0.5)
    p = fma(r * r, p, r)
    scale = bitcast(bitcast(shifted, u64) << 52, f64)
    y = 2.0 * fma(p, scale, scale - 0.5)
    return y if abs(x) > 1e-17 else x
