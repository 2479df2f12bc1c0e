"""Devices through their lives: listed, short of memory, lost, opened anew, forked; and their clocks."""

import gc
import os
import threading
import warnings

import numpy as np
import pytest
from tests.shared_device import SharedDriver

import gyral as gy
from gyral.core.errors import DeviceError, DeviceErrorKind, StateError, UnsupportedError, UserError
from gyral.core.events import Event, Reset, listening
from gyral.drivers.null.driver import NullDriver
from gyral.drivers.opencl import identity
from gyral.runtime import device as devices
from gyral.runtime.device import Device

NEEDS_OPENCL = pytest.mark.skipif(identity.count() == 0, reason="no OpenCL device is installed here")


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> gy.Device:
    """The made-up device, alone with the CPU."""
    monkeypatch.setattr(devices, "_open", {"cpu": gy.device("cpu")})
    monkeypatch.setattr(devices, "_kinds", {"cpu": devices._kinds["cpu"]})
    devices.register("shared", SharedDriver, count=lambda: 2)
    return gy.device("shared")


def driver_of(device: gy.Device) -> SharedDriver:
    assert isinstance(device.driver, SharedDriver)
    return device.driver


def test_every_device_of_every_kind_is_listed(shared: gy.Device) -> None:
    """devices() opens as many of a kind as are counted, and leaves out what does not open."""

    def broken(index: int) -> SharedDriver:
        raise DeviceError("no answer") if index else UnsupportedError("no driver")

    devices.register("broken", broken, count=lambda: 2)
    devices.register("hidden", SharedDriver, listed=False)
    assert [d.name for d in gy.devices()] == ["cpu", "shared", "shared:1"]


def test_a_full_device_gives_up_what_it_keeps(shared: gy.Device) -> None:
    """When there is no memory, freed memory that was kept is returned and the request tried once more."""
    driver = driver_of(shared)
    gy.empty(1000, gy.f32, device=shared)
    gc.collect()
    driver.room = 6000
    made = gy.empty(1200, gy.f32, device=shared)
    assert made.nbytes == 4800
    assert shared.statistics.kept == 0


def test_a_full_device_tells_its_sizes(shared: gy.Device) -> None:
    """When nothing helps, the error says how much was asked, is in use, was kept, and there is in all."""
    driver = driver_of(shared)
    held = gy.empty(1000, gy.f32, device=shared)
    gy.empty(500, gy.f32, device=shared)
    gc.collect()
    driver.room = 6000
    with pytest.raises(DeviceError) as caught:
        gy.empty(4000, gy.f32, device=shared)
    assert caught.value.kind is DeviceErrorKind.RESOURCE
    assert str(caught.value) == (
        "shared has no memory for 16384 bytes: 4096 bytes are in use, 2048 were kept for reuse and given "
        "back, and it has 1048576 in all; drop arrays, or work in parts (the card is full)"
    )
    assert held.nbytes == 4000


def test_memory_freed_while_another_is_awaited_is_found(shared: gy.Device) -> None:
    """A driver that returns memory to the pool while it looks for some does not wait for itself."""
    driver = driver_of(shared)
    held = [gy.empty(1000, gy.f32, device=shared)]
    allocate = driver.allocate

    def waits(nbytes: int) -> int:
        held.clear()
        return allocate(nbytes)

    driver.allocate = waits  # type: ignore[method-assign]
    gy.empty(2000, gy.f32, device=shared)
    assert shared.statistics.in_use == 0


def test_a_lost_device_is_opened_anew(shared: gy.Device) -> None:
    """After a fatal error reset() gives a device that works, in the same place, and tells listeners."""
    driver_of(shared).lost = True
    made = gy.zeros(4, gy.f32, device=shared)
    told: list[Event] = []
    with pytest.raises(DeviceError, match="off the bus") as caught:
        made.wait()
    assert caught.value.kind is DeviceErrorKind.FATAL
    with listening(told.append):
        again = shared.reset()
    assert told == [Reset("shared", "the card fell off the bus")]
    assert again is gy.device("shared")
    assert gy.full(3, 5, gy.i32, device=again).numpy().tolist() == [5, 5, 5]


def test_what_belonged_to_a_closed_device_says_so(shared: gy.Device) -> None:
    """Arrays and streams from before a reset raise StateError, and dropping them is harmless."""
    made, stream = gy.zeros(4, gy.f32, device=shared), shared.stream()
    again = shared.reset()
    with pytest.raises(StateError, match="shared is closed"):
        gy.zeros(4, gy.f32, device=shared)
    with pytest.raises(StateError, match="shared is closed"):
        shared.stream()
    del made, stream
    gc.collect()
    assert again.statistics.in_use == 0


def test_the_cpu_is_not_reset() -> None:
    """The CPU cannot be lost, and its arrays stay what they are."""
    made = gy.zeros(3, gy.f32)
    assert gy.device("cpu").reset() is gy.device("cpu")
    assert made.numpy().tolist() == [0, 0, 0]


