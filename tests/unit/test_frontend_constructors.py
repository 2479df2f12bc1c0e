"""Calls of types and functions with the wrong arguments are refused; the right ones build values."""

import math

import numpy as np
import pytest
from tests.frontend_programs import launch, refused

import gyral as gy


@gy.struct
class Ball:
    """A small record with a vector inside."""

    at: gy.f32x2
    mass: gy.f32


WRONG = [
    ("x[i] = gy.f32(1, 2)", "GY503", "gy.f32 takes one argument, not 2"),
    ("x[i] = gy.f32()", "GY503", "gy.f32 takes one argument, not 0"),
    ("x[i] = gy.f32(value=1)", "GY503", "gy.f32 takes no keywords"),
    ("v = gy.f32x3(1, 2)", "GY503", "gy.f32x3 takes 3 components, not 2"),
    ("v = gy.f32x2(gy.f32x3(1, 2, 3))", "GY503", "gy.f32x2 takes 2 components, not 3"),
    ("v = Ball((1, 2), 3, 4)", "GY308", "Ball has 2 fields, not 3"),
    ("v = Ball((1, 2), 3, mass=4)", "GY308", "Ball is given 'mass' twice"),
    ("v = Ball((1, 2), weight=4)", "GY308", "Ball has no field 'weight'"),
    ("v = Ball(mass=4)", "GY308", "Ball is given no 'at'"),
    ("v = Ball(1, 2)", "GY309", "cannot be the same value"),
    ("x[i] = gy.sqrt(*s)", "GY105", "`*` here is not part of the kernel language"),
    ("x[i] = gy.sqrt(**s)", "GY105", "`**` here is not part of the kernel language"),
    ("x[i] = Ball((1, 2), 3)[0]", "GY407", "cannot be indexed"),
    ("x[i] = gy.Array[0]", "GY407", "gy.Array cannot be indexed"),
]


@pytest.mark.parametrize("body, code, sentence", WRONG, ids=[row[0] for row in WRONG])
def test_a_wrong_construction_is_refused(body: str, code: str, sentence: str) -> None:
    """A type called with the wrong arguments says what it takes."""
    (found,) = refused(body, {"Ball": Ball})
    assert (found.code, sentence in found.message) == (code, True)


def test_one_number_fills_a_vector() -> None:
    """A vector made of one number has it in every component."""

    def kernel(x):
        v = gy.f32x3(2)
        x[0], x[1], x[2] = v.x, v.y, v.z

    x = np.zeros(3, np.float32)
    launch(kernel, 1, x)
    assert x.tolist() == [2, 2, 2]


def test_vectors_are_made_of_shorter_ones() -> None:
    """Components come from vectors and tuples one after another."""

    def kernel(x):
        v = gy.f32x4(gy.f32x2(1, 2), (3, 4))
        for k in range(4):
            x[k] = v[k]

    x = np.zeros(4, np.float32)
    launch(kernel, 1, x)
    assert x.tolist() == [1, 2, 3, 4]


def test_a_vector_type_is_made_of_a_scalar_type() -> None:
    """`gy.Vec[gy.i32, 2]` names a vector type inside a kernel."""

    def kernel(x):
        v = gy.Vec[gy.i32, 2](5, 6)
        x[0] = v.x * v.y

    x = np.zeros(1, np.int32)
    launch(kernel, 1, x)
    assert x.tolist() == [30]


def test_arguments_are_unpacked_from_tuples() -> None:
    """`*` in a call hands on what a tuple holds."""

    def kernel(x):
        pair = (3.0, 4.0)
        x[0] = gy.hypot(*pair)

    x = np.zeros(1, np.float32)
    launch(kernel, 1, x)
    assert x.tolist() == [5]


def test_fields_are_given_by_name_or_place() -> None:
    """A record takes its fields in order or by name, a tuple for a vector among them."""

    def kernel(x):
        ball = Ball(mass=3, at=(1, 2))
        again = Ball(ball.at, 4)
        x[0], x[1] = ball.at.y * ball.mass, again.at.y * again.mass

    x = np.zeros(2, np.float32)
    launch(kernel, 1, x)
    assert x.tolist() == [6, 8]


def test_a_nan_is_the_integer_zero() -> None:
    """A NaN known at compile time converts to 0, as one met at run time does."""

    def kernel(x, given):
        x[0] = gy.i32(math.nan)
        x[1] = gy.i32(given)

    x = np.full(2, 7, np.int32)
    launch(kernel, 1, x, np.float32("nan"))
    assert x.tolist() == [0, 0]
