"""Arrays shared with other libraries: by DLPack, on the host and on devices, and by CUDA's interface."""

import ctypes
import gc
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from tests.shared_device import CUDA, EXTENSION, SharedDriver

import gyral as gy
from gyral.core.errors import UnsupportedError, UserError
from gyral.runtime import capsule
from gyral.runtime import device as devices
from gyral.runtime.capsule import READ_ONLY, Shared


@pytest.fixture(params=[EXTENSION])
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[gy.Device]:
    monkeypatch.setattr(devices, "_open", dict(devices._open))
    monkeypatch.setattr(devices, "_kinds", {"cpu": devices._kinds["cpu"]})
    devices.register("shared", SharedDriver, listed=False, dlpack=request.param)
    yield gy.device("shared")
    gc.collect()


@dataclass
class Producer:
    """Another library's array: what it was asked for, and what it hands over."""

    given: Shared
    device: tuple[int, int] = (1, 0)
    versioned: bool = True
    asked: list[dict[str, Any]] = field(default_factory=list)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device

    def __dlpack__(self, **options: Any) -> Any:
        if not self.versioned and "max_version" in options:
            raise TypeError("unexpected keyword argument 'max_version'")
        self.asked.append(options)
        return capsule.give(self.given, self.versioned)


class Owner:
    """Something that is alive or not."""

    def __init__(self, log: list[str]) -> None:
        self._log = log

    def __del__(self) -> None:
        self._log.append("gone")


