"""The CPU as a device: machine code in this process, host memory as device memory."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gyral.core import native, settings
from gyral.core.artifact import ArrayParameter, Artifact, Parameter, Signature
from gyral.core.caps import Capabilities
from gyral.core.driver import Launch, Step
from gyral.core.dtypes import SCALARS
from gyral.core.errors import DeviceError, DeviceErrorKind, InternalError, UserError
from gyral.drivers.cpu.graph import Graph
from gyral.drivers.cpu.identity import memory_bytes, vector_bits
from gyral.drivers.cpu.queue import Mark, Queue, wait, wait_until
from gyral.drivers.cpu.slots import pack

_ALIGNMENT = 64
_INTEGERS = frozenset(t for t in SCALARS if t.is_integer)
_FLOATS = frozenset(t for t in SCALARS if t.is_float)


@dataclass(frozen=True, slots=True)
class Program:
    """Loaded code: the signature it was compiled to, the mapped image, and the plan that runs it."""

    signature: Signature
    code: Any
    plan: Any


class CpuDriver:
    """The processor this runs on. UnsupportedError when the native module is missing."""

    name = "cpu"

    def __init__(self) -> None:
        self._native = native.require()
        threads = settings.current().threads
        if threads:
            try:
                self._native.set_threads(threads)
            except ValueError as error:
                raise UserError(f"GYRAL_THREADS is {threads}, and the CPU device says: {error}") from error

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the processor can do."""
        return Capabilities(
            atomics=_INTEGERS | _FLOATS,
            scopes=frozenset({"block", "device", "system"}),
            max_block=1 << 16,
            shared_bytes=1 << 20,
            subgroup_sizes=(max(4, vector_bits() // 32),),
            memory_bytes=memory_bytes(),
            units=self._native.threads(),
            unified=True,
            progress=True,
        )

    def allocate(self, nbytes: int) -> Any:
        """Host memory, 64-byte aligned, not touched yet: pages go to the node that writes them first."""
        try:
            block = np.empty(nbytes + _ALIGNMENT, np.uint8)
        except (MemoryError, ValueError) as error:  # NumPy's word for more than an address can say
            raise DeviceError(f"no {nbytes} bytes of memory left", DeviceErrorKind.RESOURCE) from error
        start = -block.__array_interface__["data"][0] % _ALIGNMENT
        return block[start : start + nbytes]

    def free(self, memory: Any) -> None:
        """Dropping the last reference is what frees host memory."""

    def address(self, memory: Any) -> int:
        """Where the memory starts."""
        return memory.__array_interface__["data"][0]

    def load(self, artifact: Artifact) -> Program:
        """Map the artifact's code. InternalError when it was made for something else."""
        if artifact.form != "cpu-image":
            raise InternalError(f"the CPU runs images, not {artifact.form!r}")
        code = self._native.load(artifact.code, artifact.entry)
        return Program(artifact.signature, code, self._plan(code, artifact.signature))

    def queue(self) -> Queue:
        """A new ordered queue, with a thread of its own once it is used."""
        return Queue()

    def launch(self, queue: Queue | None, program: Program, launch: Launch) -> None:
        """Run a launch now, or when its turn comes."""
        slots = pack(launch.arguments)

        def work() -> None:
            # With a number of threads given, the GIL is released whatever the launch is estimated to cost.
            threads = self.capabilities.units if launch.limited else None
            program.plan.run_packed(launch.shape, slots, launch.record, threads)
            if launch.done is not None:
                launch.done()

        if queue is None:
            work()
        else:
            queue.put(work)

    def copy_in(self, queue: Queue | None, address: int, source: memoryview) -> None:
        """Copy host bytes to memory."""
        data = source.cast("B")
        self._do(queue, lambda: _window(address, data.nbytes).__setitem__(slice(None), data))

    def copy_out(self, queue: Queue | None, target: memoryview, address: int) -> None:
        """Copy memory to host bytes."""
        data = target.cast("B")
        self._do(queue, lambda: data.__setitem__(slice(None), _window(address, data.nbytes)))

    def mark(self, queue: Queue) -> Mark:
        """A mark behind everything on the queue."""
        return queue.mark()

    def after(self, queue: Queue, mark: Mark) -> None:
        """Let the queue's thread wait for a mark of another queue."""
        if not mark.reached.is_set():
            queue.put(lambda: wait(mark))

    def wait(self, mark: Mark) -> None:
        """Block until a mark is reached."""
        wait(mark)

    def wait_until(self, mark: Mark, seconds: float) -> bool:
        """Block until a mark is reached, for so long at most."""
        return wait_until(mark, seconds)

    def timed_mark(self, queue: Queue) -> Mark:
        """A mark: each notes the time it is reached."""
        return queue.mark()

    def elapsed_ms(self, first: Mark, second: Mark) -> float:
        """Milliseconds between two marks that were reached."""
        return (second.seconds - first.seconds) * 1e3

    def abandon(self, queue: Queue) -> str:
        """Machine code cannot be stopped from outside: its threads go on."""
        queue.abandon()
        return "it goes on in threads of its own, which only the end of the process stops"

    def record(self, steps: Sequence[Step]) -> Graph:
        """A graph of launches, replayed by one native call."""
        return Graph(steps)

    def replay(self, queue: Queue | None, graph: Graph) -> None:
        """Run a graph now, or when its turn comes."""
        if queue is None:
            graph.run()
        else:
            graph.put(queue)

    def replace(self, graph: Graph, number: int, launch: Launch) -> None:
        """Give a step of a graph other arguments."""
        graph.replace(number, launch)

    def close(self) -> None:
        """Nothing is held beyond the queues, which end with their last reference."""

    def _plan(self, code: Any, signature: Signature) -> Any:
        block = (1, 1, 1, *signature.options.block)[-3:]
        params = tuple(_slots(p) for p in signature.parameters)
        return self._native.Plan(
            code,
            params,
            signature.rank,
            signature.item,
            block=block,
            scratch_bytes=signature.scratch_bytes,
            record=signature.needs_record,
            cost_ns=signature.cost_ns,
        )

    def _do(self, queue: Queue | None, work: Any) -> None:
        if queue is None:
            work()
        else:
            queue.put(work)


def open_cpu(index: int) -> CpuDriver:
    """The driver of the CPU, of which there is one."""
    if index:
        raise UserError(f"there is one CPU device, cpu:0, and no cpu:{index}")
    return CpuDriver()


def _slots(parameter: Parameter) -> tuple[Any, ...]:
    """A parameter to a plan that runs packed slots and checks nothing but their number."""
    if isinstance(parameter, ArrayParameter):
        return ("array", "u8", 1, parameter.rank, (), None, 1, parameter.writes)
    return ("scalar", parameter.dtype.name, "", ())


def _window(address: int, nbytes: int) -> memoryview:
    return memoryview((ctypes.c_ubyte * nbytes).from_address(address)).cast("B")
