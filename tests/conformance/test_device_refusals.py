"""What cannot be done is refused alike on every device: one class of error, with what is wrong in numbers."""

import numpy as np
import pytest

import gyral as gy
from gyral.core.errors import DeviceError, DeviceErrorKind, StateError, UnsupportedError

BYTES = 1 << 25


@gy.kernel
def increment(x: gy.Array[gy.f32]):
    x[gy.global_id()] += 1.0


def turn(x: gy.Array[gy.f32]):
    room = gy.shared(BYTES // 4, gy.f32)
    room[gy.local_id()] = x[gy.global_id()]
    gy.barrier()
    x[gy.global_id()] = room[63 - gy.local_id()]


def test_too_much_shared_memory_is_refused(device: gy.Device) -> None:
    """The error names the kernel and both sizes, and the device works on."""
    x = gy.zeros(64, gy.f32, device=device)
    with pytest.raises(
        UnsupportedError, match=rf"turn.* needs {BYTES} bytes of shared memory.* has (at most )?\d+;"
    ):
        gy.kernel(block=64)(turn)[64](x)
    increment[64](x)
    assert x.numpy().tolist() == [1.0] * 64


def test_too_much_shared_memory_leads_to_the_fallback(device: gy.Device) -> None:
    """A kernel that its device has no room for runs where it may run instead."""
    x = np.arange(64, dtype=np.float32)
    gy.kernel(block=64, devices=[device.name], fallback="cpu")(turn)[64](x)
    assert x.tolist() == list(range(63, -1, -1))


def test_too_much_memory_is_told_with_sizes(device: gy.Device) -> None:
    """More than a device holds is an error that freeing may help, with what was asked for and is in use."""
    with pytest.raises(DeviceError, match=rf"no memory for {1 << 50} bytes: \d+ bytes are in use") as caught:
        gy.empty(1 << 50, gy.u8, device=device)
    assert caught.value.kind is DeviceErrorKind.RESOURCE


def test_arrays_of_two_devices_are_refused(device: gy.Device) -> None:
    """Both devices and what to do are named."""

    @gy.kernel
    def add(x: gy.Array[gy.f32], y: gy.In[gy.Array[gy.f32]]):
        x[gy.global_id()] += y[gy.global_id()]

    with pytest.raises(gy.UserError, match=rf"'x' on {device.name}, 'y' on cpu; use \.to\(device\)"):
        add[4](gy.zeros(4, gy.f32, device=device), gy.zeros(4, gy.f32, device="cpu"))


def test_what_was_on_a_closed_device_says_so(device: gy.Device) -> None:
    """Arrays, launches, streams and batches from before a reset name the device and how to open it anew."""
    x, stream = gy.zeros(4, gy.f32, device=device), device.stream()
    batch = gy.Batch().add(increment, 4, x)
    increment[4](x)
    batch()
    name, again = device.driver.name, device.reset()
    for use in (
        x.numpy,
        lambda: x.copy_from(np.ones(4, np.float32)),
        lambda: increment[4](x),
        batch,
        stream.synchronize,
        x.copy,
    ):
        with pytest.raises(StateError, match=rf"{name} is closed.*gy\.device\('{name}'\)"):
            use()
    y = gy.zeros(4, gy.f32, device=again)
    increment[4](y)
    assert y.numpy().tolist() == [1.0] * 4
