"""Refusals of kinds of values: what is indexed, assigned, called and passed, each in its own words."""

import math
from typing import Any

import pytest
from tests.frontend_programs import refused

import gyral as gy


@gy.struct
class Ball:
    """A small record with a vector inside."""

    at: gy.f32x3
    mass: gy.f32


@gy.func
def half(value):
    return value / 2


@gy.func
def first(values: gy.Array[gy.f32]):
    return values[0]


NAMES: dict[str, Any] = {"Ball": Ball, "half": half, "first": first, "math": math, "LARGE": 10**5000}

ACCESS = [
    ("x[i] = Ball((1, 2, 3), 4).weight", "weight"),
    ("b = Ball((1, 2, 3), 4)\nb.weight = 1", "weight"),
    ("x[i] = x[0:2]", "slice"),
    ("x[i] = s[0]", "cannot be indexed"),
    ("s[0] = 1", "cannot be indexed"),
    ("x[1.5] = 1", "1.5"),
    ("x[s] = 1", "f32"),
    ("math.pi = 3", "math.pi"),
    ("s.real = 3", "f32"),
    ("v = gy.f32x3(1, 2, 3)\nv.q = 1", "q"),
    ("x[i] = gy.f32x3(1, 2, 3)", "f32x3"),
    ("a, b = 1, 2, 3", "2 names"),
]

CALLS = [
    ("x[i] = math.perm(3, 2)", "math.perm"),
    ("x[i] = min(s, key=1)", "min takes no keywords here"),
    ("x[i] = max()", "max needs arguments"),
    ("x[i] = len(s)", "len"),
    ("print(s, sep=1)", "print does not take this sep="),
    ("x[i] = half(s, s)", "half takes 1 argument, not 2"),
    ("x[i] = half()", "half needs 'value'"),
    ("x[i] = half(s, value=s)", "half is given 'value' twice"),
    ("x[i] = half(other=s)", "half has no parameter 'other'"),
    ("x[i] = half('text')", "string"),
    ("x[i] = first(s)", "takes an array, not f32"),
    ("for k in range():\n    x[i] = k", "range takes one to three arguments"),
    ("for k in half(s):\n    x[i] = k", "a loop cannot run over"),
    ("for k in gy.grid_range(1, 2, 3):\n    x[i] = k", "grid_range takes one argument"),
    ("x[i] = gy.dot(gy.f32x2(1, 2), gy.f32x3(1, 2, 3))", "f32x3"),
    ("v = gy.cross(gy.f32x2(1, 2), gy.f32x2(1, 2))", "cross"),
    ("gy.atomic_and(x, i, 1)", "f32 elements"),
    ("gy.atomic_add(s, 0, 1)", "atomic"),
    ("print(math)", "module math"),
    ("n[i] = round(math.inf)", "inf"),
]

OPERATORS = [
    ("x[i] = ~s", "floats"),
    ("n[i] = ~1.5", "~"),
    ("x[i] = s + x", "the array 'x'"),
    ("if gy.f32x2(1, 2) < gy.f32x2(2, 3):\n    x[i] = 1", "vectors"),
    ("n[i] = 1 << -1", "<<"),
    ("x[i] = 1 // 0", "divides by zero"),
    ("v: gy.bool_ = 2", "bool_"),
    ("n[i] = 10 ** 400", "10 ** 400 does not fit any type"),
]

LARGE = [
    ("n[i] = LARGE", "'LARGE', an integer of 16610 bits, does not fit any type"),
    ("x[i] = gy.f32(LARGE)", "'LARGE', an integer of"),
    ("x[i] = gy.sin(1 << 1030)", "1 << 1030 does not fit any type"),
    ("x[LARGE] = 1", "'LARGE', an integer of"),
    ("print(LARGE)", "'LARGE', an integer of"),
    ("for k in range(LARGE):\n    x[i] = 1", "'LARGE', an integer of"),
    (f"n[i] = {'9' * 400}", "an integer of 1329 bits does not fit any type"),
    (" * ".join(["v = 10 ** 150"] + ["10 ** 150"] * 40), "does not fit any type"),
]


@pytest.mark.parametrize("body, words", ACCESS + CALLS + OPERATORS + LARGE, ids=lambda value: repr(value))
def test_a_wrong_value_is_refused_in_its_own_words(body: str, words: str) -> None:
    """One finding that names the value or the rule."""
    found = refused(body, NAMES)
    assert [words in finding.message for finding in found] == [True], found


def test_the_largest_integers_are_floats() -> None:
    """An integer of the size of the largest f64 still converts to one."""
    assert refused("v = gy.f64(2**1022) * 1.0\nw = gy.u8(2**1022)") == []
