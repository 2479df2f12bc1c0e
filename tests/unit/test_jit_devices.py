"""Launches on device arrays, streams and other devices."""

import numpy as np
import pytest
from tests.agreement import needs_device

import gyral as gy
from gyral.core.errors import CompileError, DowncastWarning, KernelFault, UserError
from gyral.core.events import Copied, Event, listening


@gy.kernel
def saxpy(a: gy.f32, x: gy.In[gy.Array[gy.f32]], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i] = a * x[i] + y[i]


X, Y = np.arange(8, dtype=np.float32), np.ones(8, np.float32)


def test_arrays_of_two_devices_are_refused() -> None:
    """The message names each argument and its device."""
    with pytest.raises(UserError, match="'x' on cpu, 'y' on null"):
        saxpy[8](2.0, gy.array(X), gy.array(Y, device="null"))


def test_device_arrays_are_queued_and_waited_for() -> None:
    """Launches on device arrays run in order, and reading waits for them."""
    x, y = gy.array(X), gy.zeros(8, gy.f32)
    for _ in range(50):
        saxpy[8](1.0, x, y)
    np.testing.assert_array_equal(y.numpy(), 50 * X)


def test_streams_wait_for_each_other_s_buffers() -> None:
    """Work on another stream sees what was queued before on the same array."""
    device = gy.device("cpu")
    x, y, z = gy.array(X), gy.zeros(8, gy.f32), gy.zeros(8, gy.f32)
    one, two = device.stream(), device.stream()
    for _ in range(20):
        with one:
            saxpy[8](1.0, x, y)
        saxpy.launch(8, 1.0, y, z, stream=two)
    event = two.record()
    event.synchronize()
    np.testing.assert_array_equal(z.numpy(), sum(range(1, 21)) * X)


def test_a_failed_queued_launch_raises_later() -> None:
    """A fault on a stream reaches the next call on it, once."""

    @gy.kernel(check=True)
    def beyond(x: gy.Array[gy.f32]):
        x[gy.global_id() + 1] = 0.0

    x = gy.zeros(4, gy.f32)
    stream = gy.device("cpu").stream()
    beyond.launch(4, x, stream=stream)
    with pytest.raises(KernelFault, match="outside"):
        stream.synchronize()
    stream.synchronize()


@pytest.fixture
def null() -> gy.Device:
    device = gy.device("null")
    device.driver.launches.clear()  # type: ignore[attr-defined]
    return device


def test_numpy_arrays_are_copied_to_devices_without_host_memory(null: gy.Device) -> None:
    """Copies to a device and back are counted; what only is read is not copied back."""
    events: list[Event] = []
    with listening(events.append), null:
        saxpy[8](2.0, X, Y)
    copied = [(e.argument, e.direction, e.nbytes) for e in events if isinstance(e, Copied)]
    assert copied == [("x", "in", 32), ("y", "in", 32), ("y", "out", 32)]
    assert len(null.driver.launches) == 1  # type: ignore[attr-defined]


def test_implicit_copies_can_be_forbidden(null: gy.Device) -> None:
    """options(implicit_copies=False) makes each an error that names the argument."""
    with null, gy.options(implicit_copies=False), pytest.raises(UserError, match="'x'"):
        saxpy[8](2.0, X, Y)


def test_one_array_given_twice_is_copied_once(null: gy.Device) -> None:
    """Both parameters see the same device memory; a partial overlap is refused."""
    x = np.ones(8, np.float32)
    with null:
        saxpy[8](2.0, x, x)
        first, second = null.driver.launches[0].arguments[1:]  # type: ignore[attr-defined]
        assert first == second
        with pytest.raises(UserError, match="overlap"):
            saxpy[4](2.0, x[:6], x[2:])


def test_device_arrays_in_host_hands_are_launched_at_once() -> None:
    """Once NumPy holds the memory, the result is there when the launch returns."""
    x, y = gy.array(X), gy.zeros(8, gy.f32)
    host = y.numpy()
    saxpy[8](2.0, x, y)
    np.testing.assert_array_equal(host, 2 * X)
    saxpy[8](2.0, X, y)
    np.testing.assert_array_equal(host, 4 * X)


def test_streams_are_made_by_their_devices() -> None:
    """A stream made of a device's name says how streams are made."""
    with pytest.raises(UserError, match=r"gy\.device\(\.\.\.\)\.stream\(\), not of 'cpu'"):
        gy.Stream("cpu")  # type: ignore[arg-type]


@gy.kernel
def grow(x: gy.Array[gy.f64]):
    i = gy.global_id()
    x[i] = x[i] * 2.0


@needs_device("webgpu", "mesa-vulkan-drivers")
def test_what_is_computed_in_f32_is_shown_as_errors_are() -> None:
    """The warning of a downcast names the kernel's line, and the refusal without it says how to get it."""
    x = np.ones(4)
    with gy.device("webgpu"), pytest.raises(CompileError, match="downcast=True"):
        grow[4](x)
    with gy.device("webgpu"), gy.options(downcast=True), pytest.warns(DowncastWarning) as told:
        grow[4](x)
    line = grow.__wrapped__.__code__.co_firstlineno + 3
    assert [(w.filename, w.lineno) for w in told] == [(__file__, line)]
    assert str(told[0].message).startswith(
        f"GY602: f64 is computed in f32 here, on wgsl\n  --> {__file__}:{line}:"
    )
