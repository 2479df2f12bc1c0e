"""Copies of device arrays: with gaps, on streams, between devices, through pinned memory, and fills."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from tests.shared_device import SharedDriver

import gyral as gy
from gyral.core.errors import UnsupportedError, UserError
from gyral.runtime import device as devices
from gyral.runtime import transfer

VIEWS: dict[str, Callable[[Any], Any]] = {
    "rows": lambda a: a[1:3],
    "columns": lambda a: a[:, 1:3],
    "steps": lambda a: a[::3, ::2],
    "backwards": lambda a: a[::-1, ::-2],
    "column": lambda a: a[:, 4],
    "element": lambda a: a[2:3, 2],
    "nothing": lambda a: a[2:2, ::2],
}


@pytest.fixture(params=["null", "shared", "cpu", "opencl", "webgpu"])
def device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> gy.Device:
    """A device of each sort: with no powers, with all, the host's own, and real ones where they are."""
    monkeypatch.setattr(devices, "_open", dict(devices._open))
    monkeypatch.setattr(devices, "_kinds", dict(devices._kinds))
    devices.register("shared", SharedDriver, listed=False)
    try:
        return gy.device(request.param)
    except UnsupportedError as error:
        pytest.skip(str(error))


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> tuple[gy.Device, SharedDriver]:
    """The made-up device and its driver, whose log is empty."""
    monkeypatch.setattr(devices, "_open", dict(devices._open))
    monkeypatch.setattr(devices, "_kinds", dict(devices._kinds))
    devices.register("shared", SharedDriver, listed=False)
    opened = gy.device("shared")
    assert isinstance(opened.driver, SharedDriver)
    return opened, opened.driver


def grid(rows: int = 100, columns: int = 90) -> np.ndarray[Any, Any]:
    return np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", [(4, 6), (100, 90)], ids=["small", "large"])
def test_views_are_read(device: gy.Device, view: str, shape: tuple[int, int]) -> None:
    """A view is read as NumPy sees it, however it lies."""
    source = grid(*shape)
    made = gy.array(source, device=device)
    np.testing.assert_array_equal(VIEWS[view](made).numpy(), VIEWS[view](source))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("shape", [(4, 6), (100, 90)], ids=["small", "large"])
def test_views_are_written(device: gy.Device, view: str, shape: tuple[int, int]) -> None:
    """Writing a view sets its elements and leaves those between them alone."""
    source = grid(*shape)
    made = gy.array(source, device=device)
    part = -np.ascontiguousarray(VIEWS[view](source))
    assert VIEWS[view](made).copy_from(part).device is device
    VIEWS[view](source)[...] = part
    np.testing.assert_array_equal(made.numpy(), source)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("value", [0, 2.5])
def test_views_are_filled(device: gy.Device, view: str, value: float) -> None:
    """fill sets every element of a view and no other."""
    source = grid()
    made = gy.array(source, device=device)
    VIEWS[view](made).fill(value)
    VIEWS[view](source)[...] = value
    np.testing.assert_array_equal(made.numpy(), source)


@pytest.mark.parametrize("view", VIEWS)
def test_views_are_copied_on_the_device(device: gy.Device, view: str) -> None:
    """copy() of a view has the same elements without gaps."""
    source = grid()
    made = VIEWS[view](gy.array(source, device=device)).copy()
    assert (made.contiguous, made.device) == (True, device)
    np.testing.assert_array_equal(made.numpy(), VIEWS[view](source))


def test_arrays_of_many_axes_are_copied(device: gy.Device) -> None:
    """Four axes with gaps in each are packed like two."""
    source = np.arange(3 * 9 * 8 * 10, dtype=np.int16).reshape(3, 9, 8, 10)
    made = gy.array(source, device=device)[::2, ::2, ::2, ::3].copy()
    np.testing.assert_array_equal(made.numpy(), source[::2, ::2, ::2, ::3])


@pytest.mark.parametrize("dtype", [gy.u8, gy.f16, gy.f64, gy.f32x3, gy.u8x4])
def test_elements_of_every_width_are_packed(device: gy.Device, dtype: Any) -> None:
    """Elements of any size and alignment keep their bytes."""
    made = gy.empty((50, 40), dtype, device=device)
    source = np.arange(made.nbytes, dtype=np.uint8).view(made.numpy_dtype.base)
    source = source.reshape((50, 40, *made.numpy_dtype.shape))
    made.copy_from(source)
    np.testing.assert_array_equal(made[::2, ::-3].copy().numpy(), source[::2, ::-3])


