"""Comparing results: what counts as the same, and what is said when it is not."""

import numpy as np
import pytest

from gyral.testing.compare import Tolerance, difference

NAN, INF = float("nan"), float("inf")


def f32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_nan_equals_nan() -> None:
    """NaN in both places is agreement, whatever the payload."""
    other = np.array([0xFFC00001], np.uint32).view(np.float32)
    assert difference("x", f32(NAN), other) == ""


def test_zeros_have_signs() -> None:
    """Exact comparison tells -0 from 0."""
    assert (
        difference("x", f32(0.0), f32(-0.0))
        == "x[0] is np.float32(-0.0) instead of np.float32(0.0) (1 of 1 differ)"
    )


def test_the_first_difference_is_named() -> None:
    """The sentence names the first element that differs, and how many do."""
    expected, got = np.arange(6).reshape(2, 3), np.array([[0, 1, 2], [3, 9, 9]])
    assert difference("x", expected, got) == "x[1, 1] is np.int64(9) instead of np.int64(4) (2 of 6 differ)"


@pytest.mark.parametrize(
    "apart, allowed, same", [(1, 1, True), (2, 1, False), (3, 3.5, True), (4, 3.5, False)]
)
def test_units_in_the_last_place(apart: int, allowed: float, same: bool) -> None:
    """A ULP tolerance counts steps between neighbouring floats."""
    got = np.array([np.float32(1.5).view(np.uint32) + apart], np.uint32).view(np.float32)
    assert (difference("x", f32(1.5), got, Tolerance(ulp=allowed)) == "") == same


def test_relative_tolerance_is_of_the_largest() -> None:
    """A relative tolerance is measured against the largest magnitude of the array."""
    close = Tolerance(relative=1e-3)
    found = [difference("x", f32(1000, 0), f32(1000, value), close) == "" for value in (0.5, 2.0)]
    assert found == [True, False]


@pytest.mark.parametrize("got", [INF, NAN, -INF, 1e30])
def test_no_tolerance_forgives_infinity(got: float) -> None:
    """A value that is not finite where a finite one was expected is wrong under every tolerance."""
    loose = Tolerance(ulp=100, relative=0.1, absolute=1.0)
    assert difference("x", f32(1.0), f32(got), loose) != ""


def test_overflow_beside_the_largest_value() -> None:
    """Under a ULP tolerance the largest finite value may round to infinity, as it is one step away."""
    largest = np.finfo(np.float32).max
    assert difference("x", f32(largest), f32(INF), Tolerance(ulp=1)) == ""


def test_shapes_and_types_must_agree() -> None:
    """Arrays of another type or shape are different even where their values are the same."""
    found = difference("x", np.zeros(3, np.int32), np.zeros(3, np.int64))
    assert found == "x: int64(3,) instead of int32(3,)"


def test_records_are_compared_by_field() -> None:
    """A record's fields are compared one by one, and padding not at all."""
    kind = np.dtype([("a", np.int8), ("b", np.float64)], align=True)
    expected, got = np.zeros(2, kind), np.zeros(2, kind)
    got.view(np.uint8).reshape(2, -1)[:, 1:8] = 255
    same = difference("x", expected, got)
    got["b"][1] = 2
    assert (same, difference("x", expected, got)) == (
        "",
        "x.b[1] is np.float64(2.0) instead of np.float64(0.0) (1 of 2 differ)",
    )
