"""How a batch runs on its device: recorded as a graph where the driver can, else launch after launch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from gyral.core.driver import Graphs, Step
from gyral.jit.launch import enqueue
from gyral.jit.member import Ready
from gyral.jit.order import Order
from gyral.runtime.device import Device
from gyral.runtime.stream import Stream


class Runner(Protocol):
    """A batch ready to be replayed. `direct` replays it at once at the least cost, where that is possible."""

    direct: Callable[[], object] | None

    def replay(self, stream: Stream | None) -> None:
        """Run all launches, or put them on a stream."""
        ...

    def update(self, number: int, ready: Ready) -> bool:
        """Take other arguments for one launch; False when the batch must be built anew for them."""
        ...


def runner(device: Device, launches: Sequence[Ready]) -> Runner:
    """What replays these launches on a device."""
    unified = device.capabilities.unified
    plain = any(
        ready.member.scope.time_limit is not None
        or (not unified and (ready.hosted or ready.signature.needs_record))
        for ready in launches
    )
    return InTurn(launches) if plain or not isinstance(device.driver, Graphs) else Recorded(device, launches)


class InTurn:
    """Launch after launch, each as if by itself: copies of NumPy arrays, checks and prints included."""

    def __init__(self, launches: Sequence[Ready]) -> None:
        self.direct: Callable[[], object] | None = None
        self._launches = list(launches)

    def replay(self, stream: Stream | None) -> None:
        """Run all launches in the order in which they were added."""
        for ready in self._launches:
            ready.run(stream)

    def update(self, number: int, ready: Ready) -> bool:
        """Take other arguments for one launch."""
        self._launches[number] = ready
        return True


class Recorded:
    """A graph of the driver's. Launches wait for those whose memory they share; the others may overlap."""

    def __init__(self, device: Device, launches: Sequence[Ready]) -> None:
        self._device = device
        self._launches = list(launches)
        self._driver = graphs_of(device)
        self._after = order_of(launches)
        steps = [Step(r.program, r.launch(), after) for r, after in zip(launches, self._after, strict=True)]
        self._graph = self._driver.record(steps)
        self._settle()

    def replay(self, stream: Stream | None) -> None:
        """Put the graph on a stream; in host memory run it now, unless a stream is named that can have it."""
        if self._device.capabilities.unified and (stream is None or self._hosted):
            for buffer in self._buffers:
                marks, buffer.marks = buffer.marks, {}
                for mark in marks.values():
                    self._device.driver.wait(mark)
            self._driver.replay(None, self._graph)
            return
        enqueue(
            self._device,
            stream or self._device.current_stream(),
            self._buffers,
            lambda queue: self._driver.replay(queue, self._graph),
        )

    def update(self, number: int, ready: Ready) -> bool:
        """Take other arguments for one launch, if the program and what waits for what stay the same."""
        before = self._launches[number]
        launches = [*self._launches[:number], ready, *self._launches[number + 1 :]]
        if ready.program is not before.program or ready.member.shape != before.member.shape:
            return False
        if list(ready.ranges()) != list(before.ranges()) and order_of(launches) != self._after:
            return False
        self._driver.replace(self._graph, number, ready.launch())
        self._launches = launches
        self._settle()
        return True

    def _settle(self) -> None:
        """Note the memory that takes part, and whether a replay has nothing to wait for."""
        owned = {id(b): b for ready in self._launches for b in ready.buffers()}
        self._buffers = list(owned.values())
        self._hosted = any(ready.hosted for ready in self._launches)
        reports = any(ready.signature.needs_record for ready in self._launches)
        simple = self._device.capabilities.unified and not owned and not reports
        self.direct: Callable[[], object] | None = getattr(self._graph, "run", None) if simple else None


def graphs_of(device: Device) -> Graphs:
    """A device's driver as one that records graphs, which the caller has made sure of."""
    driver = device.driver
    if not isinstance(driver, Graphs):
        raise TypeError(f"{device.name} records no graphs")
    return driver


def order_of(launches: Sequence[Ready]) -> list[tuple[int, ...]]:
    """The launches that each of these waits for. One that checks or prints keeps its place among all."""
    order = Order()
    return [order.add(ready.ranges(), alone=ready.signature.needs_record) for ready in launches]