def test_structs_are_packed(device: gy.Device) -> None:
    """Records wider than a vector are copied whole."""

    @gy.struct
    class Body:
        place: gy.f64x3
        mass: gy.f32
        kind: gy.u8

    source = np.zeros((40, 30), Body.dtype)
    source["mass"] = np.arange(1200).reshape(40, 30)
    source["kind"] = 7
    found = gy.array(source, device=device)[::2, ::2].copy().numpy()
    np.testing.assert_array_equal(found, source[::2, ::2])


def test_one_array_is_set_from_another(device: gy.Device) -> None:
    """copy_from takes a device array, here or elsewhere, into a view with gaps too."""
    source = grid()
    made = gy.zeros((100, 180), gy.f32, device=device)
    made[:, ::2].copy_from(gy.array(source, device=device))
    made[:, 1::2].copy_from(gy.array(-source))
    np.testing.assert_array_equal(made.numpy()[:, ::2], source)
    np.testing.assert_array_equal(made.numpy()[:, 1::2], -source)


def test_overlapping_halves_are_copied(device: gy.Device) -> None:
    """Copying within one memory takes the elements as they were before."""
    made = gy.array(np.arange(100, dtype=np.float32), device=device)
    made[1:].copy_from(made[:-1])
    np.testing.assert_array_equal(made.numpy(), [0, *range(99)])


def test_copies_are_queued_on_a_stream(device: gy.Device) -> None:
    """Copies in, a copy on the device and a copy out on one stream give what they would one by one."""
    stream = device.stream()
    source, target = gy.empty_pinned((50, 40), gy.f32, device=device), np.zeros((50, 40), np.float32)
    source[...] = np.arange(2000).reshape(50, 40)
    first, second = (gy.empty((50, 40), gy.f32, device=device) for _ in range(2))
    first.copy_from(source, stream=stream)
    second.copy_from(first, stream=stream)
    second.copy_to(target, stream=stream)
    stream.synchronize()
    np.testing.assert_array_equal(target, source)


def test_later_reads_wait_for_queued_copies(device: gy.Device) -> None:
    """What reads an array on the host sees what a stream was still to bring."""
    source = np.arange(1 << 20, dtype=np.float32)
    made = gy.zeros(source.shape, gy.f32, device=device).copy_from(source, stream=device.stream())
    np.testing.assert_array_equal(made.numpy(), source)


def test_copies_out_fill_views_of_the_host(device: gy.Device) -> None:
    """A NumPy target with gaps gets the elements, and what lies between stays."""
    target = np.zeros((4, 12), np.float32)
    gy.array(grid(4, 6), device=device).copy_to(target[:, ::2], stream=device.stream())
    np.testing.assert_array_equal(target[:, ::2], grid(4, 6))
    assert not target[:, 1::2].any()


def test_pinned_memory_is_an_array(device: gy.Device) -> None:
    """empty_pinned gives a writable NumPy array of the element type's layout, a vector's axis last."""
    made = gy.empty_pinned((3, 2), gy.f32x3, device=device)
    assert (made.shape, made.dtype, made.flags.writeable) == ((3, 2, 3), np.float32, True)
    assert gy.empty_pinned(0, gy.i8, device=device).shape == (0,)


def test_pinned_memory_comes_from_the_driver(shared: tuple[gy.Device, SharedDriver]) -> None:
    """Where the driver has such memory, it is the driver that is asked."""
    device, driver = shared
    gy.empty_pinned((5, 2), gy.f64, device=device)
    assert driver.log == [("pinned", 80)]


def test_the_device_copies_and_fills_itself(shared: tuple[gy.Device, SharedDriver]) -> None:
    """copy() and fill() on a device that can do so move no byte through the host."""
    device, driver = shared
    queue = device.current_stream().queue
    made = gy.zeros(10, gy.f64, device=device)
    made.fill(1.5)
    made.copy()
    assert [entry for entry in driver.log if entry[0] != "after"] == [
        ("fill", queue, b"\0", 80),
        ("fill", queue, np.float64(1.5).tobytes(), 80),
        ("copy", queue, 80),
    ]


