"""WebGPU devices, through wgpu: one ordered queue, buffers bound one by one, WGSL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gyral.core.artifact import Artifact
from gyral.core.caps import Capabilities
from gyral.core.driver import Launch, Step
from gyral.core.dtypes import SCALARS
from gyral.core.errors import DeviceError, DeviceErrorKind, InternalError, UnsupportedError
from gyral.drivers.webgpu import bytework, library
from gyral.drivers.webgpu.engine import Engine, Mark, Queue
from gyral.drivers.webgpu.fitting import require_fit
from gyral.drivers.webgpu.graph import Graph
from gyral.drivers.webgpu.memory import Memory
from gyral.drivers.webgpu.program import Program, program_of
from gyral.drivers.webgpu.session import Session
from gyral.drivers.webgpu.timing import Clock, TimedMark

_USAGE = "STORAGE|COPY_SRC|COPY_DST"
_MOST_BYTES = (1 << 31) - 16  # Byte offsets are computed in 32 bits, signed ones in copies.
_CLOCK = "timestamp-query"


class WebGpuDriver:
    """One adapter. When its device is lost, the next call opens it anew; what was in its memory is gone."""

    def __init__(self, adapter: Any, index: int, features: tuple[str, ...]) -> None:
        self.name = f"webgpu:{index}" if index else "webgpu"
        requested = [_CLOCK] if _CLOCK in adapter.features else []
        self._engine = Engine(self.name, adapter, tuple(requested))
        self.capabilities = _capabilities(self._engine.limits, features)

    def allocate(self, nbytes: int) -> Memory:
        """A fresh buffer."""
        size = max(16, -(-nbytes // 16) * 16)
        most = self.capabilities.max_buffer
        if size > most:
            raise DeviceError(
                f"{self.name} takes at most {most} bytes as one array, and {nbytes} were asked for",
                DeviceErrorKind.RESOURCE,
            )
        engine = self._engine
        with engine.entered() as session:
            return engine.book.add(session.link.buffer(size, _USAGE), size, engine.generation)

    def free(self, memory: Memory) -> None:
        """Give memory back; StateError when that was done before."""
        with self._engine.entered():
            self._engine.book.remove(memory)

    def address(self, memory: Memory) -> int:
        """The memory's address. Memory that was lost with its device is made anew: it is about to be used."""
        engine = self._engine
        with engine.entered() as session:
            if memory.generation != engine.generation:
                memory.forget()
                memory.buffer = session.link.buffer(memory.nbytes, _USAGE)
                memory.generation = engine.generation
        return memory.base

    def load(self, artifact: Artifact) -> Program:
        """Compile WGSL. DeviceError of kind PROGRAMMER with the compiler's words when it is refused."""
        if artifact.form != "wgsl":
            raise InternalError(f"WebGPU devices run WGSL, not {artifact.form!r}")
        program = program_of(artifact.signature, artifact.code.decode())
        require_fit(self.name, program, self._engine.limits, self.capabilities.features)
        with self._engine.entered() as session:
            return self._engine.built(session, program)

    def queue(self) -> Queue:
        """A new queue; all queues of the device share its one order."""
        return Queue()

    def launch(self, queue: Queue | None, program: Program, launch: Launch) -> None:
        """Put a launch behind all other work; with None, wait for it too."""
        with self._engine.entered(queue) as session:
            prepared = self._engine.prepared(session, program, launch)
            if prepared is not None:
                pipeline, group, blocks, parameters = prepared
                offset = session.slot(parameters)
                session.put((pipeline._internal, group._internal, offset, *blocks), (group, launch.keep))
            if launch.done is not None:
                session.call(queue, launch.done)
        self._finish_unless(queue)

    def copy_in(self, queue: Queue | None, address: int, source: memoryview) -> None:
        """Copy host bytes to memory; they are taken at once."""
        data = source.cast("B")
        if not data.nbytes:
            return
        with self._engine.entered(queue) as session:
            memory, offset = self._engine.place(address, data.nbytes)
            head = min(-offset % 4, data.nbytes)
            tail = (offset + data.nbytes) % 4 if head < data.nbytes else 0
            session.flush()
            middle = data[head : data.nbytes - tail]
            if middle.nbytes:
                session.link.write(memory.buffer, offset + head, middle)
            for at, part in ((0, data[:head]), (data.nbytes - tail, data[data.nbytes - tail :])):
                if part.nbytes:
                    pattern = bytes(part) + bytes(4 - part.nbytes)
                    self._fill(session, memory, offset + at, pattern, part.nbytes)

    def copy_out(self, queue: Queue | None, target: memoryview, address: int) -> None:
        """Copy memory to host bytes, which are there when a mark behind it was waited for."""
        data = target.cast("B")
        if not data.nbytes:
            return
        with self._engine.entered(queue) as session:
            memory, offset = self._engine.place(address, data.nbytes)
            session.read(memory.buffer, offset, data)
        self._finish_unless(queue)

    def copy(self, queue: Queue | None, target: int, source: int, nbytes: int) -> None:
        """Copy between two places of the device."""
        if not nbytes:
            return
        engine = self._engine
        with engine.entered(queue) as session:
            there, to = engine.place(target, nbytes)
            here, start = engine.place(source, nbytes)
            if there is here or (to | start | nbytes) % 4:
                program = engine.byte_program(session, "move" if there is here else "copy")
                last = here.nbytes // 4 - 1
                work = bytework.copy(program, to, start, nbytes, last, engine.most_blocks[0])
                engine.put_bytework(session, work, [there] if there is here else [there, here])
            else:
                session.put_copy(here.buffer, start, there.buffer, to, nbytes)
        self._finish_unless(queue)

    def fill(self, queue: Queue | None, address: int, pattern: bytes, nbytes: int) -> None:
        """Repeat a pattern over memory."""
        if not nbytes:
            return
        with self._engine.entered(queue) as session:
            memory, offset = self._engine.place(address, nbytes)
            if any(pattern) or (offset | nbytes) % 4:
                self._fill(session, memory, offset, pattern, nbytes)
            else:
                session.put_zeros(memory.buffer, offset, nbytes)
        self._finish_unless(queue)

    def record(self, steps: Sequence[Step]) -> Graph:
        """Keep launches ready: pipelines, bind groups and parameters. They run as they are listed."""
        engine = self._engine
        with engine.entered() as session:
            graph = Graph(session, engine.generation, [step.program for step in steps])
            for number, step in enumerate(steps):
                prepared = engine.prepared(session, step.program, step.launch, graph.ring)
                graph.set(number, step.launch, prepared)
        return graph

    def replay(self, queue: Queue | None, graph: Graph) -> None:
        """Run all steps of a graph."""
        with self._engine.entered(queue) as session:
            self._engine.require_current(graph.generation)
            session.put_all(graph.items())
        self._finish_unless(queue)

    def replace(self, graph: Graph, number: int, launch: Launch) -> None:
        """Give a step other arguments for the next replays."""
        with self._engine.entered() as session:
            self._engine.require_current(graph.generation)
            session.flush()
            prepared = self._engine.prepared(session, graph.programs[number], launch, graph.ring)
            graph.set(number, launch, prepared)

    def mark(self, queue: Queue) -> Mark:
        """A mark behind everything on the device."""
        return self._engine.mark(queue)

    def after(self, queue: Queue, mark: Mark) -> None:
        """Nothing to do: all queues share one order."""

    def wait(self, mark: Mark) -> None:
        """Block until a mark is reached."""
        self._engine.wait(mark)

    def wait_until(self, mark: Mark, seconds: float) -> bool:
        """Wait for so long at most; whether the mark was reached."""
        return self._engine.wait_until(mark, seconds)

    def abandon(self, queue: Queue) -> str:
        """Nothing runs behind work that does not end: the device is given up with its memory."""
        self._engine.give_up(queue)
        return "WebGPU cannot stop it: the device is opened anew, and what was in its memory is lost"

    def close(self) -> None:
        """Finish all work and give the device back."""
        self._engine.shut()

    def _fill(self, session: Session, memory: Memory, offset: int, pattern: bytes, nbytes: int) -> None:
        program = self._engine.byte_program(session, "fill")
        work = bytework.fill(program, offset, pattern, nbytes, self._engine.most_blocks[0])
        self._engine.put_bytework(session, work, [memory])

    def _finish_unless(self, queue: Queue | None) -> None:
        if queue is None:
            self._engine.finish()


