"""What actors cost when nothing happens, and when they are woken, made and replaced."""

import threading
import time
from math import nan

import gyral as gy
from measures import Measure
from resident.classes import Add, Adder, Count, Doubler
from resident.stand import Effort, check, clock, live, percentiles, processor_ns, threads, unbound

ASLEEP = 0.002  # seconds after which a worker has parked
WAKES = 100
MANY = 10_000


def idle(effort: Effort) -> list[Measure]:
    """Processor time of 1,000 actors on two workers to whom nothing is said, for a second."""
    workers, process = [], []
    with unbound(), gy.ActorSystem(device="cpu", workers=2) as system:
        system.spawn_many(Adder, 1000)
        time.sleep(0.2)
        tasks = threads("gyral-actor-").values()
        for _ in range(min(3, effort.rounds)):
            before, whole = sum(map(processor_ns, tasks)), time.process_time_ns()
            time.sleep(1.0)
            workers.append((sum(map(processor_ns, tasks)) - before) / 1e6)
            process.append((time.process_time_ns() - whole) / 1e6)
    return [
        Measure("processor time of two parked workers in a second", "ms", workers, 0.1),
        Measure("processor time of the whole process in that second", "ms", process),
    ]


def among_idle(effort: Effort) -> list[Measure]:
    """An ask of one actor among 10,000 to whom nothing is said: they take no turns."""
    rounds, question = [], Count(0)
    with live(Adder, MANY) as (_, refs):
        ask = refs[MANY // 2].ask_sync
        for _ in range(effort.rounds):
            samples = []
            for _ in range(10 * WAKES):
                before = clock()
                ask(question)
                samples.append(clock() - before)
            rounds.append(samples)
    return percentiles("ask_sync of one among 10,000 actors that idle", rounds, {50: nan})


def waking(effort: Effort) -> list[Measure]:
    """A worker that sleeps is told something, or asked."""
    asks, tells, message, question = [], [], Add(1.0), Count(0)
    with live(Adder, 1) as (_, (actor,)):
        for _ in range(effort.rounds):
            for samples, call, what in ((asks, actor.ask_sync, question), (tells, actor.tell, message)):
                samples.append([])
                for _ in range(WAKES):
                    time.sleep(ASLEEP)
                    before = clock()
                    call(what)
                    samples[-1].append(clock() - before)
        check("waking", actor.status.handled, 2 * effort.rounds * WAKES)
    return [
        *percentiles("ask_sync of an actor whose worker sleeps", asks, {50: nan, 99: 60}, 1e-3, "µs"),
        *percentiles("tell that wakes a worker", tells, {50: nan, 99: nan}, 1e-3, "µs"),
    ]


def spawning(effort: Effort) -> list[Measure]:
    """10,000 actors at once, of a class whose code is loaded; with the relaunch that makes room for them."""
    values = []
    for _ in range(min(5, effort.rounds)):
        with gy.ActorSystem(device="cpu", workers=2) as system:
            system.spawn(Adder)
            before = clock()
            refs = system.spawn_many(Adder, MANY)
            refs[-1].ask_sync(Count(0))
            values.append((clock() - before) / 1e6)
    return [Measure("spawn_many of 10,000 actors, to the first answer of the last", "ms", values)]


def replacing(effort: Effort) -> list[Measure]:
    """Handlers replaced while messages flow, compiled before; none may be lost."""
    values = []
    with gy.ActorSystem(device="cpu", workers=2) as system:
        actor = system.spawn_many(Adder, 1000)[0]
        ending, sent = threading.Event(), [0]

        def produce() -> None:
            message = Add(1.0)
            while not ending.is_set():
                try:
                    actor.tell(message)
                    sent[0] += 1
                except gy.MailboxFull:
                    time.sleep(0.0001)

        system.replace(Adder, Doubler)
        system.replace(Doubler, Adder)
        producer = threading.Thread(target=produce)
        producer.start()
        try:
            for k in range(2 * effort.rounds):
                old, new = (Doubler, Adder) if k % 2 else (Adder, Doubler)
                before = clock()
                system.replace(old, new)
                values.append((clock() - before) / 1e6)
        finally:
            ending.set()
            producer.join()
        check("replacing", actor.ask_sync(Count(0)).count, sent[0])
    return [Measure("replacing the handlers of 1,000 actors while messages flow", "ms", values, 100)]


def lives(effort: Effort) -> list[Measure]:
    """All of it."""
    return [
        *idle(effort),
        *among_idle(effort),
        *waking(effort),
        *spawning(effort),
        *replacing(effort),
    ]
