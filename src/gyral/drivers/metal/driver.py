"""Apple GPUs through PyObjC.

Never run on hardware: the tests drive it over a stand-in for Metal's objects, which compiles each kernel as
C++ and runs it (`tests/msl`). Calls, order and results are right as far as the stand-in tells.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gyral.core.artifact import Artifact
from gyral.core.caps import Capabilities
from gyral.core.driver import Launch, Step, closed
from gyral.core.errors import DeviceError, DeviceErrorKind, UnsupportedError
from gyral.drivers.metal import framework
from gyral.drivers.metal.capabilities import MAX_GRID, capabilities_of
from gyral.drivers.metal.copies import Copier
from gyral.drivers.metal.memory import Memories, Memory
from gyral.drivers.metal.program import Dispatch, Program, dispatch_of, load
from gyral.drivers.metal.queue import Mark, Pool, Queue


@dataclass(eq=False, slots=True)
class Graph:
    """Recorded launches, resolved, in an order that heeds what they wait for."""

    programs: list[Program]
    launches: list[Launch]
    dispatches: list[Dispatch]


class MetalDriver:
    """One Metal device. `metal` is PyObjC's module, or something with the same names.

    Buffers are in memory that the host shares; copies on a queue still run in the queue's order, on the
    device. Launches of a graph run one after the other, in one command buffer.
    """

    def __init__(
        self, metal: Any, device: Any, index: int = 0, pool: Pool = framework.autorelease_pool
    ) -> None:
        self.name = f"metal:{index}" if index else "metal"
        self._metal = metal
        self._device = device
        self._memories = Memories(self.name)
        self._copier = Copier(metal, device)
        self._queues: weakref.WeakSet[Queue] = weakref.WeakSet()
        self._pool = pool
        self._closed = False

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the device can do."""
        return capabilities_of(self._metal, self._device)

    def allocate(self, nbytes: int) -> Memory:
        """A buffer that the host can see. DeviceError of kind RESOURCE when there is no memory."""
        self._require_open()
        return self._memories.add(self._buffer(nbytes), nbytes)

    def free(self, memory: Memory) -> None:
        """Give a buffer back; StateError when it was freed before."""
        self._memories.drop(memory)

    def address(self, memory: Memory) -> int:
        """The made-up address that stands for a buffer's first byte."""
        return memory.base

    def load(self, artifact: Artifact) -> Program:
        """Compile MSL text for this device."""
        self._require_open()
        return load(self._metal, self._device, artifact)

    def queue(self) -> Queue:
        """A new ordered queue."""
        self._require_open()
        made = Queue(self._device, self.name, self._pool)
        self._queues.add(made)
        return made

    def launch(self, queue: Queue | None, program: Program, launch: Launch) -> None:
        """Put a launch on a queue, or run it to its end now."""
        dispatch = dispatch_of(program, launch, self._memories, MAX_GRID)
        self._put(queue, self._encoding([dispatch]), (dispatch, launch.keep), launch.done)

    def copy_in(self, queue: Queue | None, address: int, source: memoryview) -> None:
        """Copy host bytes to a buffer: at once, or by way of a copy of them in the queue's turn."""
        data = source.cast("B")
        memory, offset = self._memories.place(address, data.nbytes)
        if queue is None:
            memory.bytes(offset, data.nbytes)[:] = data
        elif data.nbytes:
            shared = self._metal.MTLResourceStorageModeShared
            staged = self._device.newBufferWithBytes_length_options_(bytes(data), data.nbytes, shared)
            target = memory.buffer, offset
            queue.put(lambda c: self._copier.copy(c, (staged, 0), target, data.nbytes), (staged, memory))

    def copy_out(self, queue: Queue | None, target: memoryview, address: int) -> None:
        """Copy a buffer to host bytes: at once, or in the queue's turn, seen once that was waited for."""
        data = target.cast("B")
        memory, offset = self._memories.place(address, data.nbytes)
        if queue is None:
            data[:] = memory.bytes(offset, data.nbytes)
        elif data.nbytes:
            staged = Memory(self._buffer(data.nbytes), 0, data.nbytes)
            source = memory.buffer, offset

            def finish() -> None:
                data[:] = staged.bytes(0, data.nbytes)

            copy = self._copier.copy
            queue.put(lambda c: copy(c, source, (staged.buffer, 0), data.nbytes), (staged, memory), finish)

    def mark(self, queue: Queue) -> Mark:
        """A mark behind everything on the queue; costs no work on the device."""
        self._require_open()
        return queue.mark()

    def after(self, queue: Queue, mark: Mark) -> None:
        """Let what is put on a queue from now on begin after a mark."""
        queue.after(mark)

    def wait(self, mark: Mark) -> None:
        """Block until a mark is reached."""
        mark.queue.wait(mark)

    def wait_until(self, mark: Mark, seconds: float) -> bool:
        """As `wait`, for so long at most."""
        return mark.queue.wait_until(mark, seconds)

    def abandon(self, queue: Queue) -> str:
        """Forget a queue. Metal has no way to stop work; the system ends it when it takes too long."""
        queue.abandon()
        return "the work goes on until macOS ends it; other queues of the device may be slow until then"

    def timed_mark(self, queue: Queue) -> Mark:
        """A mark with the device's time: a tiny piece of work of its own."""
        scratch = Memory(self._buffer(4), 0, 4)
        return queue.put(lambda c: self._copier.fill(c, (scratch, 0), b"\0", 4), scratch)

    def elapsed_ms(self, first: Mark, second: Mark) -> float:
        """Milliseconds from the end of one timed mark to the start of another."""
        return 1000.0 * (second.command.GPUStartTime() - first.command.GPUEndTime())

    def copy(self, queue: Queue | None, target: int, source: int, nbytes: int) -> None:
        """Copy between two addresses on the device."""
        if nbytes:
            kept = self._memories.place(source, nbytes), self._memories.place(target, nbytes)
            (a, here), (b, there) = kept
            self._put(
                queue, lambda c: self._copier.copy(c, (a.buffer, here), (b.buffer, there), nbytes), kept
            )

    def fill(self, queue: Queue | None, address: int, pattern: bytes, nbytes: int) -> None:
        """Repeat a pattern over memory, on the device."""
        if nbytes:
            place = self._memories.place(address, nbytes)
            self._put(queue, lambda c: self._copier.fill(c, place, pattern, nbytes), place)

    def record(self, steps: Sequence[Step]) -> Graph:
        """Resolve launches once, for many replays."""
        dispatches = [dispatch_of(s.program, s.launch, self._memories, MAX_GRID) for s in steps]
        return Graph([s.program for s in steps], [s.launch for s in steps], dispatches)

    def replay(self, queue: Queue | None, graph: Graph) -> None:
        """Put all launches of a graph on a queue, in one command buffer."""
        dispatches = list(graph.dispatches)
        self._put(queue, self._encoding(dispatches), (dispatches, list(graph.launches)))

    def replace(self, graph: Graph, number: int, launch: Launch) -> None:
        """Give a step of a graph other arguments."""
        graph.dispatches[number] = dispatch_of(graph.programs[number], launch, self._memories, MAX_GRID)
        graph.launches[number] = launch

    def close(self) -> None:
        """Finish all work and drop all memory."""
        if not self._closed:
            self._closed = True
            for queue in list(self._queues):
                queue.close()
            self._memories.clear()

    def _put(
        self,
        queue: Queue | None,
        encode: Callable[[Any], None],
        keep: Any,
        finish: Callable[[], None] | None = None,
    ) -> None:
        self._require_open()
        if queue is None:
            self._now.wait(self._now.put(encode, keep, finish))
        else:
            queue.put(encode, keep, finish)

    def _encoding(self, dispatches: Sequence[Dispatch]) -> Callable[[Any], None]:
        def encode(command: Any) -> None:
            encoder = command.computeCommandEncoder()
            for dispatch in dispatches:
                if 0 not in dispatch.groups:
                    dispatch.encode(self._metal, self._device, encoder)
            encoder.endEncoding()

        return encode

    def _buffer(self, nbytes: int) -> Any:
        shared = self._metal.MTLResourceStorageModeShared
        made = self._device.newBufferWithLength_options_(max(4, nbytes), shared)
        if made is None:
            raise DeviceError(f"{self.name} has no {nbytes} bytes of memory left", DeviceErrorKind.RESOURCE)
        return made

    @cached_property
    def _now(self) -> Queue:
        return self.queue()

    def _require_open(self) -> None:
        if self._closed:
            raise closed(self.name)


def open_metal(index: int) -> MetalDriver:
    """The index-th device. UnsupportedError says what is missing."""
    metal = framework.load()
    found = framework.devices(metal)
    if index >= len(found):
        raise UnsupportedError(f"there is no metal:{index}; this machine has {len(found)} Metal devices")
    return MetalDriver(metal, found[index], index)
