"""A system of actors: one device, one loop, the actors in it."""

from __future__ import annotations

import os
import time
import weakref
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict
from functools import partial
from types import TracebackType
from typing import Any, Self

import numpy as np

from gyral.actors.closing import abandon, raise_together
from gyral.actors.company import Company
from gyral.actors.declare import kind_of
from gyral.actors.durable import Durable
from gyral.actors.engine import PAUSE_SECONDS, Engine
from gyral.actors.home import Words
from gyral.actors.hosts import host_for
from gyral.actors.journaled import Journaled
from gyral.actors.letters import Inbox, Letter
from gyral.actors.lives import Lives
from gyral.actors.migration import Migrate
from gyral.actors.pump import EVENTS, HANG, PRINT_SECONDS, STALL, WAIT_SECONDS, WOKEN, Pump
from gyral.actors.reception import Reception
from gyral.actors.records import read_fields
from gyral.actors.ref import Ref, Status
from gyral.actors.roster import Entry
from gyral.actors.routes import assign, find
from gyral.actors.spawning import columns_of
from gyral.actors.stats import stats_of
from gyral.actors.supervisor import Group, Supervisor
from gyral.actors.topics import Topics
from gyral.actors.toptable import table
from gyral.actors.watch import Post, View, view_of
from gyral.actors.world import World
from gyral.core import settings, wire
from gyral.core.clock import MONOTONIC, Clock
from gyral.core.errors import GyralError, StateError, UserError
from gyral.core.events import ActorsStalled, emit
from gyral.core.wire import REF
from gyral.runtime.device import Device, device

SPINS = 4096
FIRST_NAP, LONGEST_NAP = 20e-6, 1e-3