def on_host(source: np.ndarray[Any, Any], **changes: Any) -> Shared:
    fields: dict[str, Any] = {
        "address": source.ctypes.data,
        "device": (1, 0),
        "code": source.dtype.kind,
        "bits": 8 * source.itemsize,
        "shape": source.shape,
        "strides": tuple(step // source.itemsize for step in source.strides),
        "flags": 0,
        "owner": source,
    }
    return Shared(**{**fields, **changes})


@pytest.mark.parametrize("versioned", [False, True], ids=["plain", "versioned"])
def test_a_capsule_comes_back_as_it_was_given(versioned: bool) -> None:
    """Address, device, element, shape, strides and flags travel in both forms; only one has flags."""
    given = Shared(4096, (2, 1), "f", 16, (2, 3), (3, 1), READ_ONLY, None)
    found = capsule.take(capsule.give(given, versioned))
    assert (found.address, found.device, found.code, found.bits) == (4096, (2, 1), "f", 16)
    assert (found.shape, found.strides) == ((2, 3), (3, 1))
    assert found.flags == (READ_ONLY if versioned else 0)


@pytest.mark.parametrize("versioned", [False, True], ids=["plain", "versioned"])
def test_the_taker_lets_go(versioned: bool) -> None:
    """What is handed over lives until its taker is done with it, and no longer."""
    log: list[str] = []
    taken = capsule.take(capsule.give(Shared(0, (1, 0), "f", 32, (0,), (1,), 0, Owner(log)), versioned))
    gc.collect()
    assert log == []
    del taken
    gc.collect()
    assert log == ["gone"]


def test_a_capsule_nobody_took_lets_go() -> None:
    """Dropping an untaken capsule gives its array up."""
    log: list[str] = []
    made = capsule.give(Shared(0, (1, 0), "f", 32, (0,), (1,), 0, Owner(log)), True)
    del made
    gc.collect()
    assert log == ["gone"]


def test_a_capsule_is_taken_once() -> None:
    """Taking a capsule again is refused, and so is what is no capsule of DLPack's."""
    made = capsule.give(Shared(0, (1, 0), "f", 32, (0,), (1,), 0, None), True)
    capsule.take(made)
    with pytest.raises(UserError, match="took its array already"):
        capsule.take(made)


def test_a_later_dlpack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A capsule of another major version is left alone, by its number."""
    monkeypatch.setattr(capsule, "VERSION", (2, 0))
    made = capsule.give(Shared(0, (1, 0), "f", 32, (0,), (1,), 0, None), True)
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"DLPack 2\.0"):
        capsule.take(made)


def test_libraries_that_outlive_the_interpreter_find_no_deleter() -> None:
    """When the process ends, what others hold loses its deleter, and a capsule still held is no harm."""
    program = (
        "import atexit, ctypes, numpy as np, gyral as gy\n"
        "from gyral.runtime import capsule\n"
        "seen = []\n"
        "atexit.register(lambda: print([held[0].deleter for held in capsule._given.values()]))\n"
        "atexit.register(capsule._withdraw)\n"
        "x = gy.zeros(3, gy.f32)\n"
        "one, two = x.__dlpack__(), x.__dlpack__(max_version=(1, 1))\n"
        "np.from_dlpack(x)[0] = 1\n"
        "y = np.from_dlpack(x)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[None, None, None]\n", "")


@pytest.mark.parametrize("dtype", [gy.bool_, gy.i8, gy.u16, gy.i32, gy.u64, gy.f16, gy.f32, gy.f64])
def test_numpy_takes_every_type(dtype: Any) -> None:
    """Elements arrive in NumPy as what they are, sharing memory."""
    made = gy.array([[0, 1, 1], [1, 0, 1]], dtype)
    found = np.from_dlpack(made)
    np.testing.assert_array_equal(found, made.numpy())
    assert (found.dtype, found.ctypes.data) == (made.numpy_dtype, made.address)


def test_bfloat_goes_both_ways() -> None:
    """bf16, which NumPy cannot hand over, has a code of its own."""
    made = gy.array([1.0, -2.5], gy.bf16)
    taken = gy.from_dlpack(made.__dlpack__())
    assert (taken.dtype, taken.address, taken.numpy().tolist()) == (gy.bf16, made.address, [1.0, -2.5])


def test_vectors_have_an_axis_more() -> None:
    """An array of vectors is one of scalars to others."""
    made = gy.array(np.arange(12.0).reshape(4, 3), gy.f32x3)
    assert np.from_dlpack(made[::2]).tolist() == [[0, 1, 2], [6, 7, 8]]


def test_structs_have_no_name_elsewhere() -> None:
    """A struct's array is not handed over."""

    @gy.struct
    class Pair:
        a: gy.i32
        b: gy.f32

    with pytest.raises(BufferError, match="struct"):
        gy.array(np.zeros(2, Pair.dtype)).__dlpack__()


def test_views_keep_their_strides() -> None:
    """Slices with steps, backwards ones too, are handed over and taken as they lie."""
    source = np.arange(12, dtype=np.int32).reshape(3, 4)
    made = gy.array(source)
    assert np.from_dlpack(made[::-1, 1::2]).tolist() == source[::-1, 1::2].tolist()
    assert gy.from_dlpack(source[::-1, 1::2]).numpy().tolist() == source[::-1, 1::2].tolist()


def test_a_copy_is_made_when_asked() -> None:
    """copy=True hands over memory of its own, which changes no more."""
    made = gy.zeros(2, gy.f32)
    taken = gy.from_dlpack(made.__dlpack__(copy=True))
    made.fill(1)
    assert taken.numpy().tolist() == [0, 0]


def test_host_memory_has_no_streams() -> None:
    """A stream, or another device, cannot be had of memory on the host."""
    made = gy.zeros(2, gy.f32)
    with pytest.raises(BufferError, match="no streams"):
        made.__dlpack__(stream=1)
    with pytest.raises(BufferError, match=r"asked for on \(2, 0\)"):
        made.__dlpack__(dl_device=(2, 0))


@pytest.mark.parametrize("versioned", [False, True], ids=["plain", "versioned"])
def test_other_libraries_are_taken_from(versioned: bool) -> None:
    """A producer with or without versions gives its memory, and is told when it is no longer used."""
    source, log = np.arange(6, dtype=np.float32), []
    producer = Producer(on_host(source, owner=Owner(log)), versioned=versioned)
    taken = gy.from_dlpack(producer)
    taken.fill(7)
    assert source.tolist() == [7] * 6
    assert producer.asked == ([{"max_version": (1, 1)}] if versioned else [{}])
    del taken, producer
    gc.collect()
    assert log == ["gone"]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"code": "f", "bits": 8}, "f8"),
        ({"flags": READ_ONLY}, "read-only"),
        ({"address": 4097}, "no multiple of 4"),
    ],
)
def test_what_kernels_cannot_use_is_named(changes: dict[str, Any], message: str) -> None:
    """Elements of no type, memory that must not be written, and addresses off their grid are refused."""
    source = np.arange(6, dtype=np.float32)
    with pytest.raises(UserError, match=message):
        gy.from_dlpack(Producer(on_host(source, **changes)))


