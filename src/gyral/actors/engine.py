"""The loop of a system and the memory it runs on: epochs, pauses, the birth of actors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from gyral.actors.code import load_loop
from gyral.actors.declare import ActorKind
from gyral.actors.host import Host, Mortal, Printing
from gyral.actors.hosts import way_of
from gyral.actors.image import Image, put_image, take_image
from gyral.actors.migration import Change, Migrate, Moved, without
from gyral.actors.records import erase, write_fields
from gyral.actors.roster import Entry, Roster
from gyral.actors.sites import Sites
from gyral.actors.spare import Spare
from gyral.actors.world import Memory, World
from gyral.core import native, wire
from gyral.core.clock import MONOTONIC
from gyral.core.errors import DeviceError, StateError
from gyral.core.events import Relaunched, emit
from gyral.core.wire import Geometry, power_of_two
from gyral.runtime.device import Device

PAUSE_SECONDS = 10.0
ABORT_SECONDS = 1.0


class Engine:
    """One loop on one device, relaunched on the same actors when a class or room for more is added.

    `lock` is held by whoever changes who lives here. `epochs` counts launches of the loop. `home` is asked
    for words by the mail (`Mail.home`); `before_epoch` is called, under the pause, to take what the loop said
    before it is replaced. `floors`: by slot, the least generation of who comes next. `patience`: seconds that
    a handler may take to end when the loop is to rest.
    """

    def __init__(
        self,
        name: str,
        device: Device,
        host: Host,
        workers: int,
        priorities: int,
        depth: int,
        patience: float = PAUSE_SECONDS,
        route: int = 0,
    ) -> None:
        self.name, self.device, self.host = name, device, host
        self.roster = Roster()
        self.lock = threading.RLock()
        self.epochs = 0
        self.program: Any = None
        self.sites = Sites()
        self.route = route
        self.home: Any = None
        self.before_epoch: Callable[[], None] = lambda: None
        self._patience = patience
        self._workers, self._priorities, self._depth = workers, priorities, depth
        self._world: World | None = None
        self._quiet = 0
        self._stride = 16
        self._room: dict[str, int] = {}
        self.floors: dict[int, int] = {}
        self._accepts: dict[int, Any] = {}
        self._spare = Spare()

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
    def workers(self) -> int:
        """Threads or blocks that run actors."""
        return self._workers

    @property
    def priorities(self) -> int:
        """How many kinds of messages there are by urgency."""
        return self._priorities

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
        """Bring the loop to rest. A handler that runs for longer than it may is made to fail."""
        if self.host.pause(self._patience):
            return
        for worker, row in enumerate(self.host.mail.workers()):
            if row["stage"] == "running":
                self.host.mail.abort(worker, ABORT_SECONDS)
        if not self.host.pause(ABORT_SECONDS):
            self.host.resume()
            raise DeviceError(f"a worker of {self.name} does not reach the end of its handler")

    def stop(self, seconds: float) -> bool:
        """End the loop; False when a worker had to be given up."""
        with self.lock:
            return self._world is None or self.host.stop(seconds)

    def close(self) -> None:
        """Refuse everything from now on, and end the process that the loop had of its own."""
        self.host.mail.close()
        if isinstance(self.host, Mortal):
            self.host.close()

    def flush(self) -> bool:
        """Write out what handlers printed; whether they print at all."""
        host = self.host
        if not isinstance(host, Printing) or not host.prints:
            return False
        if host.printed:
            with self.lock:
                running = host.mail.running
                if running:
                    with self.quiet():
                        host.flush()
                else:
                    host.flush()
        return True

    # Actors.

    def room_for(self, kind: ActorKind, given: Sequence[dict[str, Any]]) -> int:
        """The number of a class that has room now for actors with these fields."""
        number, n = self.roster.number(kind), len(given)
        pools = self._spare.needs(-1 if number is None else number, kind, given)
        if number is None:
            return self._enrol(kind, n, pools)
        world = self.world
        block, table = world.class_block(number), world.tables[number]
        free = int(block[wire.CL_GIVEN]) - int(block[wire.CL_TAKEN]) & 0xFFFFFFFF
        short = {
            name: count
            for name, count in pools.items()
            if table.used.get(name, 0) + count > len(table.arrays[name])
        }
        if free < n or short:
            more = max(n - free, table.rows) if free < n else 0
            double = {name: max(count, len(table.arrays[name])) for name, count in short.items()}
            self._epoch({number: more}, _grown(number, double), "grow", self.program)
        return number

    def _enrol(self, kind: ActorKind, n: int, pools: dict[str, int] | None) -> int:
        """Take in a class and those its handlers spawn; all stays as it was when they cannot be compiled."""
        kinds, messages = list(self.roster.kinds), dict(self.roster.messages)
        rows = {self.roster.enrol(one): one.capacity for one in self.roster.beside(kind)}
        number = min(rows)
        rows[number] = max(n, kind.capacity)
        try:
            program = load_loop(self.roster.kinds, self.roster.messages, self.device)
        except BaseException:
            self.roster.kinds, self.roster.messages = kinds, messages
            raise
        self._epoch(rows, _grown(number, pools), "class", program)
        return number

    def born_many(self, number: int, fields: Sequence[dict[str, Any]], names: Sequence[str]) -> list[Entry]:
        """New actors of a class that has room for them, under the pause; all live from now on, or none."""
        made: list[Entry] = []
        try:
            for own, name in zip(fields, names, strict=True):
                made.append(self._born(number, own, name))
                self.reset_fields(made[-1])
        except BaseException:
            for entry in made:
                self.free(entry.slot)
            raise
        for entry in made:
            self.world.control(entry.slot)[wire.CT_STATE] = wire.ACTIVE
        return made

    def _born(self, number: int, fields: dict[str, Any], name: str) -> Entry:
        slot = self.world.take_slot(number)
        if slot is None:
            raise StateError(f"no slot of {self.roster.kinds[number].name} is free")
        control = self.world.control(slot)
        if self.is_empty(slot):  # it may have been sent letters for whoever was here before
            control[wire.LINE :] = 0
            self.world.sent[:, slot] = self.world.done[:, slot] = 0
        found = Entry(slot, int(control[wire.CT_GENERATION]), number, int(control[wire.CT_ROW]), fields, name)
        self.roster.add(found)
        self._spare.take(found, self.roster.kinds[number])
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

    def is_empty(self, slot: int) -> bool:
        """Whether all that was sent to a slot has ended. Under the pause."""
        world = self.world
        return bool((world.sent[:, slot] == world.done[:, slot]).all())

    def free(self, slot: int) -> None:
        """Let the slot of an actor that has ended be taken by another, under its next generation.

        Under the pause, when nothing is queued for it.
        """
        world = self.world
        control = world.control(slot)
        number, generation = int(control[wire.CT_CLASS]), int(control[wire.CT_GENERATION])
        control[wire.LINE :] = 0
        control[wire.CT_STATE] = wire.FREE
        control[wire.CT_GENERATION] = max(generation % 0xFFFF + 1, self.floors.pop(slot, 0))
        control[wire.CT_RESTARTS] = control[wire.CT_FLAGS] = 0
        world.sent[:, slot] = 0
        world.done[:, slot] = 0
        gone = self.roster.drop(slot)
        if gone is not None:
            self._spare.give(gone, world.tables[number])
        erase(world.tables[number], int(control[wire.CT_ROW]))
        world.give_slot(number, slot)

    def accepts(self, number: int) -> Any:
        """The messages that a class handles, with their numbers."""
        if number not in self._accepts:
            self._accepts[number] = native.require().Accepts(self._numbers(number))
        return self._accepts[number]

    def _numbers(self, number: int) -> dict[Any, int]:
        return {h.message: self.roster.messages[h.message] for h in self.roster.kinds[number].handlers}

    # Epochs.

    def take_image(self) -> Image:
        """The system at rest, copied. Under the pause."""
        return take_image(self.world)

    def begin(
        self,
        kinds: Sequence[ActorKind],
        rows: Sequence[int],
        pools: dict[tuple[int, str], int],
        room: Mapping[str, int],
        fill: Callable[[World], Sequence[Entry]],
    ) -> None:
        """Launch the first loop, on actors that were saved.

        `rows`, `pools`: what the classes have. `room`: the least sizes of the arena, as `wire.Geometry` names
        them. `fill` puts the actors into the new memory, and gives what the host knows of them.
        """
        with self.lock:
            for kind in kinds:
                self.roster.enrol(kind)
            self._stride = max(self._stride, room["stride"])
            self._depth = max(self._depth, room["depth"])
            self._room = {name: size for name, size in room.items() if name in ("urgent_depth", "held_room")}
            program = load_loop(self.roster.kinds, self.roster.messages, self.device)
            batched = way_of(self.device.capabilities) == "batched"
            world = World(self._geometry(rows), kinds, rows, pools, self.route, batched, self._memory())
            self.roster.settle(fill(world))
            self._launch(world, program)

    def go_back(self, fill: Callable[[World, World], Sequence[Entry]], seconds: float) -> bool:
        """Leave a loop, come to rest or not, and launch it anew; whether all its workers ended in time.

        `fill` is given the memory that was left, which a worker that never came back may still write, and new
        memory, and gives what the host knows of those that live in it. Asks that wait end in LoopLost.
        """
        with self.lock:
            lost = self.world
            ended = self.host.stop(seconds)
            if not ended and self.host.way == "batched":
                raise DeviceError(f"{self.device.name} does not come back from a loop of {self.name}")
            world = self._new_world(lost, {}, {}, None)
            self._spare.forget()
            self.roster.settle(fill(lost, world))
            self._launch(world, self.program)
            self.host.mail.end_asks()
            if self._quiet:
                self._pause()
            return ended

    def replace(self, number: int, kind: ActorKind, migrate: Migrate | None = None) -> None:
        """Give the actors of a class the handlers of another; compiled before the loop stops.

        `migrate` makes an actor's fields of what they were; without it they must lie in memory as before.
        UserError where they do not.
        """
        with self.lock:
            change = Change(self.roster.kinds[number], kind, migrate)
            kinds = [kind if n == number else other for n, other in enumerate(self.roster.kinds)]
            messages = self.roster.numbered(kind)
            program = load_loop(kinds, messages, self.device)
            with self.quiet() as world:
                moved = change.moved(world.tables[number], self._living(number))
                before = self.roster.kinds, self.roster.messages
                self.roster.kinds, self.roster.messages = kinds, messages
                try:
                    self._epoch({}, {}, "replace", program, moved and (number, moved))
                except BaseException:
                    self.roster.kinds, self.roster.messages = before
                    raise
                if moved is not None:
                    self._spare.forget()
                    moved.settle()
                self._set_mailboxes(number)
                if number in self._accepts:
                    self._accepts[number].replace(self._numbers(number))

    def _set_mailboxes(self, number: int) -> None:
        controls = self.world.controls
        controls[controls[:, wire.CT_CLASS] == number, wire.CT_MAILBOX] = self.roster.kinds[number].mailbox

    def _living(self, number: int) -> list[Entry]:
        controls = self.world.controls
        here = (controls[:, wire.CT_CLASS] == number) & (controls[:, wire.CT_STATE] != wire.FREE)
        return [self.entry(int(slot)) for slot in np.flatnonzero(here)]

    def widen(self, words: int) -> bool:
        """Relaunch with slots of at least so many words, unless they have as many; True."""
        with self.lock:
            if self._world is not None and self.world.geometry.stride < words:
                self._stride = max(self._stride, power_of_two(words))
                self._epoch({}, {}, "widen", self.program)
            return True

    def _epoch(
        self,
        more: dict[int, int],
        pools: dict[tuple[int, str], int],
        why: str,
        program: Any = None,
        moved: tuple[int, Moved] | None = None,
    ) -> None:
        """Relaunch with new classes, more rows and larger pools, or other code; all that lives stays.

        `program`: the code to go on with, compiled here when None.
        """
        if program is None:
            program = load_loop(self.roster.kinds, self.roster.messages, self.device)
        started = MONOTONIC()
        if self._world is None:
            world = self._new_world(None, more, pools, None)
            self._launch(world, program)
        else:
            with self.quiet() as old:
                self.before_epoch()
                world = self._new_world(old, more, pools, moved)
                self.sites.change((), old)
                image = take_image(old, copy=False)
                put_image(world, image if moved is None else without(image, moved[0]))
                if moved is not None:
                    moved[1].put(world.tables[moved[0]])
                if not self.host.stop(PAUSE_SECONDS):
                    raise DeviceError(f"a worker of {self.name} did not end with its epoch")
                self._launch(world, program)
                self._pause()
        emit(Relaunched(self.name, self.epochs, why, MONOTONIC() - started))

    def _launch(self, world: World, program: Any) -> None:
        self._world, self.program = world, program
        self.sites.change(program.signature.sites, None)
        self.host.start(world, program)
        self.host.mail.home = self.home
        for message, number in self.roster.messages.items():
            self.host.mail.number(message, number)
        self.epochs += 1

    def _new_world(
        self,
        old: World | None,
        more: dict[int, int],
        pools: dict[tuple[int, str], int],
        moved: tuple[int, Moved] | None,
    ) -> World:
        """Memory for all classes, grown; its new slots are free."""
        kinds = self.roster.kinds
        rows = [t.rows for t in old.tables] if old is not None else []
        rows += [0] * (len(kinds) - len(rows))
        grown = [count + more.get(number, 0) for number, count in enumerate(rows)]
        sizes = dict(pools)
        for number, table in enumerate(old.tables if old is not None else []):
            for name in table.used:
                sizes[number, name] = len(table.arrays[name]) + pools.get((number, name), 0)
        if moved is not None:
            sizes = {key: size for key, size in sizes.items() if key[0] != moved[0]}
            sizes |= {(moved[0], name): size for name, size in moved[1].pools.items()}
        batched = way_of(self.device.capabilities) == "batched"
        world = World(self._geometry(grown), kinds, grown, sizes, self.route, batched, self._memory())
        self._new_slots(world, rows, grown)
        return world

    def _memory(self) -> Memory | None:
        """Where the next world lies, unless in memory of this process alone."""
        return self.host.memory() if isinstance(self.host, Mortal) else None

    def _new_slots(self, world: World, rows: Sequence[int], grown: Sequence[int]) -> None:
        slot = sum(rows)
        for number, count in enumerate(grown):
            new: list[int] = []
            for row in range(rows[number], count):
                control = world.control(slot)
                control[wire.CT_GENERATION], control[wire.CT_CLASS], control[wire.CT_ROW] = 1, number, row
                control[wire.CT_MAILBOX] = self.roster.kinds[number].mailbox
                new.append(slot)
                slot += 1
            # The first actors of each class go to different workers: a slot's worker is its remainder.
            turn = (number - new[0]) % self._workers if len(new) >= self._workers else 0
            for given in new[turn:] + new[:turn]:
                world.give_slot(number, given)

    def _geometry(self, rows: Sequence[int]) -> Geometry:
        kinds = self.roster.kinds
        largest = max((-(-m.__gyral_struct__.itemsize // 4) for m in self.roster.messages), default=0)
        # Who remembers keys is sent keys, which stand in an extension.
        header = wire.EXTENDED_WORDS if any(kind.dedup for kind in kinds) else wire.HEADER_WORDS
        self._stride = max(self._stride, power_of_two(header + largest))
        found = Geometry(
            workers=self._workers,
            capacity=sum(rows),
            classes=len(rows),
            stride=self._stride,
            depth=self._depth,
            priorities=self._priorities,
            list_room=power_of_two(max(rows)),
            dedup=max(kind.dedup for kind in kinds),
        )
        return replace(found, **{name: max(size, getattr(found, name)) for name, size in self._room.items()})


def _grown(number: int, pools: dict[str, int] | None) -> dict[tuple[int, str], int]:
    return {(number, name): count for name, count in (pools or {}).items()}
