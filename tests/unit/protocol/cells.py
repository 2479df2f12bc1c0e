"""Reply cells, step by step: `outbox.claim_cell` and `answer` in the loop, `mailcell.c` in the host."""

from __future__ import annotations

from dataclasses import dataclass

from tests.unit.protocol.explore import (
    ACQ_REL,
    ACQUIRE,
    PLAIN,
    RELAXED,
    RELEASE,
    Explorer,
    Process,
    add,
    cas,
    choose,
    futex_wait,
    load,
    membarrier,
    require,
    store,
    until,
    wake,
)

FREE, ARMED, WRITING, DONE = "free", "armed", "writing", "done"


@dataclass(frozen=True, slots=True)
class Orders:
    """How the words of a cell are accessed."""

    claim: str = ACQ_REL
    done_store: str = RELEASE
    done_load: str = ACQUIRE
    abandon: str = ACQ_REL
    claims: bool = True
    """Whether the loop claims the cell by compare-and-swap before it writes."""
    generations: bool = True
    """Whether each ask has a generation of its own."""
    barrier: bool = True
    """Whether who is about to sleep makes a barrier for both."""


def _send(number: int, generation: int) -> Process:
    yield store(f"message {number}", generation, PLAIN)
    yield store(f"sent {number}", 1, RELEASE)


def asks(orders: Orders, count: int) -> Process:
    """A host thread that asks again and again in one cell, and may give up at any time."""
    for number in range(count):
        generation = number if orders.generations else 0
        yield store("CE_STATE", (generation, ARMED), RELEASE)
        yield from _send(number, generation)
        came = True
        if (yield choose(2)):
            old = yield cas("CE_STATE", (generation, ARMED), (generation, FREE), orders.abandon)
            came = old != (generation, ARMED)
        if came:
            yield until("CE_STATE", lambda s, g=generation: s == (g, DONE), orders.done_load)
            reply = yield load("CE_PAYLOAD", PLAIN)
            require(reply == number, f"ask {number} got the reply of ask {reply}")
            yield store("CE_STATE", (generation, FREE), RELEASE)


def answers(orders: Orders, count: int) -> Process:
    """The loop: takes each message, and replies where somebody waits."""
    for number in range(count):
        yield until(f"sent {number}", lambda sent: sent == 1, ACQUIRE)
        generation = yield load(f"message {number}", PLAIN)
        if orders.claims:
            old = yield cas("CE_STATE", (generation, ARMED), (generation, WRITING), orders.claim)
        else:
            old = yield load("CE_STATE", ACQUIRE)
        if old == (generation, ARMED):
            yield store("CE_PAYLOAD", number, PLAIN)
            yield store("CE_STATE", (generation, DONE), orders.done_store)


def cell(orders: Orders, count: int = 3) -> Explorer:
    """Asks in one cell, replies that come late or not at all."""
    words = {"CE_STATE": (-1, FREE), "CE_PAYLOAD": None}
    words |= {f"{name} {k}": 0 for k in range(count) for name in ("message", "sent")}
    return Explorer(words, {"host": lambda: asks(orders, count), "loop": lambda: answers(orders, count)})


def sleeper(orders: Orders) -> Explorer:
    """A waiter that sleeps on its cell: `gy_cell_sleep` against `answer` and `gy_cell_wake_waiters`."""

    def host() -> Process:
        yield store("CE_WAITER", 1)
        if orders.barrier:
            yield membarrier()
        while (yield load("CE_STATE", ACQUIRE)) != DONE:
            yield futex_wait("CE_STATE", ARMED)
            yield futex_wait("CE_STATE", WRITING)
        reply = yield load("CE_PAYLOAD", PLAIN)
        require(reply == 7, "the reply was not written")

    def loop() -> Process:
        yield cas("CE_STATE", ARMED, WRITING, orders.claim)
        yield store("CE_PAYLOAD", 7, PLAIN)
        yield store("CE_STATE", DONE, orders.done_store)
        if (yield load("CE_WAITER", ACQUIRE)) != 0:
            yield wake("CE_STATE")

    return Explorer({"CE_STATE": ARMED, "CE_PAYLOAD": 0, "CE_WAITER": 0}, {"host": host, "loop": loop})


def listeners(stamped: bool, count: int = 2) -> Explorer:
    """Asks whose waiter listens for a bell, which rings once for each: another thread may look at old news.

    `stamped`: CE_WAITER has the ask's generation, so that news of one ask is not taken for that of the next.
    """

    def mark(number: int, what: str) -> tuple[int, str]:
        return (number if stamped else 0, what)

    def host() -> Process:
        for number in range(count):
            yield store("CE_WAITER", mark(number, "listens"))
            yield store("CE_STATE", (number, ARMED), RELEASE)
            yield until("rung", lambda rung, n=number: rung > n, ACQUIRE)
            require((yield load("CE_STATE", ACQUIRE)) == (number, DONE), "the bell rang for nothing")
            yield store("CE_STATE", (number, FREE), RELEASE)

    def tell(seen: tuple[int, str]) -> Process:
        """`gy_cell_wake_waiters`, after it saw that this ask is done."""
        waiter = mark(seen[0], "listens")
        if (yield cas("CE_WAITER", waiter, mark(seen[0], "told"), ACQ_REL)) == waiter:
            yield add("rung", 1, ACQ_REL)

    def loop() -> Process:
        for number in range(count):
            yield until("CE_STATE", lambda s, n=number: s == (n, ARMED), ACQUIRE)
            yield store("CE_STATE", (number, DONE), RELEASE)
            yield from tell((number, DONE))

    def other() -> Process:
        seen = yield load("CE_STATE", ACQUIRE)
        if seen[1] == DONE:
            yield from tell(seen)

    words = {"CE_STATE": (-1, FREE), "CE_WAITER": None, "rung": 0}
    return Explorer(words, {"host": host, "loop": loop, "other worker": other})


def clock(low_first: bool, high_first: bool) -> Explorer:
    """The host's time in two words, as the low one wraps; the loop must not read one that is to come."""

    def host() -> Process:
        words = ("LO", 0, "HI", 1) if low_first else ("HI", 1, "LO", 0)
        yield store(words[0], words[1], RELAXED)
        yield store(words[2], words[3], RELEASE)

    def loop() -> Process:
        first, second = ("HI", "LO") if high_first else ("LO", "HI")
        time = {first: (yield load(first, ACQUIRE)), second: (yield load(second, ACQUIRE))}
        require(time["HI"] * 10 + time["LO"] <= 10, f"the loop read {time}")

    return Explorer({"LO": 9, "HI": 0}, {"host": host, "loop": loop})