@pytest.mark.parametrize(
    "code, lanes, name", [(5, 1, "complex32"), (2, 4, "float32x4"), (10, 1, "type code 10")]
)
def test_type_codes_without_an_element_type_are_named(code: int, lanes: int, name: str) -> None:
    """A code that kernels have no type for is refused by its name or number, and its owner is told."""
    log: list[str] = []
    given = capsule.give(Shared(0, (1, 0), "f", 32, (0,), (1,), 0, Owner(log)), False)
    managed = next(held[0] for held in capsule._given.values() if isinstance(held[-1], Owner))
    managed.tensor.dtype.code, managed.tensor.dtype.lanes = code, lanes
    del managed
    with pytest.raises(UserError, match=name):
        capsule.take(given)
    gc.collect()
    assert log == ["gone"]


def test_a_tensor_without_strides_has_no_gaps() -> None:
    """Strides that a producer leaves out are those of an array without gaps, last axis fastest."""
    given = capsule.give(Shared(0, (1, 0), "f", 32, (2, 3), (9, 9), 0, None), False)
    list(capsule._given.values())[-1][0].tensor.strides = ctypes.POINTER(ctypes.c_int64)()
    assert capsule.take(given).strides == (3, 1)


def test_a_device_array_is_handed_over_in_place(shared: gy.Device) -> None:
    """On a device that shares memory, the capsule has the device's own address and number."""
    made = gy.array([1.0, 2.0], gy.f32, device=shared)
    assert made.__dlpack_device__() == (EXTENSION, 0)
    found = capsule.take(made.__dlpack__(stream=-1, max_version=(1, 0)))
    assert (found.address, found.device, found.shape) == (made.address, (EXTENSION, 0), (2,))


def test_the_taker_s_stream_waits_for_pending_work(shared: gy.Device) -> None:
    """The stream a taker names begins after the work on the array; -1 asks for no order, 0 is refused."""
    made = gy.empty(2, gy.f32, device=shared).fill(1.5)
    driver, queue = shared.driver, shared.current_stream().queue
    assert isinstance(driver, SharedDriver)
    driver.log.clear()
    made.__dlpack__(stream=-1)
    assert driver.log == []
    made.__dlpack__(stream=77)
    made.__dlpack__()
    assert driver.log == [("after", driver.queue_of(n), queue) for n in (77, 1)]
    with pytest.raises(BufferError, match="ambiguous"):
        made.__dlpack__(stream=0)


def test_a_device_array_can_be_asked_for_on_the_host(shared: gy.Device) -> None:
    """dl_device of the host gives a copy there, which copy=False forbids."""
    made = gy.array([1.0, 2.0], gy.f32, device=shared)
    found = gy.from_dlpack(made.__dlpack__(dl_device=(1, 0), max_version=(1, 0)))
    assert (found.device.name, found.numpy().tolist()) == ("cpu", [1, 2])
    with pytest.raises(BufferError, match="copy=False"):
        made.__dlpack__(dl_device=(1, 0), copy=False)


def test_a_device_array_is_taken_in_place(shared: gy.Device) -> None:
    """A producer on the device gets our stream, its memory is adopted, and it hears when we are done."""
    source, log = np.arange(4, dtype=np.float32), []
    driver, stream = shared.driver, shared.current_stream()
    assert isinstance(driver, SharedDriver)
    where = (EXTENSION, 0)
    producer = Producer(on_host(source, device=where, owner=Owner(log)), device=where)
    taken = gy.from_dlpack(producer)
    assert producer.asked == [{"max_version": (1, 1), "stream": driver.stream_of(stream.queue)}]
    assert ("adopt", source.ctypes.data, 16) in driver.log
    assert (taken.device, taken.address, taken.numpy().tolist()) == (shared, source.ctypes.data, [0, 1, 2, 3])
    taken.fill(1)
    driver.log.clear()
    del taken, producer
    gc.collect()
    assert (log, driver.log) == (["gone"], [("wait", stream.queue)])


def test_an_array_can_be_taken_elsewhere(shared: gy.Device) -> None:
    """With a device of its own choice the taker gets a copy there, which copy=False forbids."""
    source = np.arange(4, dtype=np.float32)
    assert gy.from_dlpack(source, device=shared).device is shared
    with pytest.raises(UserError, match="copy=False"):
        gy.from_dlpack(source, device=shared, copy=False)


