"""Hypothesis strategies: values of every scalar type, and random kernels. Needs the package `hypothesis`."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from gyral.core.dtypes import DType, bool_, round_float
from gyral.testing.program import Program, random_program
from gyral.testing.sample import edges


def values(dtype: DType) -> st.SearchStrategy[Any]:
    """Numbers of a scalar type, its edges among them."""
    if dtype is bool_:
        return st.booleans()
    if dtype.is_float:
        return st.sampled_from(edges(dtype)) | st.floats(width=64).map(lambda v: round_float(dtype, v))
    low, high = dtype.bounds()
    return st.sampled_from(edges(dtype)) | st.integers(low, high)


def programs(size: int = 8) -> st.SearchStrategy[Program]:
    """Random kernels of about `size` statements, with their launches."""
    return st.randoms(use_true_random=False).map(lambda rng: random_program(rng, size))
