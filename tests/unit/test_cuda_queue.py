"""CUDA streams: marks, waiting, time, and work that does not end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.fake_cuda import FakeCuda, artifact, opened, signature

from gyral.core.driver import Bits, Launch, Pointer, Step
from gyral.core.errors import DeviceError, InternalError, UserError
from gyral.drivers.cuda.driver import CudaDriver
from gyral.drivers.cuda.queue import Queue


@pytest.fixture
def fake() -> FakeCuda:
    """The stand-in, as new."""
    return FakeCuda()


@pytest.fixture
def driver(fake: FakeCuda) -> Iterator[CudaDriver]:
    """A device of the stand-in."""
    with opened() as made:
        yield made


def busy(driver: CudaDriver) -> Queue:
    """A stream with work on it."""
    queue = driver.queue()
    driver.launch(queue, driver.load(artifact(signature(0))), Launch((1,), []))
    return queue


def test_a_mark_costs_the_driver_nothing(fake: FakeCuda, driver: CudaDriver) -> None:
    """No event is recorded until somebody waits, and then one for all that wait later."""
    queue = busy(driver)
    fake.listen()
    marks = [driver.mark(queue) for _ in range(10)]
    assert fake.heard() == []
    for mark in marks:
        driver.wait(mark)
    assert len(fake.heard()) == 1


def test_nothing_is_waited_for_on_an_empty_stream(fake: FakeCuda, driver: CudaDriver) -> None:
    """A stream without work is done."""
    fake.listen()
    driver.wait(driver.mark(driver.queue()))
    assert fake.heard() == []


def test_a_stream_waits_for_another_once(fake: FakeCuda, driver: CudaDriver) -> None:
    """What came before a point it waited for needs no further event."""
    first, second = busy(driver), busy(driver)
    marks = [driver.mark(first), driver.mark(first)]
    fake.listen()
    for mark in marks:
        driver.after(second, mark)
    assert [line.split()[0] for line in fake.heard()] == ["event", "stream"]


def test_a_stream_does_not_wait_for_itself(fake: FakeCuda, driver: CudaDriver) -> None:
    """Its work runs in order anyway."""
    queue = busy(driver)
    fake.listen()
    driver.after(queue, driver.mark(queue))
    assert fake.heard() == []


def test_waiting_asks_until_the_device_is_ready(fake: FakeCuda, driver: CudaDriver) -> None:
    """An event that is not reached is asked again."""
    queue = busy(driver)
    before = fake.calls("cuEventQuery")
    fake.fail("cuEventQuery", 600, times=5)
    driver.wait(driver.mark(queue))
    assert fake.calls("cuEventQuery") - before == 6


def test_a_failure_is_raised_by_who_waits(fake: FakeCuda, driver: CudaDriver) -> None:
    """What failed on the device is named."""
    queue = busy(driver)
    fake.fail("cuEventQuery", 701, times=1)
    with pytest.raises(DeviceError, match="work that was put on the device before; the launch needs more"):
        driver.wait(driver.mark(queue))


def test_a_wait_may_be_limited(fake: FakeCuda, driver: CudaDriver) -> None:
    """When the time is over the mark was not reached, and later it may be."""
    queue = busy(driver)
    mark = driver.mark(queue)
    fake.fail("cuEventQuery", 600, times=3)
    assert not driver.wait_until(mark, 0.0)
    assert driver.wait_until(mark, 60.0)


def test_work_that_was_given_up_holds_the_device(fake: FakeCuda, driver: CudaDriver) -> None:
    """The device takes nothing more until it is reset, which closing does."""
    queue = busy(driver)
    fake.fail("cuEventQuery", 600)
    assert not driver.wait_until(driver.mark(queue), 0.0)
    assert "resetting the device ends it" in driver.abandon(queue)
    with pytest.raises(DeviceError, match="given up that did not end"):
        driver.allocate(64)
    driver.close()
    assert fake.calls("cuDevicePrimaryCtxReset_v2") >= 1


def test_done_is_called_when_the_work_was_waited_for(driver: CudaDriver) -> None:
    """Once, by whoever waits, in order."""
    queue, called = driver.queue(), []
    program = driver.load(artifact(signature(0)))
    for number in range(3):
        driver.launch(queue, program, Launch((1,), [], done=lambda number=number: called.append(number)))
    assert called == []
    driver.wait(driver.mark(queue))
    driver.wait(driver.mark(queue))
    assert called == [0, 1, 2]


def test_time_passes_between_timed_marks(driver: CudaDriver) -> None:
    """The device's clock gives milliseconds."""
    queue = driver.queue()
    first, second = driver.timed_mark(queue), driver.timed_mark(queue)
    driver.wait(second)
    assert driver.elapsed_ms(first, second) == 1.0


