"""What a batch asks of its device: the order of launches, graphs where the driver records them, copies."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import gyral as gy
from gyral.core.driver import Launch, Pointer, Step
from gyral.core.errors import StateError, UserError
from gyral.core.events import Copied, Event, listening
from gyral.drivers.cpu.graph import levels
from gyral.drivers.null.driver import NullDriver
from gyral.jit.order import Order
from gyral.runtime.device import Device


@gy.kernel
def copy(x: gy.In[gy.Array[gy.f32]], y: gy.Array[gy.f32], by: gy.f32 = 1.0):
    i = gy.global_id()
    y[i] = x[i] * by


class Recorder(NullDriver):
    """A null device that records graphs and notes what becomes of them."""

    def __init__(self) -> None:
        super().__init__(7)
        self.recorded: list[list[Step]] = []
        self.replayed: list[Any] = []
        self.replaced: list[tuple[int, Launch]] = []

    def record(self, steps: Sequence[Step]) -> list[Step]:
        self.recorded.append(list(steps))
        return self.recorded[-1]

    def replay(self, queue: Any, graph: Any) -> None:
        self.replayed.append(queue)

    def replace(self, graph: Any, number: int, launch: Launch) -> None:
        self.replaced.append((number, launch))


def recording() -> tuple[Recorder, Device, list[gy.DeviceArray]]:
    driver = Recorder()
    there = Device("null:7", driver)
    return driver, there, [gy.empty(16, gy.f32, device=there) for _ in range(4)]


RANGES = st.lists(
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8), st.booleans()), min_size=1, max_size=3),
    max_size=12,
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(RANGES, st.sets(st.integers(0, 11)))
def test_launches_that_share_bytes_are_ordered(launches: list[Any], alone: set[int]) -> None:
    """Of two launches that touch a byte that one writes, the later waits, if by way of others."""
    order = Order()
    waits: list[set[int]] = []
    for number, touched in enumerate(launches):
        ranges = [(low, low + size, writes) for low, size, writes in touched]
        direct = order.add(ranges, alone=number in alone)
        waits.append(set(direct).union(*(waits[before] for before in direct)))
    for later, touched in enumerate(launches):
        for earlier in range(later):
            meets = any(
                (w or v) and a < b + m and b < a + n for a, n, w in touched for b, m, v in launches[earlier]
            )
            if meets or later in alone or earlier in alone:
                assert earlier in waits[later]


def test_independent_launches_wait_for_nobody() -> None:
    """Readers of one range, and writers of different ones, may overlap."""
    order = Order()
    found = [order.add(r) for r in ([(0, 8, False), (8, 9, True)], [(0, 8, False), (9, 10, True)])]
    assert found == [(), ()]


def test_a_launch_waits_for_the_last_writer_alone() -> None:
    """Whom the last writer waited for need not be waited for again."""
    order = Order()
    assert [order.add([(0, 8, True)]) for _ in range(4)] == [(), (0,), (1,), (2,)]


def test_levels_follow_what_is_waited_for() -> None:
    """A step stands one level behind the last of those it waits for."""
    launch = Launch((1,), ())
    steps = [Step(None, launch), Step(None, launch, (0,)), Step(None, launch), Step(None, launch, (1, 2))]
    assert levels(steps) == [[0, 2], [1], [3]]


def test_a_driver_with_graphs_records_once() -> None:
    """The graph holds every launch with those it waits for, and each replay is one call."""
    driver, there, (a, b, c, d) = recording()
    batch = gy.Batch().add(copy, 16, a, b).add(copy, 16, a, c).add(copy, 16, b, d)
    for _ in range(3):
        batch()
    assert [step.after for step in driver.recorded[0]] == [(), (), (0,)]
    assert (len(driver.recorded), len(driver.replayed), driver.launches) == (1, 3, [])
    assert driver.replayed[0] is there.default_stream().queue


def test_new_arguments_are_replaced_in_the_graph() -> None:
    """Nothing is recorded anew while what waits for what stays the same."""
    driver, _, (a, b, c, d) = recording()
    batch = gy.Batch().add(copy, 16, a, b).add(copy, 16, b, c)
    batch()
    batch.set(1, y=d).set(0, by=3.0)
    batch()
    number, launch = driver.replaced[0]
    pointers = [each.address for each in launch.arguments if isinstance(each, Pointer)]
    assert (number, pointers) == (1, [b.address, d.address])
    assert (len(driver.recorded), [n for n, _ in driver.replaced]) == (1, [1, 0])


def test_a_graph_is_recorded_anew_when_the_order_changes() -> None:
    """An argument that makes one launch wait for another cannot be replaced in place."""
    driver, _, (a, b, c, d) = recording()
    batch = gy.Batch().add(copy, 16, a, b).add(copy, 16, c, d)
    batch()
    batch.set(1, x=b)
    batch()
    assert [[step.after for step in steps] for steps in driver.recorded] == [[(), ()], [(), (0,)]]
    assert driver.replaced == []


def test_a_replay_goes_to_the_stream_that_is_named() -> None:
    """`replay(stream)` and `with stream:` choose the queue."""
    driver, there, (a, b, *_) = recording()
    one, two = there.stream(), there.stream()
    batch = gy.Batch().add(copy, 16, a, b)
    batch.replay(one)
    with two:
        batch()
    assert driver.replayed == [one.queue, two.queue]


def test_without_graphs_launches_go_one_by_one() -> None:
    """A driver that records nothing gets plain launches in order."""
    driver = NullDriver(3)
    there = Device("null:3", driver)
    a, b, c = (gy.empty(8, gy.f32, device=there) for _ in range(3))
    batch = gy.Batch().add(copy, 8, a, b).add(copy, 8, b, c)
    batch()
    batch.set(0, by=2.0)
    batch()
    assert [launch.arguments[1].address for launch in driver.launches] == [b.address, c.address] * 2


def test_numpy_arrays_are_copied_at_each_replay() -> None:
    """On a device that cannot reach host memory a batch copies as its launches would, and says so."""
    driver = NullDriver(4)
    x, y = np.ones(8, np.float32), np.zeros(8, np.float32)
    with gy.device(Device("null:4", driver)):
        batch = gy.Batch().add(copy, 8, x, y)
    seen: list[Event] = []
    with listening(seen.append):
        batch()
        batch()
    assert [event.direction for event in seen if isinstance(event, Copied)] == ["in", "in", "out"] * 2


def test_copies_can_be_forbidden() -> None:
    """implicit_copies=False, in force when a launch is added, is an error that names the member."""
    with gy.device(Device("null:5", NullDriver(5))), gy.options(implicit_copies=False):
        batch = gy.Batch().add(copy, 8, np.ones(8, np.float32), np.ones(8, np.float32))
    with pytest.raises(UserError, match="implicit_copies=False") as caught:
        batch()
    assert caught.value.__notes__ == ["in member 0 of a batch, copy"]


def test_a_batch_on_a_device_that_was_closed_is_not_replayed() -> None:
    """Its arrays are gone with the device."""
    there = Device("null:6", NullDriver(6))
    a = gy.empty(8, gy.f32, device=there)
    batch = gy.Batch().add(copy, 8, a, a)
    batch()
    there.reset()
    with pytest.raises(StateError, match="null:6 is closed"):
        batch()


def test_a_time_limit_holds_for_each_launch() -> None:
    """Launches added under a limit run one by one within it."""
    x, y = np.ones(8, np.float32), np.zeros(8, np.float32)
    with gy.options(time_limit=60):
        batch = gy.Batch().add(copy, 8, x, y).add(copy, 8, y, x, by=5.0)
    batch()
    assert x.tolist() == [5.0] * 8
