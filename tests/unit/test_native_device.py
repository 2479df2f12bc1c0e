"""Native plans for devices other than the CPU: what is checked, and what is left to Python."""

from __future__ import annotations

import ctypes
import signal
from typing import Any

import pytest

from gyral import _native

LAUNCH = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, *[ctypes.c_uint] * 7, *[ctypes.c_void_p] * 3)
GET = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_void_p))
SET = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
RECORD = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class Element:
    """An element type, compared as the one it is."""

    itemsize = 4


f32, i32 = Element(), Element()


class Backend:
    """A driver whose launches are counted; `code` is what they give."""

    def __init__(self) -> None:
        self.code, self.launches, self.followed, self.current = 0, 0, 0, 7
        self.set: list[int] = []
        self._held = (
            LAUNCH(self._launch),
            GET(self._get),
            SET(self._set),
            RECORD(lambda *_: 0),
            SET(lambda _: 0),
        )
        addresses: Any = tuple(ctypes.cast(f, ctypes.c_void_p).value for f in self._held)
        self.launcher = _native.Launcher(addresses, 7, (1 << 31, 65535, 65535), self._fail)

    def _launch(self, *_: Any) -> int:
        self.launches += 1
        return self.code

    def _get(self, found: Any) -> int:
        found[0] = self.current
        return 0

    def _set(self, context: int | None) -> int:
        self.set.append(context or 0)
        return 0

    def _fail(self, code: int, program: Any) -> None:
        raise RuntimeError(f"{program} gave {code}")


class Queue(_native.DeviceQueue):
    """A queue whose marks are numbers."""

    followed = 0

    def mark_at(self, serial: int) -> int:
        return serial

    def follow(self, memory: _native.DeviceMemory) -> None:
        self.followed += 1
        memory.marks = {id(self): self.serial}


class Buffer:
    """What an array lies in."""

    def __init__(self, memory: Any) -> None:
        self.memory = memory


@pytest.fixture
def backend() -> Backend:
    """A device of its own."""
    return Backend()


@pytest.fixture
def queue(backend: Backend) -> Queue:
    """This thread's queue on it."""
    made = Queue(backend.launcher, 1)
    backend.launcher.serve_thread(made)
    return made


def array(
    backend: Backend,
    shape: tuple[int, ...] = (8,),
    strides: tuple[int, ...] = (4,),
    address: int = 4096,
    dtype: Any = f32,
) -> _native.DeviceArrayBase:
    """An array somewhere."""
    memory = _native.DeviceMemory(backend.launcher, 4096, 4096)
    return _native.DeviceArrayBase("device", Buffer(memory), dtype, shape, strides, address)


def plan(backend: Backend, *params: Any, rank: int = 1, **options: Any) -> _native.DevicePlan:
    """A plan of blocks of 4 threads; by default for one array of f32 that is written."""
    given = params or (("device", f32, 4, 1, True, 4, True),)
    return _native.DevicePlan(backend.launcher, "program", 1, given, rank, (1, 1, 4), **options)


def test_an_array_that_fits_is_launched(backend: Backend, queue: Queue) -> None:
    """The queue counts it, and the memory knows of it."""
    x = array(backend)
    assert plan(backend).run(8, (x,))
    assert (backend.launches, queue.serial, x.buffer.memory.marks) == (1, 1, {id(queue): 1})


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"dtype": i32}, "element type"),
        ({"shape": (2, 4), "strides": (16, 4)}, "number of axes"),
        ({"strides": (8,)}, "stride of its last axis"),
        ({"address": 4098}, "not aligned"),
        ({"strides": (6,)}, "stride of its last axis"),
        ({"shape": (1, 1, 1, 1, 1), "strides": (4,) * 5}, "number of axes"),
        ({"shape": (0, 1 << 62), "strides": (1 << 64, 4)}, "number of axes"),
    ],
)
def test_an_array_of_another_layout_does_not_fit(
    backend: Backend, queue: Queue, change: dict[str, Any], reason: str
) -> None:
    """The reason is told when a plan was asked for by name."""
    with pytest.raises(TypeError, match=f"argument 0 does not fit the plan: .*{reason}"):
        plan(backend).run(8, (array(backend, **change),))


