"""The Metal driver over a stand-in for Metal's objects, which is as late as a device may be."""

import sys
from collections.abc import Iterator

import numpy as np
import pytest
from tests.msl import objects, shim

from gyral.core import driver as powers
from gyral.core.artifact import ArrayParameter, Artifact, CompileOptions, ScalarParameter, Signature
from gyral.core.driver import Bits, Launch, Pointer, Step
from gyral.core.dtypes import f32, f64, i32
from gyral.core.errors import DeviceError, DeviceErrorKind, InternalError, StateError, UnsupportedError
from gyral.drivers.metal import framework
from gyral.drivers.metal.capabilities import features_of
from gyral.drivers.metal.driver import MetalDriver, open_metal
from gyral.drivers.metal.identity import count, identity
from gyral.drivers.metal.program import Program

pytestmark = pytest.mark.skipif(
    shim.compiler() is None, reason="no C++ compiler with _Float16: install g++ 12"
)

# y[i] = 2 * y[i] + a over 256 threads a block: slots 7 address, 8 extent, 9 stride, 10 scalar.
TEXT = """#include <metal_stdlib>
using namespace metal;
struct Slots { long s[11]; };
kernel void gyral_kernel(device uchar *m0 [[buffer(0)]], constant Slots &p [[buffer(1)]],
                         uint3 block [[threadgroup_position_in_grid]],
                         uint3 at [[thread_position_in_threadgroup]]) {
    long i = (long)block.x * 256 + at.x;
    if (i >= p.s[2]) return;
    device int *y = (device int *)(m0 + p.s[7] + i * p.s[9]);
    *y = 2 * *y + (int)p.s[10];
}
"""
OPTIONS = CompileOptions(block=(256,))
PARAMETERS = (ArrayParameter("y", i32, 1, True, True), ScalarParameter("a", i32))
SIGNATURE = Signature("step", 1, PARAMETERS, OPTIONS, item=(1, 1, 256))
N = 1000


@pytest.fixture
def metal() -> objects.Metal:
    """A machine with one device."""
    return objects.Metal()


@pytest.fixture
def driver(metal: objects.Metal) -> Iterator[MetalDriver]:
    """The driver of its device."""
    made = MetalDriver(metal, metal.devices[0])
    yield made
    metal.devices[0].fail = None
    made.close()


@pytest.fixture
def program(driver: MetalDriver) -> Program:
    """The kernel above."""
    return driver.load(Artifact("msl", TEXT.encode(), 0, SIGNATURE))


def array(driver: MetalDriver, values: np.ndarray) -> int:
    """The address of fresh memory with these values."""
    address = driver.address(driver.allocate(values.nbytes))
    driver.copy_in(None, address, memoryview(values))
    return address


def step(address: int, a: int, count: int = N) -> Launch:
    """A launch of the kernel over an array."""
    return Launch((count,), [Pointer(address, (count,), (4,)), Bits(a)])


def read(driver: MetalDriver, address: int, count: int = N) -> list[int]:
    """What is at an address now."""
    out = np.zeros(count, np.int32)
    driver.copy_out(None, memoryview(out), address)
    return out.tolist()


def test_a_launch_runs_to_its_end_without_a_queue(driver: MetalDriver, program: Program) -> None:
    """A launch on no queue is done when it returns, for all threads and no others."""
    address = array(driver, np.arange(N, dtype=np.int32))
    driver.launch(None, program, step(address, 1, 700))
    assert read(driver, address) == [2 * i + 1 if i < 700 else i for i in range(N)]


def test_queued_work_runs_in_order_and_is_seen_after_waiting(driver: MetalDriver, program: Program) -> None:
    """Copies and launches of one queue see one another's results, also at odd addresses."""
    queue = driver.queue()
    address = driver.address(driver.allocate(4 * N + 3))
    start, out = np.arange(N, dtype=np.int32), np.zeros(N, np.int32)
    driver.copy_in(queue, address, memoryview(start))
    driver.launch(queue, program, step(address, 3))
    driver.copy(queue, address + 1, address + 4 * 500, 3)
    driver.copy_out(queue, memoryview(out), address)
    driver.launch(queue, program, step(address, 0))
    driver.wait(driver.mark(queue))
    expected = 2 * start + 3
    expected.view(np.uint8)[1:4] = expected.view(np.uint8)[2000:2003]
    assert out.tolist() == expected.tolist()


