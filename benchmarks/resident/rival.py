"""One other way to have actors in Python, timed in this process: `rival.py queue|pykka|thespian ROUNDS`.

Needs the standard library and that peer alone. Every actor adds numbers up and answers with their count; the
fastest of the forms and placements tried is told, as JSON.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

clock = time.perf_counter_ns
TELLS, ASKS = 2000, 300


class Bench:
    """An actor: how it is told a number, asked for its count, and what it is."""

    def __init__(self, title: str, tell: Callable[[], Any], ask: Callable[[], int]) -> None:
        self.title, self.tell, self.ask = title, tell, ask

    def run(self, rounds: int) -> dict[str, Any]:
        """Nanoseconds of calls, of asks, and of messages until all are handled; nothing may be lost."""
        tells, handled, asks, sent = [], [], [], 0
        tell, ask = self.tell, self.ask
        for _ in range(rounds):
            ask()
            before = clock()
            for _ in range(TELLS):
                tell()
            told = clock()
            sent += TELLS
            if ask() != sent:
                raise RuntimeError("messages were lost")
            tells.append((told - before) / TELLS)
            handled.append((clock() - before) / TELLS)
            samples = [0] * ASKS
            for k in range(ASKS):
                before = clock()
                ask()
                samples[k] = clock() - before
            asks.append(samples)
        return {"title": self.title, "tell": tells, "handled": handled, "ask": asks}


@contextmanager
def thread_and_queue(kind: type) -> Iterator[Bench]:
    """A thread that takes from a queue; replies come by a queue of their own."""
    box, answers = kind(), kind()

    def serve() -> None:
        total, count, take = 0.0, 0, box.get
        while (message := take()) is not None:
            if message == "count":
                answers.put(count)
            else:
                total += message
                count += 1

    def ask() -> int:
        box.put("count")
        return answers.get()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        title = f"threading.Thread and queue.{kind.__name__} of Python {sys.version.split()[0]}"
        yield Bench(title, lambda put=box.put: put(1.0), ask)
    finally:
        box.put(None)
        thread.join()


@contextmanager
def pykka_actor(by_proxy: bool) -> Iterator[Bench]:
    """A ThreadingActor, told and asked by messages or through its proxy."""
    import pykka

    class Adder(pykka.ThreadingActor):
        def __init__(self) -> None:
            super().__init__()
            self.total, self.count = 0.0, 0

        def on_receive(self, message: Any) -> Any:
            if message == "count":
                return self.count
            self.total += message
            self.count += 1
            return None

        def add(self, value: float) -> None:
            self.on_receive(value)

        def counted(self) -> int:
            return self.count

    ref = Adder.start()
    try:
        title = f"Pykka {version('pykka')}"
        if by_proxy:
            proxy = ref.proxy()
            yield Bench(title, lambda: proxy.add.defer(1.0), lambda: proxy.counted().get())
        else:
            yield Bench(title, lambda: ref.tell(1.0), lambda: ref.ask("count"))
    finally:
        ref.stop()


@contextmanager
def thespian_actor(base: str) -> Iterator[Bench]:
    """An actor of a system whose actors are processes."""
    from thespian.actors import ActorSystem

    system = ActorSystem(base)
    try:
        actor = system.createActor(ThespianAdder)
        yield Bench(
            f"Thespian {version('thespian')}, {base}",
            lambda: system.tell(actor, 1.0),
            lambda: system.ask(actor, "count", 10),
        )
    finally:
        system.shutdown()


try:
    from thespian.actors import ActorTypeDispatcher
except ImportError:
    ActorTypeDispatcher = object


class ThespianAdder(ActorTypeDispatcher):
    """Adds numbers up, in a process of its own."""

    total, count = 0.0, 0

    def receiveMsg_float(self, message: float, sender: Any) -> None:
        """Take a number in."""
        self.total += message
        self.count += 1

    def receiveMsg_str(self, message: str, sender: Any) -> None:
        """Say how many came."""
        self.send(sender, self.count)


FORMS: dict[str, list[Callable[[], Any]]] = {
    "queue": [lambda: thread_and_queue(queue.SimpleQueue), lambda: thread_and_queue(queue.Queue)],
    "pykka": [lambda: pykka_actor(False), lambda: pykka_actor(True)],
    "thespian": [lambda: thespian_actor("multiprocQueueBase"), lambda: thespian_actor("multiprocTCPBase")],
}


def places() -> list[tuple[str, set[int]]]:
    """Free to move, and on one processor, where threads that take turns lose less."""
    if not hasattr(os, "sched_getaffinity"):
        return [("bound to nothing", set())]
    all_of_them = os.sched_getaffinity(0)
    return [("bound to nothing", all_of_them), ("bound to one processor", {min(all_of_them)})]


def main() -> None:
    """Times all forms in all places, and tells the one that asks fastest."""
    name, rounds = sys.argv[1], int(sys.argv[2])
    best, fault = None, None
    for placed, cores in places():
        if cores:
            os.sched_setaffinity(0, cores)
        for form in FORMS[name]:
            try:
                with form() as bench:
                    found = bench.run(rounds) | {"placed": placed}
            except Exception as error:  # noqa: BLE001 - a form that does not run here is none
                fault = error
                continue
            if best is None or cost(found) < cost(best):
                best = found
    if best is None:
        raise SystemExit(f"{type(fault).__name__}: {fault}")
    print(json.dumps(best))


def cost(found: dict[str, Any]) -> float:
    """By what forms are compared: a message told and handled, and an ask, in turn."""
    asks = sorted(value for samples in found["ask"] for value in samples)
    return sorted(found["handled"])[len(found["handled"]) // 2] * asks[len(asks) // 2]


if __name__ == "__main__":
    main()
