"""A lane with its producer and consumer, step by step as the code does it.

The producer is `outbox.stage` and `outbox.commit` in a worker, and the host's push; the consumer is
`resident.drain` with `resident.arrived`. `Orders` are what the code says; tests weaken them one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.unit.protocol.explore import (
    ACQUIRE,
    PLAIN,
    RELEASE,
    Explorer,
    Process,
    cas,
    load,
    require,
    store,
    until,
)

SLOTS = 2
BEFORE = (1 << 32) - 1
"""Positions begin here, so that the second one is 0."""


def after(position: int, count: int = 1) -> int:
    """A position further on, in 32 bits."""
    return position + count & 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Orders:
    """How the words of a lane are accessed."""

    stamp_store: str = RELEASE
    stamp_load: str = ACQUIRE
    head_store: str = RELEASE
    head_load: str = ACQUIRE
    lock_take: str = ACQUIRE
    lock_leave: str = RELEASE
    done_store: str = RELEASE
    done_load: str = ACQUIRE


def words(slots: int = SLOTS) -> dict[str, int]:
    """A lane before anything was sent: stamps are as the lap before left them."""
    found: dict[str, int] = {
        "LN_TAIL": BEFORE,
        "LN_SEEN": BEFORE,
        "LN_HEAD": BEFORE,
        "lock": 0,
        "SENT": 0,
        "DONE": 0,
    }
    for k in range(slots):
        position = after(BEFORE, k)
        found[f"payload {position % slots}"] = -1
        found[f"STAMP {position % slots}"] = after(position, 1 - slots)
    return found


def push(orders: Orders, slots: int, message: int) -> Process:
    """Put one message into the lane, waiting while it is full: `outbox.free_slots`, `stage` and `commit`."""
    tail = yield load("LN_TAIL", PLAIN)
    seen = yield load("LN_SEEN", PLAIN)
    if after(tail, -seen) >= slots:
        head = yield until("LN_HEAD", lambda head: after(tail, -head) < slots, orders.head_load)
        yield store("LN_SEEN", head, PLAIN)
    slot = tail % slots
    yield store(f"payload {slot}", message, PLAIN)
    yield store(f"STAMP {slot}", after(tail), orders.stamp_store)
    yield store("LN_TAIL", after(tail), PLAIN)


def producer(orders: Orders, messages: int, slots: int = SLOTS) -> Callable[[], Process]:
    """The lane's only producer."""

    def run() -> Process:
        for message in range(messages):
            yield from push(orders, slots, message)

    return run


def host_thread(orders: Orders, messages: tuple[int, ...], slots: int = SLOTS) -> Callable[[], Process]:
    """One of several threads of the host, which push under the lane's lock."""

    def run() -> Process:
        for message in messages:
            old = 1
            while old != 0:
                yield until("lock", lambda held: held == 0)
                old = yield cas("lock", 0, 1, orders.lock_take)
            yield from push(orders, slots, message)
            yield store("lock", 0, orders.lock_leave)

    return run


def consumer(orders: Orders, messages: int, slots: int = SLOTS, threads: int = 1) -> Callable[[], Process]:
    """The lane's only consumer: each message once, and those of a thread in order (tens say which thread)."""

    def run() -> Process:
        head = BEFORE
        last = dict.fromkeys(range(threads), -1)
        for _ in range(messages):
            slot, wanted = head % slots, after(head)
            yield until(f"STAMP {slot}", lambda stamp, wanted=wanted: stamp == wanted, orders.stamp_load)
            message = yield load(f"payload {slot}", PLAIN)
            require(message >= 0, "a slot was read before it was written")
            thread, number = divmod(message, 10)
            require(
                number == last[thread] + 1, f"message {number} of thread {thread} came after {last[thread]}"
            )
            last[thread] = number
            head = after(head)
            yield store("LN_HEAD", head, orders.head_store)

    return run


def lane(orders: Orders, messages: int = 4) -> Explorer:
    """One producer and one consumer, with more messages than slots."""
    return Explorer(words(), {"producer": producer(orders, messages), "consumer": consumer(orders, messages)})


def shared_lane(orders: Orders, each: int = 2) -> Explorer:
    """Two threads of the host, behind the lock, and the consumer."""
    return Explorer(
        words(),
        {
            "one": host_thread(orders, tuple(range(each))),
            "two": host_thread(orders, tuple(range(10, 10 + each))),
            "consumer": consumer(orders, 2 * each, threads=2),
        },
    )


def credits(orders: Orders, box: int = 1, messages: int = 3) -> Explorer:
    """A host that sends while SENT - DONE is below the mailbox, so that no more than that are ever queued."""

    def host() -> Process:
        for sent in range(messages):
            yield until("DONE", lambda done, sent=sent: sent - done < box, orders.done_load)
            yield from push(orders, SLOTS, sent)
            yield store("SENT", sent + 1)

    def worker() -> Process:
        head = BEFORE
        for done in range(messages):
            slot, wanted = head % SLOTS, after(head)
            yield until(f"STAMP {slot}", lambda stamp, wanted=wanted: stamp == wanted, orders.stamp_load)
            message = yield load(f"payload {slot}", PLAIN)
            require(message == done, "a message out of its order")
            other = yield load(f"STAMP {(slot + 1) % SLOTS}", orders.stamp_load)
            require(other != after(wanted) or box > 1, "more messages than the mailbox holds")
            yield store("DONE", done + 1, orders.done_store)
            head = after(head)
            yield store("LN_HEAD", head, orders.head_store)

    return Explorer(words(), {"host": host, "worker": worker})
