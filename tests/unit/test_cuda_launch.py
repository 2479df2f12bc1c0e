"""Launches on a CUDA device, from `kernel[shape](...)` to what the driver gets."""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.fake_cuda import FakeCuda, artifact, opened, signature

import gyral as gy
from gyral.core.artifact import FOLDED, ArrayParameter, Artifact, ScalarParameter, Signature
from gyral.core.driver import Bits, Launch, Pointer
from gyral.core.dtypes import ArrayType, f32
from gyral.core.errors import DeviceError, DeviceErrorKind, InternalError, StateError, UnsupportedError
from gyral.core.span import NOWHERE
from gyral.drivers.cuda import program
from gyral.drivers.cuda.driver import CudaDriver
from gyral.jit import targets
from gyral.runtime.device import Device

X = np.arange(8, dtype=np.float32)


@pytest.fixture
def fake() -> FakeCuda:
    """The stand-in, as new."""
    return FakeCuda()


@pytest.fixture
def driver(fake: FakeCuda) -> Iterator[CudaDriver]:
    """A device of the stand-in."""
    with opened() as made:
        yield made


@pytest.fixture
def device(driver: CudaDriver, monkeypatch: pytest.MonkeyPatch) -> Device:
    """The same as a device of the runtime, for which kernels compile to nothing in particular."""
    monkeypatch.setattr(targets, "compile_for", compiled)
    return Device("cuda", driver)


def compiled(kind: str, request: Any) -> Artifact:
    """Code of which the stand-in knows the parameters alone; the last array is written."""
    last = max(at for at, kind in enumerate(request.kinds) if isinstance(kind, ArrayType))
    parameters = tuple(
        ArrayParameter(f"p{at}", kind.elem, kind.rank, reads=True, writes=at == last)
        if isinstance(kind, ArrayType)
        else ScalarParameter(f"p{at}", kind)
        for at, kind in enumerate(request.kinds)
    )
    block = (1, 1, 1, *(request.options.block or (256,)))[-3:]
    return artifact(Signature(request.function.__name__, 1, parameters, request.options, block))


@pytest.fixture
def add() -> Any:
    """A kernel of three arrays."""

    @gy.kernel
    def add(x: gy.Array[gy.f32], y: gy.Array[gy.f32], z: gy.Array[gy.f32]):
        i = gy.global_id()
        z[i] = x[i] + y[i]

    return add


@pytest.fixture
def scale() -> Any:
    """A kernel of a scalar and an array."""

    @gy.kernel
    def scale(a: gy.f32, x: gy.Array[gy.f32]):
        x[gy.global_id()] *= a

    return scale


def bits(value: float) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0]


