"""Measured errors of the maths library, in units in the last place of the true value.

f32 bounds of functions of one value come from sweeps (`benchmarks/accuracy`): all 2**32 floats through sin
and cos; all positive ones, and all or every 37th negative one, through exp, log, tan, tanh, erf, rsqrt and
their kin; every fifth to thousandth through gamma, cbrt, erfc and the inverses. The others come from samples
over every binade with a margin added. They hold for the bodies as written: a compiler that
re-associates or contracts inside them breaks the compensated steps, so bodies are compiled strictly even
under fastmath.
"""

ULP: dict[str, float] = {
    "acos_f32": 1.1,
    "acos_f64": 1.2,
    "acosh_f32": 2.1,
    "acosh_f64": 2.2,
    "asin_f32": 2.3,
    "asin_f64": 2.3,
    "asinh_f32": 2.0,
    "asinh_f64": 2.0,
    "atan2_f32": 1.8,
    "atan2_f64": 2.5,
    "atan_f32": 1.5,
    "atan_f64": 2.3,
    "atanh_f32": 2.1,
    "atanh_f64": 2.1,
    "cbrt_f32": 0.8,
    "cbrt_f64": 0.8,
    "cos_f32": 0.9,
    "cos_f64": 0.9,
    "cosh_f32": 1.5,
    "cosh_f64": 1.5,
    "erf_f32": 1.1,
    "erf_f64": 1.3,
    "erfc_f32": 4.0,
    "erfc_f64": 4.0,
    "exp2_f32": 0.9,
    "exp2_f64": 0.9,
    "exp_f32": 0.9,
    "exp_f64": 0.9,
    "expm1_f32": 1.5,
    "expm1_f64": 2.0,
    "fmod_f32": 0.0,
    "fmod_f64": 0.0,
    "gamma_f32": 4.0,
    "gamma_f64": 4.0,
    "hypot_f32": 0.8,
    "hypot_f64": 0.8,
    "lgamma_f32": 4.0,
    "lgamma_f64": 4.0,
    "log10_f32": 1.1,
    "log10_f64": 1.1,
    "log1p_f32": 1.6,
    "log1p_f64": 1.6,
    "log2_f32": 1.1,
    "log2_f64": 1.1,
    "log_f32": 0.95,
    "log_f64": 0.95,
    "pow_f32": 3.0,
    "pow_f64": 1.2,
    "remainder_f32": 0.0,
    "remainder_f64": 0.0,
    "rsqrt_f32": 1.0,
    "rsqrt_f64": 1.0,
    "sin_f32": 0.9,
    "sin_f64": 0.9,
    "sinh_f32": 1.8,
    "sinh_f64": 2.0,
    "tan_f32": 2.0,
    "tan_f64": 2.4,
    "tanh_f32": 1.0,
    "tanh_f64": 2.6,
    "cos_f32_fast": 2.5,
    "erf_f32_fast": 6.0,
    "exp2_f32_fast": 1.9,
    "exp_f32_fast": 5.8,
    "log2_f32_fast": 1.9,
    "log_f32_fast": 1.2,
    "pow_f32_fast": 5.0,
    "sin_f32_fast": 2.5,
    "tan_f32_fast": 2.8,
    "tanh_f32_fast": 5.0,
}

# An error no larger than this is within the bound too: zeros of these functions are met in absolute terms.
ABSOLUTE: dict[str, float] = {
    "cos_f32_fast": 1.5e-7,
    "lgamma_f32": 4e-6,
    "lgamma_f64": 1e-14,
    "sin_f32_fast": 1.5e-7,
}

# Where the bounds of the fast forms hold, one (low, high) per argument.
RANGE: dict[str, tuple[tuple[float, float], ...]] = {
    "cos_f32_fast": ((-30000.0, 30000.0),),
    "erf_f32_fast": ((-100.0, 100.0),),
    "exp2_f32_fast": ((-126.0, 127.4),),
    "exp_f32_fast": ((-87.3, 88.3),),
    "log2_f32_fast": ((1.2e-38, 3.4e38),),
    "log_f32_fast": ((1.2e-38, 3.4e38),),
    "pow_f32_fast": ((0.1, 10.0), (-5.0, 5.0)),
    "sin_f32_fast": ((-30000.0, 30000.0),),
    "tan_f32_fast": ((-30000.0, 30000.0),),
    "tanh_f32_fast": ((-100.0, 100.0),),
}
