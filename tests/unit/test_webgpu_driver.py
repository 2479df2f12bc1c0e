"""The WebGPU driver, with WGSL written by hand: memory, launches, copies, order, errors."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from tests.wgsl_programs import bump, churn, saxpy

from gyral.core.driver import Bits, DeviceCopies, Graphs, Launch, Pointer, Step, Timing
from gyral.core.errors import DeviceError, DeviceErrorKind, StateError, UnsupportedError
from gyral.drivers.webgpu import link
from gyral.drivers.webgpu.driver import WebGpuDriver, open_webgpu
from gyral.drivers.webgpu.identity import count

pytestmark = pytest.mark.skipif(count() == 0, reason="no WebGPU adapter here")


@pytest.fixture
def driver() -> Iterator[WebGpuDriver]:
    """A driver of the first adapter, of its own."""
    made = open_webgpu(0, features=())
    yield made
    made.close()


def put(driver: WebGpuDriver, data: np.ndarray) -> tuple[object, Pointer]:
    """An array in the driver's memory."""
    memory = driver.allocate(max(data.nbytes, 4))
    address = driver.address(memory)
    driver.copy_in(None, address, memoryview(data).cast("B"))
    return memory, Pointer(address, data.shape, data.strides)


def get(driver: WebGpuDriver, pointer: Pointer, dtype: str = "f4") -> np.ndarray:
    """An array's elements, behind all work."""
    found = np.empty(pointer.shape, dtype)
    driver.copy_out(None, memoryview(found).cast("B"), pointer.address)
    return found


def bits(value: float) -> Bits:
    """A float argument."""
    return Bits(int(np.float32(value).view("u4")))


@pytest.mark.parametrize("size", [1, 63, 64, 65, 1000, 100_000])
def test_saxpy_gives_what_numpy_gives(driver: WebGpuDriver, size: int) -> None:
    """A launch writes each element of its shape and none beyond."""
    x, y = np.arange(size, dtype="f4"), np.ones(size, "f4")
    _, px = put(driver, x)
    _, py = put(driver, y)
    driver.launch(None, driver.load(saxpy()), Launch((size,), [bits(2.0), px, py]))
    assert get(driver, py).tolist() == (2 * x + y).tolist()


def test_a_grid_over_the_limit_is_folded(driver: WebGpuDriver) -> None:
    """More blocks than one axis holds are counted along two."""
    size = 65535 * 64 + 100
    x, y = np.ones(size, "f4"), np.zeros(size, "f4")
    _, px = put(driver, x)
    _, py = put(driver, y)
    driver.launch(None, driver.load(saxpy()), Launch((size,), [bits(3.0), px, py]))
    assert int((get(driver, py) == 3).sum()) == size


def test_launches_of_a_queue_run_in_order(driver: WebGpuDriver) -> None:
    """A hundred launches, put without waiting, all happened when the mark behind them is reached."""
    _, px = put(driver, np.zeros(256, "u4"))
    program, queue = driver.load(bump()), driver.queue()
    for number in range(100):
        driver.launch(queue, program, Launch((256,), [px, Bits(number)]))
    driver.wait(driver.mark(queue))
    assert get(driver, px, "u4").tolist() == [4950] * 256


def test_a_copy_to_the_device_waits_its_turn(driver: WebGpuDriver) -> None:
    """Bytes copied in after launches are not seen by them."""
    _, px = put(driver, np.zeros(64, "u4"))
    program, queue = driver.load(bump()), driver.queue()
    for _ in range(5):
        driver.launch(queue, program, Launch((64,), [px, Bits(1)]))
    driver.copy_in(queue, px.address, memoryview(np.full(64, 100, "u4")).cast("B"))
    driver.launch(queue, program, Launch((64,), [px, Bits(1)]))
    driver.wait(driver.mark(queue))
    assert get(driver, px, "u4").tolist() == [101] * 64


