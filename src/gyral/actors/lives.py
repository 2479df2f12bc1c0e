"""The lives of actors as the host decides them: stop, pause, resume, and the end of those that ended."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import numpy as np

from gyral.actors.accounts import status_of
from gyral.actors.engine import Engine
from gyral.actors.lifecycle import move
from gyral.actors.ref import Status
from gyral.actors.topics import Topics
from gyral.actors.world import World
from gyral.core import wire
from gyral.core.errors import ActorStopped

REMEMBERED = 4096
"""Actors that ended, whose last status is kept."""


class Lives:
    """Moves actors of one engine from state to state, under the loop's pause."""

    def __init__(self, engine: Engine, topics: Topics) -> None:
        self._engine, self._topics = engine, topics
        self._unburied = False
        self._ended: OrderedDict[tuple[int, int], Status] = OrderedDict()

    def control(self, world: World, slot: int, gen: int) -> Any:
        """The control block of a living actor. ActorStopped for one that ended."""
        control = world.control(slot)
        if int(control[wire.CT_GENERATION]) != gen & 0xFFFF or control[wire.CT_STATE] == wire.FREE:
            raise ActorStopped(f"actor #{slot} of {self._engine.name} has ended")
        return control

    def named(self, slot: int) -> str:
        """An actor as people call it."""
        entry = self._engine.roster.entries.get(slot)
        return entry.name if entry is not None and entry.name else f"#{slot}"

    def called(self, slot: int) -> str:
        """An actor in a sentence."""
        name = self.named(slot)
        return f"actor {name}" if name.startswith("#") else name

    def status(self, slot: int, gen: int) -> Status:
        """An actor's counters; the last ones of an actor that ended. ActorStopped when they are forgotten."""
        with self._engine.lock:
            last = self._ended.get((slot, gen & 0xFFFF))
            if last is not None:
                return last
            self.control(self._engine.world, slot, gen)
            return self.seen(slot)

    def seen(self, slot: int) -> Status:
        """The counters of whoever is in a slot."""
        engine = self._engine
        entry = engine.entry(slot)
        site = int(engine.world.control(slot)[wire.CT_ERROR_SITE])
        text = engine.sites.why(site - 1) if site else ""
        return status_of(engine.world, slot, self.named(slot), engine.kind(entry).name, text)

    def pause(self, slot: int, gen: int) -> None:
        """Let an actor's messages wait."""
        with self._engine.quiet() as world:
            move(self.control(world, slot, gen), wire.PAUSED, self.named(slot))

    def resume(self, slot: int, gen: int) -> None:
        """Let an actor take messages again."""
        with self._engine.quiet() as world:
            move(self.control(world, slot, gen), wire.ACTIVE, self.named(slot))
            self._engine.recheck(slot)

    def stop(self, slot: int, gen: int) -> None:
        """Let an actor end: once its queue is empty, at once where it cannot handle what waits."""
        with self._engine.quiet() as world:
            if (slot, gen & 0xFFFF) in self._ended:
                return
            control = self.control(world, slot, gen)
            state = int(control[wire.CT_STATE])
            if state in (wire.DRAINING, wire.TERMINATED):
                return
            self._topics.drop(slot)
            control[wire.CT_FLAGS] |= wire.STOPS
            if state == wire.FAILING:
                return  # its supervisor is about to act, and then it drains
            if state == wire.ACTIVE and not self._engine.is_empty(slot):
                move(control, wire.DRAINING, self.named(slot))
                return
            move(control, wire.TERMINATED, self.named(slot))
            self._engine.recheck(slot)
            self.bury()

    def revive(self, slot: int) -> None:
        """Let an actor go on that was failing: to drain, if it was told to stop. Under the pause."""
        control = self._engine.world.control(slot)
        move(control, wire.ACTIVE, self.named(slot))
        if control[wire.CT_FLAGS] & wire.STOPS:
            ends = self._engine.is_empty(slot)
            move(control, wire.TERMINATED if ends else wire.DRAINING, self.named(slot))
        self._engine.recheck(slot)
        if control[wire.CT_STATE] == wire.TERMINATED:
            self.bury()

    def remains(self) -> bool:
        """Whether somebody ended whose slot is not free yet."""
        return self._unburied

    def forget(self, actors: Iterable[tuple[int, int]]) -> None:
        """These, by slot and generation, live again."""
        for actor in actors:
            self._ended.pop(actor, None)

    def bury(self) -> None:
        """Free the slots of all that ended and have nothing queued any more."""
        world = self._engine.world
        if (world.controls[:, wire.CT_STATE] == wire.TERMINATED).any():
            with self._engine.quiet() as world:
                self._bury(np.flatnonzero(world.controls[:, wire.CT_STATE] == wire.TERMINATED))

    def _bury(self, slots: Any) -> None:
        self._unburied = False
        for slot in map(int, slots):
            if not self._engine.is_empty(slot):
                self._unburied = True
                continue
            last = self.seen(slot)
            self._ended[slot, last.generation] = last
            if len(self._ended) > REMEMBERED:
                self._ended.popitem(last=False)
            self._topics.drop(slot)
            entry = self._engine.entry(slot)
            if entry.group is not None:
                entry.group.members.remove(slot)
            self._engine.free(slot)
