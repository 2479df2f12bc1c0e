"""Checkpoints of systems of actors: taken under a short pause, written while the loop goes on.

A whole checkpoint stands in `path`, the one before it in `<path>.previous`; increments of either beside them,
in `<path>.<id>.<number>.delta`, where the id is that of the whole one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gyral.actors.changes import apply, changes, same_shape
from gyral.actors.disk import DISK, PREVIOUS, Disk, beside
from gyral.actors.engine import Engine
from gyral.actors.image import take_image
from gyral.actors.imagefile import Arrays, arrays_of
from gyral.actors.journal import Journal
from gyral.actors.manifest import KIND, Spawned, classes_of, messages_of
from gyral.actors.savefile import Saved, load, peek, save
from gyral.actors.stage import Stage
from gyral.actors.world import Words
from gyral.core import wire
from gyral.core.clock import Clock
from gyral.core.errors import StateError, UserError
from gyral.core.events import CheckpointTrouble, emit

SPAWNED = "spawned"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was written: bytes of the file, seconds the loop stood, seconds in all, actors in it.

    `number` is 0 for a whole checkpoint, and counts the increments after it.
    """

    path: Path
    nbytes: int
    paused: float
    seconds: float
    actors: int
    number: int


@dataclass(slots=True)
class Chain:
    """The whole checkpoint that increments go on from."""

    path: Path
    id: str
    number: int


class Keeper:
    """Takes the checkpoints of one system. `held` is the last one, in memory.

    `about`: what else is to be kept, as JSON. `drain`: takes in what the loop said so far. `clock`: by which
    restarts are counted. `journal`: begins a segment with each checkpoint.
    """

    def __init__(
        self,
        engine: Engine,
        about: Callable[[], dict[str, Any]],
        drain: Callable[[], None],
        clock: Clock,
        journal: Journal | None = None,
    ) -> None:
        self.held: Saved | None = None
        self.path: Path | None = None
        self._engine, self._about, self._drain = engine, about, drain
        self._stage, self._clock, self._journal = Stage(), clock, journal
        self._chain: Chain | None = None
        self._saving = threading.Lock()

    def save(self, path: Path, compress: str | None, incremental: bool, disk: Disk = DISK) -> Checkpoint:
        """Write a checkpoint; an increment where asked for and possible. Raises as `savefile.save`."""
        with self._saving:
            began = time.perf_counter()
            paused, delta = self._take(path if incremental else None)
            held = self.held
            if held is None:
                raise StateError("a checkpoint was taken and is gone")
            if delta is None:
                chain = Chain(path, os.urandom(6).hex(), 0)
                held.about["id"], held.about["number"], self._chain = chain.id, 0, None
                nbytes = save(path, held.about, held.arrays, compress, disk)
                self._drop_old(path, chain.id, disk)
                file = path
            else:
                chain = self._chain
                if chain is None:
                    raise StateError("an increment was taken of nothing")
                chain = replace(chain, number=chain.number + 1)
                held.about["id"], held.about["number"], self._chain = chain.id, chain.number, None
                file = delta_of(path, chain.id, chain.number)
                nbytes = save(file, held.about, delta, compress, disk)
            self._chain, self.path = chain, path
            seconds = time.perf_counter() - began
            return Checkpoint(file, nbytes, paused, seconds, _living(held.arrays), chain.number)

    def _drop_old(self, path: Path, chain: str, disk: Disk) -> None:
        """Remove what neither this checkpoint nor the one before it needs: increments, and journals."""
        try:
            before = peek(beside(path, PREVIOUS))
        except (StateError, UserError):
            before = {}
        for file in path.parent.glob(f"{path.name}.*.delta"):
            if file.name.removeprefix(f"{path.name}.").split(".")[0] not in (chain, before.get("id", "")):
                disk.remove(file)
        if self._journal is not None and self.held is not None:
            self._journal.drop(before.get("journal") or self.held.about["journal"])

    def _take(self, path: Path | None) -> tuple[float, Arrays | None]:
        """Copy the system into memory: seconds it stood, and the changes where they are asked for.

        `path` is that of the whole checkpoint they would go on from. Without a chain that fits, everything is
        copied, and there are no changes.
        """
        engine = self._engine
        with engine.lock:
            self._stage.reserve(sum(a.nbytes for a in engine.world.arguments()))
            began = time.perf_counter()
            with engine.quiet() as world:
                self._drain()
                arrays = arrays_of(take_image(world, copy=False))
                chain, held, delta = self._chain, self.held, None
                fits = chain is not None and held is not None and chain.path == path
                if fits and held is not None and same_shape(held.arrays, arrays):
                    delta = changes(held.arrays, arrays, engine.roster.kinds)
                    kept = held.arrays
                else:
                    self.held = None  # what it was is overwritten now
                    kept = self._stage.copy(arrays)
                segment = 0 if self._journal is None else self._journal.turn()
            paused = time.perf_counter() - began
            about, blob = self._manifest()
            about["journal"] = segment
            # Still under the lock: whoever recovers meanwhile reads what is held.
            if delta is not None:
                delta[SPAWNED] = blob
                apply(kept, delta)
            kept[SPAWNED] = blob
            self.held = Saved(about, kept)
        return paused, delta

    def _manifest(self) -> tuple[dict[str, Any], Any]:
        """What the system is, besides its memory. Under the engine's lock."""
        engine = self._engine
        world, roster, g = engine.world, engine.roster, engine.world.geometry
        spawned, groups, now = Spawned(), [], self._clock()
        numbers: dict[int, int] = {}
        actors = []
        for entry in roster.entries.values():
            group = entry.group
            if group is not None and id(group) not in numbers:
                numbers[id(group)] = len(groups)
                groups.append([group.name, group.restart, list(group.members)])
            number = None if group is None else numbers[id(group)]
            actors.append(spawned.row(entry, roster.kinds[entry.number], number, now))
        about = {
            "kind": KIND,
            "workers": g.workers,
            "priorities": g.priorities,
            "stride": g.stride,
            "epochs": engine.epochs,
            "route": engine.route,
            "clock": engine.host.mail.clock,
            "classes": classes_of(
                roster.kinds, [t.rows for t in world.tables], [t.used for t in world.tables]
            ),
            "messages": messages_of(roster),
            "errors": _errors(engine, world.controls),
            "actors": actors,
            "groups": groups,
            "spawned": spawned.table,
            **self._about(),
        }
        return about, spawned.blob


