"""Kernels on the OpenCL device beside what else the runtime does there: limits, checks, streams, copies."""

import threading
from typing import Any

import numpy as np
import pytest

import gyral as gy
from gyral.core.driver import Launch
from gyral.core.errors import DeviceError, DeviceErrorKind, KernelFault
from gyral.drivers.opencl import driver, identity

pytestmark = pytest.mark.skipif(identity.count() == 0, reason="no OpenCL device is installed here")


@gy.kernel
def insist(x: gy.Array[gy.f32]):
    i = gy.global_id()
    assert i < 5, "too far"
    x[i] = 1.0


@gy.kernel
def grow(x: gy.Array[gy.f32], n: gy.i32):
    i = gy.global_id()
    value = x[i]
    for _ in range(n):
        value = gy.sin(value) + 1.0
    x[i] = value


@gy.kernel
def double(x: gy.Array[gy.f32]):
    i = gy.global_id()
    x[i] = x[i] * 2


def test_a_limited_launch_reports_its_checks() -> None:
    """A failed check is told by a launch with a time limit as by one without."""
    made = gy.zeros(10, gy.f32, device="opencl")
    with gy.options(check=True, time_limit=60), pytest.raises(KernelFault, match="too far") as caught:
        insist[10](made)
    assert caught.value.thread == (5,)
    assert made.numpy().tolist() == [1] * 5 + [0] * 5


def test_a_launch_over_its_time_says_what_helps() -> None:
    """A launch that takes too long is given up, and other work goes on."""
    made = gy.zeros(1, gy.f32, device="opencl")
    with (
        gy.options(time_limit=0.01),
        pytest.raises(DeviceError, match=r"0\.01 s; .*device\.reset\(\)") as caught,
    ):
        grow[1](made, 3_000_000)
    assert caught.value.kind is DeviceErrorKind.TRANSIENT
    assert gy.full(2, 3, gy.f32, device="opencl").numpy().tolist() == [3, 3]


def test_launches_and_copies_share_a_stream() -> None:
    """Copies in, launches and copies out of one stream follow one another without waiting for any."""
    device = gy.device("opencl")
    stream = device.stream()
    source = gy.empty_pinned(1000, gy.f32, device=device)
    target = gy.empty_pinned(1000, gy.f32, device=device)
    source[:] = np.arange(1000)
    made = gy.empty(1000, gy.f32, device=device)
    with stream:
        made.copy_from(source, stream=stream)
        double[1000](made)
        double[500](made[::2])
        made.copy_to(target, stream=stream)
    stream.synchronize()
    expected = 2.0 * np.arange(1000)
    expected[::2] *= 2
    np.testing.assert_array_equal(target, expected)


def test_dropped_arrays_are_not_reused_under_work() -> None:
    """Memory of an array dropped while a launch uses it is not handed out until that is done."""
    device = gy.device("opencl")
    slow = gy.zeros(1, gy.f32, device=device)
    with device.stream():
        grow[1](slow, 300_000)
    expected = slow.copy()
    del slow
    others = [gy.full(1, 7, gy.f32, device=device) for _ in range(8)]
    assert [other.numpy()[0] for other in others] == [7] * 8
    assert 0 < expected.numpy()[0] < 2


def test_threads_and_streams_share_the_device() -> None:
    """Launches of several threads on several streams over reused memory stay in order, array by array."""
    device = gy.device("opencl")
    wrong: list[int] = []

    def work(number: int) -> None:
        for turn in range(15):
            made = gy.full(400 + number, 1, gy.f32, device=device)
            streams = [device.stream() for _ in range(3)]
            for step in range(9):
                with streams[(turn + step) % 3]:
                    double[400 + number](made)
            copied = made.copy()
            del made, streams
            other = gy.full(400 + number, 99, gy.f32, device=device)
            if not ((copied.numpy() == 512).all() and (other.numpy() == 99).all()):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The launches whose arguments are packed from now on."""
    found: list[object] = []
    before = driver.pack

    def pack(asked: Launch, *rest: Any) -> bytes:
        found.append(asked)
        return before(asked, *rest)

    monkeypatch.setattr(driver, "pack", pack)
    return found


def test_a_bound_launch_is_packed_once(packed: list[object]) -> None:
    """Repeating it sets no argument again, as long as nothing else was launched with the kernel."""
    made = gy.full(4, 1, gy.f32, device="opencl")
    again = double.bind(4, made)
    for _ in range(3):
        again()
    assert (made.numpy().tolist(), len(packed)) == ([8] * 4, 1)


def test_a_bound_launch_keeps_to_its_arrays(packed: list[object]) -> None:
    """Launches on other arrays in between, and memory that is freed, make it set its arguments anew."""
    one, two = (gy.full(4, 1, gy.f32, device="opencl") for _ in range(2))
    again = double.bind(4, one)
    again()
    double[4](two)
    again()
    gone = gy.device("opencl").driver.allocate(4096)
    gy.device("opencl").driver.free(gone)
    again()
    assert (one.numpy().tolist(), two.numpy().tolist(), len(packed)) == ([8] * 4, [2] * 4, 4)


def test_a_bound_launch_minds_the_scope() -> None:
    """It goes on the stream in scope, is limited by the time limit there, and waits for other streams."""
    made = gy.zeros(1, gy.f32, device="opencl")
    again = grow.bind(1, made, 2_000_000)
    with made.device.stream():
        again()
    before = made.numpy().tolist()
    with gy.options(time_limit=0.001), pytest.raises(DeviceError, match=r"0\.001 s"):
        again()
    assert before[0] > 0


def test_a_bound_launch_runs_at_once_where_the_host_sees_the_memory() -> None:
    """Memory that was handed to the host holds the result when the call returns."""
    made = gy.full(4, 1, gy.f32, device="opencl")
    again = double.bind(4, made)
    made.buffer.exposed = True
    again()
    found = np.empty(4, np.float32)
    made.device.driver.copy_out(None, memoryview(found).cast("B"), made.address)
    assert (found.tolist(), made.buffer.marks) == ([2] * 4, {})