def test_bytes_copied_out_on_a_queue_are_of_that_moment(driver: WebGpuDriver) -> None:
    """A read-back between two launches gives what the first left."""
    _, px = put(driver, np.zeros(64, "u4"))
    program, queue = driver.load(bump()), driver.queue()
    found = np.empty(64, "u4")
    driver.launch(queue, program, Launch((64,), [px, Bits(1)]))
    driver.copy_out(queue, memoryview(found).cast("B"), px.address)
    driver.launch(queue, program, Launch((64,), [px, Bits(1)]))
    driver.wait(driver.mark(queue))
    assert found.tolist() == [1] * 64


@pytest.mark.parametrize(
    "start, stop", [(0, 1), (1, 2), (3, 4), (1, 4), (2, 9), (5, 5), (0, 64), (63, 200), (7, 255)]
)
def test_bytes_are_copied_exactly(driver: WebGpuDriver, start: int, stop: int) -> None:
    """A copy of any bytes touches those bytes alone, both ways."""
    rng = np.random.default_rng(start)
    host = rng.integers(0, 256, 256).astype("u1")
    _, pointer = put(driver, host)
    new = rng.integers(0, 256, stop - start).astype("u1")
    driver.copy_in(None, pointer.address + start, memoryview(new))
    host[start:stop] = new
    part = np.empty(stop - start, "u1")
    driver.copy_out(None, memoryview(part), pointer.address + start)
    assert (get(driver, pointer, "u1").tolist(), part.tolist()) == (host.tolist(), new.tolist())


def test_threads_read_back_side_by_side(driver: WebGpuDriver) -> None:
    """A thread that waits for bytes is not held up when another thread takes them off the wire."""
    _, pointer = put(driver, np.arange(64, dtype="f4"))
    wrong: list[object] = []

    def read() -> None:
        try:
            wrong.extend(1 for _ in range(60) if get(driver, pointer)[63] != 63)
        except DeviceError as error:
            wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    "target, source, size", [(0, 128, 64), (4, 132, 60), (1, 128, 7), (130, 3, 50), (2, 1, 1), (3, 200, 56)]
)
@pytest.mark.parametrize("same", [True, False])
def test_copies_on_the_device(driver: WebGpuDriver, target: int, source: int, size: int, same: bool) -> None:
    """Bytes are copied between and inside buffers, wherever they begin."""
    rng = np.random.default_rng(7)
    a, b = (rng.integers(0, 256, 256).astype("u1") for _ in range(2))
    _, pa = put(driver, a)
    _, pb = (None, pa) if same else put(driver, b)
    driver.copy(None, pa.address + target, pb.address + source, size)
    a[target : target + size] = (a if same else b)[source : source + size].copy()
    assert get(driver, pa, "u1").tolist() == a.tolist()


