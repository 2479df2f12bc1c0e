"""Device arrays, buffers and the pool."""

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import gyral as gy
from gyral.core.errors import DeviceError, DeviceErrorKind, StateError, UnsupportedError, UserError
from gyral.drivers.null.driver import NullDriver
from gyral.runtime.pool import Pool, size_class

DEVICES = ["cpu", "null"]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> gy.Device:
    return gy.device(request.param)


@pytest.mark.parametrize("dtype", [gy.bool_, gy.i8, gy.u16, gy.i32, gy.u64, gy.f16, gy.f32, gy.f64, gy.bf16])
def test_what_goes_in_comes_out(device: gy.Device, dtype: Any) -> None:
    """An array made from NumPy gives the same values back, for every scalar type."""
    source = np.array([[0, 1, 2], [3, 4, 5]])
    made = gy.array(source, dtype, device=device)
    assert (made.shape, made.dtype, made.device) == ((2, 3), dtype, device)
    expected = source != 0 if dtype is gy.bool_ else source
    np.testing.assert_array_equal(np.asarray(made.numpy(), dtype=np.float64), expected)


def test_an_array_is_a_copy(device: gy.Device) -> None:
    """Changing the source afterwards changes nothing."""
    source = np.arange(4.0)
    made = gy.array(source, device=device)
    source[0] = 9
    assert made.numpy().tolist() == [0, 1, 2, 3]


def test_makers_fill(device: gy.Device) -> None:
    """zeros, full and fill set every element; empty has the shape asked for."""
    assert gy.zeros((2, 2), gy.i32, device=device).numpy().tolist() == [[0, 0], [0, 0]]
    assert gy.full(3, 7, gy.u8, device=device).numpy().tolist() == [7, 7, 7]
    assert gy.empty(5, gy.f64, device=device).fill(2).numpy().tolist() == [2.0] * 5


def test_arrays_of_nothing(device: gy.Device) -> None:
    """A zero extent gives an empty array, there and back."""
    made = gy.zeros((0, 4), gy.f32, device=device)
    assert made.numpy().shape == (0, 4)
    assert made.copy().nbytes == 0


def test_numpy_sees_the_memory_itself_on_the_cpu() -> None:
    """Writing through .numpy() is seen by the array."""
    made = gy.zeros(3, gy.f32)
    made.numpy()[1] = 5
    assert made.numpy().tolist() == [0, 5, 0]


def test_slices_are_views() -> None:
    """A slice shares memory; ints drop axes, steps may be negative."""
    made = gy.array(np.arange(12).reshape(3, 4))
    source = np.arange(12).reshape(3, 4)
    for index in [1, slice(1, None), (slice(None), 2), (slice(None, None, -1), slice(0, 4, 2)), (-1, -1)]:
        np.testing.assert_array_equal(made[index].numpy(), source[index])
    made[1:, ::2].numpy()[0, 0] = 99
    assert made.numpy()[1, 0] == 99


def test_a_view_keeps_the_memory() -> None:
    """The memory lives as long as its last view."""
    made = gy.array(np.arange(4.0))
    view = made[2:]
    del made
    gc.collect()
    assert view.numpy().tolist() == [2.0, 3.0]


def test_a_numpy_view_keeps_the_memory() -> None:
    """So it does behind .numpy()."""
    made = gy.array(np.arange(1000.0))
    host = made.numpy()
    del made
    gc.collect()
    others = [gy.full(1000, 7, gy.f64) for _ in range(4)]
    assert host[999] == 999.0
    assert len(others) == 4


def test_indices_out_of_bounds_are_refused() -> None:
    """An index beyond the extent, or one too many, says so."""
    made = gy.zeros((2, 2), gy.f32)
    with pytest.raises(UserError, match="index 2 is out of bounds"):
        made[2]
    with pytest.raises(UserError, match="3 indices"):
        made[0, 0, 0]


def test_moving_between_devices() -> None:
    """to() copies to another device and gives the array itself on its own."""
    here = gy.array(np.arange(6.0).reshape(2, 3))
    there = here.to("null")
    assert there.device is gy.device("null")
    np.testing.assert_array_equal(there.to("cpu").numpy(), here.numpy())
    assert here.to("cpu") is here
    assert here.copy() is not here


def test_structs_and_vectors_have_layouts() -> None:
    """Arrays of records keep fields; arrays of vectors have a trailing axis on the host."""

    @gy.struct
    class Pair:
        a: gy.i32
        b: gy.f64

    host = np.zeros(3, Pair.dtype)
    host["b"] = 1.5
    made = gy.array(host)
    assert made.dtype == Pair
    assert made.numpy()["b"].tolist() == [1.5] * 3
    points = gy.array(np.ones((4, 3), np.float32), gy.f32x3)
    assert points.shape == (4,)
    assert points.numpy().shape == (4, 3)


def test_dtypes_that_kernels_lack_are_named() -> None:
    """complex, objects and text are refused by name."""
    for source in (np.zeros(2, complex), np.zeros(2, object), np.array(["a"])):
        with pytest.raises(UserError, match="dtype"):
            gy.array(source)


def test_dlpack_both_ways() -> None:
    """NumPy takes our arrays by DLPack and we take NumPy's, sharing memory."""
    source = np.arange(4, dtype=np.float32)
    taken = gy.from_dlpack(source)
    source[0] = 9
    assert taken.numpy().tolist() == [9, 1, 2, 3]
    given = np.from_dlpack(gy.array(source))
    assert given.tolist() == [9, 1, 2, 3]