def test_plain_marks_have_no_time(driver: CudaDriver) -> None:
    """Time is asked for when the marks are made."""
    queue = driver.queue()
    with pytest.raises(UserError, match="made with timing"):
        driver.elapsed_ms(driver.mark(queue), driver.timed_mark(queue))


def test_another_library_s_stream_is_used_and_left_alone(fake: FakeCuda, driver: CudaDriver) -> None:
    """Its work counts though nobody counted it, and it is not destroyed with our queue."""
    theirs = driver.queue()
    streams = fake.live("stream")
    ours = driver.queue_of(driver.stream_of(theirs))
    fake.listen()
    driver.wait(driver.mark(ours))
    driver.wait(driver.mark(ours))
    assert len(fake.heard()) == 2
    del ours
    assert fake.live("stream") == streams


def steps(driver: CudaDriver, *values: int) -> list[Step]:
    """A chain of launches with a scalar each."""
    program = driver.load(artifact(signature(1, 1)))
    launches = [Launch((300,), [Pointer(4096, (8,), (4,)), Bits(value)]) for value in values]
    return [Step(program, launch, (number - 1,) if number else ()) for number, launch in enumerate(launches)]


def test_a_graph_replays_its_launches(fake: FakeCuda, driver: CudaDriver) -> None:
    """One call runs all of them, in the order of their dependencies."""
    fake.listen()
    graph = driver.record(steps(driver, 5, 6))
    assert "node 2 after node 1" in fake.heard()
    queue = driver.queue()
    driver.replay(queue, graph)
    driver.replay(None, graph)
    assert [launch.slots[-1] for launch in fake.launches] == [5, 6, 5, 6]
    assert fake.launches[0].stream == queue.handle


def test_a_step_gets_other_arguments_without_a_new_graph(fake: FakeCuda, driver: CudaDriver) -> None:
    """The recorded graph is changed in place."""
    made = steps(driver, 5, 6)
    graph = driver.record(made)
    driver.replace(graph, 1, Launch((300,), [Pointer(8192, (8,), (4,)), Bits(9)]))
    driver.replay(None, graph)
    assert [launch.slots[-1] for launch in fake.launches] == [5, 9]
    assert fake.calls("cuGraphInstantiateWithFlags") == 1


def test_a_step_keeps_its_grid(driver: CudaDriver) -> None:
    """Another shape needs another graph."""
    graph = driver.record(steps(driver, 5))
    with pytest.raises(UserError, match="record the graph anew"):
        driver.replace(graph, 0, Launch((301,), [Pointer(4096, (8,), (4,)), Bits(5)]))


def test_a_step_without_threads_still_orders(fake: FakeCuda, driver: CudaDriver) -> None:
    """It runs nothing, and those behind it wait for those before it."""
    made = steps(driver, 5, 6, 7)
    made[1] = Step(made[1].program, Launch((0,), made[1].launch.arguments), (0,))
    fake.listen()
    graph = driver.record(made)
    assert [line for line in fake.heard() if line.startswith("node")] == [
        "node 2 after node 1",
        "node 3 after node 2",
    ]
    driver.replace(graph, 1, made[1].launch)
    driver.replay(None, graph)
    assert [launch.slots[-1] for launch in fake.launches] == [5, 7]


def test_a_graph_that_cannot_be_made_leaves_nothing(fake: FakeCuda, driver: CudaDriver) -> None:
    """A failure while recording destroys what was recorded."""
    before = fake.live("graph")
    fake.fail("cuGraphInstantiateWithFlags", 2, times=1)
    with pytest.raises(DeviceError, match="drop arrays"):
        driver.record(steps(driver, 5))
    assert fake.live("graph") == before


def test_a_step_waits_for_earlier_ones_alone(driver: CudaDriver) -> None:
    """A dependency on itself or a later step is our mistake."""
    (step,) = steps(driver, 5)
    with pytest.raises(InternalError, match="does not stand before it"):
        driver.record([Step(step.program, step.launch, (0,))])
