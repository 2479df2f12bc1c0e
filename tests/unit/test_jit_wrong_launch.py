"""Launches that are wrong: each is refused with one error that names what is wrong."""

from typing import Any

import numpy as np
import pytest

import gyral as gy
from gyral.core.errors import UserError


@gy.kernel
def saxpy(a: gy.f32, x: gy.In[gy.Array[gy.f32]], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i] = a * x[i] + y[i]


@gy.kernel
def add(x, y, out):
    i = gy.global_id()
    out[i] = x[i] + y


@gy.kernel
def scaled(out: gy.Array[gy.f32], n: gy.Static[int], bias: gy.f32 = 0.5):
    total = bias
    for k in range(n):
        total += k
    out[gy.global_id()] = total


X, Y = np.arange(8, dtype=np.float32), np.ones(8, np.float32)
REFUSALS: dict[str, tuple[Any, str]] = {
    "too few": (lambda: saxpy[8](2.0, X), "'y' is missing"),
    "too many": (lambda: saxpy[8](2.0, X, Y, 1), "3 arguments, and 4"),
    "unknown keyword": (lambda: saxpy[8](2.0, X, Y, z=1), "no parameter 'z'"),
    "given twice": (lambda: saxpy[8](2.0, X, Y, x=X), "'x' twice"),
    "dtype": (lambda: saxpy[8](2.0, X.astype(np.float64), Y), "'x' has elements of type float64"),
    "rank": (lambda: saxpy[8](2.0, X.reshape(2, 4), Y), r"'x' has shape \(2, 4\)"),
    "list": (lambda: saxpy[8](2.0, [1.0], Y), "'x' must be an array"),
    "no number": (lambda: saxpy[8]("2", X, Y), "'a' must be a number"),
    "array for scalar": (lambda: saxpy[8](X, X, Y), "'a' is a f32, and an array"),
    "byte-swapped": (lambda: saxpy[8](2.0, X.astype(">f4"), Y), "'x' is byte-swapped"),
    "objects": (lambda: add[8](np.array([None] * 8), 1, Y), "Python objects"),
    "complex": (lambda: add[8](X.astype(complex), 1, Y), "complex128"),
    "masked": (lambda: saxpy[8](2.0, np.ma.masked_array(X), Y), "masked array"),
    "misaligned": (
        lambda: saxpy[4](2.0, np.frombuffer(bytearray(33), np.uint8)[1:33].view(np.float32), Y),
        "'x' is misaligned",
    ),
    "too large a float": (lambda: saxpy[8](1e300, X, Y), "cannot hold 1e"),
    "negative": (lambda: saxpy[-1](2.0, X, Y), "not negative"),
    "no int": (lambda: saxpy[2.5](2.0, X, Y), "whole numbers"),
    "bool": (lambda: saxpy[True](2.0, X, Y), "whole numbers"),
    "four axes": (lambda: saxpy[1, 1, 1, 1](2.0, X, Y), "one to three"),
    "wrong rank": (lambda: saxpy[2, 2, 2](2.0, X, Y), "rank of 1"),
    "empty shape": (lambda: saxpy[()](2.0, X, Y), "one to three"),
    "zero block": (lambda: saxpy[8, 0](2.0, X, Y), "at least 1"),
    "huge block": (lambda: saxpy[8, 1 << 20](2.0, X, Y), "the device takes"),
    "no shape": (lambda: saxpy(2.0, X, Y), r"saxpy\[shape\]"),
    "static type": (lambda: scaled[2](Y, 2.5), "Static"),
    "foreign device": (lambda: saxpy.launch(8, 2.0, gy.array(X), Y, device="null"), "lives on cpu"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_wrong_launch_is_explained(case: str) -> None:
    """Every mistake gives one UserError that names what is wrong."""
    launch, message = REFUSALS[case]
    with pytest.raises(UserError, match=message):
        launch()
    assert Y.tolist() == [1] * 8


def test_integers_do_not_take_floats() -> None:
    """A float for an integer parameter is refused, an out-of-range int too; a NumPy int wraps as a store."""

    @gy.kernel
    def put(n: gy.u8, out: gy.Array[gy.i32]):
        out[gy.global_id()] = n

    out = np.zeros(1, np.int32)
    with pytest.raises(UserError, match=r"float 1\.0"):
        put[1](1.0, out)
    with pytest.raises(UserError, match="holds 0 to 255"):
        put[1](300, out)
    put[1](np.int64(300), out)
    assert out.tolist() == [44]


@pytest.mark.parametrize("digits", [400, 5000])
def test_integers_of_any_length_are_refused_in_few_words(digits: int) -> None:
    """An integer beyond every type, wherever it is given, is a UserError that does not write it out."""
    large = 10**digits
    launches = [
        lambda: scaled[2](Y, large),
        lambda: scaled[2](Y, 2, large),
        lambda: add[2](X, large, Y),
        lambda: saxpy[large](2.0, X, Y),
        lambda: gy.zeros(large, gy.f32),
    ]
    for launch in launches:
        with pytest.raises(UserError) as caught:
            launch()
        assert len(str(caught.value)) < 300
