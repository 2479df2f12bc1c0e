"""What becomes of an actor whose handler failed, and of those beside it."""

from __future__ import annotations

from dataclasses import dataclass, field

from gyral.actors.declare import Restart
from gyral.actors.engine import Engine
from gyral.actors.lifecycle import move
from gyral.actors.lives import Lives
from gyral.actors.roster import Entry
from gyral.core import wire
from gyral.core.clock import Clock
from gyral.core.events import ActorFailed, emit

RESETS = (wire.ACTIVE, wire.PAUSED, wire.FAILING, wire.DRAINING)
"""States in which an actor is restarted with the one beside it that failed."""


@dataclass(slots=True)
class Group:
    """Actors that are supervised together, in the order in which they were spawned.

    `restart`: who is restarted with one that failed; None leaves that to the class of the one that did.
    """

    name: str
    restart: Restart | None
    members: list[int] = field(default_factory=list)


class Supervisor:
    """Applies the policies of classes and groups, under the loop's pause. `clock` tells the budgets' time."""

    def __init__(self, engine: Engine, lives: Lives, clock: Clock) -> None:
        self._engine, self._lives, self._clock = engine, lives, clock

    def failed(self, slot: int, generation: int, reason: str) -> None:
        """A handler of an actor failed; `reason` says where and why."""
        engine = self._engine
        with engine.quiet() as world:
            control = world.control(slot)
            if control[wire.CT_STATE] != wire.FAILING or control[wire.CT_GENERATION] != generation:
                return
            entry, name = engine.entry(slot), self._lives.named(slot)
            policy = self._policy(entry)
            self._apply(policy, entry)
        emit(ActorFailed(engine.name, name, policy, reason))

    def _policy(self, entry: Entry) -> str:
        """What is done about a failure: what the class says, while its budget lasts."""
        kind = self._engine.kind(entry)
        policy: str = kind.on_failure
        within = policy not in ("restart", "resume") or self._within(entry, kind.max_restarts, kind.window)
        if not within:
            policy = "escalate"
        return "fail" if policy == "escalate" and entry.group is None else policy

    def _apply(self, policy: str, entry: Entry) -> None:
        if policy == "resume":
            self._lives.revive(entry.slot)
        elif policy == "restart":
            for other in self._together(entry):
                self._restart(other)
        elif policy == "stop":
            self._end(entry.slot)
        elif policy == "escalate":
            for member in list(entry.group.members):
                self._fail(member)
        else:
            self._fail(entry.slot)

    def _within(self, entry: Entry, most: int, window: float) -> bool:
        now = self._clock()
        entry.restarts[:] = [t for t in entry.restarts if now - t < window]
        if len(entry.restarts) >= most:
            return False
        entry.restarts.append(now)
        return True

    def _together(self, entry: Entry) -> list[Entry]:
        """Who is restarted with an actor, itself included."""
        group: Group | None = entry.group
        if group is None:
            return [entry]
        rule = group.restart or self._engine.kind(entry).restart
        if rule == "one_for_one":
            return [entry]
        members = group.members
        if rule == "rest_for_one":
            members = members[members.index(entry.slot) :]
        return [self._engine.entry(slot) for slot in members]

    def _restart(self, entry: Entry) -> None:
        """Give an actor its first fields again. One that is paused stays so, and one that drains goes on."""
        control = self._engine.world.control(entry.slot)
        if control[wire.CT_STATE] not in RESETS:
            return
        self._engine.reset_fields(entry)
        control[wire.CT_RESTARTS] += 1
        if control[wire.CT_STATE] == wire.FAILING:
            self._lives.revive(entry.slot)

    def _fail(self, slot: int) -> None:
        """End an actor that nothing more can be done for; its fields can still be read."""
        control = self._engine.world.control(slot)
        if control[wire.CT_FLAGS] & wire.STOPS:
            self._end(slot)
        elif control[wire.CT_STATE] in RESETS:
            control[wire.CT_STATE] = wire.FAILED
            self._engine.recheck(slot)

    def _end(self, slot: int) -> None:
        control = self._engine.world.control(slot)
        move(control, wire.TERMINATED, self._lives.named(slot))
        self._engine.recheck(slot)
        self._lives.bury()
