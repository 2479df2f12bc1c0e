"""The OpenCL driver by itself: memory, copies, launches and graphs of hand-written kernels."""

import gc
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from tests.opencl_kernels import RECORDED, SCALE, SLOW, artifact, launch, slow

from gyral.core.driver import Deadlines, DeviceCopies, Graphs, HostMemory, Launch, Pointer, Step, Timing
from gyral.core.errors import (
    DeviceError,
    DeviceErrorKind,
    InternalError,
    StateError,
    UnsupportedError,
    UserError,
)
from gyral.drivers.opencl import identity
from gyral.drivers.opencl.driver import OpenclDriver, open_opencl
from gyral.drivers.opencl.memory import SHIFT, Memory

pytestmark = pytest.mark.skipif(identity.count() == 0, reason="no OpenCL device is installed here")
N = 1000


class Bench:
    """A driver with two arrays of N f32 numbers: x counts from 0, y is to be written."""

    def __init__(self, driver: OpenclDriver) -> None:
        self.driver = driver
        self.held = [driver.allocate(4 * N) for _ in range(2)]
        self.x, self.y = (driver.address(memory) for memory in self.held)
        driver.copy_in(None, self.x, memoryview(np.arange(N, dtype=np.float32)))

    def read(self, address: int, count: int = N) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        found = np.empty(count, np.float32)
        self.driver.copy_out(None, memoryview(found), address)
        return found


@pytest.fixture
def bench() -> Iterator[Bench]:
    driver = open_opencl(0)
    yield Bench(driver)
    driver.close()


def test_a_launch_computes(bench: Bench) -> None:
    """A kernel reads and writes the arrays it is given, at its own length."""
    bench.driver.launch(None, bench.driver.load(artifact(SCALE)), launch(bench.x, bench.y, N))
    np.testing.assert_array_equal(bench.read(bench.y), 3 * np.arange(N, dtype=np.float32))


def test_addresses_count_into_memory(bench: Bench) -> None:
    """An address inside an allocation is a byte offset, for launches as for copies."""
    program = bench.driver.load(artifact(SCALE))
    bench.driver.launch(None, program, launch(bench.x + 40, bench.y + 400, 10, 2.0))
    np.testing.assert_array_equal(bench.read(bench.y + 400, 10), 2 * np.arange(10, 20, dtype=np.float32))


def test_a_grid_over_the_limit_is_folded(bench: Bench) -> None:
    """With few blocks per axis a launch runs over three, and computes the same."""
    driver = bench.driver
    driver.capabilities = replace(driver.capabilities, max_grid=(3, 3, 2))
    driver.launch(None, driver.load(artifact(SCALE)), launch(bench.x, bench.y, N))
    np.testing.assert_array_equal(bench.read(bench.y), 3 * np.arange(N, dtype=np.float32))


def test_work_on_a_queue_is_in_order(bench: Bench) -> None:
    """Launches and copies of one queue see what those before them wrote."""
    driver, queue = bench.driver, bench.driver.queue()
    program = driver.load(artifact(SCALE))
    found = np.empty(N, np.float32)
    driver.launch(queue, program, launch(bench.x, bench.y, N, 2.0))
    driver.launch(queue, program, launch(bench.y, bench.x, N, 5.0))
    driver.copy_out(queue, memoryview(found), bench.x)
    driver.wait(driver.mark(queue))
    np.testing.assert_array_equal(found, 10 * np.arange(N, dtype=np.float32))


def test_a_queue_waits_for_another(bench: Bench) -> None:
    """Work behind a mark of another queue sees what that queue wrote."""
    driver = bench.driver
    first, second = driver.queue(), driver.queue()
    slowly, scale = driver.load(artifact(SLOW)), driver.load(artifact(SCALE))
    driver.launch(first, slowly, slow(bench.x, bench.y))
    driver.after(second, driver.mark(first))
    driver.launch(second, scale, launch(bench.y, bench.x, 1, 4.0))
    driver.wait(driver.mark(second))
    assert bench.read(bench.x, 1).tolist() == [4.0]


def test_a_mark_is_behind_what_its_queue_waits_for(bench: Bench) -> None:
    """A queue that only waits for another has marks that do so too."""
    driver = bench.driver
    first, second = driver.queue(), driver.queue()
    driver.launch(first, driver.load(artifact(SLOW)), slow(bench.x, bench.y))
    driver.after(second, driver.mark(first))
    driver.wait(driver.mark(second))
    assert bench.read(bench.y, 1).tolist() == [1.0]