class TimedWebGpuDriver(WebGpuDriver):
    """One adapter whose device has a clock."""

    def __init__(self, adapter: Any, index: int, features: tuple[str, ...]) -> None:
        super().__init__(adapter, index, features)
        self._clock: tuple[Session, Clock] | None = None

    def timed_mark(self, queue: Queue) -> TimedMark:
        """A mark that notes the device's clock."""
        with self._engine.entered(queue) as session:
            if self._clock is None or self._clock[0] is not session:
                self._clock = session, Clock(session)
            clock = self._clock[1]
            mark = TimedMark(queue, session, clock)
            session.put(lambda encoder, place=mark.place: clock.note(encoder, place))
            mark.serial = session.serial
        return mark

    def wait(self, mark: Mark | TimedMark) -> None:
        """Block until a mark is reached."""
        self._engine.wait(mark.plain() if isinstance(mark, TimedMark) else mark)

    def wait_until(self, mark: Mark | TimedMark, seconds: float) -> bool:
        """Wait for so long at most; whether the mark was reached."""
        return self._engine.wait_until(mark.plain() if isinstance(mark, TimedMark) else mark, seconds)

    def elapsed_ms(self, first: TimedMark, second: TimedMark) -> float:
        """Milliseconds of the device's clock between two marks that were reached."""
        begin, end = (self._noted(mark) for mark in (first, second))
        return (end - begin) * first.clock.nanoseconds / 1e6

    def _noted(self, mark: TimedMark) -> int:
        found = bytearray(8)
        with self._engine.entered() as session:
            if mark.session is not session:
                raise DeviceError(
                    f"{self.name} was lost after it noted its clock", DeviceErrorKind.PROGRAMMER
                )
            session.read(mark.clock.values, mark.clock.offset(mark.place), memoryview(found))
        self._engine.finish()
        return int.from_bytes(found, "little")


