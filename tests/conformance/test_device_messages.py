"""Prints and failed checks reach the host from devices with memory of their own, as they do from the CPU."""

from typing import Any

import numpy as np
import pytest
from tests.conformance.test_messages import divide, fails_before_a_barrier, insist, outside, talk

import gyral as gy
from gyral.core.errors import KernelFault


def launched(device: gy.Device, kernel: Any, shape: Any, *arguments: Any) -> KernelFault | None:
    """Launch and wait; the fault in which that ended, if any."""
    with device:
        try:
            kernel[shape](*arguments)
        except KernelFault as fault:
            return fault
    return None


def test_prints_come_in_thread_order(device: gy.Device, capsys: pytest.CaptureFixture[str]) -> None:
    """The device says what the interpreter says."""
    n = np.arange(40, dtype=np.int32)
    said = []
    for _ in range(2):
        assert launched(device, talk, 40, n.astype(np.float32) / 8, n) is None
        said.append(capsys.readouterr().out)
    talk.interpret[40](n.astype(np.float32) / 8, n)
    expected = capsys.readouterr().out
    assert (said, expected.count("\n")) == ([expected] * 2, 20)


def test_the_lowest_failing_thread_is_reported(device: gy.Device) -> None:
    """A failed assert names its lowest thread and its text; failing threads have no later effects."""
    x = np.array([1, 2, 9, 3, 8, 4], np.int32)
    fault = launched(device, insist, 6, x)
    assert (fault and fault.thread, x.tolist()) == ((2,), [101, 102, 9, 103, 8, 104])
    assert "x must stay small" in str(fault)


def test_many_failing_threads_are_one_fault(device: gy.Device) -> None:
    """However many threads fail, in however many blocks, the lowest is named."""
    x = np.full(5000, 3, np.int32)
    x[1234:] = 7
    fault = launched(device, insist, 5000, x)
    assert fault is not None
    assert fault.thread == (1234,)


def test_values_of_a_failed_check_arrive(device: gy.Device) -> None:
    """A division by zero and an index out of bounds say what the interpreter says of them."""
    for kernel, shape, make in (
        (divide, 4, lambda: (np.full(4, 6, np.int32), np.array([1, 2, 0, 0], np.int32))),
        (outside, (2, 3), lambda: (np.zeros((2, 3), np.float32),)),
    ):
        fault = launched(device, kernel, shape, *make())
        with pytest.raises(KernelFault) as expected:
            kernel.interpret[shape](*make())
        assert (str(fault), fault and fault.thread) == (str(expected.value), expected.value.thread)


def test_a_failing_thread_still_reaches_the_barrier(device: gy.Device) -> None:
    """Threads that did not fail go on past the barrier with what failing threads wrote before."""
    i, out = np.arange(32), np.full(32, -1, np.int32)
    fault = launched(device, fails_before_a_barrier, 32, i.astype(np.int32), out)
    expected = i // 16 * 16 + 15 - i % 16
    expected[3] = -1
    assert (fault and fault.thread, out.tolist()) == ((3,), expected.tolist())
