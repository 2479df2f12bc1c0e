"""The table of intrinsics: signatures, ends of the range, rounding."""

from __future__ import annotations

import math
from fractions import Fraction

import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gyral.compiler.intrinsics import INTRINSICS, philox
from gyral.compiler.passes.expand import EXPANSIONS
from gyral.core.dtypes import SCALARS, DType, bool_, f16, f32, f64, i8, i32, index, u8, u32, u64

INF, NAN = math.inf, math.nan


def meaning(fn: str, t: DType, *values: float) -> float:
    """What a row gives."""
    return INTRINSICS[fn].meaning(t, *values)


@pytest.mark.parametrize(
    ("fn", "values", "result"),
    [
        ("exp", (INF,), INF),
        ("exp", (1000.0,), INF),
        ("exp", (-INF,), 0.0),
        ("log", (0.0,), -INF),
        ("log", (-1.0,), NAN),
        ("log1p", (-1.0,), -INF),
        ("sin", (INF,), NAN),
        ("acosh", (0.5,), NAN),
        ("atanh", (-1.0,), -INF),
        ("sinh", (-2000.0,), -INF),
        ("rsqrt", (-0.0,), -INF),
        ("pow", (0.0, -1.0), INF),
        ("pow", (-0.0, -3.0), -INF),
        ("pow", (-2.0, 0.5), NAN),
        ("pow", (NAN, 0.0), 1.0),
        ("pow", (-10.0, 401.0), -INF),
        ("gamma", (-0.0,), -INF),
        ("gamma", (-1.0,), NAN),
        ("lgamma", (-3.0,), INF),
        ("fmod", (5.0, 0.0), NAN),
        ("rint", (2.5,), 2.0),
        ("rint", (-0.3,), -0.0),
        ("ceil", (-0.5,), -0.0),
        ("sign", (-0.0,), 0.0),
        ("saturate", (NAN,), 0.0),
        ("clamp", (5.0, 0.0, 1.0), 1.0),
        ("ldexp", (1.0, 5000), INF),
        ("nextafter", (0.0, -1.0), -5e-324),
        ("hypot", (INF, NAN), INF),
    ],
)
def test_ends_of_the_range_are_as_in_c(fn: str, values: tuple[float, ...], result: float) -> None:
    """Poles, overflows and NaN give what Annex F says, never an exception."""
    assert repr(meaning(fn, f64, *values)) == repr(result)


@pytest.mark.parametrize("fn", [n for n, r in INTRINSICS.items() if r.signature.operands[0] == "T"])
@settings(max_examples=30)
@given(data=st.data())
def test_no_value_is_refused(fn: str, data: st.DataObject) -> None:
    """Every row takes every value of its types and gives a value of its result's type."""
    signature = INTRINSICS[fn].signature
    t = data.draw(st.sampled_from([t for t in SCALARS if signature.admits(t)]))
    types = [t if wanted == "T" else i32 for wanted in signature.operands]
    values = [data.draw(st.floats().map(x) if x.is_float else st.integers(*x.bounds())) for x in types]
    result = INTRINSICS[fn].meaning(t, *values)
    assert repr(signature.resolve(types)(result)) == repr(result)


@given(*(st.floats(width=32, allow_nan=False, allow_infinity=False) for _ in range(3)))
def test_f32_fma_rounds_once(a: float, b: float, c: float) -> None:
    """fma in f32 is the exact sum rounded to the nearest f32, ties to even."""
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    got = meaning("fma", f32, a, b, c)
    if math.isinf(got):
        assert abs(exact) > 2**127
        return
    near = [got, float(meaning("nextafter", f32, got, INF)), float(meaning("nextafter", f32, got, -INF))]
    errors = [abs(Fraction(x) - exact) if math.isfinite(x) else None for x in near]
    assert errors[0] == min(e for e in errors if e is not None)


def test_f64_fma_rounds_once() -> None:
    """A product that f64 cannot hold cancels exactly."""
    x = 1.0 + 2.0**-30
    assert meaning("fma", f64, x, x, -1.0 - 2.0**-29) == 2.0**-60


@pytest.mark.parametrize(
    ("fn", "t", "values", "result"),
    [
        ("popcount", i8, (-1,), 8),
        ("clz", u8, (1,), 7),
        ("clz", i32, (0,), 32),
        ("ctz", u64, (0,), 64),
        ("ctz", i32, (-8,), 3),
        ("rotl", i8, (-127, 1), 3),
        ("rotr", u8, (1, 9), 128),
        ("bitreverse", u8, (1,), 128),
        ("bitreverse", i8, (1,), -128),
        ("sign", i8, (-5,), -1),
    ],
)
def test_bit_work(fn: str, t: DType, values: tuple[int, ...], result: int) -> None:
    """Bit functions see the type's own bits."""
    assert meaning(fn, t, *values) == result


@pytest.mark.parametrize(
    ("seed", "counter", "words"),
    [(0, 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8))],
)
def test_philox_gives_the_known_answer(seed: int, counter: int, words: tuple[int, ...]) -> None:
    """Philox4x32-10 with zero key and counter gives the published words."""
    assert philox(seed, counter) == words


@pytest.mark.parametrize(
    ("fn", "types", "result"),
    [
        ("sin", (f16,), f16),
        ("isnan", (f64,), bool_),
        ("ldexp", (f32, i32), f32),
        ("clamp", (index, index, index), index),
        ("random_uniform", (u64, u64), f32),
    ],
)
def test_signatures_give_the_result_type(fn: str, types: tuple[DType, ...], result: DType) -> None:
    """A fitting call has the type of its row."""
    assert INTRINSICS[fn].signature.resolve(types) is result


@pytest.mark.parametrize(
    ("fn", "types", "what"),
    [
        ("sin", (i32,), "operand 1 is i32, which is no float type here"),
        ("pow", (f32, f64), "operand 2 is f64, not f32"),
        ("sin", (), "takes 1 operands, not 0"),
        ("popcount", (index,), "operand 1 is index, which is no integer type here"),
        ("random_u32", (u32, u64), "operand 1 is u32, not u64"),
    ],
)
def test_signatures_refuse_what_does_not_fit(fn: str, types: tuple[DType, ...], what: str) -> None:
    """A call that does not fit is told why."""
    with pytest.raises(ValueError, match=what):
        INTRINSICS[fn].signature.resolve(types)


def test_every_row_that_expands_has_an_expansion() -> None:
    """The table and the expansions name the same rows."""
    wanted = {name for name, row in INTRINSICS.items() if type(row.spell["llvm"]).__name__ == "Expand"}
    assert wanted == set(EXPANSIONS)


@given(st.floats(-45.0, 45.0).filter(lambda x: x > 0 or x != math.floor(x)))
def test_lgamma_is_right_round_its_zeros(x: float) -> None:
    """lgamma is within an ULP and a half of the true value, where `math.lgamma` is not."""
    with mpmath.workdps(60):
        true = mpmath.log(abs(mpmath.gamma(mpmath.mpf(x))))
        apart = abs(mpmath.mpf(meaning("lgamma", f64, x)) - true)
        assert apart <= 1.5 * math.ulp(float(true))
