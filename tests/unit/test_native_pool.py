"""The thread pool: every item once, from many threads, over forks and interrupts."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.native_kernels import Kernel, array, plan, scalar

from gyral import _native

# A child that was forked from a process with threads is what some of these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")

LONG = 2_000_000  # turns of the busy kernel: about a millisecond


@pytest.fixture(autouse=True)
def _default_threads() -> Iterator[None]:
    """Each test starts and ends with the process's own number of threads."""
    _native.set_topology()
    yield
    _native.set_topology()


def test_the_default_is_the_affinity_mask() -> None:
    """As many threads as the process has CPUs."""
    assert _native.threads() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("count", [0, -3, 1025])
def test_a_senseless_number_of_threads_is_refused(count: int) -> None:
    """The limits are told."""
    with pytest.raises(ValueError, match=f"between 1 and 1024, not {count}"):
        _native.set_threads(count)


def test_workers_start_with_the_first_launch_that_wants_them() -> None:
    """A process that never launches in parallel has no threads of ours."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _native.set_threads(3)
        seen = np.zeros(1000, np.int64)
        counts = [_native.workers()]
        plan("count", array()).run(1000, (seen,), threads=1)
        counts.append(_native.workers())
        plan("count", array()).run(1000, (seen,), threads=3)
        counts.append(_native.workers())
        os.write(writer, bytes(counts))
        os._exit(0)
    os.waitpid(child, 0)
    assert list(os.read(reader, 10)) == [0, 0, 2]


@settings(deadline=None)
@given(st.integers(0, 3000), st.integers(1, 9), st.sampled_from([0.0, 1.0, 1e3, 1e5, 1e7]))
def test_every_item_runs_once(items: int, threads: int, cost: float) -> None:
    """Whatever the number of items and threads and however wrong the estimate."""
    _native.set_threads(8)
    seen = np.zeros(items, np.int64)
    plan("count", array(), cost_ns=cost).run(items, (seen,), threads=threads)
    assert (seen == 1).all()


def test_threads_may_launch_at_once() -> None:
    """Launches of several Python threads neither wait for one another for ever nor mix."""
    _native.set_threads(4)
    results = [np.zeros(500, np.int64) for _ in range(6)]
    kernel = Kernel(1, plan("busy", scalar("u64"), array(), cost_ns=1e5))

    def launch(seen: np.ndarray) -> None:
        for _ in range(20):
            kernel[500](200, seen)

    workers = [threading.Thread(target=launch, args=(each,)) for each in results]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert [(each == 20).all() for each in results] == [True] * 6


def test_scratch_is_private_to_a_worker() -> None:
    """No two items in flight share scratch memory, and it is aligned to 64 bytes."""
    _native.set_threads(4)
    out = np.zeros(5000, np.int64)
    plan("scratch", array(), scratch_bytes=1024, cost_ns=1e4).run(5000, (out,), threads=4)
    np.testing.assert_array_equal(out, np.arange(5000))


def test_scratch_serves_small_launches() -> None:
    """A launch on the calling thread has scratch too, however large."""
    out = np.zeros(4, np.int64)
    held = plan("scratch", array(), scratch_bytes=20 << 20)
    held.run(4, (out,))
    held.run(4, (out,))
    assert out.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("threads", [1, 2])
def test_scratch_that_cannot_be_had_is_an_error(threads: int) -> None:
    """Nothing runs without the memory it needs."""
    out = np.zeros(4, np.int64)
    with pytest.raises(MemoryError):
        plan("scratch", array(), scratch_bytes=2**62).run(4, (out,), threads=threads)
    assert out.tolist() == [0, 0, 0, 0]


def test_a_forked_child_launches() -> None:
    """Workers do not survive a fork; the child makes its own."""
    _native.set_threads(2)
    seen = np.zeros(1000, np.int64)
    counting = plan("count", array())
    counting.run(1000, (seen,), threads=2)
    child = os.fork()
    if child == 0:
        counting.run(1000, (seen,), threads=2)
        os._exit(0 if (seen == 2).all() and _native.workers() == 1 else 1)
    status = os.waitpid(child, 0)[1]
    counting.run(1000, (seen,), threads=2)
    assert (status, seen.min(), seen.max()) == (0, 2, 2)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_ends_a_long_launch(threads: int) -> None:
    """Ctrl-C drops the items not begun, raises, and leaves the pool usable."""
    _native.set_threads(2)
    seen = np.zeros(1_000_000, np.int64)
    long = plan("busy", scalar("u64"), array(), cost_ns=1e6)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    began = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        long.run(seen.size, (LONG, seen), threads=threads)
    took = time.monotonic() - began
    done = int(seen.sum())
    long.run(100, (1, seen), threads=threads)
    assert (took < 5, 0 < done < seen.size, int(seen.sum())) == (True, True, done + 100)


def test_a_handler_that_returns_does_not_end_the_launch() -> None:
    """Signal handlers run during a launch; it goes on."""
    calls = []
    before = signal.signal(signal.SIGUSR1, lambda *_: calls.append(1))
    seen = np.zeros(200, np.int64)
    timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        timer.start()
        plan("busy", scalar("u64"), array(), cost_ns=1e6).run(200, (LONG, seen), threads=1)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert (len(calls), (seen == 1).all()) == (1, True)


def test_a_handler_may_launch() -> None:
    """A launch inside a launch has scratch of its own."""
    inner = np.zeros(50, np.int64)
    small = plan("scratch", array(), scratch_bytes=1024)
    before = signal.signal(signal.SIGUSR1, lambda *_: small.run(50, (inner,)))
    seen = np.zeros(200, np.int64)
    timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        timer.start()
        outer = plan("busy", scalar("u64"), array(), cost_ns=1e6, scratch_bytes=64)
        outer.run(200, (LONG, seen), threads=1)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    np.testing.assert_array_equal(inner, np.arange(50))


def test_a_long_launch_lets_other_threads_run() -> None:
    """The GIL is given up even when the estimate was far too low."""
    seen = np.zeros(200, np.int64)
    ticks, stop = [], threading.Event()

    def tick() -> None:
        while not stop.is_set():
            ticks.append(time.monotonic())
            stop.wait(0.001)

    other = threading.Thread(target=tick)
    other.start()
    began = time.monotonic()
    plan("busy", scalar("u64"), array(), cost_ns=1.0).run(200, (LONG, seen))
    ended = time.monotonic()
    stop.set()
    other.join()
    assert len([each for each in ticks if began < each < ended]) > 5


def test_the_estimate_follows_the_cost() -> None:
    """A wild first estimate is replaced by what was measured."""
    held = plan("busy", scalar("u64"), array(), cost_ns=1e9)
    seen = np.zeros(100, np.int64)
    for _ in range(3):
        held.run(100, (100, seen))
    assert 1 < held.ns_per_item < 1e6


def test_workers_follow_a_made_up_machine(tmp_path: Path) -> None:
    """On two nodes of two CPUs, whatever this machine has, every item runs once and four threads serve."""
    nodes = tmp_path / "devices/system/node"
    for node, cpus in enumerate(["0,2", "1,3"]):
        (nodes / f"node{node}").mkdir(parents=True)
        (nodes / f"node{node}/cpulist").write_text(cpus)
    (nodes / "online").write_text("0-1")
    _native.set_topology(str(tmp_path), range(4))
    counts = []
    for threads in (4, 3, 2):
        _native.set_threads(threads)
        seen = np.zeros(400, np.int64)
        for launched in (4, 2):
            plan("count", array(), cost_ns=1e5).run(400, (seen,), threads=launched)
        counts.append((_native.threads(), int(seen.min()), int(seen.max())))
    assert counts == [(4, 2, 2), (3, 2, 2), (2, 2, 2)]


def test_the_machine_can_be_read_anew() -> None:
    """After the affinity mask changed the default follows it."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        _native.set_topology()
        os.write(writer, bytes([_native.threads()]))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 1) == b"\1"


def test_a_handler_that_forks_leaves_no_child_waiting() -> None:
    """In the child the helpers are gone: the launch ends, and says so unless it happens to be complete."""
    children = []
    before = signal.signal(signal.SIGUSR1, lambda *_: children.append(os.fork()))
    _native.set_threads(2)
    seen = np.zeros(200, np.int64)
    timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGUSR1))
    error = None
    try:
        timer.start()
        plan("busy", scalar("u64"), array(), cost_ns=1e6).run(200, (LONG, seen), threads=2)
    except RuntimeError as raised:
        error = str(raised)
    finally:
        if children == [0]:
            told = error is not None and "forked in the middle of this launch" in error
            os._exit(0 if told or (seen == 1).all() else 1)
        timer.join()
        signal.signal(signal.SIGUSR1, before)
    assert (os.waitpid(children[0], 0)[1], error, (seen == 1).all()) == (0, None, True)
