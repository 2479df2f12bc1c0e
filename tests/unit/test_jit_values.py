"""Launches with static values and with vectors and structs by value."""

import numpy as np
import pytest

import gyral as gy
from gyral.core.errors import UserError
from gyral.core.events import Event, listening


@gy.kernel
def scaled(out: gy.Array[gy.f32], n: gy.Static[int], bias: gy.f32 = 0.5):
    total = bias
    for k in range(n):
        total += k
    out[gy.global_id()] = total


def test_structs_and_vectors_by_value() -> None:
    """Records and vectors are passed as arguments and lie in arrays."""

    @gy.struct
    class Body:
        position: gy.f32x3
        mass: gy.f64

    @gy.kernel
    def weigh(one: Body, offset: gy.f32x3, bodies: gy.Array[Body], out: gy.Array[gy.f32x3]):
        i = gy.global_id()
        out[i] = bodies[i].position * gy.f32(one.mass) + offset

    bodies = np.zeros(2, Body.dtype)
    bodies["position"] = [[1, 2, 3], [4, 5, 6]]
    out = np.zeros((2, 3), np.float32)
    weigh[2](Body(mass=2.0), (10, 20, 30), bodies, out)
    assert out.tolist() == [[12, 24, 36], [18, 30, 42]]
    with pytest.raises(UserError, match="Body"):
        weigh[2](3.0, (1, 2, 3), bodies, out)
    with pytest.raises(UserError, match="3 numbers"):
        weigh[2](Body(), (1, 2), bodies, out)


def test_vectors_and_structs_by_value_stay_native() -> None:
    """After the first launch numbers of several parts are packed natively, and wrong ones still refused."""

    @gy.struct
    class Step:
        by: gy.f32
        times: gy.i16

    @gy.kernel
    def move(at: gy.f32x3, step: Step, n: gy.Static[int], out: gy.Array[gy.f32]):
        out[gy.global_id()] = at.y + step.by * step.times * n

    out = np.zeros(1, np.float32)
    move[1]((1, 2, 3), Step(by=0.5, times=4), 1, out)
    events: list[Event] = []
    with listening(events.append):
        for at in ((1, 5, 3), [1, 5, 3], np.array([1, 5, 3]), np.array([1, 5, 3], np.float32)):
            move[1](at, Step(by=0.5, times=-4), 1, out)
            assert out.tolist() == [3.0]
    assert events == []
    bound = move.bind(1, (7, 8, 9), Step(1, 2), 1, out)
    bound()
    assert out.tolist() == [10.0]
    for at, message in (
        ((1, 2), "takes 3 numbers"),
        ((1, "2", 3), "must be a number"),
        ((1e300, 1e300, 1), "hold"),
    ):
        with pytest.raises(UserError, match=message):
            move[1](at, Step(), 1, out)
    with pytest.raises(UserError, match="holds -32768 to 32767"):
        move[1]((1, 2, 3), (0.5, 40000), 1, out)
    assert out.tolist() == [10.0]


def test_weak_numbers_of_two_types_are_two_specialisations() -> None:
    """2 and 2.0 are different arguments though they are equal, launch after launch."""

    @gy.kernel
    def divide(out: gy.Array[gy.f64], by):
        out[gy.global_id()] = 7 // by + (7 / by if by < 0 else 0)

    out = np.zeros(1)
    for value in (2, 2.5, 2, 2.5):
        divide[1](out, value)
        assert out.tolist() == [7 // value]


def test_static_values_are_told_apart() -> None:
    """Each static value has its own code, also when launches alternate."""
    out = np.zeros(1, np.float32)
    for n, total in [(2, 1.5), (3, 3.5), (2, 1.5), (3, 3.5)]:
        scaled[1](out, n)
        assert out.tolist() == [total]


def test_equal_static_values_that_differ_are_told_apart() -> None:
    """0.0 and -0.0 are two specialisations, and every NaN is one, launch after launch."""

    @gy.kernel
    def put(value: gy.Static[float], out: gy.Array[gy.f64]):
        out[gy.global_id()] = value

    out = np.zeros(1)
    for _ in range(2):
        for value in (0.0, -0.0):
            put[1](value, out)
            assert str(out[0]) == str(value)
    put[1](float("nan"), out)
    events: list[Event] = []
    with listening(events.append):
        put[1](float("nan"), out)
    assert (events, str(out[0])) == ([], "nan")
