"""The accounts of systems under random lives: what was accepted ended in one way, and in order."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from tests.actors import Add, Counter, Fail, Keeper, Quit, Relay

import gyral as gy
from gyral.core.errors import ActorStopped, GyralError, MailboxFull, StateError

PATIENCE = 30.0
STEPS = 200


class Lives:
    """Random steps on one system; `told` counts messages that were accepted from the host."""

    def __init__(self, system: gy.ActorSystem, seed: int) -> None:
        self.system, self.chance = system, random.Random(seed)
        self.refs: list[gy.Ref] = []
        self.everybody: list[gy.Ref] = []
        self.next: dict[gy.Ref, int] = {}
        self.told = 0

    def step(self) -> None:
        """One of them, mostly a message."""
        steps = [self.tell] * 12 + [self.fail, self.spawn, self.stop, self.pause, self.resume, self.quit]
        if self.chance.random() < 0.01:
            self.system.spawn_many(Counter, 1)[0].stop()
            self.system.settle(0.01)
        with suppress(StateError, MailboxFull, ActorStopped):
            self.chance.choice(steps)()

    def one(self) -> gy.Ref:
        return self.chance.choice(self.refs)

    def tell(self) -> None:
        ref = self.one()
        count = self.next.get(ref, 0)
        sent = ref.tell_many([Add(count + k) for k in range(self.chance.randrange(1, 20))])
        self.next[ref] = count + sent
        self.told += sent

    def send(self, message: object) -> None:
        self.one().tell(message)
        self.told += 1

    def fail(self) -> None:
        with suppress(TypeError):  # a relay does not
            self.send(Fail(0))

    def quit(self) -> None:
        with suppress(TypeError):  # only counters do
            self.send(Quit())

    def spawn(self) -> None:
        kind = self.chance.choice([Counter, Keeper, Relay])
        fields = {"to": self.one()} if kind is Relay and self.refs else {}
        self.refs.append(self.system.spawn(kind, **fields))
        self.everybody.append(self.refs[-1])

    def stop(self) -> None:
        if len(self.refs) > 4:
            self.refs.pop(self.chance.randrange(len(self.refs))).stop()

    def pause(self) -> None:
        self.one().pause()

    def resume(self) -> None:
        self.one().resume()


@pytest.mark.parametrize("seed", range(3))
def test_every_message_ends_once(seed: int) -> None:
    """Handled, or a dead letter, also when its receiver fails, stops or ends; counted by who got it."""
    with gy.ActorSystem(workers=2, hang_after=None, grace=PATIENCE, stall=0.05, letters=1 << 16) as system:
        lives = Lives(system, seed)
        for _ in range(6):
            lives.spawn()
        for _ in range(STEPS):
            lives.step()
        for ref in lives.refs:
            with suppress(GyralError):
                ref.resume()
        assert system.settle(PATIENCE)
        found = [ref.status for ref in lives.everybody]
        unheard = len(system.dead_letters()) + system.stats()["records_lost"]
    assert [s.accepted for s in found] == [
        s.handled + s.failed + s.expired + s.duplicate + s.dead for s in found
    ]
    assert lives.told + sum(s.sent for s in found) == sum(s.handled for s in found) + unheard
