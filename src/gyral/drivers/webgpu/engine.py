"""What stands behind a WebGPU driver: its session, which a lost device takes with it, and its memory."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import sleep
from typing import Any, NamedTuple

from gyral.core import abi
from gyral.core.clock import MONOTONIC
from gyral.core.driver import Launch, Pointer, closed
from gyral.core.errors import DeviceError, DeviceErrorKind, InternalError, StateError
from gyral.drivers.webgpu import bytework, library
from gyral.drivers.webgpu.graph import Prepared
from gyral.drivers.webgpu.link import Link
from gyral.drivers.webgpu.memory import AddressBook, Memory
from gyral.drivers.webgpu.program import Program
from gyral.drivers.webgpu.session import Call, Session

_SHORTEST, _LONGEST = 20e-6, 2e-3
"""Seconds between two looks at work that has a deadline."""


@dataclass(eq=False, slots=True)
class Queue:
    """A user's queue. The device has one order for all, so that it holds no more than what went wrong."""

    failure: BaseException | None = None

    def raise_failure(self) -> None:
        """Raise what went wrong, once."""
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure


class Mark(NamedTuple):
    """Behind which command buffer of which session something is."""

    queue: Queue | None
    session: Session
    serial: int


class Engine:
    """One adapter and, while it is not lost, its device. `generation` counts the losses."""

    def __init__(self, name: str, adapter: Any, requested: tuple[str, ...]) -> None:
        self.name = name
        self.book = AddressBook()
        self.generation = 0
        self._adapter, self._requested = adapter, requested
        self._lock = threading.RLock()
        self._pending: set[Queue] = set()
        self._byte_programs = bytework.programs()
        self._closed = False
        self._session: Session | None = self._open()
        self.limits = dict(self._session.link.limits)
        self.most_blocks = (self.limits["max-compute-workgroups-per-dimension"],) * 3

    @contextmanager
    def entered(self, queue: Queue | None = None) -> Iterator[Session]:
        """The session, locked, for work on a queue. The device is opened anew when it was lost."""
        with self._lock:
            if queue is not None:
                queue.raise_failure()
                self._pending.add(queue)
            if self._closed:
                raise closed(self.name)
            if self._session is None:
                self._session = self._open()
            session = self._session
            try:
                yield session
            except DeviceError as error:
                self._blame(error, queue, session)
                raise
            if session.serial == session.link.submitted:
                self._pending.clear()

    def mark(self, queue: Queue | None) -> Mark:
        """A mark behind all work so far."""
        session = self._session
        if session is None:
            with self.entered() as session:
                pass
        return Mark(queue, session, session.serial)

    def wait(self, mark: Mark) -> None:
        """Block until a mark is reached, then raise what its queue has to say."""
        session = mark.session
        if session is self._session:
            with self.entered():
                if mark.serial > session.link.submitted:
                    session.flush()
                awaited = session.awaited(mark.serial)
            try:
                session.link.wait(mark.serial, awaited)
            except DeviceError as error:
                with self._lock:
                    self._blame(error, mark.queue, session)
                raise
            with self.entered():
                calls = session.settle()
            _run(calls)
        elif session.link.completed < mark.serial and (mark.queue is None or mark.queue.failure is None):
            raise DeviceError(f"{self.name} was lost before this work was done", DeviceErrorKind.FATAL)
        if mark.queue is not None:
            mark.queue.raise_failure()

    def wait_until(self, mark: Mark, seconds: float) -> bool:
        """Wait for so long at most; whether the mark was reached."""
        end, pause, session = MONOTONIC() + seconds, _SHORTEST, mark.session
        if session is self._session:
            with self.entered():
                if mark.serial > session.link.submitted:
                    session.flush()
                awaited = session.awaited(mark.serial)
            while not session.link.reached(mark.serial, awaited):
                left = end - MONOTONIC()
                if left <= 0:
                    return False
                # wgpu waits for ever or not at all. A pause grows with the time already waited.
                sleep(min(pause, left))
                pause = min(2 * pause, _LONGEST)
        self.wait(mark)
        return True

    def give_up(self, queue: Queue) -> None:
        """Leave the device to work that does not end: the next call opens it anew."""
        with self._lock:
            session = self._session
            if session is None:
                return
            text = f"{self.name} was given up with a launch that did not end; what was in its memory is lost"
            self._blame(DeviceError(text, DeviceErrorKind.FATAL), queue, session)
            # Giving it back, even at the end of the process, would wait for what does not end.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(session))

    def finish(self) -> None:
        """Wait for all work so far."""
        self.wait(self.mark(None))

    def shut(self) -> None:
        """Finish all work and give the device back. Doing so twice is harmless."""
        if self._closed:
            return
        try:
            if self._session is not None:
                self.finish()
        finally:
            with self._lock:
                self._closed = True
                self.book.clear()
                if self._session is not None:
                    self._session.link.close()

    def place(self, address: int, nbytes: int = 0) -> tuple[Memory, int]:
        """The memory at an address, and where in it; StateError when so many bytes are not there."""
        memory = self.book.find(address)
        self.require_current(memory.generation)
        offset = address - memory.base
        if offset + nbytes > memory.nbytes:
            raise StateError(f"{nbytes} bytes at {address:#x} reach beyond the memory there")
        return memory, offset

    def require_current(self, generation: int) -> None:
        """DeviceError when something was made before the device was lost."""
        if generation != self.generation:
            # Not of kind FATAL: the device that is open now works.
            raise DeviceError(
                f"{self.name} was lost, and with it what was in its memory; make arrays and graphs anew",
                DeviceErrorKind.PROGRAMMER,
            )

    def prepared(
        self, session: Session, program: Program, launch: Launch, ring: Any = None
    ) -> Prepared | None:
        """A launch as the device takes it, None without threads; `ring`: parameters elsewhere than usual."""
        if 0 in launch.shape:
            return None
        self.built(session, program)
        grid = abi.grid_of(program.signature, launch.shape, self.most_blocks)
        memories, offsets = self._memories(program, launch)
        places = iter(offsets)
        parameters = abi.pack(launch, grid, lambda _: next(places))
        parameters += bytes(program.size - len(parameters))
        ragged = launch.shape[-1] % program.signature.coarse != 0
        pipeline = program.pipeline(session.link, any(offsets), ragged)
        if ring is None:
            return pipeline, program.group(session.link, session.ring, memories), grid.native, parameters
        return pipeline, program.bind(session.link, ring, memories), grid.native, parameters

    def built(self, session: Session, program: Program) -> Program:
        """A program, compiled for the device that is open now."""
        if program.generation != self.generation:
            program.build(session.link, self.generation)
        return program

    def byte_program(self, session: Session, name: str) -> Program:
        """One of the programs of `bytework`."""
        return self.built(session, self._byte_programs[name])

    def put_bytework(self, session: Session, work: bytework.ByteWork, memories: list[Memory]) -> None:
        """Put byte work behind all other work."""
        offset = session.slot(work.parameters)
        group = work.program.group(session.link, session.ring, memories)
        pipeline = work.program.pipeline(session.link, False, False)
        session.put((pipeline._internal, group._internal, offset, *work.blocks), group)

    def _memories(self, program: Program, launch: Launch) -> tuple[list[Memory], list[int]]:
        """The memory of each binding, and the byte offset of each array in its own."""
        numbers = iter(program.signature.options.groups)
        found: dict[int, Memory] = {}
        offsets: list[int] = []
        for argument in launch.arguments:
            if isinstance(argument, Pointer):
                memory, offset = self.place(argument.address)
                if found.setdefault(next(numbers), memory) is not memory:
                    raise InternalError(f"{program.signature.name}: arrays of one binding lie in two buffers")
                offsets.append(offset)
        if program.signature.sites:
            found[len(program.written) - 1] = self.place(launch.record.address)[0]
        if len({memory.base for memory in found.values()}) != len(program.written):
            raise InternalError(f"{program.signature.name}: one buffer is bound twice")
        return [found[number] for number in range(len(program.written))], offsets

    def _open(self) -> Session:
        return Session(Link(library.request_device(self._adapter, self._requested)))

    def _blame(self, error: DeviceError, queue: Queue | None, session: Session) -> None:
        """Tell the queues whose work was lost by a failure; forget a device that is gone."""
        for other in self._pending:
            if other is not queue:
                other.failure = other.failure or error
        self._pending.clear()
        if error.kind is DeviceErrorKind.FATAL and session is self._session:
            self._session = None
            self.generation += 1


def _run(calls: list[Call]) -> None:
    """Make the calls that are due. What they raise is their queue's failure, or raised here without one."""
    failure: BaseException | None = None
    for owner, call in calls:
        try:
            call()
        except BaseException as error:  # noqa: BLE001 - it is raised again, to whom it concerns
            if owner is None:
                failure = failure or error
            else:
                owner.failure = owner.failure or error
    if failure is not None:
        raise failure
