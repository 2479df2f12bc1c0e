"""From actor to actor: a ball between two, by the clock of the device, and many among 1,000 and 10,000."""

import time
from collections.abc import Sequence
from itertools import repeat
from typing import Any

from measures import Measure
from resident.classes import Add, Adder, Ball, Look, Meet, Player, Serve
from resident.stand import Effort, check, clock, live, wait_empty

HOPS = 1000
BALLS = 200
PASSES = 2000
STEP = 7919  # a prime: who gets the ball lies far from who passes it on
ASIDE = 0.0002  # seconds for which the host stays off the workers' cores between looks


def ticks_a_ns(player: Any) -> float:
    """How fast the clock of the device goes, by the host's."""
    began, first = clock(), player.ask_sync(Look(0)).now
    time.sleep(0.1)
    ended, last = clock(), player.ask_sync(Look(0)).now
    return (last - first) / (ended - began)


def hop(effort: Effort, workers: Sequence[int], what: str, most: float) -> Measure:
    """Nanoseconds from a handler's `tell` to the next handler; each value is the mean of 1,000 in a row."""
    values = []
    with live(Player, 2, workers) as (_, (one, other)):
        one.tell(Meet(other))
        other.tell(Meet(one))
        rate = ticks_a_ns(one)
        for _ in range(effort.rounds * 20):
            one.tell(Serve(HOPS - 1))
            ticks = 0
            while ticks == 0:
                time.sleep(ASIDE)
                ticks = one.ask_sync(Look(0)).ticks
            values.append(ticks / rate / HOPS)
        done = one.status.handled + other.status.handled
        check(what, done - 2, sum(1 for _ in values) * (HOPS + 1) + one.status.replies)
    return Measure(what, "ns", values, most)


def hops(effort: Effort) -> list[Measure]:
    """Both actors on one worker, and one on each of two."""
    return [
        hop(effort, (1,), "actor to actor, same worker", 40),
        hop(effort, (0, 1), "actor to actor, two workers", 250),
    ]


def crowd(effort: Effort, count: int, workers: Sequence[int]) -> Measure:
    """Time a message while 200 balls go round among all actors; from the first to the end of the last."""
    on = "one worker" if len(workers) == 1 else f"{len(workers)} workers"
    what = f"{count:,} actors, {BALLS} balls, {on}, a message"
    values = []
    with live(Player, count, workers) as (system, refs):
        for k, ref in enumerate(refs):
            while system.queued > 1000:
                time.sleep(ASIDE)
            ref.tell(Meet(refs[(k * STEP + 1) % count]))
        wait_empty(system)
        ball = Ball(PASSES - 1)
        for _ in range(effort.rounds):
            before = clock()
            for ref in refs[:: count // BALLS]:
                ref.tell(ball)
            wait_empty(system, ASIDE)
            values.append((clock() - before) / (BALLS * PASSES))
        handled = sum(each.handled for each in system.actors())
        check(what, handled, count + effort.rounds * BALLS * PASSES)
    return Measure(what, "ns", values, 60 if len(workers) > 1 else None)


def in_turn(effort: Effort, count: int) -> Measure:
    """Time a message while the host tells all actors in turn; one worker, on the other core."""
    what = f"{count:,} actors told in turn by the host, a message"
    values, times = [], max(1, 20_000 // count)
    with live(Adder, count) as (system, refs):
        message = Add(1.0)
        tells = [ref.tell for ref in refs]
        for _ in range(effort.rounds):
            taken = 0
            for _ in repeat(None, times):
                before = clock()
                for first in range(0, count, 1000):  # fewer than the lane holds
                    for tell in tells[first : first + 1000]:
                        tell(message)
                    while system.queued > 2000:
                        pass
                while system.queued:
                    pass
                taken += clock() - before
            values.append(taken / (times * count))
        check(what, sum(each.handled for each in system.actors()), effort.rounds * times * count)
    return Measure(what, "ns", values)


def crowds(effort: Effort) -> list[Measure]:
    """Many actors over few workers."""
    found = []
    for count in (1_000, 10_000):
        found += [crowd(effort, count, (1,)), crowd(effort, count, (0, 1)), in_turn(effort, count)]
    return found
