"""Error functions: a polynomial near 0, exponentials of fitted exponents further out."""

from gyral.compiler.stdlib.exponential import exp_normal_f32, exp_pair_f32, exp_pair_f64
from gyral.compiler.words import copysign, fma
from gyral.core.dtypes import f32, f64


def erf_f32(x: f32) -> f32:
    """erf x: an odd polynomial below 1, 1 - e**q above, q fitted to ln erfc."""
    a = min(abs(x), 3.95)
    z = a * a
    p = fma(z, -9.394941e-06, 0.000111660054)
    p = fma(p, z, -0.0008469501)
    p = fma(p, z, 0.0052199615)
    p = fma(p, z, -0.026865019)
    p = fma(p, z, 0.11283775)
    p = fma(p, z, -0.37612638)
    near = fma(a, fma(z, p, 0.12837917), a)
    q = fma(a, -2.1161819e-05, 0.00043521792)
    q = fma(q, a, -0.0041746385)
    q = fma(q, a, 0.025128614)
    q = fma(q, a, -0.10829393)
    q = fma(q, a, -0.6333347)
    q = fma(q, a, -1.1295208)
    q = fma(q, a, 0.00017587328)
    far = 1.0 - exp_normal_f32(q)
    return copysign(near if a < 1.0 else far, x)


def erf_f32_fast(x: f32) -> f32:
    """erf x: one rational minimax function in x**2, x held within 3.9."""
    c = min(max(x, -3.9), 3.9)
    z = c * c
    p = fma(z, 0.00022996833, 0.0035390528)
    p = fma(p, z, 0.051365722)
    p = fma(p, z, 0.18863432)
    p = fma(p, z, 1.1283791)
    q = fma(z, -1.1347431e-07, 2.3240043e-05)
    q = fma(q, z, 0.0010449117)
    q = fma(q, z, 0.014339879)
    q = fma(q, z, 0.11236126)
    q = fma(q, z, 0.50050527)
    q = fma(q, z, 1.0)
    return min(max(c * (p / q), -1.0), 1.0)


def erfc_f32(x: f32) -> f32:
    """erfc x = e**-x**2 R(t) / (1 + 2x) with t = (x - 2) / (x + 2), the square in two parts;
    1 - erf x where that is at least 1/2; 2 - erfc |x| below 0.
    """
    a = min(abs(x), 10.5)
    t = (a - 2.0) / (a + 2.0)
    p = fma(t, -1.9815621e-05, 0.00027489307)
    p = fma(p, t, -0.00029405605)
    p = fma(p, t, -0.0015372917)
    p = fma(p, t, 0.0012109495)
    p = fma(p, t, 0.008755475)
    p = fma(p, t, -0.008023741)
    p = fma(p, t, -0.054225758)
    p = fma(p, t, 0.16405055)
    p = fma(p, t, -0.16602999)
    p = fma(p, t, -0.09276381)
    p = fma(p, t, 1.2769784)
    square = a * a
    low = fma(a, a, -square)
    e = exp_pair_f32(-square, -low)
    far = e * (p / fma(2.0, a, 1.0))
    n = fma(square, -0.00075870194, 0.005193248)
    n = fma(n, square, -0.026861435)
    n = fma(n, square, 0.11283757)
    n = fma(n, square, -0.37612638)
    near = 1.0 - fma(a, fma(square, n, 0.12837917), a)
    y = near if a < 0.47 else far
    return 2.0 - y if x < 0.0 else y


def _erfc_positive_f64(a: f64) -> f64:
    """erfc a = e**-a**2 R(t) / (1 + 2a) for 0.45 <= a <= 28, t = (a - 2) / (a + 2),
    the square in two parts.
    """
    t = (a - 2.0) / (a + 2.0)
    p = fma(t, -9.854001199821963e-08, 3.918101700944857e-07)
    p = fma(p, t, 1.2724940254649783e-07)
    p = fma(p, t, -1.3295096747459202e-06)
    p = fma(p, t, -9.34654524178731e-07)
    p = fma(p, t, 1.9423099275573546e-06)
    p = fma(p, t, 5.2807048705364135e-06)
    p = fma(p, t, 3.4901569771218467e-06)
    p = fma(p, t, -1.3485421006740001e-05)
    p = fma(p, t, -3.635466846772632e-05)
    p = fma(p, t, -1.5179324996225685e-06)
    p = fma(p, t, 0.00015102553796103233)
    p = fma(p, t, 0.00020636936569625288)
    p = fma(p, t, -0.00045433911174714745)
    p = fma(p, t, -0.001456814236945628)
    p = fma(p, t, 0.0012713388335975082)
    p = fma(p, t, 0.008722653896423524)
    p = fma(p, t, -0.008034015076719168)
    p = fma(p, t, -0.054220000992755646)
    p = fma(p, t, 0.16405128003332692)
    p = fma(p, t, -0.16603039761528002)
    p = fma(p, t, -0.09276382658574531)
    p = 1.2769783815525286 + fma(p, t, 7.006899688224111e-17)
    square = a * a
    low = fma(a, a, -square)
    e = exp_pair_f64(-square, -low)
    return e * (p / fma(2.0, a, 1.0))


def _erf_near_f64(a: f64) -> f64:
    """erf a for 0 <= a <= 1: an odd polynomial."""
    z = a * a
    p = fma(z, 5.950745974366255e-11, -1.136909581998582e-09)
    p = fma(p, z, 1.4658823248194091e-08)
    p = fma(p, z, -1.6350175240849459e-07)
    p = fma(p, z, 1.64609880641469e-06)
    p = fma(p, z, -1.4925594540522458e-05)
    p = fma(p, z, 0.00012055331084235787)
    p = fma(p, z, -0.0008548326980193123)
    p = fma(p, z, 0.005223977624809708)
    p = fma(p, z, -0.02686617064507639)
    p = fma(p, z, 0.1128379167095488)
    p = fma(p, z, -0.3761263890318375)
    return fma(a, fma(z, p, 0.1283791670955126), a)


def erf_f64(x: f64) -> f64:
    """erf x: a polynomial up to 1, 1 - erfc beyond."""
    a = min(abs(x), 6.0)
    return copysign(_erf_near_f64(a) if a < 1.0 else 1.0 - _erfc_positive_f64(a), x)


def erfc_f64(x: f64) -> f64:
    """erfc x; as `erfc_f32`."""
    a = min(abs(x), 28.0)
    y = 1.0 - _erf_near_f64(a) if a < 0.47 else _erfc_positive_f64(a)
    return 2.0 - y if x < 0.0 else y
