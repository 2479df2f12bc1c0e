"""The public value strategies draw numbers of their type, the edges among them."""

from __future__ import annotations

import math

import pytest
from hypothesis import find, given, settings

from gyral.core.dtypes import SCALARS, DType, bool_, f16, f32, i8, round_float, u64
from gyral.testing.strategies import values


@pytest.mark.parametrize("dtype", SCALARS, ids=str)
def test_values_belong_to_their_type(dtype: DType) -> None:
    """Every value drawn for a type is one of its values."""

    @settings(max_examples=60, database=None, derandomize=True)
    @given(values(dtype))
    def drawn(value: object) -> None:
        if dtype is bool_:
            assert isinstance(value, bool)
        elif dtype.is_float:
            assert isinstance(value, float)
            assert math.isnan(value) or round_float(dtype, value) == value
        else:
            low, high = dtype.bounds()
            assert isinstance(value, int)
            assert low <= value <= high

    drawn()


@pytest.mark.parametrize(
    "dtype, edge", [(i8, -128), (u64, 2**64 - 1), (f16, 65504.0), (f32, math.inf)], ids=str
)
def test_edges_are_among_the_values(dtype: DType, edge: float) -> None:
    """The largest and lowest values of a type are found soon."""
    quick = settings(max_examples=2000, database=None, derandomize=True)
    assert find(values(dtype), lambda value: value == edge, settings=quick) == edge
