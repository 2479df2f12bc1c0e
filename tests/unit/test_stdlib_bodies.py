"""The maths library's bodies, run lane by lane on NumPy arrays, against mpmath and known answers."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from tests.unit.stdlib_arrays import body

from gyral.compiler.stdlib.bounds import ABSOLUTE, RANGE, ULP

INF, NAN = math.inf, math.nan

# Module, and where to draw arguments from: (low, high) uniformly, as many as the function has.
FUNCTIONS: dict[str, tuple[str, tuple[tuple[float, float], ...]]] = {
    "exp": ("exponential", ((-80.0, 80.0),)),
    "exp2": ("exponential", ((-120.0, 120.0),)),
    "expm1": ("exponential", ((-3.0, 3.0),)),
    "log": ("logarithm", ((1e-3, 10.0),)),
    "log2": ("logarithm", ((1e-3, 10.0),)),
    "log10": ("logarithm", ((1e-3, 10.0),)),
    "log1p": ("logarithm", ((-0.9, 10.0),)),
    "sin": ("trig", ((-30.0, 30.0),)),
    "cos": ("trig", ((-30.0, 30.0),)),
    "tan": ("trig", ((-30.0, 30.0),)),
    "asin": ("inverse_trig", ((-1.0, 1.0),)),
    "acos": ("inverse_trig", ((-1.0, 1.0),)),
    "atan": ("inverse_trig", ((-5.0, 5.0),)),
    "atan2": ("inverse_trig", ((-5.0, 5.0), (-5.0, 5.0))),
    "sinh": ("hyperbolic", ((-5.0, 5.0),)),
    "cosh": ("hyperbolic", ((-5.0, 5.0),)),
    "tanh": ("hyperbolic", ((-5.0, 5.0),)),
    "asinh": ("hyperbolic", ((-5.0, 5.0),)),
    "acosh": ("hyperbolic", ((1.0, 5.0),)),
    "atanh": ("hyperbolic", ((-1.0, 1.0),)),
    "rsqrt": ("roots", ((1e-3, 10.0),)),
    "cbrt": ("roots", ((-10.0, 10.0),)),
    "hypot": ("roots", ((-10.0, 10.0), (-10.0, 10.0))),
    "pow": ("power", ((1e-2, 10.0), (-4.0, 4.0))),
    "erf": ("error_function", ((-5.0, 5.0),)),
    "erfc": ("error_function", ((-3.0, 9.0),)),
    "gamma": ("gamma_function", ((-6.0, 30.0),)),
    "lgamma": ("gamma_function", ((1e-2, 30.0),)),
    "fmod": ("remainder", ((-1e6, 1e6), (-3.0, 3.0))),
    "remainder": ("remainder", ((-1e6, 1e6), (-3.0, 3.0))),
}
DTYPES = {"f32": np.float32, "f64": np.float64}
STORED = {"f32": 23, "f64": 52}


def _exact_fmod(x: Any, y: Any) -> Any:
    return x - mpmath.mpf(int(x / y)) * y


def _exact_remainder(x: Any, y: Any) -> Any:
    return x - mpmath.nint(x / y) * y


REFERENCE: dict[str, Any] = {
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "log2": lambda x: mpmath.log(x, 2),
    "log1p": lambda x: mpmath.log(1 + x),
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "pow": lambda x, y: x**y,
    "lgamma": mpmath.loggamma,
    "fmod": _exact_fmod,
    "remainder": _exact_remainder,
}


def reference(name: str) -> Any:
    """The function to compare with, on mpmath numbers."""
    return REFERENCE[name] if name in REFERENCE else getattr(mpmath, name)


def worst(name: str, dtype: str, got: np.ndarray, *args: np.ndarray) -> float:
    """Largest error in units in the last place of the true value; nothing counts below the absolute bound."""
    function = reference(name)
    allowed = ABSOLUTE.get(f"{name}_{dtype}", 0.0)
    largest = 0.0
    with mpmath.workprec(160):
        for value, *point in zip(got, *args, strict=True):
            want = function(*(mpmath.mpf(float(p)) for p in point))
            error = abs(mpmath.mpf(float(value)) - want)
            if want == 0:
                largest = max(largest, 0.0 if error == 0 else INF)
            elif error > allowed:
                largest = max(largest, float(mpmath.ldexp(error, STORED[dtype] + 1 - mpmath.frexp(want)[1])))
    return largest


def draw(name: str, dtype: str, count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(20)
    return [rng.uniform(low, high, count).astype(DTYPES[dtype]) for low, high in FUNCTIONS[name][1]]


@pytest.mark.parametrize("dtype", sorted(DTYPES))
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_body_stays_within_its_stated_bound(name: str, dtype: str) -> None:
    """Every body is within the bound that `bounds` states for it."""
    args = draw(name, dtype, 200)
    got = body(FUNCTIONS[name][0], f"{name}_{dtype}")(*args)
    assert got.dtype == DTYPES[dtype]
    assert worst(name, dtype, got, *args) <= ULP[f"{name}_{dtype}"]


@pytest.mark.parametrize("name", sorted(n for n in ULP if n.endswith("_fast")))
def test_fast_body_stays_within_its_stated_bound(name: str) -> None:
    """Every fast body is within its bound on the range that is stated with it."""
    plain = name.removesuffix("_f32_fast")
    rng = np.random.default_rng(21)
    args = [rng.uniform(low, high, 200).astype(np.float32) for low, high in RANGE[name]]
    got = body(FUNCTIONS[plain][0], name)(*args)
    allowed = ABSOLUTE.get(name, 0.0)
    with mpmath.workprec(100):
        function = reference(plain)
        exact = [function(*(mpmath.mpf(float(p)) for p in point)) for point in zip(*args, strict=True)]
    near = np.array([abs(float(g - w)) <= allowed for g, w in zip(got.astype(float), exact, strict=True)])
    rest = [a[~near] for a in args]
    assert worst(plain, "f32", got[~near], *rest) <= ULP[name]


EDGES: list[tuple[str, tuple[float, ...], float]] = [
    ("exp", (INF,), INF),
    ("exp", (-INF,), 0.0),
    ("exp", (NAN,), NAN),
    ("expm1", (-0.0,), -0.0),
    ("expm1", (-INF,), -1.0),
    ("log", (0.0,), -INF),
    ("log", (-1.0,), NAN),
    ("log", (INF,), INF),
    ("log1p", (-0.0,), -0.0),
    ("log1p", (-1.0,), -INF),
    ("sin", (-0.0,), -0.0),
    ("sin", (INF,), NAN),
    ("cos", (INF,), NAN),
    ("tan", (-0.0,), -0.0),
    ("asin", (1.5,), NAN),
    ("acos", (1.0,), 0.0),
    ("atan", (-0.0,), -0.0),
    ("atan2", (-0.0, 1.0), -0.0),
    ("atan2", (0.0, -0.0), math.pi),
    ("atan2", (INF, -INF), 3 * math.pi / 4),
    ("sinh", (-INF,), -INF),
    ("cosh", (-INF,), INF),
    ("tanh", (INF,), 1.0),
    ("asinh", (-INF,), -INF),
    ("acosh", (0.5,), NAN),
    ("acosh", (INF,), INF),
    ("atanh", (-1.0,), -INF),
    ("rsqrt", (-0.0,), -INF),
    ("rsqrt", (INF,), 0.0),
    ("cbrt", (-INF,), -INF),
    ("hypot", (NAN, INF), INF),
    ("hypot", (3.0, NAN), NAN),
    ("pow", (-2.0, 3.0), -8.0),
    ("pow", (-2.0, 0.5), NAN),
    ("pow", (-0.0, -3.0), -INF),
    ("pow", (0.0, -2.0), INF),
    ("pow", (-INF, 3.0), -INF),
    ("pow", (-1.0, INF), 1.0),
    ("pow", (1.0, NAN), 1.0),
    ("pow", (NAN, 0.0), 1.0),
    ("pow", (0.5, -INF), INF),
    ("erf", (-INF,), -1.0),
    ("erfc", (INF,), 0.0),
    ("gamma", (-0.0,), -INF),
    ("gamma", (-1.0,), NAN),
    ("gamma", (5.0,), 24.0),
    ("lgamma", (1.0,), 0.0),
    ("lgamma", (-3.0,), INF),
    ("fmod", (-0.0, 1.0), -0.0),
    ("fmod", (5.0, 0.0), NAN),
    ("fmod", (5.0, INF), 5.0),
    ("fmod", (1e30, 1e-30), math.fmod(np.float32(1e30), np.float32(1e-30))),
    ("remainder", (2.5, 1.0), 0.5),
    ("remainder", (3.5, 1.0), -0.5),
]


@pytest.mark.parametrize(("name", "args", "expected"), EDGES)
def test_edges_are_those_of_c(name: str, args: tuple[float, ...], expected: float) -> None:
    """Zeros, infinities, NaN and poles give what C's Annex F asks for, the sign of zero included."""
    given = [np.full(3, a, np.float32) for a in args]
    got = body(FUNCTIONS[name][0], f"{name}_f32")(*given)
    wanted = np.full(3, expected, np.float32)
    np.testing.assert_array_equal(got, wanted)
    if expected == expected:
        assert np.signbit(got).tolist() == np.signbit(wanted).tolist()


