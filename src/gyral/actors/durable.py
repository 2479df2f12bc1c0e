"""What outlives a loop or a process: checkpoints of a system, and the ways back to them."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from gyral.actors.checkpoint import Checkpoint, Keeper, read
from gyral.actors.engine import Engine
from gyral.actors.hangs import Hang, diagnose
from gyral.actors.image import put_image
from gyral.actors.journal import Journal, sent_since
from gyral.actors.journaled import send_again
from gyral.actors.lives import Lives
from gyral.actors.losses import Losses
from gyral.actors.manifest import place_of
from gyral.actors.migration import Migrate
from gyral.actors.reception import Reception
from gyral.actors.recovery import dump, fill_first, fill_from, floors
from gyral.actors.ref import Ref
from gyral.actors.restore import Standing, class_named, standing
from gyral.actors.roster import Entry
from gyral.actors.routes import reroute
from gyral.actors.topics import Topics
from gyral.actors.world import World
from gyral.core import wire
from gyral.core.clock import MONOTONIC, Clock
from gyral.core.errors import DeviceError, UserError
from gyral.core.events import ActorHung, CheckpointTrouble, LoopRecovered, emit
from gyral.runtime.device import Device

STOP_SECONDS = ABORT_SECONDS = 1.0


class Durable:
    """The part of a system of actors that saves it and brings it back. `clock`: that of restart budgets."""

    name: str
    _engine: Engine
    _lives: Lives
    _reception: Reception
    _topics: Topics
    _ref: Callable[[Entry], Ref]
    _check_open: Callable[[], None]
    _start_pump: Callable[[], None]

    def _keep(self, clock: Clock, journal: str | os.PathLike[str] | None) -> None:
        """Be ready to save; nothing is held before the first checkpoint."""
        self._clock = clock
        engine = self._engine
        self.journal = None if journal is None else Journal(Path(journal), engine.route, engine.lock)
        self._keeper = Keeper(self._engine, self._about, self._reception.read, clock, self.journal)
        me: weakref.ref[Durable] = weakref.ref(self)
        self._losses = Losses(self._engine, self._reception, lambda: _recover(me))

    def _end_journal(self) -> None:
        """Write the journal to its end."""
        if self.journal is not None:
            try:
                self.journal.close()
            except DeviceError as error:
                self._reception.note(error)

    def _about(self) -> dict[str, Any]:
        dead = self._reception.dead
        return {
            "name": self.name,
            "topics": self._topics.all(),
            "letters": {"total": dead.total, "dropped": dead.dropped},
        }

    def checkpoint(
        self, path: str | Path, compress: str | None = None, incremental: bool = False
    ) -> Checkpoint:
        """Save all actors with their queues, clocks and counters; the loop stands only while they are copied.

        What has reached the host, in the inbox or as dead letters, is counted and not saved.
        The file that was there is kept as `<path>.previous`. `compress`: "zlib", or "zstd" with
        gyral[checkpoint]. `incremental`: only what changed since the last checkpoint to this path goes to a
        file beside it, where there is one and nobody needed more room since. DeviceError when the disk is
        full or fails: what was saved before is untouched. UserError for fields that cannot be saved.
        """
        self._check_open()
        if not self._engine.running:
            raise UserError(f"{self.name} has no actors yet: there is nothing to save")
        return self._keeper.save(Path(path), compress, incremental)

    @classmethod
    def restore(
        cls,
        path: str | Path,
        device: str | Device = "cpu",
        *,
        classes: Sequence[type] = (),
        migrate: Mapping[str, Migrate] | None = None,
        **options: Any,
    ) -> Self:
        """A system made of a checkpoint, on any device and any number of workers; it runs at once.

        `classes`: where to look for the actors' classes before the modules that are imported. `migrate`: by
        the name of a class whose fields have changed, a function from an actor's old fields to its new ones.
        `options`: those of ActorSystem; with its `journal=`, what was sent since the checkpoint is sent
        again, at least once, and handled once where it bears a key. A file that cannot be used, an event says
        so, and the previous one is taken. UserError when there is none, or when a class or its fields are not
        those that were saved.
        """
        saved = read(Path(path))
        clock = options.get("clock", MONOTONIC)
        kinds = [class_named(row["name"], classes) for row in saved.about["classes"]]
        found = standing(saved, kinds, migrate or {}, clock())
        own = {"name": saved.about["name"], "priorities": saved.about["priorities"]}
        make: Any = cls
        system = make(device, **{**own, **options})
        try:
            system._adopt(found)
            system._send_again(found.about["journal"])
        except BaseException:
            system._shut()
            raise
        return system

    def _send_again(self, first: int) -> None:
        """Send what the journal has from a segment on; those after it hold what is sent from now on."""
        journal = self.journal
        if journal is not None and first:
            end = journal.turn()
            journal.sync()
            refs = {(ref.slot, ref.gen): ref for ref in self.refs()}
            types = {place_of(kind): kind for kind in self._engine.roster.messages}
            lost = send_again(sent_since(journal.path, first, end), refs, types, self._reception.drain)
            if lost:
                reason = f"{lost} messages of the journal could not be sent again: nobody takes them any more"
                emit(CheckpointTrouble(str(journal.path), str(journal.path), reason))

    def _adopt(self, saved: Standing) -> None:
        engine = self._engine

        def fill(world: World) -> Sequence[Entry]:
            types = {n: m.__gyral_struct__ for m, n in engine.roster.messages.items()}
            reroute(saved.image, types, saved.entries, saved.about["route"], engine.route)
            put_image(world, saved.image)
            self._name_errors(world, saved)
            return saved.entries

        with engine.lock:
            room = saved.room(engine.workers, engine.priorities)
            engine.begin(saved.kinds, saved.rows, saved.pools, room, fill)
            engine.host.mail.clock = saved.about["clock"]
            self._start_pump()
            self._settle_in(saved)

    def _settle_in(self, saved: Standing) -> None:
        """Bring the host's own books to where the actors are."""
        letters, dead = saved.about["letters"], self._reception.dead
        dead.total, dead.dropped = max(dead.total, letters["total"]), max(dead.dropped, letters["dropped"])
        for _, slot in self._topics.all():
            self._topics.drop(slot)
        for pattern, slot in saved.about["topics"]:
            self._topics.subscribe(pattern, self._ref(self._engine.entry(slot)))
        self._reception.find_failed()
        self._reception.later(self._reception.ended)

    def _name_errors(self, world: World, saved: Standing) -> None:
        """Number the places of failed checks anew: they may be elsewhere in this program's code."""
        world.controls[:, wire.CT_ERROR_SITE] = 0
        for slot, text in saved.about["errors"]:
            world.control(slot)[wire.CT_ERROR_SITE] = self._engine.sites.keep(text) + 1

    def refs(self) -> list[Ref]:
        """References to all actors, in the order of their places."""
        with self._engine.lock:
            if not self._engine.running:
                return []
            states = self._engine.world.controls[:, wire.CT_STATE]
            return [self._ref(self._engine.entry(int(slot))) for slot in np.flatnonzero(states != wire.FREE)]

    def dump(self) -> dict[str, Any]:
        """The control blocks of workers and actors, as JSON takes them, read without disturbing the loop.

        They may be moments apart from one another, and are marked as `torn`.
        """
        engine = self._engine
        names = {slot: entry.name for slot, entry in list(engine.roster.entries.items()) if entry.name}
        found = dump(engine.world, engine.host.mail.workers(), names, torn=True)
        return {"system": self.name, "device": engine.device.name, "epochs": engine.epochs, **found}

    def recover(self) -> dict[str, Any]:
        """Give up the loop as it is, and go on from the last checkpoint of this process; the last `dump`.

        Without a checkpoint all actors that were spawned by the host have their first fields again, and
        nothing is queued. References stay; actors that were spawned since have ended. Asks that wait end in
        LoopLost. A worker that does not come back within a second is left behind, with its memory. What a
        `journal=` has since then is sent again.
        """
        self._check_open()
        with self._engine.lock:
            last, first = self._go_back()
            self._send_again(first)
        return last

    def _go_back(self) -> tuple[dict[str, Any], int]:
        """Recover without what was sent since: the last dump, and the journal's segment that begins there."""
        engine = self._engine
        with engine.lock:
            began = MONOTONIC()
            last = self.dump()
            saved = self._last()
            source = str(self._keeper.path or "") if saved is not None else ""
            before = list(engine.roster.entries.values())

            def fill(lost: World, world: World) -> Sequence[Entry]:
                if saved is None:
                    return fill_first(before, lost, world)
                entries = fill_from(saved, lost, world)
                engine.floors |= floors(saved, lost)
                self._name_errors(world, saved)
                return entries

            self._reception.relaunched()
            ended = engine.go_back(fill, STOP_SECONDS)
            self._lives.forget((entry.slot, entry.generation) for entry in engine.roster.entries.values())
            if saved is not None:
                self._settle_in(saved)
            for slot in {slot for _, slot in self._topics.all()} - engine.roster.entries.keys():
                self._topics.drop(slot)
            seconds = MONOTONIC() - began
        emit(LoopRecovered(self.name, source, seconds, not ended))
        if saved is not None:
            return last, saved.about["journal"]
        return last, 0 if self.journal is None else self.journal.first

    def _last(self) -> Standing | None:
        """The last checkpoint, where its actors still have the classes they had."""
        held = self._keeper.held
        if held is None:
            return None
        kinds = self._engine.roster.kinds[: len(held.about["classes"])]
        try:
            return standing(held, kinds, {}, self._clock())
        except UserError:
            return None

    def hangs(self) -> list[Hang]:
        """Workers whose handler runs for longer than `hang_after`: whose, where, and what waits."""
        if not self._engine.running:
            return []
        return diagnose(self._engine, self._lives)

    def _hung(self) -> None:
        """A handler runs for longer than it may: say so, and make it fail, or leave its worker behind."""
        for hang in self.hangs():
            emit(ActorHung(self.name, hang.actor, hang.worker, str(hang)))
            # Whoever holds the lock to pause the loop does it instead.
            if self._engine.lock.acquire(timeout=ABORT_SECONDS):
                try:
                    ended = self._engine.host.mail.abort(hang.worker, ABORT_SECONDS)
                finally:
                    self._engine.lock.release()
                if not ended:
                    if not self._losses.give_up():
                        self.recover()
                    return


def _recover(system: weakref.ref[Durable]) -> None:
    found = system()
    if found is not None:
        found.recover()
