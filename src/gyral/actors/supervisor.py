"""What becomes of an actor whose handler failed, and of those beside it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from gyral.actors.declare import ActorKind, Restart
from gyral.actors.lifecycle import ALIVE, move
from gyral.actors.roster import Entry
from gyral.actors.world import World
from gyral.core import wire
from gyral.core.clock import Clock
from gyral.core.events import ActorFailed, emit


class Supervised(Protocol):
    """What a supervisor needs of the system it serves."""

    name: str

    def quiet(self) -> AbstractContextManager[World]:
        """The loop stands at message boundaries while the block runs."""
        ...

    def entry(self, slot: int) -> Entry:
        """What the host knows of an actor."""
        ...

    def kind(self, entry: Entry) -> ActorKind:
        """An actor's class."""
        ...

    def reset_fields(self, entry: Entry) -> None:
        """Give an actor the fields it was spawned with."""
        ...

    def recheck(self, slot: int) -> None:
        """Let an actor's worker look at what was put aside for it."""
        ...


@dataclass(slots=True)
class Group:
    """Actors that are supervised together, in the order in which they were spawned."""

    name: str
    restart: Restart
    members: list[int] = field(default_factory=list)


class Supervisor:
    """Applies the policies of classes and groups. Acts under the loop's pause."""

    def __init__(self, system: Supervised, clock: Clock) -> None:
        self._system, self._clock = system, clock

    def failed(self, slot: int, generation: int, reason: str) -> None:
        """A handler of an actor failed; `reason` says where and why."""
        system = self._system
        with system.quiet() as world:
            control = world.control(slot)
            if control[wire.CT_STATE] != wire.FAILING or control[wire.CT_GENERATION] != generation:
                return
            entry = system.entry(slot)
            kind = system.kind(entry)
            policy = kind.on_failure
            if policy in ("restart", "resume") and not self._within_budget(
                entry, kind.max_restarts, kind.window
            ):
                policy = "escalate" if entry.group is not None else "fail"
            if policy == "resume":
                move(control, wire.ACTIVE, entry.name)
            elif policy == "restart":
                for other in self._together(entry, kind.restart):
                    self._restart(other)
            elif policy == "stop":
                move(control, wire.TERMINATED, entry.name)
            elif policy == "escalate" and entry.group is not None:
                for member in entry.group.members:
                    self._fail(member)
            else:
                self._fail(slot)
            system.recheck(slot)
        emit(ActorFailed(system.name, entry.name or f"#{slot}", policy, reason))

    def _within_budget(self, entry: Entry, most: int, window: float) -> bool:
        now = self._clock()
        entry.restarts[:] = [t for t in entry.restarts if now - t < window]
        if len(entry.restarts) >= most:
            return False
        entry.restarts.append(now)
        return True

    def _together(self, entry: Entry, own: Restart) -> list[Entry]:
        """Who is restarted with an actor, itself included."""
        group: Group | None = entry.group
        rule = group.restart if group is not None else own
        if group is None or rule == "one_for_one":
            return [entry]
        members = group.members
        if rule == "rest_for_one":
            members = members[members.index(entry.slot) :]
        return [self._system.entry(slot) for slot in members]

    def _restart(self, entry: Entry) -> None:
        system = self._system
        with system.quiet() as world:
            control = world.control(entry.slot)
            if int(control[wire.CT_STATE]) not in (*ALIVE, wire.FAILED):
                return
            system.reset_fields(entry)
            control[wire.CT_STATE] = wire.ACTIVE
            control[wire.CT_RESTARTS] += 1
            system.recheck(entry.slot)

    def _fail(self, slot: int) -> None:
        with self._system.quiet() as world:
            control = world.control(slot)
            if int(control[wire.CT_STATE]) in ALIVE:
                control[wire.CT_STATE] = wire.FAILED
                self._system.recheck(slot)
