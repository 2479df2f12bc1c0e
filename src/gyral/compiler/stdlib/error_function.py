"""Error functions: a polynomial near 0, exponentials of fitted exponents further out."""

from gyral.compiler.stdlib.exponential import exp_f32, exp_normal_f32
from gyral.compiler.words import copysign, fma
from gyral.core.dtypes import f32


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
    """erfc x = e**-x**2 R(t) / (1 + 2x) for x >= 0 with t = (x - 2) / (x + 2), the square in two parts;
    1 - erf x where that is at least 1/2; 2 - erfc |x| below 0.
    """
    a = min(abs(x), 10.5)
    t = (a - 2.0) / (a + 2.0)
    p = fma(t, 3.1261574e-05, 0.00014925779)
    p = fma(p, t, 0.00017253088)
    p = fma(p, t, -0.00048629017)
    p = fma(p, t, -0.0014566049)
    p = fma(p, t, 0.0012906573)
    p = fma(p, t, 0.0087302625)
    p = fma(p, t, -0.008038219)
    p = fma(p, t, -0.054222506)
    p = fma(p, t, 0.16405162)
    p = fma(p, t, -0.16603012)
    p = fma(p, t, -0.09276383)
    p = fma(p, t, 1.2769784)
    square = a * a
    low = fma(a, a, -square)
    e = exp_f32(-square)
    far = fma(-low, e, e) * (p / fma(2.0, a, 1.0))
    n = fma(square, -0.00075870194, 0.005193248)
    n = fma(n, square, -0.026861435)
    n = fma(n, square, 0.11283757)
    n = fma(n, square, -0.37612638)
    near = 1.0 - fma(a, fma(square, n, 0.12837917), a)
    y = near if a < 0.47 else far
    return 2.0 - y if x < 0.0 else y