@pytest.mark.parametrize(
    ("dtype", "x"), [("f32", 1e10), ("f32", 3e38), ("f64", 1e22), ("f64", 5.319372648326541e255)]
)
def test_huge_arguments_are_reduced_exactly(dtype: str, x: float) -> None:
    """sin and cos of huge arguments, the hardest double included, are within the bound."""
    point = np.array([x, -x], DTYPES[dtype])
    for name in ("sin", "cos"):
        got = body("trig", f"{name}_{dtype}")(point)
        with mpmath.workprec(1400):
            exact = [getattr(mpmath, name)(mpmath.mpf(float(v))) for v in point]
            ulps = [
                float(mpmath.ldexp(abs(float(g) - w), STORED[dtype] + 1 - mpmath.frexp(w)[1]))
                for g, w in zip(got, exact, strict=True)
            ]
        assert max(ulps) <= ULP[f"{name}_{dtype}"]


KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_gives_the_known_answers(
    counter: tuple[int, ...], key: tuple[int, ...], expected: Any
) -> None:
    """The ten rounds give the answers published with Random123."""
    words = [np.full(1, w, np.uint32) for w in (*counter, *key)]
    assert tuple(int(w[0]) for w in body("random", "philox")(*words)) == expected


def test_uniform_numbers_come_from_the_upper_bits_of_word_0() -> None:
    """random_uniform is word 0 cut to 24 bits, over 2**24."""
    seed, counter = np.full(64, 7, np.uint64), np.arange(64, dtype=np.uint64)
    word = body("random", "random_u32")(seed, counter)
    expected = (word >> 8).astype(np.float32) * np.float32(2.0**-24)
    np.testing.assert_array_equal(body("random", "random_uniform")(seed, counter), expected)


def test_normal_numbers_have_the_moments_of_a_normal() -> None:
    """Mean, variance and fourth moment of 20000 draws are those of a normal within four standard errors."""
    count = 20000
    seed, counter = np.full(count, 1, np.uint64), np.arange(count, dtype=np.uint64)
    z = body("random", "random_normal")(seed, counter).astype(float)
    moments = np.array([z.mean(), (z**2).mean(), (z**4).mean()])
    errors = 4 * np.sqrt(np.array([1.0, 2.0, 96.0]) / count)
    assert np.all(np.abs(moments - [0.0, 1.0, 3.0]) < errors)
