"""Comparing what a device computed with what was expected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a result may be from the expected one; any of the bounds that holds is enough.

    `ulp`: units in the last place of the expected value's type. `relative`: of the largest magnitude
    in the array, for sums whose order is free. `absolute`: in the values' own unit.
    """

    ulp: float = 0.0
    relative: float = 0.0
    absolute: float = 0.0


EXACT = Tolerance()


def difference(name: str, expected: Any, got: Any, tolerance: Tolerance = EXACT) -> str:
    """A sentence on the first element that differs too much, or "" when all agree.

    NaN equals NaN whatever its payload; exact comparison tells -0 from 0.
    """
    expected, got = np.asarray(expected), np.asarray(got)
    if expected.shape != got.shape or expected.dtype != got.dtype:
        return f"{name}: {got.dtype}{got.shape} instead of {expected.dtype}{expected.shape}"
    if expected.dtype.names:
        found = (difference(f"{name}.{f}", expected[f], got[f], tolerance) for f in expected.dtype.names)
        return next((text for text in found if text), "")
    wrong = ~_agree(expected, got, tolerance)
    if not wrong.any():
        return ""
    at = tuple(int(k) for k in np.argwhere(wrong)[0])
    place = ", ".join(map(str, at))
    count = int(np.count_nonzero(wrong))
    return f"{name}[{place}] is {got[at]!r} instead of {expected[at]!r} ({count} of {expected.size} differ)"


def _is_float(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "f" or dtype.name == "bfloat16"


def _agree(expected: np.ndarray, got: np.ndarray, tolerance: Tolerance) -> np.ndarray:
    if not _is_float(expected.dtype):
        return expected == got
    bits = np.dtype(f"u{expected.dtype.itemsize}")
    same = np.ascontiguousarray(expected).view(bits) == np.ascontiguousarray(got).view(bits)
    same = same.reshape(expected.shape) | (np.isnan(expected) & np.isnan(got))
    if tolerance == EXACT or same.all():
        return same
    with np.errstate(all="ignore"):
        wide_expected, wide_got = expected.astype(np.longdouble), got.astype(np.longdouble)
        allowed = np.full(expected.shape, np.longdouble(tolerance.absolute))
        if tolerance.ulp:
            allowed = np.maximum(allowed, tolerance.ulp * unit_in_last_place(expected))
        if tolerance.relative:
            finite = np.abs(wide_expected[np.isfinite(wide_expected)])
            allowed = np.maximum(allowed, tolerance.relative * (finite.max() if finite.size else 0))
        near = np.abs(wide_expected - wide_got) <= allowed
    return same | (near & np.isfinite(expected) & np.isfinite(got)) | _overflows(expected, got, tolerance)


def _overflows(expected: np.ndarray, got: np.ndarray, tolerance: Tolerance) -> np.ndarray:
    """Where one side is infinite and the other the largest finite value: one unit apart in ULP terms."""
    if not tolerance.ulp:
        return np.zeros(expected.shape, dtype=bool)
    with np.errstate(all="ignore"):
        up, down = expected.dtype.type(np.inf), expected.dtype.type(-np.inf)
        beside = (np.nextafter(expected, up) == got) | (np.nextafter(expected, down) == got)
    return beside & (np.isinf(expected) | np.isinf(got))


def unit_in_last_place(values: np.ndarray) -> np.ndarray:
    """The gap above |value| in the values' own type, as a wide float."""
    with np.errstate(all="ignore"):
        magnitude = np.abs(values)
        above = np.nextafter(magnitude, values.dtype.type(np.inf))
        below = np.nextafter(magnitude, values.dtype.type(0))
        wide = magnitude.astype(np.longdouble)
        gap = above.astype(np.longdouble) - wide
        return np.where(np.isfinite(gap), gap, wide - below.astype(np.longdouble))
