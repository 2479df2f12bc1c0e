"""Random lives of a few actors over several workers, interleaved step by step: accounts and order hold."""

from __future__ import annotations

import random
from typing import Any

import pytest
from tests.resident import Full, Twin, World, program
from tests.resident_programs import message

from gyral.compiler.frontend.program import ActorClass, Field, Handler
from gyral.core import wire
from gyral.core.dtypes import i32
from gyral.core.wire import REF, Geometry

Item = message("Item", sender=i32, number=i32, urgent=i32, hops=i32, fault=i32)
LOG = 256
ENDS = ("handled", "failed", "expired", "duplicate", "dead")


class Node:
    """Notes what it gets, and passes some of it on."""

    count = 0
    sent = 0
    name = 0

    def item(self, msg: Item) -> None:
        self.log[self.count] = (msg.sender * 2 + msg.urgent) * 1000 + msg.number
        assert msg.fault == 0, "fault"
        self.count += 1
        if msg.hops > 0:
            self.sent += 1
            self.to.tell(Item, self.name, self.sent, 0, msg.hops - 1, 0)
        if msg.hops > 3:
            self.sent += 1
            self.to.tell(Item, self.name, self.sent, 0, 0, 0)
        if msg.hops == 9:
            self.stop()


ITEM = Item.__gyral_struct__
NODES = program(
    (
        ActorClass(
            "Node", Node,
            (
                Field("count", "state", i32), Field("sent", "state", i32), Field("name", "state", i32),
                Field("to", "state", REF), Field("log", "fixed", i32, (LOG,)),
            ),
            (Handler(ITEM, Node.item, 2),), keeps=True,
        ),
    ),
    [ITEM],
)  # fmt: skip


class Life:
    """One random schedule, in a world or in twins."""

    def __init__(self, seed: int, twins: bool = False) -> None:
        self.random = random.Random(seed)
        r = self.random
        self.workers = r.choice((1, 1, 2, 3))
        self.actors = r.randint(2, 5)
        geometry = Geometry(
            self.workers, 8, 1, stride=32, depth=r.choice((2, 4, 8)), urgent_depth=4, out_depth=8,
            priorities=2, cells=4, held_room=r.choice((2, 8)), list_room=8, dedup=2,
        )  # fmt: skip
        options: dict[str, Any] = {"batch": r.choice((1, 2, 64)), "start": r.choice((0, (1 << 32) - 9))}
        self.world: Any = (
            Twin(NODES, geometry, **options) if twins else World(NODES, "cpu", geometry, **options)
        )
        self.worlds = self.world.worlds if twins else [self.world]
        self.first = self.worlds[0]
        self.numbers = [[0, 0] for _ in range(self.actors)]
        self.world.time(1000)
        for slot in range(self.actors):
            self.world.spawn(slot, name=slot + 1)
        for slot in range(self.actors):
            to = self.world.ref(r.choice((*range(self.actors), wire.HOST)))
            self.world.spawn(slot, to=to)

    def state(self, slot: int) -> int:
        """Where an actor stands."""
        return int(self.first.control(slot)[wire.CT_STATE])

    def act(self) -> None:
        """One random thing that a host may do, or some turns of one worker."""
        r = self.random
        slot = r.randrange(self.actors)
        what = r.random()
        if what < 0.45:
            self.tell(slot)
        elif what < 0.85:
            self.world.step(r.randrange(self.workers), budget=r.choice((1, 1, 3)))
        elif what < 0.90 and self.state(slot) == wire.ACTIVE:
            self.world.resume(slot, wire.PAUSED)
        elif what < 0.96 and self.state(slot) in (wire.PAUSED, wire.FAILING):
            self.world.resume(slot)
        elif what < 0.97 and self.state(slot) == wire.PAUSED:
            self.world.resume(slot, wire.TERMINATED)
        elif what >= 0.97:
            self.world.events(r.randrange(self.workers))

    def tell(self, slot: int) -> None:
        """Send one message, if there is room for it."""
        r = self.random
        urgent = int(r.random() < 0.2)
        number = self.numbers[slot][urgent] + 1
        hops = r.choice((0, 0, 1, 2, 5, 9 if r.random() < 0.05 else 0))
        extra = {"deadline": r.choice((999, 2000))} if r.random() < 0.2 else {}
        if r.random() < 0.2:
            extra["key"] = r.randrange(1, 5)
        try:
            self.world.tell(
                slot, ITEM, 0, number, urgent, hops, int(r.random() < 0.05), priority=urgent, **extra
            )
        except Full:
            return
        self.numbers[slot][urgent] = number

    def finish(self) -> None:
        """Let everything go on until nothing is left, ending what waits for itself for ever."""
        for _ in range(200):
            for slot in range(self.actors):
                if self.state(slot) in (wire.PAUSED, wire.FAILING):
                    self.world.resume(slot)
            for w in range(self.workers):
                self.world.step(w)
                self.world.events(w)
            waiting = [int(self.first.worker(w)[wire.WK_WAITING]) for w in range(self.workers)]
            for world in self.worlds:
                for w in range(self.workers):
                    world.worker(w)[wire.WK_STALLED] = waiting[w]
            if self.queued() == [0] * self.actors:
                return
        raise AssertionError("messages are left")

    def queued(self) -> list[int]:
        """Messages on their way to each actor, those put aside among them, as the counters of lanes say."""
        g, arena = self.first.geometry, self.first.arena
        rows = g.priorities * (g.workers + 1)
        sent, done = (
            arena[self.first.at[name] :][: rows * g.capacity].reshape(rows, -1).astype("i8")
            for name in ("sent", "done")
        )
        return ((sent - done).sum(axis=0))[: self.actors].tolist()

    def accounts(self) -> None:
        """accepted = handled + failed + expired + duplicate + dead + queued, at every step of a worker."""
        g, arena = self.first.geometry, self.first.arena
        rows = g.priorities * (g.workers + 1)
        sent = arena[self.first.at["sent"] :][: rows * g.capacity].reshape(rows, -1).sum(axis=0)
        for slot, queued in enumerate(self.queued()):
            counts = self.first.counts(slot)
            assert sent[slot] == sum(counts.get(name, 0) for name in ENDS) + queued

    def order(self) -> None:
        """Numbers rise for each sender, receiver and priority; nothing came twice."""
        for slot in range(self.actors):
            record, log = self.first.record(slot), self.first.memory[0][1][slot]
            assert int(record["count"]) == self.first.counts(slot).get("handled", 0)
            last: dict[int, int] = {}
            for entry in log[: int(record["count"])].tolist():
                sender, number = divmod(entry, 1000)
                assert number > last.get(sender, 0)
                last[sender] = number

    def run(self, acts: int) -> None:
        """Live, end, and be checked."""
        for _ in range(acts):
            self.act()
            self.accounts()
        self.finish()
        self.accounts()
        self.order()


@pytest.mark.parametrize("seed", range(0, 200, 20))
def test_accounts_and_order_hold(seed: int) -> None:
    """Twenty lives for each seed."""
    for one in range(seed, seed + 20):
        Life(one).run(80)


@pytest.mark.parametrize("seed", range(6))
def test_both_engines_live_alike(seed: int) -> None:
    """Every word, after every step."""
    Life(seed, twins=True).run(40)
