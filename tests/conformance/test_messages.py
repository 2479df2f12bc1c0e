"""Prints, asserts and checks say the same in the interpreter and on the CPU."""

from typing import Any

import numpy as np
import pytest

from gyral.core.errors import KernelFault
from gyral.testing import language as gy


@gy.kernel
def talk(x: gy.Array[gy.f32], n: gy.Array[gy.i32]):
    i = gy.global_id()
    if n[i] % 3 == 1:
        print("thread", i, "has", n[i])
        if x[i] > 2:
            print(f"x = {x[i]:.3f}, big {n[i]:>4}; flag {x[i] > 3}")


@gy.kernel(check=True)
def insist(x: gy.Array[gy.i32]):
    i = gy.global_id()
    assert x[i] < 5, "x must stay small"
    x[i] += 100


@gy.kernel
def unchecked(x: gy.Array[gy.i32]):
    i = gy.global_id()
    assert x[i] < 5, "x must stay small"
    x[i] += 100


@gy.kernel(check=True)
def divide(x: gy.Array[gy.i32], y: gy.Array[gy.i32]):
    i = gy.global_id()
    x[i] = x[i] // y[i]


@gy.kernel(check=True)
def outside(x: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    x[j, i] = 1


@gy.kernel(check=True, block=16)
def fails_before_a_barrier(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    tile = gy.shared(16, gy.i32)
    tile[gy.local_id()] = i
    assert x[i] != 3
    gy.barrier()
    out[i] = tile[15 - gy.local_id()]


def both(kernel: Any) -> list[Any]:
    """A kernel as the two executors launch it."""
    return [kernel, kernel.interpret]


def test_prints_come_in_thread_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Every executor prints the same text, in thread order."""
    said = []
    for launch in both(talk):
        n = np.arange(40, dtype=np.int32)
        launch[40](n.astype(np.float32) / 8, n)
        said.append(capsys.readouterr().out)
    expected = []
    for i in range(1, 40, 3):
        expected.append(f"thread {i} has {i}\n")
        if i / 8 > 2:
            expected.append(f"x = {i / 8:.3f}, big {i:>4}; flag {i / 8 > 3}\n")
    assert said == ["".join(expected)] * 2


def test_the_lowest_failing_thread_is_reported() -> None:
    """An assert names the lowest failing thread and its text, and failing threads have no later effects."""
    found = []
    for launch in both(insist):
        x = np.array([1, 2, 9, 3, 8, 4], np.int32)
        with pytest.raises(KernelFault, match="x must stay small") as caught:
            launch[6](x)
        found.append((caught.value.thread, x.tolist()))
    assert found == [((2,), [101, 102, 9, 103, 8, 104])] * 2


def test_asserts_are_left_out_without_check() -> None:
    """Without check an assert costs and does nothing."""
    found = []
    for launch in both(unchecked):
        x = np.array([1, 9], np.int32)
        launch[2](x)
        found.append(x.tolist())
    assert found == [[101, 109]] * 2


def test_division_by_zero_is_an_error_under_check() -> None:
    """Integer division by zero is reported under check."""
    found = []
    for launch in both(divide):
        with pytest.raises(KernelFault, match="zero") as caught:
            launch[4](np.array([6, 6, 6, 6], np.int32), np.array([1, 2, 0, 0], np.int32))
        found.append(caught.value.thread)
    assert found == [(2,), (2,)]


def test_bounds_name_axis_and_thread() -> None:
    """A two-dimensional access out of bounds names the array, its index, and the thread."""
    found = []
    for launch in both(outside):
        with pytest.raises(KernelFault, match="x") as caught:
            launch[2, 3](np.zeros((2, 3), np.float32))
        found.append(caught.value.thread)
    assert found == [(0, 2), (0, 2)]


def test_a_failing_thread_still_reaches_the_barrier() -> None:
    """Threads that did not fail go on past the barrier with what failing threads wrote before."""
    found = []
    for launch in both(fails_before_a_barrier):
        x, out = np.arange(32, dtype=np.int32), np.full(32, -1, np.int32)
        with pytest.raises(KernelFault) as caught:
            launch[32](x, out)
        found.append((caught.value.thread, out.tolist()))
    i = np.arange(32)
    expected = i // 16 * 16 + 15 - i % 16
    expected[3] = -1
    assert found == [((3,), expected.tolist())] * 2