@pytest.mark.parametrize("width", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("start", [0, 16, 34])
def test_fills_repeat_a_pattern(driver: WebGpuDriver, width: int, start: int) -> None:
    """A pattern of each width is repeated over exactly the bytes asked for."""
    host = np.zeros(256, "u1")
    _, pointer = put(driver, host)
    pattern = bytes(range(1, width + 1))
    driver.fill(None, pointer.address + start, pattern, 96)
    host[start : start + 96] = list(pattern) * (96 // width)
    assert get(driver, pointer, "u1").tolist() == host.tolist()


def test_a_fill_with_zero_clears(driver: WebGpuDriver) -> None:
    """Zeros over whole words are the device's own command."""
    _, pointer = put(driver, np.arange(64, dtype="u4"))
    driver.fill(None, pointer.address + 16, b"\0", 32)
    assert get(driver, pointer, "u4").tolist() == [0, 1, 2, 3, *[0] * 8, *range(12, 64)]


def test_a_graph_runs_without_the_native_module(
    driver: WebGpuDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the native module could not be built, Python puts a graph's launches on the device."""
    monkeypatch.setattr(link.native, "module", None)
    _, px = put(driver, np.zeros(64, "u4"))
    program = driver.load(bump())
    graph = driver.record([Step(program, Launch((64,), [px, Bits(n)]), ()) for n in (1, 2)])
    driver.replay(None, graph)
    assert get(driver, px, "u4").tolist() == [3] * 64


def test_a_graph_runs_again_with_other_arguments(driver: WebGpuDriver) -> None:
    """Recorded steps run in order each time; a step given new arguments uses them from then on."""
    _, px = put(driver, np.zeros(64, "u4"))
    _, py = put(driver, np.zeros(64, "u4"))
    program, queue = driver.load(bump()), driver.queue()
    graph = driver.record([Step(program, Launch((64,), [px, Bits(n)]), ()) for n in (1, 2)])
    driver.replay(queue, graph)
    driver.replace(graph, 1, Launch((64,), [py, Bits(10)]))
    driver.replay(queue, graph)
    driver.wait(driver.mark(queue))
    assert (get(driver, px, "u4")[0], get(driver, py, "u4")[0]) == (4, 10)


def test_powers_are_found(driver: WebGpuDriver) -> None:
    """The driver copies on the device, records graphs, and times where the adapter has a clock."""
    assert isinstance(driver, DeviceCopies)
    assert isinstance(driver, Graphs)


def test_the_clock_advances(driver: WebGpuDriver) -> None:
    """Between marks around work the device's clock goes on."""
    if not isinstance(driver, Timing):
        pytest.skip("this adapter has no clock")
    _, px = put(driver, np.zeros(1 << 20, "u4"))
    program, queue = driver.load(bump()), driver.queue()
    first = driver.timed_mark(queue)
    driver.launch(queue, program, Launch((1 << 20,), [px, Bits(1)]))
    second = driver.timed_mark(queue)
    driver.wait(second)
    assert 0 < driver.elapsed_ms(first, second) < 60_000


def test_done_is_called_behind_the_launch(driver: WebGpuDriver) -> None:
    """What a launch asks to be called finds its result there, and its failure reaches the waiter."""
    _, px = put(driver, np.zeros(64, "u4"))
    program, queue = driver.load(bump()), driver.queue()

    def done() -> None:
        raise DeviceError(f"found {get(driver, px, 'u4')[0]}")

    driver.launch(queue, program, Launch((64,), [px, Bits(5)], done=done))
    with pytest.raises(DeviceError, match="found 5"):
        driver.wait(driver.mark(queue))


def test_an_empty_launch_does_nothing(driver: WebGpuDriver) -> None:
    """No threads, no dispatch."""
    _, px = put(driver, np.zeros(64, "u4"))
    driver.launch(None, driver.load(bump()), Launch((0,), [px, Bits(5)]))
    assert get(driver, px, "u4").tolist() == [0] * 64


def test_wrong_wgsl_is_a_programmers_error(driver: WebGpuDriver) -> None:
    """The compiler's words are in the message."""
    with pytest.raises(DeviceError, match="nonsense") as caught:
        driver.load(saxpy("@compute @workgroup_size(64) fn gyral_kernel() { nonsense(); }"))
    assert caught.value.kind is DeviceErrorKind.PROGRAMMER


def test_too_much_memory_is_refused(driver: WebGpuDriver) -> None:
    """More than one binding holds is refused with the limit."""
    with pytest.raises(DeviceError, match="takes at most") as caught:
        driver.allocate(1 << 40)
    assert caught.value.kind is DeviceErrorKind.RESOURCE


def test_memory_is_freed_once(driver: WebGpuDriver) -> None:
    """Freeing twice is a StateError, and a freed address is nobody's."""
    memory = driver.allocate(64)
    address = driver.address(memory)
    driver.free(memory)
    with pytest.raises(StateError, match="freed before"):
        driver.free(memory)
    with pytest.raises(StateError, match="no memory"):
        driver.copy_in(None, address, memoryview(b"1234"))


def test_code_for_other_devices_is_refused(driver: WebGpuDriver) -> None:
    """An artifact that uses more than the device has is refused by name."""
    from dataclasses import replace

    artifact = bump()
    signature = replace(artifact.signature, shared_bytes=1 << 24)
    with pytest.raises(UnsupportedError, match="bytes of shared memory"):
        driver.load(replace(artifact, signature=signature))
    options = replace(artifact.signature.options, features=("i64",))
    with pytest.raises(UnsupportedError, match="i64"):
        driver.load(replace(artifact, signature=replace(artifact.signature, options=options)))


def test_a_lost_device_is_opened_anew(driver: WebGpuDriver) -> None:
    """The first call fails for good, later ones work, and what was lost says so."""
    _, px = put(driver, np.zeros(64, "u4"))
    program, queue = driver.load(bump()), driver.queue()
    driver._engine._session.link.device.destroy()
    with pytest.raises(DeviceError, match="lost") as caught:
        driver.launch(queue, program, Launch((64,), [px, Bits(5)]))
    assert caught.value.kind is DeviceErrorKind.FATAL
    with pytest.raises(DeviceError, match="make arrays and graphs anew"):
        driver.launch(None, program, Launch((64,), [px, Bits(5)]))
    _, py = put(driver, np.zeros(64, "u4"))
    driver.launch(None, program, Launch((64,), [py, Bits(5)]))
    assert get(driver, py, "u4").tolist() == [5] * 64


def test_an_interrupt_while_wgpu_calls_back_is_raised(
    driver: WebGpuDriver, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C in the middle of wgpu's call reaches whoever waits, in silence, and the device goes on."""
    _, px = put(driver, np.zeros(64, "u4"))
    program, links = driver.load(bump()), link._links

    class Interrupted:
        def get(self, number: int) -> None:
            monkeypatch.setattr(link, "_links", links)
            raise KeyboardInterrupt

    monkeypatch.setattr(link, "_links", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        driver.launch(None, program, Launch((64,), [px, Bits(5)]))
    assert get(driver, px, "u4").tolist() == [5] * 64
    assert capfd.readouterr().err == ""


def test_work_that_does_not_end_is_given_up(driver: WebGpuDriver) -> None:
    """Past its deadline the device is left to the work; the next call has a new one with no old memory."""
    _, px = put(driver, np.zeros(64, "u4"))
    program, slow, queue = driver.load(bump()), driver.load(churn()), driver.queue()
    driver.launch(queue, program, Launch((64,), [px, Bits(5)]))
    in_time = driver.wait_until(driver.mark(queue), 60)
    driver.launch(queue, slow, Launch((20_000,), [px]))
    late = driver.wait_until(driver.mark(queue), 1e-4)
    assert (in_time, late) == (True, False)
    assert "cannot stop it" in driver.abandon(queue)
    with pytest.raises(DeviceError, match="make arrays and graphs anew"):
        driver.launch(None, program, Launch((64,), [px, Bits(5)]))
    _, py = put(driver, np.zeros(64, "u4"))
    driver.launch(None, program, Launch((64,), [py, Bits(5)]))
    assert get(driver, py, "u4").tolist() == [5] * 64


def test_a_closed_driver_says_so() -> None:
    """Closing twice is harmless; anything else afterwards is a StateError."""
    driver = open_webgpu(0)
    driver.close()
    driver.close()
    with pytest.raises(StateError, match="closed"):
        driver.allocate(64)


def test_there_is_no_adapter_of_that_number() -> None:
    """A number beyond the last adapter is refused with the last one's."""
    with pytest.raises(UnsupportedError, match="the last is webgpu"):
        open_webgpu(99)


def test_looking_for_devices_is_silent() -> None:
    """Nothing is printed, with or without a directory for sockets."""
    code = "from gyral.drivers.webgpu.driver import open_webgpu; open_webgpu(0).close()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert (done.stdout, done.stderr) == ("", "")