def test_devices_of_a_kind_copy_to_one_another(shared: tuple[gy.Device, SharedDriver]) -> None:
    """to() between devices that reach each other does not pass through the host, and packs gaps before."""
    device, driver = shared
    other = gy.device("shared:1")
    assert isinstance(other.driver, SharedDriver)
    made = gy.array(grid(4, 6), device=device)
    found = made.to(other)
    np.testing.assert_array_equal(found.numpy(), grid(4, 6))
    assert ("copy_peer", other.current_stream().queue, driver, 96) in other.driver.log
    np.testing.assert_array_equal(made[:, ::2].to(other).numpy(), grid(4, 6)[:, ::2])


def test_devices_of_different_kinds_copy_through_the_host(shared: tuple[gy.Device, SharedDriver]) -> None:
    """to() gets there where neither device reaches the other."""
    there = gy.array(grid(4, 6), device=shared[0]).to("null")
    np.testing.assert_array_equal(there.to(shared[0]).numpy(), grid(4, 6))


def test_streams_wait_for_copies_on_others(shared: tuple[gy.Device, SharedDriver]) -> None:
    """A copy on a stream begins after work on the array that another stream has."""
    device, driver = shared
    first, second = device.stream(), device.stream()
    made = gy.empty(4, gy.f32, device=device)
    made.copy_from(np.zeros(4, np.float32), stream=first)
    driver.log.clear()
    made.copy_to(np.zeros(4, np.float32), stream=second)
    assert driver.log == [
        ("after", second.queue, first.queue),
        ("copy_out", second.queue, made.address, 16),
    ]


def test_hints_reach_a_driver_that_takes_them(shared: tuple[gy.Device, SharedDriver]) -> None:
    """prefetch and advise name the bytes that a view spans, backwards ones too."""
    device, driver = shared
    made = gy.empty((4, 6), gy.f32, device=device)
    driver.log.clear()
    made[::-1, 1:3].prefetch()
    made[2].advise("read_mostly")
    assert driver.log == [
        ("prefetch", device.current_stream().queue, made.address + 4, 80),
        ("advise", made.address + 48, 24, "read_mostly"),
    ]


def test_hints_are_nothing_elsewhere(device: gy.Device) -> None:
    """A device without a use for hints ignores them; a word that is none is refused everywhere."""
    made = gy.zeros(3, gy.f32, device=device)
    made.prefetch()
    made.advise("sequential")
    assert made.numpy().tolist() == [0, 0, 0]
    with pytest.raises(UserError, match="no advice 'often'; there is sequential"):
        made.advise("often")


def test_what_does_not_fit_is_not_copied(device: gy.Device) -> None:
    """Another shape, another dtype and a read-only target are refused before anything is copied."""
    made = gy.zeros((2, 3), gy.f32, device=device)
    with pytest.raises(UserError, match=r"float32 and shape \(2, 3\), not of float64"):
        made.copy_from(np.zeros((2, 3)))
    with pytest.raises(UserError, match=r"not of float32 and \(3, 2\)"):
        made.copy_to(np.zeros((3, 2), np.float32))
    with pytest.raises(UserError, match=r"f32 of shape \(2, 3\)"):
        made.copy_from(gy.zeros((2, 3), gy.i32, device=device))
    frozen = np.zeros((2, 3), np.float32)
    frozen.flags.writeable = False
    with pytest.raises(UserError, match="read-only"):
        made.copy_to(frozen)


def test_a_stream_of_another_device_is_refused(shared: tuple[gy.Device, SharedDriver]) -> None:
    """A copy is queued on streams of the array's own device alone."""
    made = gy.zeros(3, gy.f32, device=shared[0])
    with pytest.raises(UserError, match="another device's"):
        made.copy_to(np.zeros(3, np.float32), stream=gy.device("null").stream())


@pytest.mark.parametrize(
    "shape, strides, expected",
    [
        ((4, 6), (24, 4), ((), (), 96)),
        ((4, 3), (24, 4), ((4,), (24,), 12)),
        ((4, 3), (24, 8), ((4, 3), (24, 8), 4)),
        ((2, 1, 6), (100, 7, 4), ((2,), (100,), 24)),
        ((), (), ((), (), 4)),
    ],
)
def test_views_are_cut_into_runs(shape: Any, strides: Any, expected: Any) -> None:
    """Trailing axes without gaps make one run; axes of one element count for nothing."""
    assert transfer.runs(shape, strides, 4) == expected