@NEEDS_OPENCL
def test_kernels_run_on_a_device_opened_anew() -> None:
    """A kernel that ran before a reset runs after it; arrays from before are refused."""

    @gy.kernel
    def double(x: gy.Array[gy.f32]):
        i = gy.global_id()
        x[i] = x[i] * 2

    device = gy.device("opencl")
    old = gy.array([1.0, 2.0], gy.f32, device=device)
    double[2](old)
    assert old.numpy().tolist() == [2, 4]
    again = device.reset()
    with pytest.raises(StateError):
        double[2](old)
    with pytest.raises(StateError):
        old.numpy()
    new = gy.array([1.0, 2.0], gy.f32, device=again)
    double[2](new)
    assert new.numpy().tolist() == [2, 4]


def _use_in_the_child(made: gy.DeviceArray, stream: gy.Stream, shared: gy.Device, writer: int) -> None:
    """Write down what each use of the parent's device says, then drop everything."""
    said = []
    for use in (made.numpy, stream.synchronize, shared.stream, lambda: gy.zeros(1, gy.f32, device="shared")):
        try:
            use()
        except StateError as error:
            said.append(str(error))
    del made, stream, use
    gc.collect()
    os.write(writer, "\n".join(said).encode())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_leaves_the_device_alone(shared: gy.Device) -> None:
    """In a child every use of the parent's device is a StateError that says so; the parent goes on."""
    made, stream = gy.array([1.0, 2.0], gy.f32, device=shared), shared.stream()
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the suite's own threads
        child = os.fork()
    if child == 0:
        try:
            _use_in_the_child(made, stream, shared, writer)
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        said = pipe.read().splitlines()
    assert len(said) == 4
    assert all("opened before this process was forked" in line for line in said)
    assert made.numpy().tolist() == [1, 2]


@pytest.mark.parametrize("name", ["cpu", pytest.param("opencl", marks=NEEDS_OPENCL)])
def test_events_tell_the_time_between_them(name: str) -> None:
    """Two timed events around work on a stream are apart by a time, and backwards by its opposite."""
    device = gy.device(name)
    stream = device.stream()
    source = np.zeros(1 << 20, np.float32)
    made = gy.empty(source.shape, gy.f32, device=device)
    first = stream.record(timing=True)
    made.copy_from(source, stream=stream)
    second = stream.record(timing=True)
    assert 0 <= first.elapsed(second) < 10_000
    assert second.elapsed(first) == -first.elapsed(second)


def test_a_device_s_own_clock_counts(shared: gy.Device) -> None:
    """elapsed() is what the driver's clock says."""
    stream = shared.stream()
    assert stream.record(timing=True).elapsed(stream.record(timing=True)) == 1.0


def test_only_timed_events_of_one_device_compare(shared: gy.Device) -> None:
    """An event without timing, or of another device, tells no time between."""
    timed, plain = shared.stream().record(timing=True), shared.stream().record()
    other = gy.device("shared:1").stream().record(timing=True)
    with pytest.raises(UserError, match="timing=True"):
        timed.elapsed(plain)
    with pytest.raises(UserError, match="different devices"):
        timed.elapsed(other)


def test_a_device_without_a_clock_refuses_to_time() -> None:
    """record(timing=True) says that the device cannot."""
    with pytest.raises(UnsupportedError, match="cannot time"):
        gy.device("null").stream().record(timing=True)


def test_streams_and_events_can_be_asked() -> None:
    """`done` is False while work is pending and True after, without waiting for it."""
    stream = gy.device("cpu").stream()
    gate = threading.Event()
    stream.queue.put(gate.wait)
    event = stream.record()
    assert (stream.done, event.done) == (False, False)
    gate.set()
    event.synchronize()
    assert (stream.done, event.done) == (True, True)


def test_a_driver_that_cannot_be_asked_says_so() -> None:
    """Where a driver only waits, `done` is refused and synchronize() named."""

    class Patient(NullDriver):
        wait_until = None  # type: ignore[assignment]

    with pytest.raises(UnsupportedError, match=r"synchronize\(\)"):
        Device("patient", Patient()).stream().done  # noqa: B018


def test_work_of_a_dropped_stream_is_waited_for() -> None:
    """synchronize() waits for streams that nobody holds any more, and raises what their work raised."""
    device, done, gate = gy.device("cpu"), [], threading.Event()

    def work() -> None:
        gate.wait()
        done.append(1)
        raise DeviceError("the work failed")

    stream = device.stream()
    stream.queue.put(work)
    del stream
    gc.collect()
    device.stream()
    gate.set()
    with pytest.raises(DeviceError, match="the work failed"):
        device.synchronize()
    assert done == [1]


def test_streams_that_are_done_leave_nothing() -> None:
    """Streams made and dropped one after the other are forgotten, unless their work failed."""
    device, failed = gy.device("cpu"), threading.Event()

    def work() -> None:
        failed.set()
        raise DeviceError("the work failed")

    for _ in range(20):
        device.stream()
    stream = device.stream()
    stream.queue.put(work)
    del stream
    gc.collect()
    failed.wait()
    device._left[-1].reached.wait()
    held = device.stream()
    assert [str(left) for left in device._left] == ["the work failed"]
    assert held.done
    with pytest.raises(DeviceError, match="the work failed"):
        device.synchronize()
