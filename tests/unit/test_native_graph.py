"""Graphs of packed launches: what runs, in which order, on which threads, and what is refused."""

from __future__ import annotations

import gc
import struct
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from tests.native_kernels import array, plan, saxpy_plan, scalar

from gyral import _native


def slots(a: float, x: np.ndarray, y: np.ndarray) -> bytes:
    """saxpy's packed arguments."""
    bits = struct.unpack("<I", struct.pack("<f", a))[0]
    return struct.pack("<7Q", bits, x.ctypes.data, x.size, 4, y.ctypes.data, y.size, 4)


def step(a: float, x: np.ndarray, y: np.ndarray, done: Any = None, **options: Any) -> tuple[Any, ...]:
    return saxpy_plan(**options), x.size, slots(a, x, y), None, done, (x, y)


def vectors(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n, dtype=np.float32), np.ones(n, np.float32)


def test_levels_run_one_after_another() -> None:
    """A later level sees what the earlier ones wrote."""
    x, y = vectors(100)
    z = np.zeros(100, np.float32)
    graph = _native.Graph(((step(2.0, x, y),), (step(1.0, y, z), step(0.0, x, x))))
    graph()
    np.testing.assert_array_equal(z, 2 * np.arange(100) + 1)
    assert graph.steps == 3


@pytest.mark.parametrize("n", [0, 1, 1000, 400_000])
def test_steps_of_a_level_may_share_threads(n: int) -> None:
    """Long and short steps of one level, cut over the pool, each do all of their items, at every replay."""
    pairs = [vectors(k) for k in (n, n // 2, 7, n, 3 * n)]
    graph = _native.Graph((tuple(step(2.0, x, y) for x, y in pairs),))
    for _ in range(5):
        graph()
    for x, y in pairs:
        np.testing.assert_array_equal(y, 10 * np.arange(x.size, dtype=np.float32) + 1)


def test_many_short_levels_run_without_the_interpreter() -> None:
    """A long chain of short steps gives the same as its launches."""
    x, y = vectors(2000)
    graph = _native.Graph(tuple((step(1.0, x, y),) for _ in range(200)))
    for _ in range(3):
        graph()
    np.testing.assert_array_equal(y, 600 * np.arange(2000, dtype=np.float32) + 1)


def test_done_is_called_behind_its_step() -> None:
    """`done` sees its own step's result and not the next one's."""
    x, y = vectors(10)
    seen: list[float] = []
    first = step(1.0, x, y, lambda: seen.append(float(y[9])))
    _native.Graph(((first,), (step(1.0, x, y, lambda: seen.append(float(y[9]))),)))()
    assert seen == [10.0, 19.0]


def test_what_done_raises_ends_the_replay() -> None:
    """Levels behind a failure do not run."""
    x, y = vectors(10)

    def fail() -> None:
        raise KeyError("told")

    graph = _native.Graph(((step(1.0, x, x, fail),), (step(1.0, x, y),)))
    with pytest.raises(KeyError, match="told"):
        graph()
    assert y.tolist() == [1.0] * 10


def test_replace_gives_a_step_other_arguments() -> None:
    """From the next replay on, with another shape too."""
    x, y = vectors(10)
    u, v = vectors(20)
    graph = _native.Graph(((step(1.0, x, y),),))
    graph.replace(0, 20, slots(3.0, u, v), None, None, (u, v))
    graph()
    assert y.tolist() == [1.0] * 10
    np.testing.assert_array_equal(v, 3 * np.arange(20) + 1)


def test_replace_is_refused_while_the_graph_runs() -> None:
    """What is being used cannot be exchanged."""
    x, y = vectors(10)
    caught: list[str] = []

    def change() -> None:
        try:
            graph.replace(0, 10, slots(1.0, x, y), None, None, None)
        except RuntimeError as error:
            caught.append(str(error))

    graph = _native.Graph(((step(1.0, x, y, change),),))
    graph()
    assert caught == ["the graph is running; replace its arguments when it is done"]


def test_a_plan_with_scratch_gets_it() -> None:
    """The graph brings the most scratch that any of its steps asks for."""
    out = np.zeros(4, np.int64)
    probe = plan("scratch", array("i64"), scratch_bytes=1024)
    packed = struct.pack("<3Q", out.ctypes.data, out.size, 8)
    x, y = vectors(10)
    _native.Graph(((step(1.0, x, y), (probe, 4, packed, None, None, out)),))()
    assert out.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "levels, error, message",
    [
        ([], TypeError, "tuple"),
        (([],), TypeError, "a level is a tuple"),
        (((3,),), TypeError, "a step is a tuple"),
        ((((3, 1, b"", None, None, None),),), TypeError, "Plan"),
        ((((saxpy_plan(), 1, b"", None, None, None),),), TypeError, "takes 7 slots of 8 bytes, not 0 bytes"),
        ((((saxpy_plan(), (1, 2), bytes(56), None, None, None),),), ValueError, "shapes of rank 1"),
        ((((saxpy_plan(), 1, 3, None, None, None),),), TypeError, "bytes-like"),
        ((((saxpy_plan(), 1, bytes(56), bytearray(80), None, None),),), ValueError, "record"),
    ],
)
def test_malformed_steps_are_refused(levels: Any, error: type[Exception], message: str) -> None:
    """Nothing is run that was not checked."""
    with pytest.raises(error, match=message):
        _native.Graph(levels)


def test_a_graph_takes_no_arguments() -> None:
    """They were given when it was made."""
    graph: Any = _native.Graph(())
    with pytest.raises(TypeError, match="no arguments"):
        graph(1)
    with pytest.raises(IndexError, match="none of number 0"):
        graph.replace(0, 1, b"", None, None, None)


def test_a_graph_in_a_cycle_is_collected() -> None:
    """A `done` that holds its graph keeps neither alive."""

    class Holder:
        graph: Any = None

        def told(self) -> None: ...

    x, y = vectors(3)
    holder = Holder()
    holder.graph = _native.Graph(((step(1.0, x, y, holder.told),),))
    there = weakref.ref(holder)
    del holder
    gc.collect()
    assert there() is None


def test_a_graph_keeps_what_its_steps_use() -> None:
    """`keep` lives as long as the graph, or until the step is given something else."""

    class Memory:
        pass

    x, y = vectors(3)
    first, second = Memory(), Memory()
    there, later = weakref.ref(first), weakref.ref(second)
    graph = _native.Graph((((*step(1.0, x, y)[:5], first),),))
    del first
    kept = there() is not None
    graph.replace(0, 3, slots(1.0, x, y), None, None, second)
    del second
    assert (kept, there(), later() is not None) == (True, None, True)
    del graph
    assert later() is None


def test_long_replays_let_other_threads_run() -> None:
    """A chain of short steps that takes long in all gives up the interpreter meanwhile."""
    seen = np.zeros(8, np.int64)
    packed = struct.pack("<4Q", 1000, seen.ctypes.data, seen.size, 8)
    work = plan("busy", scalar("u64"), array("i64"))
    graph = _native.Graph(tuple(((work, 8, packed, None, None, seen),) for _ in range(8000)))
    graph()
    go, ran = threading.Event(), threading.Event()

    def watch() -> None:
        go.wait()
        ran.set()

    other = threading.Thread(target=watch)
    other.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # nobody is made to give way
    try:
        go.set()
        graph()
        heard = ran.is_set()
    finally:
        sys.setswitchinterval(interval)
    other.join()
    assert (heard, seen.tolist()) == (True, [16000] * 8)