def test_what_is_queued_keeps_what_it_uses(bench: Bench) -> None:
    """The objects of a launch live until it is done, even when its queue is dropped before."""

    class Held:
        pass

    driver, queue = bench.driver, bench.driver.queue()
    held = Held()
    driver.launch(queue, driver.load(artifact(SLOW)), replace(slow(bench.x, bench.y), keep=(held,)))
    mark = driver.mark(queue)
    del queue
    gc.collect()
    assert len(gc.get_referrers(held)) > 0
    driver.wait(mark)
    assert not [r for r in gc.get_referrers(held) if isinstance(r, tuple)]


def test_launches_of_nothing_do_nothing(bench: Bench) -> None:
    """A launch with an extent of 0 runs no thread and still tells that it is done."""
    told: list[int] = []
    bench.driver.launch(
        None,
        bench.driver.load(artifact(SCALE)),
        replace(launch(bench.x, bench.y, 0), done=lambda: told.append(1)),
    )
    assert told == [1]


def test_threads_share_a_program(bench: Bench) -> None:
    """Threads that launch one program at once do not see one another's arguments."""
    driver, program = bench.driver, bench.driver.load(artifact(SCALE))
    targets = [driver.allocate(4 * N) for _ in range(4)]

    def work(number: int) -> None:
        queue = driver.queue()
        for _ in range(20):
            driver.launch(queue, program, launch(bench.x, targets[number].base, N, float(number)))
        driver.wait(driver.mark(queue))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [bench.read(m.base)[10] for m in targets] == [0.0, 10.0, 20.0, 30.0]


def test_the_record_is_an_argument(bench: Bench) -> None:
    """A kernel with checks gets its record behind its arrays, and must be given one."""
    driver = bench.driver
    program = driver.load(artifact(RECORDED, sites=1))
    words = np.array([0, 0xFFFFFFFF], np.uint32)
    record = driver.allocate(8)
    driver.copy_in(None, record.base, memoryview(words))
    plain = Launch((10,), (Pointer(bench.x, (N,), (4,)),))
    driver.launch(None, program, replace(plain, record=Pointer(record.base, (2,), (4,))))
    driver.copy_out(None, memoryview(words), record.base)
    assert words.tolist() == [0, 5]
    with pytest.raises(InternalError, match="without a record"):
        driver.launch(None, program, plain)


def test_the_device_copies_and_fills(bench: Bench) -> None:
    """Memory is filled with a pattern and copied without the host."""
    driver, queue = bench.driver, bench.driver.queue()
    assert isinstance(driver, DeviceCopies)
    driver.fill(queue, bench.y, np.float32(2.5).tobytes(), 4 * N)
    driver.copy(queue, bench.x + 8, bench.y, 40)
    driver.wait(driver.mark(queue))
    assert bench.read(bench.x, 14).tolist() == [0, 1, *[2.5] * 10, 12, 13]


def test_fills_are_aligned(bench: Bench) -> None:
    """A pattern that does not begin at a multiple of its length is refused, as OpenCL cannot do it."""
    with pytest.raises(InternalError, match="not aligned"):
        bench.driver.fill(None, bench.x + 4, bytes(8), 16)


def test_marks_tell_the_time(bench: Bench) -> None:
    """The device's clock between two timed marks counts the work between them."""
    driver, queue = bench.driver, bench.driver.queue()
    assert isinstance(driver, Timing)
    program = driver.load(artifact(SLOW))
    first = driver.timed_mark(queue)
    driver.launch(queue, program, slow(bench.x, bench.y))
    second = driver.timed_mark(queue)
    driver.wait(second)
    assert 1 < driver.elapsed_ms(first, second) < 5000


def test_pinned_memory_is_copied_to(bench: Bench) -> None:
    """Host memory of the driver takes copies from the device and outlives the view it was asked by."""
    assert isinstance(bench.driver, HostMemory)
    queue = bench.driver.queue()
    host = np.frombuffer(bench.driver.pinned(4 * N), np.float32)
    gc.collect()
    bench.driver.copy_out(queue, memoryview(host), bench.x)
    bench.driver.wait(bench.driver.mark(queue))
    np.testing.assert_array_equal(host, np.arange(N, dtype=np.float32))


def test_a_wait_may_end_before_the_work(bench: Bench) -> None:
    """wait_until gives up in time, says so, and says when the mark was reached after all."""
    driver, queue = bench.driver, bench.driver.queue()
    assert isinstance(driver, Deadlines)
    driver.launch(queue, driver.load(artifact(SLOW)), slow(bench.x, bench.y, 50_000_000))
    mark = driver.mark(queue)
    assert not driver.wait_until(mark, 0.001)
    assert driver.wait_until(mark, 60)


class Rung(Exception):
    """What the alarm of the next test raises."""