@pytest.mark.parametrize("row, fits", [(16, True), (32, True), (24, False)])
def test_alignment_beyond_an_element_is_that_of_rows(
    backend: Backend, queue: Queue, row: int, fits: bool
) -> None:
    """Where the last axis has no gaps, the address and the other strides are aligned, not its own stride."""
    wide = plan(backend, ("device", f32, 4, 2, True, 16, True), rank=2)
    given = ((2, 4), (array(backend, shape=(2, 4), strides=(row, 4)),))
    if fits:
        assert wide.run(*given)
    else:
        with pytest.raises(TypeError, match="not aligned"):
            wide.run(*given)


def test_a_thread_may_do_several_elements() -> None:
    """A block's extent counts elements and is a multiple of what one thread does of it."""
    with pytest.raises(ValueError, match="multiple"):
        plan(Backend(), coarse=3)


@pytest.mark.parametrize("folded, blocks, why", [(False, 2**31 + 1, "within"), (True, 2**31, "over")])
def test_a_plan_is_for_folded_grids_or_for_others(
    backend: Backend, queue: Queue, folded: bool, blocks: int, why: str
) -> None:
    """The limit is of blocks, however many elements a thread does."""
    for params in ({}, {"coarse": 2}):
        threads = 4 // params.get("coarse", 1)
        with pytest.raises(TypeError, match=f"for grids {why} the device's limit"):
            plan(backend, folded=folded, **params).run(threads * blocks, (array(backend),))
        assert plan(backend, folded=not folded, **params).run(threads * blocks, (array(backend),))


def test_an_array_of_another_device_does_not_fit(backend: Backend, queue: Queue) -> None:
    """Memory belongs to one launcher; anything else is no array at all."""
    for other in (array(Backend()), _native.DeviceArrayBase("d", Buffer(None), f32, (8,), (4,), 4096), [1.0]):
        with pytest.raises(TypeError, match="argument 0"):
            plan(backend).run(8, (other,))
    assert backend.launches == 0


def test_empty_arrays_overlap_nothing(backend: Backend, queue: Queue) -> None:
    """A plan that promises no overlap takes an empty view of the array it writes."""
    param = ("device", f32, 4, 1, True, 4, True)
    apart = plan(backend, param, param, noalias=True)
    x = array(backend)
    assert apart.run(8, (x, array(backend, shape=(0,))))
    with pytest.raises(TypeError, match="overlaps"):
        apart.run(8, (x, array(backend, address=4100)))


def test_index_width_is_chosen_by_size(backend: Backend, queue: Queue) -> None:
    """A plan of 32 bits takes no launch of more threads than these count."""
    narrow = plan(backend, index_bits=32)
    with pytest.raises(TypeError, match="32-bit indices"):
        narrow.run(1 << 31, (array(backend),))
    assert plan(backend, index_bits=64).run(1 << 31, (array(backend),))


def test_without_a_queue_python_launches(backend: Backend) -> None:
    """A thread that never launched on the device has none yet."""
    assert not plan(backend).run(8, (array(backend),))


def test_a_closed_queue_or_device_is_left_to_python(backend: Backend, queue: Queue) -> None:
    """Python knows how to say so."""
    queue.open = 0
    assert not plan(backend).run(8, (array(backend),))
    queue.open, backend.launcher.alive = 1, 0
    assert not plan(backend).run(8, (array(backend),))


def test_serving_gives_the_queue_before(backend: Backend, queue: Queue) -> None:
    """So that it can be put back; None takes it away."""
    second = Queue(backend.launcher, 2)
    assert backend.launcher.serve_thread(second) is queue
    assert backend.launcher.serve_thread(None) is second
    assert backend.launcher.serve_thread(None) is None