def test_dlpack_names_what_it_cannot_take() -> None:
    """An unknown dtype or device is refused by name."""

    class Strange:
        dtype = "float8_e4m3"

        def __dlpack_device__(self) -> tuple[int, int]:
            return (1, 0)

        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("unsupported")

    class Elsewhere(Strange):
        def __dlpack_device__(self) -> tuple[int, int]:
            return (2, 0)

    with pytest.raises(UserError, match="float8_e4m3"):
        gy.from_dlpack(Strange())
    with pytest.raises(UserError, match="device type 2"):
        gy.from_dlpack(Elsewhere())
    with pytest.raises(UserError, match="does not speak DLPack"):
        gy.from_dlpack([1, 2])


def test_host_protocols_need_host_memory() -> None:
    """What only the host can do is refused on a device whose memory it cannot reach."""
    made = gy.zeros(2, gy.f32, device="null")
    with pytest.raises(UnsupportedError, match="DLPack"):
        made.__dlpack__()
    with pytest.raises(AttributeError, match="copies"):
        made.__array_interface__  # noqa: B018
    assert np.asarray(made).tolist() == [0, 0]


@pytest.mark.parametrize("shape", [(-1,), (2, -3)])
def test_negative_shapes_are_refused(shape: tuple[int, ...]) -> None:
    """An array has no negative extent."""
    with pytest.raises(UserError, match="negative"):
        gy.empty(shape, gy.f32)


def test_dropping_gives_the_memory_back(device: gy.Device) -> None:
    """A dropped array's memory serves the next one of its size."""
    before = device.statistics
    made = gy.empty(5000, gy.f32, device=device)
    reference = weakref.ref(made)
    assert device.statistics.in_use > before.in_use
    del made
    gc.collect()
    assert reference() is None
    assert device.statistics.in_use == before.in_use
    reused = device.statistics.reused
    gy.empty(5000, gy.f32, device=device)
    assert device.statistics.reused == reused + 1


def test_nothing_leaks(device: gy.Device) -> None:
    """After many arrays, views and copies, as many bytes are in use as before."""
    before = device.statistics.in_use
    for n in range(1, 200):
        made = gy.zeros((n, 3), gy.f32, device=device)
        made.copy()
        made[n // 2 :]
        del made
    gc.collect()
    assert device.statistics.in_use == before


@pytest.fixture
def driver() -> Iterator[NullDriver]:
    driver = NullDriver()
    yield driver
    driver.close()


def test_the_pool_keeps_at_most_its_limit(driver: NullDriver) -> None:
    """Freed memory above the limit goes back to the system, the longest kept first."""
    pool = Pool(driver, 3000)
    held = [pool.take(1000) for _ in range(5)]
    for memory in held:
        pool.give(memory, 1000)
    statistics = pool.statistics()
    assert statistics.kept <= 3000
    assert (statistics.in_use, statistics.peak) == (0, 5 * size_class(1000))
    assert pool.take(1000) == held[-1]
    pool.trim()
    assert pool.statistics().kept == 0


def test_memory_above_the_limit_is_not_kept(driver: NullDriver) -> None:
    """One block larger than the whole limit is freed at once."""
    pool = Pool(driver, 1000)
    pool.give(pool.take(5000), 5000)
    assert pool.statistics().kept == 0


def test_a_pool_gives_up_what_it_keeps_before_it_fails(
    driver: NullDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the device has no memory, kept memory is returned and the request is tried again."""
    pool = Pool(driver, 1 << 20)
    pool.give(pool.take(1000), 1000)
    allocate = driver.allocate
    tries: list[int] = []

    def scarce(nbytes: int) -> int:
        tries.append(nbytes)
        if len(tries) == 1:
            raise DeviceError("no memory", DeviceErrorKind.RESOURCE)
        return allocate(nbytes)

    monkeypatch.setattr(driver, "allocate", scarce)
    pool.take(9000)
    assert len(tries) == 2
    assert pool.statistics().kept == 0


def test_a_failure_of_another_kind_is_passed_on(driver: NullDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a lack of memory is tried again."""

    def broken(nbytes: int) -> int:
        raise DeviceError("gone", DeviceErrorKind.FATAL)

    pool = Pool(driver, 1 << 20)
    pool.give(pool.take(1000), 1000)
    monkeypatch.setattr(driver, "allocate", broken)
    with pytest.raises(DeviceError, match="gone"):
        pool.take(9000)


def test_a_pool_cannot_keep_less_than_nothing(driver: NullDriver) -> None:
    """trim() refuses a negative number."""
    with pytest.raises(StateError):
        Pool(driver, 0).trim(-1)


@pytest.mark.parametrize("nbytes", [1, 256, 257, 1000, 1 << 20, (1 << 20) + 1, 123_456_789])
def test_size_classes_fit_and_waste_little(nbytes: int) -> None:
    """A class holds the request and at most a quarter more."""
    size = size_class(nbytes)
    assert nbytes <= size <= max(256, nbytes * 5 // 4 + 64)
    assert size_class(size) == size


def test_a_null_device_cannot_free_twice(driver: NullDriver) -> None:
    """Freeing what is not held is an error, and a closed device does nothing."""
    memory = driver.allocate(10)
    driver.free(memory)
    with pytest.raises(StateError, match="freed before"):
        driver.free(memory)
    driver.close()
    with pytest.raises(StateError, match="closed"):
        driver.allocate(10)