def test_a_queue_begins_after_a_mark_of_another(driver: MetalDriver, program: Program) -> None:
    """Work put after `after` sees what the other queue did before its mark."""
    first, second = driver.queue(), driver.queue()
    address = array(driver, np.zeros(N, np.int32))
    driver.launch(first, program, step(address, 5))
    driver.after(second, driver.mark(first))
    driver.launch(second, program, step(address, 1))
    driver.wait(driver.mark(second))
    assert read(driver, address) == [11] * N


def test_a_mark_stands_behind_what_its_queue_waits_for(driver: MetalDriver, program: Program) -> None:
    """Waiting for a queue that only waits for another waits for that one."""
    first, second = driver.queue(), driver.queue()
    address = array(driver, np.zeros(N, np.int32))
    driver.launch(first, program, step(address, 5))
    driver.after(second, driver.mark(first))
    driver.wait(driver.mark(second))
    assert read(driver, address) == [5] * N


@pytest.mark.parametrize("pattern", [b"\0", b"\7", b"\1\2", b"\1\2\3\4", bytes(range(8)), bytes(range(16))])
@pytest.mark.parametrize("offset", [0, 4, 16])
def test_fill_repeats_a_pattern(driver: MetalDriver, pattern: bytes, offset: int) -> None:
    """A pattern of any size fills a range and nothing beside it."""
    address = array(driver, np.zeros(32, np.int32))
    driver.fill(None, address + offset, pattern, 64)
    expected = bytes(offset) + pattern * (64 // len(pattern)) + bytes(64 - offset)
    assert np.array(read(driver, address, 32), np.int32).tobytes() == expected


def test_a_graph_replays_its_steps_and_takes_new_arguments(driver: MetalDriver, program: Program) -> None:
    """A replay runs all steps in order; a replaced step runs with its new arguments."""
    queue, address = driver.queue(), array(driver, np.zeros(N, np.int32))
    graph = driver.record([Step(program, step(address, 1)), Step(program, step(address, 2), (0,))])
    driver.replay(queue, graph)
    driver.replace(graph, 0, step(address, 10))
    driver.replay(queue, graph)
    driver.wait(driver.mark(queue))
    assert read(driver, address) == [2 * (2 * 4 + 10) + 2] * N


def test_timed_marks_measure_what_lies_between(driver: MetalDriver, program: Program) -> None:
    """The device's clock goes on between two timed marks."""
    queue, address = driver.queue(), array(driver, np.zeros(N, np.int32))
    before = driver.timed_mark(queue)
    driver.launch(queue, program, step(address, 1))
    after = driver.timed_mark(queue)
    driver.wait(after)
    assert driver.elapsed_ms(before, after) == pytest.approx(3.0)


def test_a_failure_reaches_the_next_call_on_its_queue(
    driver: MetalDriver, program: Program, metal: objects.Metal
) -> None:
    """A command buffer that failed is reported once, with its kind, and the queue goes on."""
    queue, address = driver.queue(), array(driver, np.zeros(N, np.int32))
    metal.devices[0].fail = objects.Error("page fault", 3)
    driver.launch(queue, program, step(address, 1))
    with pytest.raises(DeviceError, match=r"memory that is not there.*page fault") as caught:
        driver.wait(driver.mark(queue))
    driver.launch(queue, program, step(address, 1))
    driver.wait(driver.mark(queue))
    assert (caught.value.kind, read(driver, address)) == (DeviceErrorKind.PROGRAMMER, [1] * N)


def test_writing_beside_a_buffer_is_noticed(driver: MetalDriver, program: Program) -> None:
    """The stand-in tells when a kernel writes past its array, so that tests see wrong code."""
    address = array(driver, np.zeros(10, np.int32))
    with pytest.raises(DeviceError, match="beside the buffers"):
        driver.launch(None, program, step(address, 1, 12))


def test_done_is_called_behind_the_launch(driver: MetalDriver, program: Program) -> None:
    """What a launch wants done after it is done when the launch was waited for; its failure is a failure."""
    queue, address = driver.queue(), array(driver, np.zeros(N, np.int32))

    def done() -> None:
        raise KeyError("done")

    driver.launch(queue, program, Launch((N,), [Pointer(address, (N,), (4,)), Bits(1)], done=done))
    with pytest.raises(KeyError, match="done"):
        driver.wait(driver.mark(queue))


def test_waiting_with_a_limit_says_whether_the_mark_was_reached(
    driver: MetalDriver, program: Program
) -> None:
    """`wait_until` comes back with True once the work is done."""
    queue, address = driver.queue(), array(driver, np.zeros(N, np.int32))
    driver.launch(queue, program, step(address, 1))
    assert driver.wait_until(driver.mark(queue), 1.0)


def test_an_abandoned_queue_takes_no_work(driver: MetalDriver, program: Program) -> None:
    """Once given up, a queue is closed."""
    queue, address = driver.queue(), array(driver, np.zeros(N, np.int32))
    text = driver.abandon(queue)
    with pytest.raises(StateError, match="closed"):
        driver.launch(queue, program, step(address, 1))
    assert "until macOS ends it" in text


def test_freed_memory_is_not_reached(driver: MetalDriver, program: Program) -> None:
    """An address whose memory was freed, or that is past its end, is refused by name."""
    memory = driver.allocate(4 * N)
    address = driver.address(memory)
    with pytest.raises(StateError, match="in no memory of metal"):
        driver.copy_in(None, address + 4, memoryview(bytes(4 * N)))
    driver.free(memory)
    with pytest.raises(StateError, match="in no memory of metal"):
        driver.launch(None, program, step(address, 1))
    with pytest.raises(StateError, match="freed before"):
        driver.free(memory)


def test_memory_that_is_not_there_is_a_resource_error(driver: MetalDriver, metal: objects.Metal) -> None:
    """A buffer that Metal does not give is a failure that freeing may help."""
    metal.devices[0].buffer_limit = 1000
    with pytest.raises(DeviceError, match="no 2000 bytes") as caught:
        driver.allocate(2000)
    assert caught.value.kind is DeviceErrorKind.RESOURCE


def test_programs_that_the_device_cannot_run_are_refused(driver: MetalDriver, metal: objects.Metal) -> None:
    """Too much on-chip memory, too many threads, wrong text and wrong form are told apart."""

    def load(form: str = "msl", text: str = TEXT, shared: int = 0) -> None:
        signature = Signature("step", 1, PARAMETERS, OPTIONS, item=(1, 1, 256), shared_bytes=shared)
        driver.load(Artifact(form, text.encode(), 0, signature))

    with pytest.raises(UnsupportedError, match=r"65536 bytes of shared memory per block, .* has 32768"):
        load(shared=65536)
    with pytest.raises(InternalError, match="does not compile a kernel: no kernel"):
        load(text="void f();")
    with pytest.raises(InternalError, match="runs MSL, not 'wgsl'"):
        load(form="wgsl")
    metal.devices[0].block_limit = 128
    with pytest.raises(UnsupportedError, match=r"blocks of 256 threads .* at most 128"):
        load()


def test_many_arguments_go_through_a_buffer(driver: MetalDriver) -> None:
    """Slots beyond the 4096 bytes that Metal takes inline arrive as well."""
    more = tuple(ScalarParameter(f"b{k}", i32) for k in range(600))
    signature = Signature("step", 1, (*PARAMETERS, *more), OPTIONS, item=(1, 1, 256))
    text = TEXT.replace("s[11]", "s[611]").replace("p.s[10]", "p.s[610]")
    program = driver.load(Artifact("msl", text.encode(), 0, signature))
    address = array(driver, np.zeros(4, np.int32))
    given = [Pointer(address, (4,), (4,)), *(Bits(k) for k in range(601))]
    driver.launch(None, program, Launch((4,), given))
    assert read(driver, address, 4) == [600] * 4


def test_a_mark_that_is_not_reached_in_time_is_told(driver: MetalDriver, metal: objects.Metal) -> None:
    """`wait_until` gives up on work that does not end; a closed queue has no marks."""
    queue = driver.queue()
    mark = driver.timed_mark(queue)
    metal.devices[0].stuck = True
    assert not driver.wait_until(mark, 0.001)
    driver.abandon(queue)
    with pytest.raises(StateError, match="closed"):
        driver.mark(queue)


def test_a_pipeline_that_is_not_made_is_a_resource_error(driver: MetalDriver, metal: objects.Metal) -> None:
    """Metal's words on why there is no pipeline reach the caller."""
    metal.devices[0].refuses = objects.Error("too many registers")
    with pytest.raises(DeviceError, match="no pipeline of a kernel: too many registers"):
        driver.load(Artifact("msl", TEXT.encode(), 0, SIGNATURE))


def test_more_arrays_than_bindings_are_refused(driver: MetalDriver) -> None:
    """Metal binds 31 buffers, one of which holds the slots."""
    arrays = tuple(ArrayParameter(f"y{k}", f32, 1, True, True) for k in range(31))
    with pytest.raises(UnsupportedError, match="takes 31 arrays; Metal binds 31 buffers"):
        driver.load(Artifact("msl", TEXT.encode(), 0, Signature("many", 1, arrays, OPTIONS)))


def test_capabilities_are_asked_of_the_device(driver: MetalDriver) -> None:
    """No f64; simdgroups count because a probe found them in linear order."""
    caps = driver.capabilities
    assert f64 not in caps.dtypes
    assert caps.features == ("f32_atomics", "msl_3.2", "subgroups:32")
    assert (caps.max_block, caps.shared_bytes, caps.unified) == (1024, 32768, False)


def test_simdgroups_in_another_order_are_not_used() -> None:
    """Where the probe finds lanes elsewhere than in linear order, subgroups stay emulated."""
    metal = objects.Metal()
    metal.devices[0].dry = True
    assert "subgroups:32" not in features_of(metal, metal.devices[0])


def test_the_driver_has_the_optional_powers(driver: MetalDriver) -> None:
    """Timing, copies on the device, graphs and deadlines are found by their protocols."""
    found = (powers.Timing, powers.DeviceCopies, powers.Graphs, powers.Deadlines)
    assert [isinstance(driver, power) for power in found] == [True] * 4


def test_a_closed_driver_refuses_work(driver: MetalDriver) -> None:
    """Closing finishes pending work and may be repeated; nothing starts afterwards."""
    driver.queue()
    driver.close()
    driver.close()
    with pytest.raises(StateError, match="metal is closed"):
        driver.allocate(4)


def test_the_default_device_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Device 0 is the system's default; a number beyond the devices is refused."""
    metal = objects.Metal(2)
    monkeypatch.setattr(framework, "load", lambda: metal)
    monkeypatch.setattr(framework, "present", lambda: True)
    assert [d.registryID() for d in framework.devices(metal)] == [1, 2]
    assert (count(), open_metal(1).name) == (2, "metal:1")
    with pytest.raises(UnsupportedError, match="no metal:2; this machine has 2"):
        open_metal(2)


def test_a_machine_without_a_device_has_none() -> None:
    """Metal may be there without a device that it drives."""
    assert framework.devices(objects.Metal(0)) == []


@pytest.mark.skipif(sys.platform == "darwin", reason="this machine has Metal")
def test_elsewhere_than_on_a_mac_metal_is_refused_quietly() -> None:
    """Counting finds nothing, opening says why."""
    assert (count(), identity()) == (0, "metal")
    with pytest.raises(UnsupportedError, match="macOS alone"):
        open_metal(0)


def test_a_mac_without_bindings_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing PyObjC names the extra."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setitem(sys.modules, "Metal", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'gyral\[metal\]'"):
        framework.load()