def test_a_wait_ends_when_a_signal_handler_raises(bench: Bench) -> None:
    """The work goes on, and who waits for it again sees it done; other waits in between are not held up."""

    def ring(number: int, frame: object) -> None:
        raise Rung

    def wait_for_alarm() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.002)
        driver.wait(driver.mark(queue))

    driver, queue, other = bench.driver, bench.driver.queue(), bench.driver.queue()
    before = signal.signal(signal.SIGALRM, ring)
    try:
        driver.launch(queue, driver.load(artifact(SLOW)), slow(bench.x, bench.y, 60_000_000))
        with pytest.raises(Rung):
            wait_for_alarm()
    finally:
        signal.signal(signal.SIGALRM, before)
    driver.launch(other, driver.load(artifact(SLOW)), slow(bench.x, bench.y + 4))
    driver.wait(driver.mark(other))
    driver.wait(driver.mark(queue))
    assert bench.read(bench.y, 2).tolist() == [1.0, 1.0]


def test_a_queue_can_be_given_up(bench: Bench) -> None:
    """An abandoned queue takes no more work and says what helps; others go on."""
    driver, queue = bench.driver, bench.driver.queue()
    program = driver.load(artifact(SLOW))
    driver.launch(queue, program, slow(bench.x, bench.y))
    mark = driver.mark(queue)
    assert "reset()" in driver.abandon(queue)
    with pytest.raises(StateError, match="given up"):
        driver.launch(queue, program, slow(bench.x, bench.y))
    driver.launch(None, driver.load(artifact(SCALE)), launch(bench.x, bench.x, N))
    driver.wait(mark)


@pytest.mark.parametrize("after", [((), (0,), (1,)), ((), (), (0, 1))], ids=["chain", "join"])
def test_graphs_replay(bench: Bench, after: tuple[tuple[int, ...], ...]) -> None:
    """Steps run in the order they wait for one another, again and again, between the queue's other work."""
    driver, queue = bench.driver, bench.driver.queue()
    assert isinstance(driver, Graphs)
    program = driver.load(artifact(SCALE))
    one, two = (driver.allocate(4 * N).base for _ in range(2))
    launches = [launch(bench.x, one, N, 2.0), launch(bench.x, two, N, 3.0), launch(one, bench.y, N, 10.0)]
    graph = driver.record([Step(program, step, waits) for step, waits in zip(launches, after, strict=True)])
    for factor in (1.0, 2.0):
        driver.launch(queue, program, launch(bench.x, bench.x, N, factor))
        driver.replay(queue, graph)
    driver.wait(driver.mark(queue))
    assert [bench.read(a)[1] for a in (one, two, bench.y)] == [4.0, 6.0, 40.0]


def test_a_step_gets_other_arguments(bench: Bench) -> None:
    """Replaced arguments count from the next replay on; a step over nothing is left out."""
    driver, queue = bench.driver, bench.driver.queue()
    program = driver.load(artifact(SCALE))
    graph = driver.record([Step(program, launch(bench.x, bench.y, N, 2.0))])
    driver.replay(queue, graph)
    driver.replace(graph, 0, launch(bench.x, bench.x, N, 7.0))
    driver.replay(queue, graph)
    driver.replace(graph, 0, launch(bench.x, bench.x, 0))
    driver.replay(queue, graph)
    driver.wait(driver.mark(queue))
    assert (bench.read(bench.y)[1], bench.read(bench.x)[1]) == (2.0, 7.0)


def test_a_step_waits_for_earlier_ones_only(bench: Bench) -> None:
    """A graph in which a step waits for a later one is refused."""
    program = bench.driver.load(artifact(SCALE))
    with pytest.raises(UserError, match="only earlier ones"):
        bench.driver.record([Step(program, launch(bench.x, bench.y, N), (0,))])


def test_freed_memory_is_found_out(bench: Bench) -> None:
    """A launch or copy with an address that was freed raises instead of touching other memory."""
    driver = bench.driver
    program = driver.load(artifact(SCALE))
    driver.free(bench.held[1])
    with pytest.raises(StateError, match="it was freed"):
        driver.launch(None, program, launch(bench.x, bench.y, N))
    with pytest.raises(StateError, match="it was freed"):
        bench.read(bench.y)
    with pytest.raises(StateError, match="freed before"):
        driver.free(bench.held[1])
    assert driver.allocate(4 * N).base >> SHIFT != bench.y >> SHIFT


def test_copies_stay_inside_their_memory(bench: Bench) -> None:
    """A copy that would reach beyond an allocation is refused."""
    with pytest.raises(StateError, match="in no memory"):
        bench.read(bench.x, N + 1)