def test_a_device_nobody_has_is_refused() -> None:
    """An array on a device type that no device here shares is refused by its number."""
    with pytest.raises(UserError, match="device type 10"):
        gy.from_dlpack(Producer(on_host(np.zeros(1, np.float32)), device=(10, 0)))


@dataclass
class CudaArray:
    """Another CUDA library's array."""

    source: np.ndarray[Any, Any]
    changes: dict[str, Any]

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        described = {
            "version": 3,
            "shape": self.source.shape,
            "typestr": self.source.dtype.str,
            "data": (self.source.ctypes.data, False),
            "strides": self.source.strides,
            "stream": 5,
        }
        return {**described, **self.changes}


@pytest.mark.parametrize("shared", [CUDA], indirect=True)
def test_cuda_arrays_are_described(shared: gy.Device) -> None:
    """A CUDA array tells its place, its gaps, and the stream behind what is pending."""
    made = gy.array(np.arange(6, dtype=np.float32).reshape(2, 3), device=shared)
    found = made[:, ::2].__cuda_array_interface__
    assert found == {
        "version": 3,
        "shape": (2, 2),
        "typestr": "<f4",
        "data": (made.address, False),
        "strides": (12, 8),
        "stream": id(shared.current_stream().queue),
    }
    assert made.__cuda_array_interface__["strides"] is None


def test_only_cuda_arrays_are_described(shared: gy.Device) -> None:
    """To other libraries an array elsewhere has no such attribute at all."""
    assert not hasattr(gy.zeros(2, gy.f32), "__cuda_array_interface__")
    assert not hasattr(gy.zeros(2, gy.f32, device=shared), "__cuda_array_interface__")


@pytest.mark.parametrize("shared", [CUDA], indirect=True)
def test_cuda_arrays_are_taken_in_place(shared: gy.Device) -> None:
    """Their memory is used where it is, after the stream that they name."""
    source = np.arange(6, dtype=np.float32).reshape(2, 3)
    driver = shared.driver
    assert isinstance(driver, SharedDriver)
    taken = gy.from_cuda_array(CudaArray(source[:, ::2], {}))
    assert ("after", shared.current_stream().queue, driver.queue_of(5)) in driver.log
    assert (taken.address, taken.shape, taken.strides) == (source.ctypes.data, (2, 2), (12, 8))
    assert taken.numpy().tolist() == [[0, 2], [3, 5]]


@pytest.mark.parametrize("shared", [CUDA], indirect=True)
def test_gy_array_copies_cuda_arrays(shared: gy.Device) -> None:
    """gy.array takes a copy, on the array's device or the one asked for."""
    source = np.arange(3, dtype=np.int32)
    here, there = (
        gy.array(CudaArray(source, {"strides": None})),
        gy.array(CudaArray(source, {}), device="cpu"),
    )
    source[:] = 0
    assert (here.device, here.numpy().tolist()) == (shared, [0, 1, 2])
    assert (there.device.name, there.numpy().tolist()) == ("cpu", [0, 1, 2])


@pytest.mark.parametrize("shared", [CUDA], indirect=True)
@pytest.mark.parametrize(
    "changes, message",
    [
        ({"mask": object()}, "mask"),
        ({"data": (0, True)}, "read-only"),
        ({"typestr": "<c8"}, "complex64"),
        ({"typestr": ">f4"}, "f4"),
        ({"stream": 0}, "stream 0"),
    ],
)
def test_cuda_arrays_that_cannot_be_used_are_named(
    shared: gy.Device, changes: dict[str, Any], message: str
) -> None:
    """Masks, read-only memory, elements without a type and ambiguous streams are refused."""
    with pytest.raises(UserError, match=message):
        gy.from_cuda_array(CudaArray(np.zeros(2, np.float32), changes))


def test_cuda_arrays_need_cuda(shared: gy.Device) -> None:
    """Without a CUDA device there is no place for them; without the attribute there is nothing to take."""
    with pytest.raises(UnsupportedError, match="CUDA"):
        gy.from_cuda_array(CudaArray(np.zeros(2, np.float32), {}))
    with pytest.raises(UserError, match="__cuda_array_interface__"):
        gy.from_cuda_array(np.zeros(2))
