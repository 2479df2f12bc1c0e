"""Loops of actors in a process of their own: what they cost, and how soon a killed one is replaced.

python benchmarks/recovery.py [--kills N] [--json FILE]
"""

import argparse
import os
import random
import signal
import statistics
import sys
import threading
import time
from math import nan
from pathlib import Path

import gyral as gy
from gyral.core.errors import LoopLost, MailboxFull
from gyral.core.events import Event, LoopRecovered, ProcessLost, listening
from measures import Measure
from resident.classes import Add, Adder, Count
from resident.stand import CORES, percentiles
from terminal import console, publish

STARTS, ASKS, ROUNDS = 10, 10_000, 5
SEED = 20
HURRIED = 0.05  # seconds between two kills, at most
WORST = 10.0


@gy.actor(mailbox=4096, on_failure="resume", max_restarts=1_000_000)
class Steady:
    """Adds up, as before when its message was lost."""

    total: gy.f32 = 0.0

    def add(self, msg: Add):
        self.total += msg.amount

    def count(self, msg: Count) -> Count:
        return msg


def starting() -> list[Measure]:
    """From the call that makes a system to the first reply of its first actor; code from the cache."""
    taken: dict[str, list[float]] = {"process": [], "thread": []}
    for _ in range(STARTS):
        for isolation, values in taken.items():
            began = time.perf_counter()
            with gy.ActorSystem(isolation=isolation, workers=2) as system:
                system.spawn(Adder).ask_sync(Count(0), timeout=20)
                values.append((time.perf_counter() - began) * 1e3)
    return [Measure(f"start with isolation={k!r}, to the first reply", "ms", v) for k, v in taken.items()]


def asking() -> list[Measure]:
    """`ask_sync` of an actor in another process; both are tied to processors of their own."""
    rounds, question = [], Count(0)
    with gy.ActorSystem(isolation="process", workers=1) as system:
        actor = system.spawn(Adder)
        for task in os.listdir(f"/proc/{system._engine.host.pid}/task"):
            os.sched_setaffinity(int(task), {CORES[-1]})
        os.sched_setaffinity(0, {CORES[0]})
        for _ in range(ROUNDS):
            rounds.append([])
            for _ in range(ASKS):
                before = time.perf_counter_ns()
                actor.ask_sync(question)
                rounds[-1].append(time.perf_counter_ns() - before)
    os.sched_setaffinity(0, CORES)
    return percentiles("ask_sync across processes", rounds, {50: nan, 99: nan})


def killing(kills: int) -> tuple[list[Measure], str]:
    """A loop under load is killed again and again; until its actor answers, and until a successor runs."""
    chance, answered, told, deaths = random.Random(SEED), [], [], []
    done = threading.Event()

    def listener(event: Event) -> None:
        if isinstance(event, LoopRecovered):
            told.append(event.seconds * 1e3)
        elif isinstance(event, ProcessLost):
            deaths.append(event.how)

    def send(actor: gy.Ref) -> None:
        while not done.is_set():
            try:
                actor.tell(Add(1.0))
            except MailboxFull:
                time.sleep(0)

    with listening(listener), gy.ActorSystem(isolation="process", workers=2, grace=20) as system:
        adders = system.spawn_many(Steady, 2)
        threads = [threading.Thread(target=send, args=(actor,)) for actor in adders]
        for thread in threads:
            thread.start()
        for number in range(kills):
            time.sleep(chance.random() * HURRIED)
            os.kill(system._engine.host.pid, signal.SIGKILL)
            began = time.perf_counter()
            while len(told) <= number or not _answers(adders[0]):
                time.sleep(0)
            answered.append((time.perf_counter() - began) * 1e3)
        done.set()
        for thread in threads:
            thread.join()
        system.settle(20)
        ends = [(s.accepted, s.handled + s.failed + s.dead) for s in (actor.status for actor in adders)]
        lost = len(system.dead_letters())
    if any(accepted != ended for accepted, ended in ends) or len(deaths) != kills:
        raise RuntimeError(f"the accounts are not even: {ends}, {len(deaths)} deaths")
    figures = [
        Measure("from kill -9 to the next reply, under load", "ms", answered),
        Measure("the longest of these", "ms", [max(answered)], WORST * 1e3),
        Measure("of it: memory made whole and a successor running", "ms", told),
    ]
    accepted = sum(accepted for accepted, _ in ends)
    middle = statistics.median(answered)
    return figures, (
        f"{kills} kills (seed {SEED}), {accepted} messages accepted from two threads, {lost} of them in hand "
        f"when the loop was killed; all accounts even, a reply again after {middle:.0f} ms in the middle"
    )


def _answers(actor: gy.Ref) -> bool:
    try:
        actor.ask_sync(Count(0), timeout=5)
    except LoopLost:
        return False
    return True


def main(given: list[str]) -> int:
    """Returns 0 when all was measured and every account is even."""
    parser = argparse.ArgumentParser(description="Loops of actors in a process of their own, killed.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--json", type=Path, help="where to write the record")
    options = parser.parse_args(given)
    figures = [*starting(), *asking()]
    more, note = killing(options.kills)
    publish("Loops of actors that are killed", figures + more, console(), options.json, "-recovery", [note])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