class ActorSystem(Company, Durable):
    """Actors on one device. `with gy.ActorSystem(device="cpu") as system:` ends them all when the block ends.

    `workers`: threads or blocks that run actors. `spins`: idle turns of a worker before it parks. `stall`:
    seconds after which messages that nobody has room for go to the dead letters. `hang_after`: seconds a
    handler may run; then its loop is ended and its actor has failed; None is for ever. `grace`: seconds the
    end of the block waits for what is still queued. `priorities`: 2 for urgent messages besides ordinary
    ones. `depth`: slots of the lane between two workers. `letters`: how many dead letters are kept, and how
    many messages the inbox holds. `clock` tells the time of restart budgets.
    `publish`: whether `gyral top` may see this system; None leaves it to GYRAL_PUBLISH.
    `journal`: where to keep what the host sends, for `restore` to send it again. `isolation`: "process" runs
    the loop in a process of its own, and if that dies, `on_loss` says what then: "recover" goes on in another
    one, without the message that each worker had in hand, "checkpoint" from the last one, "fail" not at all.
    """

    def __init__(
        self,
        device: str | Device = "cpu",
        *,
        workers: int | None = None,
        name: str = "actors",
        spins: int = SPINS,
        stall: float = 1.0,
        hang_after: float | None = 5.0,
        grace: float = 1.0,
        priorities: int = 1,
        depth: int = 4096,
        letters: int = 4096,
        clock: Clock = MONOTONIC,
        journal: str | os.PathLike[str] | None = None,
        isolation: str = "thread",
        on_loss: str = "recover",
        publish: bool | None = None,
    ) -> None:
        self.name, self.grace = name, grace
        self.device = _device(device)
        host = host_for(self.device, spins, stall, hang_after or 0.0, isolation, on_loss)
        patience = hang_after or PAUSE_SECONDS
        count = workers or min(2, os.cpu_count() or 1)
        route = assign(self)
        self._engine = Engine(name, self.device, host, count, priorities, depth, patience, route)
        self._hang_after = hang_after
        self._topics = Topics()
        self._lives = Lives(self._engine, self._topics)
        self._engine.home = Words(self._engine, self._lives)
        self._supervisor = Supervisor(self._engine, self._lives, clock)
        self._reception = Reception(name, self._engine, letters, _weakly(self))
        self._connect()
        self._keep(clock, journal)
        self._pump: Pump | None = None
        self._groups: list[Group] = []
        self._closing = self._closed = False
        self._owner = os.getpid()
        self._end = weakref.finalize(self, abandon, self._engine, self._owner)
        self._post: Post | None = None
        if settings.current().publish if publish is None else publish:
            self._post = Post(settings.current().runtime_dir, _viewed(self))

    def _connect(self) -> None:
        reception, me = self._reception, weakref.ref(self)

        def failed(slot: int, generation: int, why: str) -> None:
            system = me()
            if system is not None and not system._closed:
                system._supervisor.failed(slot, generation, why)

        reception.failed = failed
        reception.ended = self._lives.bury
        reception.routed = partial(_forward, reception)
        reception.remains = self._lives.remains
        self._engine.before_epoch = reception.relaunched

    # Life.

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        found = self._shut()
        if error is None:
            raise_together(self.name, found)
            return
        for other in found:
            error.add_note(f"{self.name} met this on a thread of its own: {other!r}")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def close(self) -> None:
        """End all actors, once what is queued was handled or `grace` seconds have passed.

        What is still queued then goes to the dead letters; asks that wait end in LoopLost. Raises what went
        wrong on the system's own threads, such as an error of a listener.
        """
        raise_together(self.name, self._shut())

    def _shut(self) -> list[BaseException]:
        """Close, unless that was done before; what went wrong meanwhile."""
        with self._engine.lock:
            if self._closing or os.getpid() != self._owner:
                return []
            self._closing = True
        reception = self._reception
        if self._engine.running:
            try:
                self.settle(self.grace)
            except GyralError as error:  # a loop that is lost is closed all the same
                reception.note(error)
            self._closed = True
            self._end_loop()
        self._closed = True
        if self._post is not None:
            self._post.end()
        self._end_journal()
        self._end.detach()
        return reception.trouble

    def _end_loop(self) -> None:
        engine, reception = self._engine, self._reception
        try:
            ended = engine.stop(self.grace + 1.0)
            reception.drain()
            if ended:
                reception.bury_queue("the system was closed")
            engine.flush()
        except GyralError as error:
            reception.note(error)
        with suppress(StateError):
            engine.host.mail.end_asks()
        if self._pump is not None:
            self._pump.answer(True)
            self._pump.end()
        engine.close()

    def settle(self, timeout: float | None = None) -> bool:
        """Wait until nothing is queued and every failure was dealt with; False after `timeout` seconds."""
        until = None if timeout is None else time.perf_counter() + timeout
        nap = FIRST_NAP
        while True:
            quiet = self._engine.host.rests and self.queued == 0
            self._reception.drain()
            if quiet and self._is_settled():
                return True
            if until is not None and time.perf_counter() >= until:
                return False
            time.sleep(nap)
            nap = min(2 * nap, LONGEST_NAP)

    def _is_settled(self) -> bool:
        if not self._engine.running:
            return True
        failing = (self._engine.world.controls[:, wire.CT_STATE] == wire.FAILING).any()
        rests = self._engine.host.rests
        return not failing and rests and self._reception.idle and self.queued == 0

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
        done = world.done.copy()
        return max(0, int((world.sent - done).view(np.int32).sum(dtype=np.int64)))

    # Actors.

    def spawn(self, cls: type, name: str = "", **fields: Any) -> Ref:
        """A new actor of a class made by `@gy.actor`, with some of its fields given."""
        return self.spawn_many(cls, 1, names=[name] if name else None, **fields)[0]

    def spawn_many(self, cls: type, n: int, names: Sequence[str] | None = None, **fields: Any) -> list[Ref]:
        """`n` new actors; a field given as a sequence of length `n` has one value for each.

        None of them lives when one cannot be made.
        """
        kind = kind_of(cls)
        given = columns_of(kind, fields, n)
        with self._engine.lock:
            self._check_open()
            called = self._engine.roster.free_names(names, n)
            number = self._engine.room_for(kind, given)
            self._start_pump()
            with self._engine.quiet():
                made = self._engine.born_many(number, given, called)
            for entry in made:
                if self._groups:
                    entry.group = self._groups[-1]
                    entry.group.members.append(entry.slot)
            return [self._ref(entry) for entry in made]

    def replace(self, old: type, new: type, migrate: Migrate | None = None) -> None:
        """Give all actors of a class the handlers of another; references and queued messages stay.

        The new class is compiled before the loop stops. Its fields lie in memory as the old one's, or
        `migrate` makes them of those, dict to dict; restarts make theirs of the spawn values. Messages for
        which there is no handler any more become dead letters. UserError, CompileError: nothing has changed.
        """
        before, after = kind_of(old), kind_of(new)
        with self._engine.lock:
            self._check_open()
            number = self._engine.roster.number(before)
            if number is None:
                raise UserError(f"{self.name} has no actors of {before.name}")
            if self._engine.roster.number(after) is not None and after is not before:
                raise UserError(f"{after.name} is a class of {self.name} already")
            self._engine.replace(number, after, migrate)
        self._reception.act()

    @property
    def inbox(self) -> Inbox:
        """What actors sent to the host."""
        return self._reception.inbox

    def dead_letters(self) -> list[Letter]:
        """Messages that nobody handled, oldest first; the oldest are dropped when there are too many."""
        if not self._closed:
            self._reception.read()
        return self._reception.dead.all()

    def actors(self) -> list[Status]:
        """Everybody who lives here, at a glance."""
        with self._engine.lock:
            if not self._engine.running:
                return []
            states = self._engine.world.controls[:, wire.CT_STATE]
            return [self._lives.seen(int(slot)) for slot in np.flatnonzero(states != wire.FREE)]

    def stats(self) -> dict[str, Any]:
        """All counters, as JSON takes them: of the system, its workers, and under "actors" of everybody."""
        with self._engine.lock:
            found = stats_of(self.name, self.device.name, self._engine, self._reception)
            return found | {"queued": self.queued, "actors": [asdict(status) for status in self.actors()]}

    # What references ask for.

    def state_of(self, slot: int, gen: int) -> dict[str, Any]:
        """The fields of an actor, between two messages."""
        with self.quiet() as world:
            control = self._lives.control(world, slot, gen)
            table = world.tables[int(control[wire.CT_CLASS])]
            found = read_fields(table, int(control[wire.CT_ROW]))
            for one in table.kind.fields:
                if one.type == REF and one.kind == "state":
                    found[one.name] = self.reference(found[one.name])
            return found

    def status_of(self, slot: int, gen: int) -> Status:
        """An actor's counters; the last ones of an actor that ended."""
        return self._lives.status(slot, gen)

    def stop_actor(self, slot: int, gen: int) -> None:
        """Let an actor end once its queue is empty."""
        self._check_open()
        self._lives.stop(slot, gen)

    def pause_actor(self, slot: int, gen: int) -> None:
        """Let an actor's messages wait."""
        self._check_open()
        self._lives.pause(slot, gen)

    def resume_actor(self, slot: int, gen: int) -> None:
        """Let an actor take messages again."""
        self._check_open()
        self._lives.resume(slot, gen)

    def top(self, most: int = 20) -> None:
        """Print what `gyral top` shows of this system: the busiest actors, at most so many."""
        print("\n".join(table(view_of(self.name, self._engine), most=most)))

    def awaited(self, token: Any, done: Callable[[], None]) -> None:
        """Call `done` when a reply is there."""
        if self._pump is not None:
            self._pump.awaited(token, done)

    def forget(self, token: Any) -> None:
        """Nobody waits for a reply any more."""
        if self._pump is not None:
            self._pump.forget(token)

    def quiet(self) -> AbstractContextManager[World]:
        """The loop stands at message boundaries while the block runs."""
        self._check_open()
        return self._engine.quiet()

    def why(self, site: int) -> str:
        """Where and why a handler failed."""
        return self._engine.sites.why(site)

    # What the loop says.

    def rung(self, flags: int) -> float:
        """The loop rang, or time passed; how long to wait for the next ring, in seconds."""
        if flags & (EVENTS | WOKEN):  # a batched loop wakes the host when its launch left records
            self._reception.drain()
        if flags & HANG:
            self._hung()
        if flags & WOKEN and not self._closed:
            self._losses.look()
        if flags & STALL:
            stalled = self._engine.world.workers[:, wire.WK_STALLED]
            for worker in np.flatnonzero(stalled):
                emit(ActorsStalled(self.name, int(worker)))
        return PRINT_SECONDS if self._engine.flush() else WAIT_SECONDS

    def note(self, error: BaseException) -> None:
        """Keep what went wrong on a thread of the system's own."""
        self._reception.note(error)

    # Inside.

    def _start_pump(self) -> None:
        if self._pump is None:
            self._pump = Pump(self._engine.host.mail, self)

    def _ref(self, entry: Entry) -> Ref:
        kind = Ref if self.journal is None else Journaled
        made = kind(self._engine.host.mail, entry.slot, entry.generation, self._engine.accepts(entry.number))
        made._home, made.name = self, entry.name
        return made

    def reference(self, words: tuple[int, int]) -> Ref | None:
        """The actor, of any system, that a reference in a message or an array means; None for nobody.

        A message is bytes, and does not know its system: its references are two numbers.
        """
        slot, generation = (int(word) for word in words)
        system = find(generation >> 16)
        return system.known(slot, generation) if generation & 0xFFFF and system is not None else None

    def deliver(self, message: type, words: Any) -> bool:
        """Take a message from another system's actor, as it lies in a lane; whether there was room.

        Its type is numbered anew, and its sender is nobody here.
        """
        with self._engine.lock:
            number = self._engine.roster.messages.get(message)
            if self._closed or number is None or not self._engine.running:
                return False
            words = np.array(words, np.uint32)
            words[wire.KIND] = int(words[wire.KIND]) >> wire.TYPE_BITS << wire.TYPE_BITS | number
            words[wire.SOURCE] = wire.HOST
            words[wire.GENS] = int(words[wire.GENS]) & 0xFFFF
            return self._engine.host.mail.deliver(words)

    def known(self, slot: int, generation: int) -> Any:
        """A reference to whoever sent a message, or got it; None for the host and for those long gone."""
        if not self._engine.running or slot >= self._engine.world.geometry.capacity:
            return None
        control = self._engine.world.control(slot)
        if control[wire.CT_GENERATION] != generation & 0xFFFF or control[wire.CT_STATE] == wire.FREE:
            return None
        return self._ref(self._engine.entry(slot))

    def _check_open(self) -> None:
        if os.getpid() != self._owner:
            raise StateError(f"{self.name} lives in the process that made it, of which this is a fork")
        if self._closed:
            raise StateError(f"{self.name} was closed")


def _weakly(system: ActorSystem) -> Callable[[int, int], Any]:
    """How to find references by slot and generation without keeping the system alive."""
    me = weakref.ref(system)

    def known(slot: int, generation: int) -> Any:
        found = me()
        return None if found is None else found.known(slot, generation)

    return known


def _forward(reception: Reception, route: int, message: Any, words: Any) -> None:
    """Deliver a message that an actor sent to another system's; a dead letter where that cannot be."""
    system = find(route)
    if system is None or message is None or not system.deliver(message, words):
        reception.dead.add(reception.letter(words.tobytes(), "dead", "no room, or nobody, on its route"))


def _viewed(system: ActorSystem) -> Callable[[], View | None]:
    """What others see of a system; None when it is closed, or was dropped."""
    me = weakref.ref(system)

    def look() -> View | None:
        found = me()
        return None if found is None or found._closed else view_of(found.name, found._engine)

    return look


def _device(given: str | Device) -> Device:
    return given if isinstance(given, Device) else device(given)