def open_webgpu(index: int, features: tuple[str, ...] | None = None) -> WebGpuDriver:
    """The driver of an adapter. `features` narrows what code may use; () is what every browser has.

    UnsupportedError says what to install when wgpu or a driver of the system is missing.
    """
    found = library.adapters()
    if not found:
        raise UnsupportedError(
            "no WebGPU adapter was found: install a Vulkan driver for the GPU, or Mesa's for the CPU "
            "(the package mesa-vulkan-drivers)"
        )
    if index >= len(found):
        raise UnsupportedError(f"there is no device webgpu:{index}; the last is webgpu:{len(found) - 1}")
    adapter = found[index]
    kind = TimedWebGpuDriver if _CLOCK in adapter.features else WebGpuDriver
    return kind(adapter, index, () if features is None else features)


def _capabilities(limits: Mapping[str, int], features: tuple[str, ...]) -> Capabilities:
    has = frozenset(features)
    most = limits["max-compute-workgroups-per-dimension"]
    words = frozenset(t for t in SCALARS if t.itemsize <= 4 and (t.is_integer or t.is_float))
    return Capabilities(
        dtypes=frozenset(t for t in SCALARS if t.name != "f64" or "f64" in has),
        atomics=words,
        sums=frozenset(t for t in SCALARS if t.is_integer and t.bits == 64),
        scopes=frozenset(),
        clock=False,
        subgroup_sizes=(32,),
        max_block=limits["max-compute-invocations-per-workgroup"],
        shared_bytes=limits["max-compute-workgroup-storage-size"],
        ieee=False,
        features=tuple(sorted(has)),
        separate_buffers=True,
        wide_access=16,
        max_grid=(most, most, most),
        max_buffer=min(limits["max-storage-buffer-binding-size"], limits["max-buffer-size"], _MOST_BYTES)
        & ~15,
    )