def delta_of(path: Path, chain: str, number: int) -> Path:
    """The file of an increment."""
    return beside(path, f".{chain}.{number}.delta")


def read(path: Path) -> Saved:
    """The newest state that a checkpoint and its increments hold.

    When it cannot be read the previous one is used, and when an increment cannot, the state before it; an
    event says so. Raises as `savefile.load` when there is nothing to be used.
    """
    try:
        return _chained(path, path)
    except (StateError, UserError) as error:
        previous = beside(path, PREVIOUS)
        if not previous.exists():
            raise
        try:
            found = _chained(previous, path)
        except (StateError, UserError) as also:
            raise type(error)(f"{error}; and the one before it cannot be used either: {also}") from error
        emit(CheckpointTrouble(str(path), str(previous), str(error)))
        return found


def _chained(file: Path, path: Path) -> Saved:
    found = load(file)
    if found.about.get("kind") != KIND:
        raise UserError(f"{file} is a file of Gyral, but no checkpoint of a system of actors")
    newest = file
    for number in range(1, 1 << 31):
        delta = delta_of(path, found.about["id"], number)
        if not delta.exists():
            break
        try:
            change = load(delta)
            if (change.about.get("id"), change.about.get("number")) != (found.about["id"], number):
                raise StateError(f"{delta} belongs to another checkpoint")
        except (StateError, UserError) as error:
            emit(CheckpointTrouble(str(delta), str(newest), str(error)))
            break
        apply(found.arrays, change.arrays)
        found, newest = Saved(change.about, found.arrays), delta
    return found


def _errors(engine: Engine, controls: Words) -> list[tuple[int, str]]:
    """Where the last check failed of those actors of whom one did."""
    sites = controls[:, wire.CT_ERROR_SITE]
    return [(int(slot), engine.sites.why(int(sites[slot]) - 1)) for slot in np.flatnonzero(sites)]


def _living(arrays: Arrays) -> int:
    return int(np.count_nonzero(arrays["controls"][:, wire.CT_STATE] != wire.FREE))
