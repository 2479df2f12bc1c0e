"""CUDA devices, by the driver alone."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from gyral.core import native
from gyral.core.artifact import Artifact
from gyral.core.caps import Capabilities
from gyral.core.driver import Driver, Launch, Step
from gyral.drivers.cuda import capabilities as limits
from gyral.drivers.cuda import graph as graphs
from gyral.drivers.cuda.copies import Copies
from gyral.drivers.cuda.graph import Graph
from gyral.drivers.cuda.library import NAME, library
from gyral.drivers.cuda.memory import Allocator, Memory, pinned
from gyral.drivers.cuda.program import Program, load, start
from gyral.drivers.cuda.queue import Mark, Queue, Streams, TimedMark
from gyral.drivers.cuda.residence import share, stay, unshare
from gyral.drivers.cuda.session import Session


class CudaDriver:
    """One CUDA device, in the primary context that other libraries of the process use too.

    Besides the `Driver` protocol it has `NativeLaunches`, `Timing`, `HostMemory`, `DeviceCopies`,
    `PeerCopies`, `External`, `Deadlines`, `Residence` and `Graphs`. Memory is never managed: there is nothing
    to prefetch.
    """

    def __init__(self, index: int, path: str = NAME) -> None:
        made = native.require("CUDA")
        found = library(path)
        self.session = Session(found, index)
        functions = ("cuLaunchKernel", "cuCtxGetCurrent", "cuCtxSetCurrent", "cuEventRecord", "cuEventQuery")
        self.launcher: Any = made.Launcher(
            tuple(found.address(name) for name in functions),
            self.session.context,
            self.capabilities.max_grid,
            self._launch_failed,
        )
        self._streams = Streams(self.session, self.launcher)
        self._allocator = Allocator(self.session, self._streams)
        self._copies = Copies(self.session, self._streams)
        self._own = threading.local()

    @property
    def name(self) -> str:
        """The device's name in Gyral: "cuda", "cuda:1", ..."""
        return self.session.name

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the device can do."""
        return limits.capabilities(self.session)

    def allocate(self, nbytes: int) -> Memory:
        """Fresh device memory."""
        return self._allocator.allocate(nbytes)

    def free(self, memory: Memory) -> None:
        """Give memory back, behind the work that uses it."""
        self._allocator.free(memory)

    def address(self, memory: Memory) -> int:
        """Where the memory begins on the device."""
        return memory.address

    def load(self, artifact: Artifact) -> Program:
        """Load a cubin. DeviceError of kind RESOURCE when a block needs more than the device has."""
        return load(self.session, artifact)

    def queue(self) -> Queue:
        """A new stream."""
        return self._streams.queue()

    def launch(self, queue: Queue | None, program: Program, launch: Launch) -> None:
        """Put a launch on a stream, or run it to its end. `keep` is not held: memory knows who uses it."""
        stream = queue or self._mine()
        with self.session as session:
            started = start(session, stream.handle, program, launch, self.capabilities.max_grid)
        if started or launch.done is not None:
            stream.put(done=launch.done)
        if queue is None:
            self._streams.wait(self._streams.mark(stream))

    def copy_in(self, queue: Queue | None, address: int, source: memoryview) -> None:
        """Copy host bytes to the device."""
        self._copies.bring(queue or self._mine(), address, source)
        self._finish(queue)

    def copy_out(self, queue: Queue | None, target: memoryview, address: int) -> None:
        """Copy device memory to host bytes. On a queue this waits too, unless `target` is pinned."""
        self._copies.fetch(queue or self._mine(), target, address)
        self._finish(queue)

    def mark(self, queue: Queue) -> Mark:
        """A mark behind everything on the stream; it costs nothing until somebody waits."""
        return self._streams.mark(queue)

    def after(self, queue: Queue, mark: Mark) -> None:
        """Let the stream wait for a mark of another."""
        self._streams.after(queue, mark)

    def wait(self, mark: Mark) -> None:
        """Block until a mark is reached."""
        self._streams.wait(mark)

    def close(self) -> None:
        """Let go of the device. One that was lost is reset, and can be opened anew."""
        self.launcher.alive = 0
        try:
            if self.session.usable:
                with self.session as session:
                    session.call("cuCtxSynchronize")
        finally:
            self._copies.close()
            self._allocator.close()
            self._streams.close()
            self.session.close()

    def serve_thread(self, queue: Queue | None) -> Queue | None:
        """Put the calling thread's native launches on a stream; gives the one they were put on before."""
        return self.launcher.serve_thread(queue)

    def entry(self, program: Program) -> tuple[int, int]:
        """A program's function and its dynamic on-chip bytes."""
        return program.function, program.dynamic_bytes

    def timed_mark(self, queue: Queue) -> TimedMark:
        """A mark that notes the device's clock."""
        return self._streams.timed_mark(queue)

    def elapsed_ms(self, first: TimedMark, second: TimedMark) -> float:
        """Milliseconds between two timed marks."""
        return self._streams.elapsed_ms(first, second)

    def wait_until(self, mark: Mark, seconds: float) -> bool:
        """Wait for so long at most; whether the mark was reached."""
        return self._streams.wait(mark, seconds)

    def abandon(self, queue: Queue) -> str:
        """Give up a stream whose work does not end. The device is of no use until it is reset."""
        self._streams.abandon(queue)
        return (
            "the kernel still runs and cannot be stopped by itself; resetting the device ends it, and with "
            "it every array on the device"
        )

    def pinned(self, nbytes: int) -> memoryview:
        """Host memory that the device reads and writes directly."""
        return pinned(self.session, nbytes)

    def share(self, block: memoryview) -> int:
        """Pin host memory and map it for kernels."""
        return share(self.session, block)

    def unshare(self, block: memoryview) -> None:
        """Unpin host memory."""
        unshare(self.session, block)

    def stay(self, queue: Queue, program: Program, launch: Launch) -> None:
        """Put a cooperative launch on a stream."""
        with self.session as session:
            stay(session, queue.handle, program, launch, self.capabilities)
        queue.put(launch.keep)

    def copy(self, queue: Queue | None, target: int, source: int, nbytes: int) -> None:
        """Copy within the device."""
        self._copies.move(queue or self._mine(), target, source, nbytes)
        self._finish(queue)

    def fill(self, queue: Queue | None, address: int, pattern: bytes, nbytes: int) -> None:
        """Repeat a pattern over memory."""
        self._copies.fill(queue or self._mine(), address, pattern, nbytes)
        self._finish(queue)

    def copy_peer(self, queue: Queue | None, target: int, other: Driver, source: int, nbytes: int) -> bool:
        """Copy from another CUDA device, directly where the two are linked, else through the host."""
        if not isinstance(other, CudaDriver):
            return False
        # Without a link the driver passes the bytes through the host by itself.
        other._allocator.open_to(self.session)
        self._copies.move_from(queue or self._mine(), target, other.session, source, nbytes)
        self._finish(queue)
        return True

    def adopt(self, address: int, nbytes: int) -> Memory:
        """Memory over another library's address."""
        return self._allocator.adopt(address, nbytes)

    def queue_of(self, stream: int) -> Queue:
        """A queue over another library's stream; 0 and 1 are the legacy default stream, 2 a thread's own."""
        return self._streams.foreign(stream)

    def stream_of(self, queue: Queue) -> int:
        """The CUstream of a queue."""
        return queue.handle

    def record(self, steps: Sequence[Step]) -> Graph:
        """A graph of launches."""
        return graphs.record(self.session, steps, self.capabilities.max_grid)

    def replay(self, queue: Queue | None, graph: Graph) -> None:
        """Put a graph on a stream, or run it to its end."""
        graphs.replay(graph, queue or self._mine())
        self._finish(queue)

    def replace(self, graph: Graph, number: int, launch: Launch) -> None:
        """Give a step of a graph other arguments."""
        graphs.replace(graph, number, launch)

    def _mine(self) -> Queue:
        """The calling thread's stream for work that is waited for at once."""
        found: Queue | None = getattr(self._own, "queue", None)
        if found is None:
            found = self._own.queue = self._streams.queue()
        return found

    def _finish(self, queue: Queue | None) -> None:
        if queue is None:
            self._streams.wait(self._streams.mark(self._mine()))

    def _launch_failed(self, code: int, program: Program) -> None:
        raise self.session.failure("cuLaunchKernel", code, program.describe())


def open_cuda(index: int, path: str = NAME) -> CudaDriver:
    """The driver of the index-th CUDA device. UnsupportedError says what is missing."""
    return CudaDriver(index, path)