def python_launches(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What goes through the driver's Python from now on."""
    seen: list[Any] = []
    before = program.start

    def start(*args: Any) -> bool:
        seen.append(args)
        return before(*args)

    monkeypatch.setattr("gyral.drivers.cuda.driver.start", start)
    return seen


def test_slots_are_packed_as_the_kernel_reads_them(fake: FakeCuda, device: Device, scale: Any) -> None:
    """Shape, blocks, whether the grid is folded, then the arguments; the native path packs the same."""
    x = gy.array(np.ones(1000, np.float32), device=device)
    view = x[10:900:2]
    for _ in range(2):
        scale[445](2.0, view)
    first, second = fake.launches
    expected = (1, 1, 445, 1, 1, 2, 0, bits(2.0), x.address + 40, 445, 8)
    assert (first.slots, second.slots) == (expected, expected)
    assert (second.grid, second.block) == ((2, 1, 1), (256, 1, 1))


@pytest.mark.parametrize("first, blocks", [(0, 4), (2, 16)])
def test_aligned_arrays_are_done_by_fours(
    fake: FakeCuda, driver: CudaDriver, first: int, blocks: int
) -> None:
    """A thread does four elements where the array begins at 16 bytes; both paths launch alike."""

    @gy.kernel
    def halve(x: gy.Array[gy.f32]):
        x[gy.global_id()] *= 0.5

    x = gy.zeros(4096, gy.f32, device=Device("cuda", driver))[first : first + 4000]
    for _ in range(2):
        halve[4000](x)
    assert [(each.grid, each.block) for each in fake.launches] == [((blocks, 1, 1), (256, 1, 1))] * 2


def test_the_second_launch_needs_no_python(
    fake: FakeCuda, device: Device, add: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the first one goes through the driver's Python."""
    x, y, z = (gy.zeros(8, gy.f32, device=device) for _ in range(3))
    seen = python_launches(monkeypatch)
    for _ in range(5):
        add[8](x, y, z)
    assert (len(seen), len(fake.launches)) == (1, 5)


def test_what_a_kernel_does_is_seen(fake: FakeCuda, device: Device, scale: Any) -> None:
    """Copies and launches are in order, whichever path a launch takes."""

    def run(slots: tuple[int, ...], grid: Any, block: Any) -> None:
        (factor,) = struct.unpack("<f", struct.pack("<I", slots[7]))
        memory = (ctypes.c_float * slots[9]).from_address(slots[8])
        memory[:] = [factor * value for value in memory]

    fake.kernel(run)
    x = gy.array(X, device=device)
    for _ in range(3):
        scale[8](2.0, x)
    np.testing.assert_array_equal(x.numpy(), 8 * X)


def test_keywords_take_the_native_path_too(
    device: Device, scale: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python puts them in order, and the plan runs."""
    x = gy.array(X, device=device)
    scale[8](2.0, x)
    seen = python_launches(monkeypatch)
    scale[8](x=x, a=2.0)
    assert seen == []


@pytest.mark.parametrize("layout", ["stride", "overlap", "dtype", "rank"])
def test_a_plan_takes_its_own_layout_alone(
    device: Device, add: Any, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments that need other code, or are wrong, are left to Python."""
    x, y, z = (gy.zeros(16, gy.f32, device=device) for _ in range(3))
    add[8](x, y, z)
    seen = python_launches(monkeypatch)
    others = {
        "stride": x[::2],
        "overlap": z[4:],
        "dtype": gy.zeros(16, gy.i32, device=device),
        "rank": gy.zeros((4, 4), gy.f32, device=device),
    }
    if layout in ("dtype", "rank"):
        with pytest.raises(gy.UserError):
            add[8](others[layout], y, z)
    else:
        add[8](others[layout], y, z)
        assert len(seen) == 1


def test_a_shape_of_no_threads_launches_nothing(fake: FakeCuda, device: Device, scale: Any) -> None:
    """Both paths leave the driver alone."""
    x = gy.array(X, device=device)
    scale[0](2.0, x)
    scale[0](2.0, x)
    assert fake.launches == []


def test_a_grid_over_the_limit_is_folded(fake: FakeCuda, device: Device, scale: Any) -> None:
    """The blocks are laid out along other axes, and the kernel is told; both paths agree."""
    fake.attribute(5, 10)
    fake.attribute(6, 4)
    with opened(1) as small:
        there = Device("cuda:1", small)
        x = gy.array(X, device=there)
        for _ in range(2):
            scale[256 * 37](2.0, x)
        first, second = fake.launches
        assert (first.grid, first.slots[3:7]) == ((10, 4, 1), (1, 1, 37, 1))
        assert (second.grid, second.slots) == (first.grid, first.slots)
        for _ in range(2):
            scale[256 * 401](2.0, x)
        assert [launch.grid for launch in fake.launches[2:]] == [(10, 4, 11), (10, 4, 11)]


def test_each_sort_of_grid_goes_through_python_once(
    fake: FakeCuda, scale: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folded grids have code and a plan of their own; launches over and within the limit may alternate."""
    fake.attribute(5, 10)
    with opened(1) as small:
        x = gy.array(X, device=Device("cuda:1", small))
        seen = python_launches(monkeypatch)
        for blocks in (10, 11, 10, 11):
            scale[256 * blocks](2.0, x)
        folded = [program.signature.options.features.count(FOLDED) for _, _, program, *_ in seen]
        assert (folded, [launch.slots[6] for launch in fake.launches]) == ([0, 1], [0, 1, 0, 1])


def test_a_grid_beyond_all_limits_is_refused(
    fake: FakeCuda, scale: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message counts the blocks."""
    monkeypatch.setattr(targets, "compile_for", compiled)
    for number in (5, 6, 7):
        fake.attribute(number, 2)
    with opened() as small:
        x = gy.array(X, device=Device("cuda", small))
        scale[256](2.0, x)
        for _ in range(2):
            with pytest.raises(UnsupportedError, match="is 9 blocks, more than this device can count"):
                scale[256 * 9](2.0, x)


def test_a_bound_launch_is_native(
    fake: FakeCuda, device: Device, add: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its arguments are packed once."""
    x, y, z = (gy.zeros(8, gy.f32, device=device) for _ in range(3))
    add[8](x, y, z)
    bound = add.bind(8, x, y, z)
    seen = python_launches(monkeypatch)
    bound()
    bound()
    with pytest.raises(TypeError, match="takes no arguments"):
        bound(x)
    assert (seen, fake.launches[-1].slots[7]) == ([], x.address)


def test_a_bound_launch_follows_the_scope(
    fake: FakeCuda, device: Device, add: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside `with stream:` it goes to that stream."""
    x, y, z = (gy.zeros(8, gy.f32, device=device) for _ in range(3))
    bound = add.bind(8, x, y, z)
    stream = device.stream()
    with stream:
        bound()
    assert fake.launches[-1].stream == stream.queue.handle


def test_a_stream_in_scope_takes_native_launches(
    fake: FakeCuda, device: Device, scale: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scope that holds a stream alone costs no full road, and the thread's own stream comes back."""
    x, stream = gy.array(X, device=device), device.stream()
    scale[8](2.0, x)
    with stream:
        scale[8](2.0, x)
    seen = python_launches(monkeypatch)
    with stream:
        scale[8](2.0, x)
    scale.launch(8, 2.0, x, stream=stream)
    scale[8](2.0, x)
    own, scoped = device.default_stream().queue.handle, stream.queue.handle
    assert [launch.stream for launch in fake.launches[-3:]] == [scoped, scoped, own]
    assert seen == []


def test_a_stream_waits_for_the_last_user_of_memory(fake: FakeCuda, device: Device, scale: Any) -> None:
    """A launch on another stream comes behind the native launches before it."""
    x, stream = gy.array(X, device=device), device.stream()
    for _ in range(2):
        scale[8](2.0, x)
    fake.listen()
    scale.launch(8, 2.0, x, stream=stream)
    words = [line.split() for line in fake.heard()]
    assert [line[0] for line in words] == ["event", "stream", "launch"]
    assert words[1][1] == words[2][3] != words[0][4]


def test_each_thread_has_its_own_stream(fake: FakeCuda, device: Device, scale: Any) -> None:
    """Launches of two threads on two arrays do not wait for each other."""
    ready = threading.Barrier(2)

    def work() -> None:
        x = gy.array(X, device=device)
        scale[8](2.0, x)
        ready.wait()
        scale[8](2.0, x)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    streams = {launch.stream for launch in fake.launches}
    assert (len(fake.launches), len(streams)) == (4, 2)


def test_memory_remembers_its_work_when_it_is_reused(fake: FakeCuda, device: Device, scale: Any) -> None:
    """An array that is dropped while it is in use is not waited for; its memory's next user is behind it."""
    x = gy.array(X, device=device)
    for _ in range(2):
        scale[8](2.0, x)
    address = x.address
    del x
    y, stream = gy.empty(8, gy.f32, device=device), device.stream()
    assert y.address == address
    fake.listen()
    scale.launch(8, 2.0, y, stream=stream)
    assert [line.split()[0] for line in fake.heard()] == ["event", "stream", "launch"]


def test_reading_waits_for_native_launches(fake: FakeCuda, device: Device, scale: Any) -> None:
    """An event is recorded behind the last launch, and asked for."""
    x = gy.array(X, device=device)
    for _ in range(3):
        scale[8](2.0, x)
    fake.listen()
    x.wait()
    own = device.default_stream().queue
    assert len(fake.heard()) == 1
    assert own.completed == own.serial


def test_exposed_memory_is_left_to_python(
    device: Device, scale: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Work on memory that others look at is waited for."""
    x = gy.array(X, device=device)
    for _ in range(2):
        scale[8](2.0, x)
    x.buffer.exposed = True
    seen = python_launches(monkeypatch)
    scale[8](2.0, x)
    assert len(seen) == 1


def test_a_failed_native_launch_says_what_it_needed(fake: FakeCuda, device: Device, scale: Any) -> None:
    """Too few registers or too little on-chip memory is told in numbers, and the next launch works."""
    x = gy.array(X, device=device)
    scale[8](2.0, x)
    fake.fail("cuLaunchKernel", 701, times=1)
    with pytest.raises(DeviceError, match=r"256 threads, 32 registers each \(the device has 65536") as caught:
        scale[8](2.0, x)
    assert caught.value.kind is DeviceErrorKind.RESOURCE
    scale[8](2.0, x)


def test_a_closed_device_takes_no_native_launch(device: Device, scale: Any) -> None:
    """It says that it is closed."""
    x = gy.array(X, device=device)
    for _ in range(2):
        scale[8](2.0, x)
    device.driver.close()
    with pytest.raises(StateError, match="is closed"):
        scale[8](2.0, x)


def test_many_launches_are_followed_now_and_then(fake: FakeCuda, device: Device, scale: Any) -> None:
    """An event every few hundred launches tells how far the device came, so that no launch blocks Python."""
    x = gy.array(X, device=device)
    scale[8](2.0, x)
    fake.listen()
    fake.fail("cuEventQuery", 600)
    for _ in range(1100):
        scale[8](2.0, x)
    queue = device.default_stream().queue
    recorded = [line for line in fake.heard() if line.startswith("event")]
    assert (len(recorded), queue.completed) == (1, 0)
    fake.fail("cuEventQuery", 0)
    scale[8](2.0, x)
    assert queue.completed > 0


def test_a_launch_that_reports_brings_a_record(fake: FakeCuda, driver: CudaDriver) -> None:
    """Its address stands behind the arguments; a launch without one is our mistake."""
    from gyral.core.artifact import Site

    loaded = driver.load(artifact(signature(0, 1, sites=(Site("assert", NOWHERE),))))
    driver.launch(None, loaded, Launch((5,), [Bits(3)], Pointer(4096, (64,), (4,))))
    assert fake.launches[-1].slots[7:] == (3, 4096)
    with pytest.raises(InternalError, match="brought none"):
        driver.launch(None, loaded, Launch((5,), [Bits(3)]))


def test_a_block_that_needs_too_much_is_refused_when_loaded(fake: FakeCuda, driver: CudaDriver) -> None:
    """The error names registers and threads, or on-chip memory."""
    fake.set(function_threads=128, registers=200)
    with pytest.raises(UnsupportedError, match=r"256 threads of 200 registers each, .* runs 128 of them"):
        driver.load(artifact(signature(1)))
    with pytest.raises(UnsupportedError, match=r"300000 bytes of shared memory per block, .* has 232448"):
        driver.load(artifact(signature(1, shared_bytes=300_000)))


def test_much_on_chip_memory_comes_with_the_launch(fake: FakeCuda, driver: CudaDriver) -> None:
    """Above what a kernel may declare, the driver is told, and each launch brings it."""
    fake.listen()
    loaded = driver.load(artifact(signature(0, shared_bytes=100_000)))
    driver.launch(None, loaded, Launch((5,), []))
    assert "attribute 8 of a function is 100000" in fake.heard()
    assert (driver.entry(loaded)[1], fake.launches[-1].shared) == (100_000, 100_000)


def test_a_launch_that_does_not_end_is_given_up(fake: FakeCuda, device: Device, scale: Any) -> None:
    """After the time limit the caller is told, and the device is lost until it is reset."""
    x = gy.array(X, device=device)
    with gy.options(time_limit=60.0):
        scale[8](2.0, x)
    fake.fail("cuEventQuery", 600)
    with gy.options(time_limit=0.001), pytest.raises(DeviceError, match=r"within 0\.001 s") as caught:
        scale[8](2.0, x)
    assert caught.value.kind is DeviceErrorKind.TRANSIENT
    with pytest.raises(DeviceError, match="lost by an earlier failure") as lost:
        scale[8](2.0, x)
    assert lost.value.kind is DeviceErrorKind.FATAL
    fake.fail("cuEventQuery", 0)
    device.driver.close()
    assert fake.calls("cuDevicePrimaryCtxReset_v2") == 1


def test_a_batch_is_one_graph(fake: FakeCuda, device: Device, add: Any) -> None:
    """Its launches are recorded once, and a replay is one call."""
    x, y, z = (gy.zeros(8, gy.f32, device=device) for _ in range(3))
    batch = gy.Batch().add(add, 8, x, y, z).add(add, 8, y, z, x)
    for _ in range(3):
        batch()
    x.wait()
    assert (len(fake.launches), fake.calls("cuGraphLaunch")) == (6, 3)
    assert fake.calls("cuGraphInstantiateWithFlags") == 1


def test_occupancy_is_asked_of_the_driver(driver: CudaDriver) -> None:
    """Blocks per multiprocessor, of the program's own size or another."""
    loaded = driver.load(artifact(signature(1)))
    assert (loaded.occupancy(), loaded.occupancy(1024)) == (8, 2)


def test_code_of_another_form_is_not_loaded(driver: CudaDriver) -> None:
    """Only cubins are for CUDA."""
    with pytest.raises(InternalError, match="not 'wgsl'"):
        driver.load(Artifact("wgsl", b"", 0, signature(1)))


def test_code_for_another_device_is_refused(fake: FakeCuda, driver: CudaDriver) -> None:
    """The architecture it was made for is named."""
    fake.fail("cuModuleLoadData", 209, times=1)
    with pytest.raises(UnsupportedError, match="the code is for sm_120"):
        driver.load(artifact(signature(1), architecture="sm_120"))


def test_a_kernel_is_compiled_for_the_device_and_loaded(fake: FakeCuda, driver: CudaDriver) -> None:
    """The whole road with the real compiler, up to the driver's door."""
    from gyral.drivers.cuda import codegen

    try:
        codegen._known()
    except UnsupportedError as error:
        pytest.skip(str(error))

    @gy.kernel
    def axpy(a: gy.f32, x: gy.In[gy.Array[gy.f32, 2]], y: gy.Array[gy.f32, 2]):
        i, j = gy.global_ids(2)
        y[i, j] += a * x[i, j]

    device = Device("cuda", driver)
    x, y = (gy.zeros((20, 30), gy.f32, device=device) for _ in range(2))
    for _ in range(2):
        axpy[20, 30](0.5, x, y)
    first, second = fake.launches
    assert first.slots == second.slots
    assert first.slots[:3] == (1, 20, 30)
    layout = (20, 30, 120, 4)
    assert first.slots[7:] == (bits(0.5), x.address, *layout, y.address, *layout)
    assert f32 is x.dtype
