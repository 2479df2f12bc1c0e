"""An OpenCL device: any vendor's GPU, accelerator or processor that compiles OpenCL C 1.2."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from gyral.core.abi import Grid, grid_of, pack
from gyral.core.artifact import Artifact
from gyral.core.driver import Launch, Pointer, Step, closed
from gyral.core.errors import DeviceError, DeviceErrorKind, InternalError
from gyral.drivers.opencl import program as programs
from gyral.drivers.opencl.capabilities import capabilities_of
from gyral.drivers.opencl.failures import Checked, failure
from gyral.drivers.opencl.graph import Graph, Prepared, check_order, global_size
from gyral.drivers.opencl.memory import OFFSET, Memories, Memory
from gyral.drivers.opencl.platforms import binding, pick
from gyral.drivers.opencl.program import Program, bind
from gyral.drivers.opencl.queue import Line, Mark, Queue

_given_up: list[Line] = []
"""Queues whose work does not end: what they hold must not be used again as long as the process lives."""


class OpenclDriver:
    """The index-th OpenCL device. UnsupportedError when there is none.

    Powers beyond the protocol: `DeviceCopies`, `Timing`, `HostMemory`, `Graphs`, `Deadlines`.
    """

    def __init__(self, index: int = 0) -> None:
        self._cl = cl = binding()
        self._device = pick(index)
        self.name = f"opencl:{index}" if index else "opencl"
        self.capabilities = capabilities_of(self._device)
        with Checked(cl.Error, f"open {self._device.name}"):
            self._context = cl.Context([self._device])
        self._memories = Memories(self.name)
        self._flags = cl.mem_flags.READ_WRITE
        if self._device.type & cl.device_type.CPU:
            # A processor's driver then looks for memory here; for want of it later, PoCL ends the process.
            self._flags |= cl.mem_flags.ALLOC_HOST_PTR
        self._lines: list[Line] = []
        self._lock = threading.Lock()
        self._closed = False
        self._unordered: Any = None
        # Work without a queue has one of its own, and is waited for.
        self._own = self._line()

    def allocate(self, nbytes: int) -> Memory:
        """Fresh memory. DeviceError of kind RESOURCE, with the sizes, when there is none."""
        self._require_open()
        most = self.capabilities.max_buffer
        if nbytes > most:
            raise DeviceError(
                f"{self.name} holds arrays of at most {most} bytes, and {nbytes} were asked for",
                DeviceErrorKind.RESOURCE,
            )
        buffer = self._buffer(nbytes)
        if buffer is None:
            # What is done may still hold memory that nobody else uses any more.
            self._finish()
            buffer = self._buffer(nbytes)
        if buffer is None:
            raise DeviceError(f"{self.name} has no {nbytes} bytes of memory left", DeviceErrorKind.RESOURCE)
        return self._memories.add(buffer, nbytes)

    def free(self, memory: Memory) -> None:
        """Give memory back; StateError when it was given back before."""
        if self._closed:
            return
        self._memories.drop(memory)
        memory.buffer.release()

    def address(self, memory: Memory) -> int:
        """Where the memory's made-up addresses begin."""
        return memory.base

    def load(self, artifact: Artifact) -> Program:
        """Build OpenCL C for this device."""
        self._require_open()
        return programs.build(self._cl, self._context, self._device, self.capabilities, artifact)

    def queue(self) -> Queue:
        """A new ordered queue."""
        self._require_open()
        return Queue(self._line())

    def launch(self, queue: Queue | None, program: Program, launch: Launch) -> None:
        """Enqueue a launch; it is waited for when it has no queue, or something to do after it."""
        if 0 in launch.shape:
            if launch.done is not None:
                launch.done()
            return
        ready, version = program.ready(), self._memories.version
        if not ready.holds(launch, version):
            ready.forget()
            grid, slots = self._laid_out(program, launch)
            self._bind(ready.kernel, program, launch, slots)
            ready.note(launch, version, global_size(grid, program.block))
        kernel, size, block = ready.kernel, ready.size, program.block
        enqueue = self._cl.enqueue_nd_range_kernel
        there = queue.line if queue is not None else self._own
        mark = there.put(
            lambda native, waits: enqueue(native, kernel, size, block, None, waits), launch.keep, "launch"
        )
        if queue is None or launch.done is not None:
            there.wait(mark)
            if launch.done is not None:
                launch.done()

    def copy_in(self, queue: Queue | None, address: int, source: memoryview) -> None:
        """Copy host bytes to memory."""
        data = source.cast("B")
        buffer, offset = self._memories.place(address, data.nbytes)
        copy = self._cl.enqueue_copy
        self._put(
            queue,
            lambda native, waits: copy(
                native, buffer, data, dst_offset=offset, is_blocking=False, wait_for=waits
            ),
            data,
            "copy to the device",
        )

    def copy_out(self, queue: Queue | None, target: memoryview, address: int) -> None:
        """Copy memory to host bytes."""
        data = target.cast("B")
        buffer, offset = self._memories.place(address, data.nbytes)
        copy = self._cl.enqueue_copy
        self._put(
            queue,
            lambda native, waits: copy(
                native, data, buffer, src_offset=offset, is_blocking=False, wait_for=waits
            ),
            data,
            "copy from the device",
        )

    def copy(self, queue: Queue | None, target: int, source: int, nbytes: int) -> None:
        """Copy between two places of the device that do not overlap."""
        to, to_offset = self._memories.place(target, nbytes)
        origin, from_offset = self._memories.place(source, nbytes)
        if not nbytes:
            return
        enqueue = self._cl.enqueue_copy
        self._put(
            queue,
            lambda native, waits: enqueue(
                native,
                to,
                origin,
                byte_count=nbytes,
                src_offset=from_offset,
                dst_offset=to_offset,
                wait_for=waits,
            ),
            None,
            "copy on the device",
        )

    def fill(self, queue: Queue | None, address: int, pattern: bytes, nbytes: int) -> None:
        """Repeat a pattern over memory, which begins at a multiple of its length."""
        buffer, offset = self._memories.place(address, nbytes)
        if offset % len(pattern) or nbytes % len(pattern):
            raise InternalError(f"a fill of {nbytes} bytes at {offset} by {len(pattern)} is not aligned")
        if not nbytes:
            return
        enqueue = self._cl.enqueue_fill_buffer
        self._put(
            queue,
            lambda native, waits: enqueue(native, buffer, pattern, offset, nbytes, wait_for=waits),
            None,
            "fill memory",
        )

    def mark(self, queue: Queue) -> Mark:
        """The point behind everything on the queue."""
        self._require_open()
        return queue.line.mark().of(queue)

    def after(self, queue: Queue, mark: Mark) -> None:
        """Let later work of the queue begin after a mark."""
        queue.line.after(mark)

    def wait(self, mark: Mark) -> None:
        """Block until a mark is reached."""
        mark.line.wait(mark)

    def wait_until(self, mark: Mark, seconds: float) -> bool:
        """Block until a mark is reached, for so long at most."""
        return mark.line.wait_until(mark, seconds)

    def abandon(self, queue: Queue) -> str:
        """OpenCL cannot stop a kernel: it goes on, and what it uses is never given back."""
        queue.line.abandon()
        with self._lock:
            self._lines = [line for line in self._lines if line is not queue.line]
        _given_up.append(queue.line)
        return "its kernel goes on, and OpenCL cannot stop it; device.reset() opens the device anew"

    def timed_mark(self, queue: Queue) -> Mark:
        """A mark that notes the device's clock."""
        return queue.line.marker().of(queue)

    def elapsed_ms(self, first: Mark, second: Mark) -> float:
        """Milliseconds between two timed marks that were reached."""
        with Checked(self._cl.Error, "read the device's clock (of marks that were reached)"):
            return (second.event.profile.end - first.event.profile.end) / 1e6

    def pinned(self, nbytes: int) -> memoryview:
        """Host memory of the device's driver, mapped as long as anything refers to it."""
        self._require_open()
        cl, flags = self._cl, self._cl.mem_flags
        with Checked(cl.Error, f"pin {nbytes} bytes of host memory"):
            buffer = cl.Buffer(self._context, flags.READ_WRITE | flags.ALLOC_HOST_PTR, max(1, nbytes))
            how = cl.map_flags.READ | cl.map_flags.WRITE
            mapped, _ = cl.enqueue_map_buffer(self._own.native, buffer, how, 0, (nbytes,), "u1")
        return mapped.data

    def record(self, steps: Sequence[Step]) -> Graph:
        """Prepare launches for replays. UserError when a step waits for a later one."""
        self._require_open()
        check_order(steps)
        prepared = []
        for step in steps:
            made = Prepared(step.program, step.program.fresh(), (0, 0, 0), (), tuple(step.after))
            self._prepare(made, step.launch)
            prepared.append(made)
        return Graph(prepared)

    def replay(self, queue: Queue, graph: Graph) -> None:
        """Enqueue all steps; those that do not wait for one another may overlap."""
        if not graph.steps:
            return
        if graph.overlap:
            self._replay_unordered(queue.line, graph)
            return
        enqueue = self._cl.enqueue_nd_range_kernel
        for step in graph.steps:
            if not step.size[0]:
                continue
            kernel, size, block = step.kernel, step.size, step.program.block
            queue.line.put(
                lambda native, waits, k=kernel, s=size, b=block: enqueue(native, k, s, b, None, waits),
                step.keep,
                "replay a graph",
            )

    def replace(self, graph: Graph, number: int, launch: Launch) -> None:
        """Other arguments for a step, from the next replay on."""
        self._prepare(graph.steps[number], launch)

    def close(self) -> None:
        """Finish all work and give back everything. Closing twice is harmless."""
        if self._closed:
            return
        try:
            self._finish()
        finally:
            self._closed = True
            for line in self._lines:
                line.close(str(closed(self.name)))
            for memory in self._memories.clear():
                memory.buffer.release()

    def _put(
        self, queue: Queue | None, enqueue: Callable[[Any, list[Any] | None], Any], keep: Any, doing: str
    ) -> None:
        there = queue.line if queue is not None else self._own
        mark = there.put(enqueue, keep, doing)
        if queue is None:
            there.wait(mark)

    def _laid_out(self, program: Program, launch: Launch) -> tuple[Grid, bytes]:
        grid = grid_of(program.signature, launch.shape, self.capabilities.max_grid)
        return grid, pack(launch, grid, _offset)

    def _bind(self, kernel: Any, program: Program, launch: Launch, slots: bytes) -> None:
        sites = program.signature.needs_record
        with Checked(self._cl.Error, f"set the arguments of {program.signature.name}"):
            bind(kernel, self._memories, launch.arguments, launch, slots, sites)

    def _prepare(self, step: Prepared, launch: Launch) -> None:
        if launch.done is not None:
            raise InternalError("a step of a graph has nothing to call after it")
        step.keep = launch.keep
        if 0 in launch.shape:
            step.size = (0, 0, 0)
            return
        grid, slots = self._laid_out(step.program, launch)
        self._bind(step.kernel, step.program, launch, slots)
        step.size = global_size(grid, step.program.block)

    def _replay_unordered(self, line: Line, graph: Graph) -> None:
        """Steps on a queue without an order, between what is on the caller's queue now and what follows."""
        native = self._free_queue()
        cl, events = self._cl, []
        with Checked(cl.Error, "replay a graph"):
            begin = [line.marker().event]
            line.flush()
            for step in graph.steps:
                waits = [events[number] for number in step.after] or begin
                if step.size[0]:
                    block = step.program.block
                    events.append(
                        cl.enqueue_nd_range_kernel(native, step.kernel, step.size, block, None, waits)
                    )
                else:
                    events.append(cl.enqueue_marker(native, waits))
            native.flush()
        ends = [events[number] for number in graph.leaves]
        line.put(
            lambda own, waits: cl.enqueue_marker(own, [*(waits or ()), *ends]), graph.keep, "replay a graph"
        )

    def _free_queue(self) -> Any:
        properties = self._cl.command_queue_properties
        with self._lock:
            if self._unordered is None:
                free = self._device.queue_properties & properties.OUT_OF_ORDER_EXEC_MODE_ENABLE
                self._unordered = self._cl.CommandQueue(self._context, self._device, free)
        return self._unordered

    def _buffer(self, nbytes: int) -> Any:
        """A buffer with memory behind it, or None when the device has none left."""
        cl = self._cl
        try:
            buffer = cl.Buffer(self._context, self._flags, nbytes)
            # Memory is found at the first use otherwise, where its lack would be a launch's failure.
            undefined = cl.mem_migration_flags.CONTENT_UNDEFINED
            cl.enqueue_migrate_mem_objects(self._own.native, [buffer], undefined).wait()
        except cl.Error as error:
            found = failure(error, f"allocate {nbytes} bytes")
            if found.kind is not DeviceErrorKind.RESOURCE:
                raise found from error
            return None
        return buffer

    def _line(self) -> Line:
        """A new line of commands; those that were dropped and are done make room."""
        with self._lock:
            self._lines = [line for line in self._lines if not (line.dropped and line.idle)]
            with Checked(self._cl.Error, "make a queue"):
                made = Line(self._cl, self._context, self._device)
            self._lines.append(made)
        return made

    def _finish(self) -> None:
        for line in list(self._lines):
            line.finish()

    def _require_open(self) -> None:
        if self._closed:
            raise closed(self.name)


def open_opencl(index: int) -> OpenclDriver:
    """The driver of the index-th OpenCL device, GPUs counted first."""
    return OpenclDriver(index)


def _offset(pointer: Pointer) -> int:
    return pointer.address & OFFSET