def test_no_memory_is_a_lack_of_resources(bench: Bench) -> None:
    """More than one array can have is refused with the sizes."""
    driver = bench.driver
    with pytest.raises(DeviceError, match=f"at most {driver.capabilities.max_buffer} bytes") as caught:
        driver.allocate(driver.capabilities.max_buffer + 1)
    assert caught.value.kind is DeviceErrorKind.RESOURCE


def test_too_much_shared_memory_is_refused_with_sizes(bench: Bench) -> None:
    """A kernel that needs more on-chip memory than there is says how much, before it is built."""
    has = bench.driver.capabilities.shared_bytes
    with pytest.raises(UnsupportedError, match=rf"{has + 4} bytes of shared memory per block.* has {has}"):
        bench.driver.load(artifact("not even OpenCL C", shared_bytes=has + 4))


def test_too_wide_a_block_is_refused(bench: Bench) -> None:
    """A block beyond the device's extents names the axis and the limit."""
    with pytest.raises(UnsupportedError, match="threads along x"):
        bench.driver.load(artifact(SCALE, item=(1, 1, 1 << 20)))


def test_text_that_does_not_build_shows_the_log(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    """The compiler's words stand in the error."""
    with pytest.raises(InternalError, match="undeclared"):
        bench.driver.load(artifact("kernel void gyral_kernel() { nobody = 1; }"))
    capfd.readouterr()


def test_only_opencl_c_is_loaded(bench: Bench) -> None:
    """Code for another kind of device is refused by its form."""
    with pytest.raises(InternalError, match="'wgsl'"):
        bench.driver.load(replace(artifact(SCALE), form="wgsl"))


def test_a_closed_driver_does_nothing(bench: Bench) -> None:
    """After close nothing can be asked, closing again is harmless, and late frees are ignored."""
    driver = bench.driver
    queue = driver.queue()
    driver.close()
    driver.close()
    with pytest.raises(StateError, match="is closed"):
        driver.allocate(4)
    with pytest.raises(StateError, match="closed"):
        driver.wait(driver.timed_mark(queue))
    driver.free(bench.held[0])


def test_capabilities_say_what_the_device_says(bench: Bench) -> None:
    """Double precision is a feature exactly where f64 is a type; sizes are the device's."""
    caps = bench.driver.capabilities
    assert ("f64" in caps.features) == any(t.name == "f64" for t in caps.dtypes)
    assert caps.features == tuple(sorted(caps.features))
    assert min(caps.max_block, caps.shared_bytes, caps.memory_bytes, caps.max_buffer) > 0


def test_addresses_are_of_one_driver() -> None:
    """Memory of one driver is not memory of another."""
    one, other = OpenclDriver(), OpenclDriver()
    with pytest.raises(StateError, match="freed before"):
        other.free(Memory(None, one.allocate(4).base, 4))
    one.close()
    other.close()


def test_memory_is_looked_for_again_when_work_is_done(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lack of memory is met by finishing what is queued, and told when that did not help."""
    driver, queue, found = bench.driver, bench.driver.queue(), driver_buffers(bench.driver)
    answers = [None, found, None, None]
    monkeypatch.setattr(driver, "_buffer", lambda nbytes: answers.pop(0))
    driver.launch(queue, driver.load(artifact(SLOW)), slow(bench.x, bench.y))
    mark = driver.mark(queue)
    assert driver.allocate(64).buffer is found
    assert driver.wait_until(mark, 0)
    with pytest.raises(DeviceError, match="no 64 bytes of memory left") as caught:
        driver.allocate(64)
    assert caught.value.kind is DeviceErrorKind.RESOURCE


def driver_buffers(driver: OpenclDriver) -> object:
    """A buffer that a driver would find."""
    return driver._buffer(64)


def test_work_that_failed_is_told_by_who_waits(bench: Bench) -> None:
    """A negative status of a command is a fatal error, with the status and what helps."""
    driver, queue = bench.driver, bench.driver.queue()

    class Failed:
        def wait(self) -> None:
            raise driver._cl.Error("execution failed")

        def get_info(self, what: int) -> int:
            return -5

    mark = driver.mark(queue)
    mark.event = Failed()
    with pytest.raises(DeviceError, match=r"status -5.*check=True, after device\.reset") as caught:
        driver.wait(mark)
    assert caught.value.kind is DeviceErrorKind.FATAL


def test_too_many_arguments_are_refused_with_sizes(bench: Bench) -> None:
    """Arrays whose slots exceed what the device passes to a kernel are refused before building."""
    made = artifact(SCALE)
    arrays = made.signature.parameters[:1] * 4000
    with pytest.raises(UnsupportedError, match="fewer arrays"):
        bench.driver.load(replace(made, signature=replace(made.signature, parameters=arrays)))
