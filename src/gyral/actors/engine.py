"""The loop of a system and the memory it runs on: epochs, pauses, the birth of actors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gyral.actors.declare import ActorKind
from gyral.actors.host import Host
from gyral.actors.hosts import way_of
from gyral.actors.image import Image, put_image, take_image
from gyral.actors.records import write_fields
from gyral.actors.roster import Entry, Roster
from gyral.actors.world import World
from gyral.core import entry as loading
from gyral.core import native, wire
from gyral.core.artifact import Site
from gyral.core.errors import DeviceError, StateError, UserError
from gyral.core.wire import Geometry, power_of_two
from gyral.jit.loop import Loop
from gyral.runtime.device import Device

PAUSE_SECONDS = 10.0


class Engine:
    """One loop on one device, relaunched on the same actors when a class or room for more is added.

    `lock` is held by whoever changes who lives here. `epochs` counts launches of the loop.
    """

    def __init__(
        self, name: str, device: Device, host: Host, workers: int, priorities: int, depth: int
    ) -> None:
        self.name, self.device, self.host = name, device, host
        self.roster = Roster()
        self.lock = threading.RLock()
        self.epochs = 0
        self.program: Any = None
        self._workers, self._priorities, self._depth = workers, priorities, depth
        self._world: World | None = None
        self._quiet = 0
        self._stride = 16
        self._accepts: dict[int, Any] = {}

    @property
    def world(self) -> World:
        """The memory of the loop that runs. StateError before the first actor."""
        if self._world is None:
            raise StateError(f"{self.name} has no actors yet")
        return self._world

    @property
    def running(self) -> bool:
        """Whether there is a loop."""
        return self._world is not None

    @property
    def sites(self) -> Sequence[Site]:
        """The places in handlers that can fail."""
        return self.program.signature.sites

    @contextmanager
    def quiet(self) -> Iterator[World]:
        """The loop stands at message boundaries while the block runs; pauses nest."""
        with self.lock:
            if self._quiet == 0:
                self._pause()
            self._quiet += 1
            try:
                yield self.world
            finally:
                self._quiet -= 1
                if self._quiet == 0:
                    self.host.resume()

    def _pause(self) -> None:
        if not self.host.pause(PAUSE_SECONDS):
            raise DeviceError(f"a worker of {self.name} does not reach the end of its handler")

    def stop(self, seconds: float) -> bool:
        """End the loop; False when a worker had to be given up."""
        with self.lock:
            return self._world is None or self.host.stop(seconds)

    # Actors.

    def room_for(self, kind: ActorKind, n: int, pools: dict[str, int] | None = None) -> int:
        """The number of a class that has `n` free slots now, and elements in its pools."""
        number = self.roster.number(kind)
        if number is None:
            number = self.roster.enrol(kind)
            self._epoch({number: max(n, kind.capacity)}, _grown(number, pools))
            return number
        world = self.world
        block, table = world.class_block(number), world.tables[number]
        free = int(block[wire.CL_GIVEN]) - int(block[wire.CL_TAKEN]) & 0xFFFFFFFF
        short = {
            name: count
            for name, count in (pools or {}).items()
            if table.used.get(name, 0) + count > len(table.arrays[name])
        }
        if free < n or short:
            more = max(n - free, table.rows) if free < n else 0
            double = {name: max(count, len(table.arrays[name])) for name, count in short.items()}
            self._epoch({number: more}, _grown(number, double))
        return number

    def born(self, number: int, fields: dict[str, Any], name: str = "") -> Entry:
        """A new actor, under the pause, with a free slot at hand; it takes messages from now on."""
        world = self.world
        slot = world.take_slot(number)
        if slot is None:
            raise StateError(f"no slot of {self.roster.kinds[number].name} is free")
        control = world.control(slot)
        found = Entry(slot, int(control[wire.CT_GENERATION]), number, int(control[wire.CT_ROW]), fields, name)
        try:
            self.roster.add(found)
            self.reset_fields(found)
        except BaseException:
            self.roster.drop(slot)
            world.give_slot(number, slot)
            raise
        control[wire.CT_STATE] = wire.ACTIVE
        return found

    def entry(self, slot: int) -> Entry:
        """What the host knows of an actor; one that was spawned in a handler is taken in now."""
        found = self.roster.entries.get(slot)
        if found is None:
            control = self.world.control(slot)
            generation, number, row = (
                int(control[k]) for k in (wire.CT_GENERATION, wire.CT_CLASS, wire.CT_ROW)
            )
            found = Entry(slot, generation, number, row, {})
            self.roster.add(found)
        return found

    def kind(self, entry: Entry) -> ActorKind:
        """An actor's class."""
        return self.roster.kinds[entry.number]

    def reset_fields(self, entry: Entry) -> None:
        """Give an actor the fields it was spawned with. Under the pause."""
        write_fields(self.world.tables[entry.number], entry.row, entry.fields, entry.pools)

    def recheck(self, slot: int) -> None:
        """Let an actor's worker look at what was put aside for it. Under the pause."""
        self.world.workers[slot % self._workers, wire.WK_RECHECK] = 1

    def free(self, slot: int) -> None:
        """Let the slot of an actor that has ended be taken by another, under its next generation."""
        world = self.world
        control = world.control(slot)
        number, generation = int(control[wire.CT_CLASS]), int(control[wire.CT_GENERATION])
        control[wire.LINE :] = 0
        control[wire.CT_STATE] = wire.FREE
        control[wire.CT_GENERATION] = generation % 0xFFFF + 1
        control[wire.CT_RESTARTS] = 0
        self.roster.drop(slot)
        world.give_slot(number, slot)

    def accepts(self, number: int) -> Any:
        """The messages that a class handles, with their numbers."""
        if number not in self._accepts:
            kind = self.roster.kinds[number]
            numbers = {h.message: self.roster.messages[h.message] for h in kind.handlers}
            self._accepts[number] = native.require().Accepts(numbers)
        return self._accepts[number]

    # Epochs.

    def take_image(self) -> Image:
        """The system at rest, copied. Under the pause."""
        return take_image(self.world)

    def replace_code(self, build: Callable[[], None]) -> None:
        """Change classes of the roster by `build` and relaunch with the new code on the same actors."""
        with self.lock:
            build()
            self._epoch({}, {})

    def widen(self, words: int) -> None:
        """Relaunch with slots of at least so many words."""
        with self.lock:
            self._stride = max(self._stride, power_of_two(words))
            self._epoch({}, {})

    def _epoch(self, more: dict[int, int], pools: dict[tuple[int, str], int]) -> None:
        """Relaunch with new classes, or more rows and larger pools of old ones; all that lives stays."""
        kinds, old = self.roster.kinds, self._world
        rows = [t.rows for t in old.tables] if old is not None else []
        rows += [0] * (len(kinds) - len(rows))
        grown = [count + more.get(number, 0) for number, count in enumerate(rows)]
        sizes = dict(pools)
        for number, table in enumerate(old.tables if old is not None else []):
            for name in table.used:
                sizes[number, name] = len(table.arrays[name]) + pools.get((number, name), 0)
        program = self._loop().load(self.device)
        batched = way_of(self.device.capabilities) == "batched"
        world = World(self._geometry(grown), kinds, grown, sizes, batched=batched)
        if old is not None:
            if self._quiet == 0:
                self._pause()
            put_image(world, take_image(old, copy=False))
            self.host.stop(PAUSE_SECONDS)
        self._new_slots(world, rows, grown)
        self._world, self.program = world, program
        self.host.start(world, program)
        for message, number in self.roster.messages.items():
            self.host.mail.number(message, number)
        if self._quiet:
            self._pause()
        self.epochs += 1

    def _new_slots(self, world: World, rows: Sequence[int], grown: Sequence[int]) -> None:
        slot = sum(rows)
        for number, count in enumerate(grown):
            for row in range(rows[number], count):
                control = world.control(slot)
                control[wire.CT_GENERATION], control[wire.CT_CLASS], control[wire.CT_ROW] = 1, number, row
                control[wire.CT_MAILBOX] = self.roster.kinds[number].mailbox
                world.give_slot(number, slot)
                slot += 1

    def _geometry(self, rows: Sequence[int]) -> Geometry:
        largest = max((-(-m.__gyral_struct__.itemsize // 4) for m in self.roster.messages), default=0)
        self._stride = max(self._stride, power_of_two(wire.HEADER_WORDS + largest))
        return Geometry(
            workers=self._workers,
            capacity=sum(rows),
            classes=len(rows),
            stride=self._stride,
            depth=self._depth,
            priorities=self._priorities,
            list_room=power_of_two(max(rows)),
            dedup=max(kind.dedup for kind in self.roster.kinds),
        )

    def _loop(self) -> Loop:
        kinds = tuple(self.roster.kinds)
        messages = {m.__gyral_struct__: n for m, n in self.roster.messages.items()}
        blocks = {kind.block for kind in kinds}
        if len(blocks) > 1:
            raise UserError(
                f"classes of one system run in blocks of one size, and these have {sorted(blocks)} threads; "
                "give them one block=, or a system each"
            )
        block = (next(iter(blocks)),)

        def program() -> Any:
            roles = tuple(kind.role() for kind in kinds)
            return loading.load("gyral.compiler.frontend.program:ResidentProgram")(roles, messages, block)

        spelling = " ".join(kind.spelling() for kind in kinds)
        classes = [(kind.python, kind.arrays) for kind in kinds]
        return Loop(classes, messages, block, spelling, program, way_of(self.device.capabilities))


def _grown(number: int, pools: dict[str, int] | None) -> dict[tuple[int, str], int]:
    return {(number, name): count for name, count in (pools or {}).items()}
