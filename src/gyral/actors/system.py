"""A system of actors: one device, one loop, the actors in it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Self

import numpy as np

from gyral.actors.accounts import status_of
from gyral.actors.declare import ActorKind, Restart, kind_of
from gyral.actors.engine import Engine
from gyral.actors.hosts import host_for
from gyral.actors.letters import REASONS, Inbox, Letter, Letters
from gyral.actors.lifecycle import ALIVE, NAMES, move
from gyral.actors.message import read_message
from gyral.actors.pump import Pump
from gyral.actors.records import read_fields
from gyral.actors.ref import Ref, Status
from gyral.actors.roster import Entry
from gyral.actors.supervisor import Group, Supervisor
from gyral.actors.topics import Topics
from gyral.actors.world import World
from gyral.core import wire
from gyral.core.clock import MONOTONIC, Clock
from gyral.core.errors import ActorStopped, StateError, UserError
from gyral.core.report import reason
from gyral.runtime.device import Device, device

SPINS = 4096


class ActorSystem:
    """Actors on one device. `with gy.ActorSystem(device="cpu") as system:` ends them all when the block ends.

    `workers`: threads or blocks that run actors. `spins`: idle turns of a worker before it parks. `stall`:
    seconds after which messages that nobody has room for go to the dead letters. `hang_after`: seconds a
    handler may run. `grace`: seconds the end of the block waits for what is still queued. `priorities`: 2 for
    urgent messages besides ordinary ones. `depth`: slots of the lane between two workers.
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
        letters: int = 4096,
        clock: Clock = MONOTONIC,
    ) -> None:
        self.name, self.grace = name, grace
        self.device = _device(device)
        host = host_for(self.device, spins, stall, hang_after)
        self._engine = Engine(
            name, self.device, host, workers or min(2, os.cpu_count() or 1), priorities, depth
        )
        self._supervisor = Supervisor(self, clock)
        self._topics = Topics()
        self._dead, self._inbox = Letters(letters), Inbox(letters)
        self._pump: Pump | None = None
        self._groups: list[Group] = []
        self._closed = False
        self._owner = os.getpid()

    # Life.

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all actors, once what is queued was handled or `grace` seconds have passed."""
        with self._engine.lock:
            if self._closed or os.getpid() != self._owner:
                return
            if self._engine.running:
                self._settle(self.grace)
                self._closed = True
                self._engine.stop(self.grace + 1.0)
            self._closed = True
        if self._pump is not None:
            self._pump.end()

    def _settle(self, seconds: float) -> None:
        """Wait until nothing is queued, for so long at most."""
        until = time.perf_counter() + seconds
        while self.queued and time.perf_counter() < until:
            time.sleep(0.0005)

    @property
    def way(self) -> str:
        """Either "resident": the loop stays on the device; or "batched": it is dispatched again and again."""
        return self._engine.host.way

    @property
    def epochs(self) -> int:
        """How often the loop was launched: once, and for each new class, growth or replaced handler."""
        return self._engine.epochs

    @property
    def queued(self) -> int:
        """Messages that were accepted and have not ended."""
        if not self._engine.running:
            return 0
        world = self._engine.world
        done = int(world.done.sum(dtype=np.uint64))
        return max(0, int(world.sent.sum(dtype=np.uint64)) - done)

    # Actors.

    def spawn(self, cls: type, name: str = "", **fields: Any) -> Ref:
        """A new actor of a class made by `@gy.actor`, with some of its fields given."""
        return self.spawn_many(cls, 1, names=[name] if name else None, **fields)[0]

    def spawn_many(self, cls: type, n: int, names: Sequence[str] | None = None, **fields: Any) -> list[Ref]:
        """`n` new actors; a field given as a sequence of length `n` has one value for each."""
        kind = kind_of(cls)
        columns = [_column(kind, field, value, n) for field, value in fields.items()]
        with self._engine.lock:
            self._check_open()
            given = [dict(column(k) for column in columns) for k in range(n)]
            number = self._engine.room_for(kind, n, _pools(kind, given))
            self._start_pump()
            with self._engine.quiet():
                made = [
                    self._engine.born(number, own, names[k] if names else "") for k, own in enumerate(given)
                ]
            for entry in made:
                if self._groups:
                    entry.group = self._groups[-1]
                    entry.group.members.append(entry.slot)
            return [self._ref(entry) for entry in made]

    def lookup(self, name: str) -> Any:
        """The actor of a name; for a pattern with `*`, `?` or `[…]` a list. UserError when there is none."""
        with self._engine.lock:
            found = [self._ref(entry) for entry in self._engine.roster.matching(name)]
        if any(letter in name for letter in "*?["):
            return found
        if not found:
            names = ", ".join(sorted(self._engine.roster.names)[:8]) or "none"
            raise UserError(f"{self.name} has no actor {name!r}; named actors: {names}")
        return found[0]

    @contextmanager
    def group(self, name: str, restart: Restart = "one_for_all") -> Iterator[Group]:
        """Actors spawned in the block are supervised together."""
        with self._engine.lock:
            made = Group(name, restart)
            self._groups.append(made)
            try:
                yield made
            finally:
                self._groups.remove(made)

    def publish(self, topic: str, message: Any) -> int:
        """Tell every subscriber of a topic; how many there were."""
        reached = self._topics.reached(topic)
        for ref in reached:
            ref.tell(message)
        return len(reached)

    @property
    def inbox(self) -> Inbox:
        """What actors sent to the host."""
        return self._inbox

    def dead_letters(self) -> list[Letter]:
        """Messages that nobody handled, oldest first; the oldest are dropped when there are too many."""
        if self._pump is not None:
            self._pump.drain()
        return self._dead.all()

    def actors(self) -> list[Status]:
        """Everybody who lives here, at a glance."""
        with self._engine.lock:
            if not self._engine.running:
                return []
            states = self._engine.world.controls[:, wire.CT_STATE]
            return [self._status(int(slot)) for slot in np.flatnonzero(states != wire.FREE)]

    # What references ask for.

    def state_of(self, slot: int, gen: int) -> dict[str, Any]:
        """The fields of an actor, between two messages."""
        with self.quiet() as world:
            control = self._control(world, slot, gen)
            table = world.tables[int(control[wire.CT_CLASS])]
            return read_fields(table, int(control[wire.CT_ROW]))

    def status_of(self, slot: int, gen: int) -> Status:
        """An actor's counters."""
        self._control(self._engine.world, slot, gen)
        return self._status(slot)

    def stop_actor(self, slot: int, gen: int) -> None:
        """Let an actor end once its queue is empty."""
        with self.quiet() as world:
            control = self._control(world, slot, gen)
            if int(control[wire.CT_STATE]) not in ALIVE:
                return
            self._topics.drop(slot)
            empty = world.sent[:, slot].sum() == world.done[:, slot].sum()
            if empty or int(control[wire.CT_STATE]) != wire.ACTIVE:
                control[wire.CT_STATE] = wire.TERMINATED
                self.recheck(slot)
            else:
                move(control, wire.DRAINING, self._named(slot))

    def pause_actor(self, slot: int, gen: int) -> None:
        """Let an actor's messages wait."""
        with self.quiet() as world:
            move(self._control(world, slot, gen), wire.PAUSED, self._named(slot))

    def resume_actor(self, slot: int, gen: int) -> None:
        """Let an actor take messages again."""
        with self.quiet() as world:
            move(self._control(world, slot, gen), wire.ACTIVE, self._named(slot))
            self.recheck(slot)

    def subscribe(self, pattern: str, ref: Ref) -> None:
        """Let an actor get what is published."""
        self._topics.subscribe(pattern, ref)

    def unsubscribe(self, pattern: str, ref: Ref) -> None:
        """End a subscription."""
        self._topics.unsubscribe(pattern, ref)

    def awaited(self, token: Any, done: Callable[[], None]) -> None:
        """Call `done` when a reply is there."""
        if self._pump is not None:
            self._pump.awaited(token, done)

    def forget(self, token: Any) -> None:
        """Nobody waits for a reply any more."""
        if self._pump is not None:
            self._pump.forget(token)

    # What the supervisor needs.

    def quiet(self) -> AbstractContextManager[World]:
        """The loop stands at message boundaries while the block runs."""
        self._check_open()
        return self._engine.quiet()

    def entry(self, slot: int) -> Entry:
        """What the host knows of an actor."""
        return self._engine.entry(slot)

    def kind(self, entry: Entry) -> ActorKind:
        """An actor's class."""
        return self._engine.kind(entry)

    def reset_fields(self, entry: Entry) -> None:
        """Give an actor the fields it was spawned with."""
        self._engine.reset_fields(entry)

    def recheck(self, slot: int) -> None:
        """Let an actor's worker look at what was put aside for it."""
        self._engine.recheck(slot)

    # What the loop says.

    def _received(self, event: Any) -> None:
        code, slot, generation, detail, data = event
        letter = self._letter(code, slot, detail, data)
        if code == wire.EVENT_INBOX:
            self._inbox.add(letter)
            return
        self._dead.add(letter)
        if code == wire.EVENT_FAILED and not self._closed:
            self._supervisor.failed(slot, generation, letter.detail)

    def _letter(self, code: int, slot: int, detail: int, data: bytes) -> Letter:
        words = np.frombuffer(data, np.uint32)
        kind, gens = int(words[wire.KIND]), int(words[wire.GENS])
        start = wire.EXTENDED_WORDS if kind & wire.EXTENDED else wire.HEADER_WORDS
        message_class = self._engine.roster.message(kind & (1 << wire.TYPE_BITS) - 1)
        message = None
        if message_class is not None:
            message = read_message(message_class, data[4 * start :])
        sender = self._known(int(words[wire.SOURCE]), gens >> 16)
        receiver = self._known(int(words[wire.DEST]), gens & 0xFFFF)
        if code == wire.EVENT_FAILED:
            text = self.why(detail)
        elif code == wire.EVENT_DEAD:
            text = "no room" if detail == wire.EVENT_OVERFLOW else NAMES.get(detail, "no handler")
        else:
            text = ""
        return Letter(message, sender, receiver, REASONS.get(code, "inbox"), text)

    def why(self, site: int) -> str:
        """Where and why a handler failed."""
        if site == wire.SITE_OUTBOX:
            return "it sent more messages than it said it would (OutboxFull); give @gy.actor sends="
        return reason(self._engine.sites[site])

    def _hung(self) -> None:
        """A handler runs for longer than it may."""

    # Inside.

    def _start_pump(self) -> None:
        if self._pump is None:
            self._pump = Pump(self._engine.host.mail, self._received, self._hung)

    def _ref(self, entry: Entry) -> Ref:
        made = Ref(self._engine.host.mail, entry.slot, entry.generation, self._engine.accepts(entry.number))
        made._home, made.name = self, entry.name
        return made

    def _known(self, slot: int, generation: int) -> Any:
        """A reference to whoever sent a message, or got it; None for the host and for those long gone."""
        if slot >= self._engine.world.geometry.capacity:
            return None
        control = self._engine.world.control(slot)
        return self._ref(self._engine.entry(slot)) if control[wire.CT_GENERATION] == generation else None

    def _control(self, world: World, slot: int, gen: int) -> Any:
        control = world.control(slot)
        if int(control[wire.CT_GENERATION]) != gen & 0xFFFF or control[wire.CT_STATE] == wire.FREE:
            raise ActorStopped(f"actor #{slot} of {self.name} has ended, and its place is another's")
        return control

    def _status(self, slot: int) -> Status:
        entry = self._engine.entry(slot)
        site = int(self._engine.world.control(slot)[wire.CT_ERROR_SITE])
        text = self.why(site - 1) if site else ""
        return status_of(self._engine.world, slot, self._named(slot), self._engine.kind(entry).name, text)

    def _named(self, slot: int) -> str:
        entry = self._engine.roster.entries.get(slot)
        return entry.name if entry is not None and entry.name else f"#{slot}"

    def _check_open(self) -> None:
        if os.getpid() != self._owner:
            raise StateError(f"{self.name} lives in the process that made it, of which this is a fork")
        if self._closed:
            raise StateError(f"{self.name} was closed")


def _device(given: str | Device) -> Device:
    return given if isinstance(given, Device) else device(given)


def _column(kind: ActorKind, name: str, value: Any, n: int) -> Callable[[int], tuple[str, Any]]:
    """One field of many actors: its name and value by number."""
    one = kind.field(name)
    if one is None:
        names = ", ".join(f.name for f in kind.fields) or "none"
        raise UserError(f"{kind.name} has no field {name!r}; its fields are {names}")
    if one.kind == "state" and n > 1 and isinstance(value, (list, np.ndarray)) and len(value) == n:
        return lambda k: (name, value[k])
    return lambda k: (name, value)


def _pools(kind: ActorKind, given: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Elements that new actors need in the pools of their class."""
    buffers = [one.name for one in kind.fields if one.kind == "buffer"]
    return {name: sum(np.asarray(own.get(name, ())).size for own in given) for name in buffers}