def test_a_queue_of_another_device_is_refused(backend: Backend) -> None:
    """A thread's queue belongs to the launcher."""
    with pytest.raises(TypeError, match="queue of this launcher"):
        backend.launcher.serve_thread(Queue(Backend().launcher, 1))


def test_the_context_is_made_current_and_put_back(backend: Backend, queue: Queue) -> None:
    """Only where another one is current."""
    plan(backend).run(8, (array(backend),))
    backend.current = 9
    plan(backend).run(8, (array(backend),))
    assert backend.set == [7, 9]


def test_memory_in_use_elsewhere_is_followed(backend: Backend, queue: Queue) -> None:
    """The queue is asked to wait, once; done work needs no waiting."""
    x, other = array(backend), Queue(backend.launcher, 2)
    backend.launcher.serve_thread(other)
    plan(backend).run(8, (x,))
    backend.launcher.serve_thread(queue)
    for _ in range(3):
        plan(backend).run(8, (x,))
    assert queue.followed == 1
    queue.completed = queue.serial
    backend.launcher.serve_thread(other)
    plan(backend).run(8, (x,))
    assert other.followed == 0


def test_a_failed_launch_is_raised_and_not_counted(backend: Backend, queue: Queue) -> None:
    """The driver's own words reach the caller."""
    x, backend.code = array(backend), 701
    with pytest.raises(RuntimeError, match="program gave 701"):
        plan(backend).run(8, (x,))
    assert (queue.serial, x.buffer.memory.marks) == (0, {})


@pytest.mark.parametrize(
    "params, options, reason",
    [
        ((("array", "f32", 4, 1, (), True, 4, True),), {}, r"described by \('device'"),
        ((("device", f32, 0, 1, True, 4, True),), {}, "itemsize 0"),
        ((("device", f32, 4, 5, True, 4, True),), {}, "rank 5"),
        ((("device", f32, 4, 1, True, 3, True),), {}, "alignment 3"),
        ((), {"rank": 4}, "rank must be 1 to 3"),
        ((), {"requested": (0, 1, 1)}, "requested must be positive"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(
    backend: Backend, params: tuple[Any, ...], options: dict[str, Any], reason: str
) -> None:
    """Each part of a device plan's description is checked when it is made."""
    with pytest.raises(ValueError, match=reason):
        plan(backend, *params, **options)


def test_plans_for_the_cpu_take_no_device_arrays() -> None:
    """The two kinds of arrays are not mixed."""
    code = _native.load(b"\xc3", 0)
    wrong: Any = ("device", f32, 4, 1, True, 4, True)
    with pytest.raises(ValueError, match="no arrays in device memory"):
        _native.Plan(code, (wrong,), 1, (1, 1, 1))


def test_waiting_ends_with_the_answer() -> None:
    """The function is asked again while it says that work is pending."""
    answers = iter([600, 600, 0])
    query = SET(lambda _: next(answers))
    address = ctypes.cast(query, ctypes.c_void_p).value or 0
    assert _native.await_device(address, 0, 600) == 0


def test_waiting_is_limited() -> None:
    """After the time the answer is that it is pending."""
    query = SET(lambda _: 600)
    address = ctypes.cast(query, ctypes.c_void_p).value or 0
    assert _native.await_device(address, 0, 600, 0.001) == 600


def test_waiting_hears_signals() -> None:
    """Ctrl-C and its like end a wait that would never end."""

    def interrupt(*_: Any) -> None:
        raise InterruptedError

    def wait() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.01)
        # The absolute value of 600 is pending for ever.
        _native.await_device(ctypes.cast(ctypes.CDLL(None).abs, ctypes.c_void_p).value or 0, 600, 600, 30.0)

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(InterruptedError):
            wait()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
