"""A system of actors: one device, one loop, the actors in it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import numpy as np

from gyral.actors.declare import ActorKind, kind_of
from gyral.actors.fields import MISSING
from gyral.actors.host import Host
from gyral.actors.image import put_image, take_image
from gyral.actors.ref import Ref
from gyral.actors.roster import Entry, Roster
from gyral.actors.threads import ThreadHost
from gyral.actors.world import World
from gyral.core import entry, wire
from gyral.core.errors import DeviceError, StateError, UserError
from gyral.core.wire import Geometry, power_of_two
from gyral.jit.loop import Loop
from gyral.runtime.device import Device, device

PAUSE_SECONDS = 10.0
SPINS = 4096


class ActorSystem:
    """Actors on one device. `with gy.ActorSystem(device="cpu") as system:` ends them all when the block ends.

    `workers`: threads or blocks that run actors. `spins`: idle turns of a worker before it parks. `stall`:
    seconds after which messages that nobody has room for go to the dead letters. `grace`: seconds the end of
    the block waits for what is still queued.
    """

    def __init__(
        self,
        device: str | Device = "cpu",
        *,
        workers: int | None = None,
        name: str = "actors",
        spins: int = SPINS,
        stall: float = 1.0,
        hang_after: float = 5.0,
        grace: float = 1.0,
        priorities: int = 1,
        depth: int = 4096,
    ) -> None:
        self.name = name
        self.device = _device(device)
        self.grace = grace
        self.epochs = 0
        self._workers = workers or min(2, os.cpu_count() or 1)
        self._priorities, self._depth = priorities, depth
        self._roster = Roster()
        self._world: World | None = None
        self._host: Host = ThreadHost(spins, stall, hang_after)
        self._lock = threading.RLock()
        self._quiet_depth = 0
        self._closed = False
        self._stride = 0

    # Life.

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all actors, once what is queued was handled or `grace` seconds have passed."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._world is not None:
                self._host.stop(self.grace + PAUSE_SECONDS)

    # Actors.

    def spawn(self, cls: type, name: str = "", **fields: Any) -> Ref:
        """A new actor of a class made by `@gy.actor`, with some of its fields given."""
        return self.spawn_many(cls, 1, names=[name] if name else None, **fields)[0]

    def spawn_many(self, cls: type, n: int, names: Sequence[str] | None = None, **fields: Any) -> list[Ref]:
        """`n` new actors; a field given as a sequence of length `n` has one value for each."""
        kind = kind_of(cls)
        with self._lock:
            self._check_open()
            number = self._enrolled(kind, n)
            world = self._running_world()
            columns = [_column(kind, name, value, n) for name, value in fields.items()]
            made = []
            with self._quiet():
                for k in range(n):
                    given = dict(column(k) for column in columns)
                    made.append(self._born(world, number, given, names[k] if names else ""))
            return made

    def _born(self, world: World, number: int, given: dict[str, Any], name: str) -> Ref:
        kind = self._roster.kinds[number]
        slot = world.take_slot(number)
        if slot is None:
            raise StateError(f"no slot of {kind.name} is free")
        control = world.control(slot)
        entry = Entry(slot, int(control[wire.CT_GENERATION]), number, int(control[wire.CT_ROW]), given, name)
        self._roster.add(entry)
        self.reset_fields(entry)
        control[wire.CT_STATE] = wire.ACTIVE
        return self._ref(entry)

    def reset_fields(self, entry: Entry) -> None:
        """Give an actor the fields it was spawned with."""
        world = self._running_world()
        table = world.tables[entry.number]
        for one in table.kind.fields:
            value = entry.fields.get(one.name, one.default)
            if one.kind == "state":
                table.records[one.name][entry.row] = _stored(value, table.records.dtype[one.name])
            elif one.kind == "fixed":
                table.arrays[one.name][entry.row] = 0 if value is MISSING or value is None else value

    def _ref(self, entry: Entry) -> Ref:
        kind = self._roster.kinds[entry.number]
        accepts = frozenset(h.message for h in kind.handlers)
        made = Ref(self._host.mail, entry.slot, entry.generation, accepts)
        made._system = self
        return made

    # The loop.

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """The loop stands at message boundaries while the block runs."""
        with self._lock:
            if self._quiet_depth == 0 and not self._host.pause(PAUSE_SECONDS):
                raise DeviceError(f"a worker of {self.name} does not reach the end of its handler")
            self._quiet_depth += 1
            try:
                yield
            finally:
                self._quiet_depth -= 1
                if self._quiet_depth == 0 and not self._closed:
                    self._host.resume()

    def _enrolled(self, kind: ActorKind, n: int) -> int:
        """The number of a class with `n` free slots; a new class or more slots begin an epoch."""
        number = self._roster.number(kind)
        if number is None:
            number = self._roster.enrol(kind)
            self._epoch({number: max(n, kind.capacity)})
        else:
            world = self._running_world()
            block = world.class_block(number)
            free = int(block[wire.CL_GIVEN]) - int(block[wire.CL_TAKEN]) & 0xFFFFFFFF
            if free < n:
                self._epoch({number: max(n - free, len(world.tables[number].records) // (1 + kind.keeps))})
        return number

    def _epoch(self, more: dict[int, int]) -> None:
        """Relaunch the loop with new classes or more rows of old ones; nothing that lives notices."""
        kinds, old = self._roster.kinds, self._world
        rows = [t.rows for t in old.tables] if old is not None else []
        rows += [0] * (len(kinds) - len(rows))
        grown = [count + more.get(number, 0) for number, count in enumerate(rows)]
        loop = self._loop()
        program = loop.load(self.device)
        world = World(self._geometry(sum(grown), grown), kinds, grown)
        if old is not None:
            if self._quiet_depth == 0 and not self._host.pause(PAUSE_SECONDS):
                raise DeviceError(f"a worker of {self.name} does not reach the end of its handler")
            put_image(world, take_image(old, copy=False))
            self._host.stop(PAUSE_SECONDS)
        slot = sum(rows)
        for number, count in enumerate(grown):
            for row in range(rows[number], count):
                control = world.control(slot)
                control[wire.CT_GENERATION], control[wire.CT_CLASS], control[wire.CT_ROW] = 1, number, row
                control[wire.CT_MAILBOX] = kinds[number].mailbox
                world.give_slot(number, slot)
                slot += 1
        self._world = world
        self._host.start(world, program)
        for message, number in self._roster.messages.items():
            self._host.mail.number(message, number)
        if self._quiet_depth:
            self._host.pause(PAUSE_SECONDS)
        self.epochs += 1

    def _geometry(self, capacity: int, rows: Sequence[int]) -> Geometry:
        largest = max((m.__gyral_struct__.itemsize + 3) // 4 for m in self._roster.messages)
        self._stride = max(self._stride, power_of_two(max(16, wire.HEADER_WORDS + largest)))
        return Geometry(
            workers=self._workers,
            capacity=capacity,
            classes=len(rows),
            stride=self._stride,
            depth=self._depth,
            priorities=self._priorities,
            list_room=power_of_two(max(rows)),
            dedup=max(kind.dedup for kind in self._roster.kinds),
        )

    def _loop(self) -> Loop:
        kinds = tuple(self._roster.kinds)
        messages = {m.__gyral_struct__: n for m, n in self._roster.messages.items()}
        blocks = {kind.block for kind in kinds}
        if len(blocks) > 1:
            raise UserError(
                f"classes of one system run in blocks of one size, and these have {sorted(blocks)} threads; "
                "give them one block=, or a system each"
            )
        return Loop(
            [(kind.python, kind.arrays) for kind in kinds],
            messages,
            (next(iter(blocks)),),
            " ".join(kind.spelling() for kind in kinds),
            lambda: _program(kinds, messages, (next(iter(blocks)),)),
        )

    def _running_world(self) -> World:
        if self._world is None:
            raise StateError(f"{self.name} has no actors yet")
        return self._world

    def _check_open(self) -> None:
        if self._closed:
            raise StateError(f"{self.name} was closed")


def _program(kinds: Sequence[ActorKind], messages: dict[Any, int], block: tuple[int, ...]) -> Any:
    program = entry.load("gyral.compiler.frontend.program:ResidentProgram")
    return program(tuple(kind.role() for kind in kinds), messages, block)


def _device(given: str | Device) -> Device:
    return given if isinstance(given, Device) else device(given)


def _column(kind: ActorKind, name: str, value: Any, n: int) -> Any:
    """One field of many actors: its name and value by number."""
    one = kind.field(name)
    if one is None:
        names = ", ".join(f.name for f in kind.fields) or "none"
        raise UserError(f"{kind.name} has no field {name!r}; its fields are {names}")
    many = isinstance(value, (list, np.ndarray)) and one.kind == "state" and len(value) == n and n > 1
    return (lambda k: (name, value[k])) if many else (lambda k: (name, value))


def _stored(value: Any, dtype: np.dtype[Any]) -> Any:
    """A field's value as its record holds it."""
    if value is MISSING or value is None:
        return np.zeros((), dtype)[()]
    if isinstance(value, Ref):
        return (value.slot, value.gen)
    return value
