"""Actors on a device, from a live loop: what a tell costs, when a reply is seen, hops, messages per second.

Every figure is of a system that runs, and of work that was acknowledged. In supersteps ("batched") a hop is a
launch; where the loop stays it is a poll.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import sleep
from typing import Any

import numpy as np

import gyral as gy

Clock = Callable[[], float]
BATCH, TELLS = 1024, 16
FULL_SECONDS = 1e-4
"""What a sender does about a full mailbox: it rests so long."""
WAIT = 60.0


@gy.message
class Deposit:
    amount: gy.i32


@gy.message
class Total:
    total: gy.i32


@gy.message
class Hop:
    left: gy.i32


@gy.message
class Meet:
    other: gy.Ref


@gy.message
class Start:
    hops: gy.i32


@gy.actor(mailbox=4096, capacity=4)
class Account:
    total: gy.i32 = 0

    def deposit(self, msg: Deposit) -> Total:
        self.total += msg.amount
        return Total(self.total)


@gy.actor(capacity=4)
class Runner:
    next: gy.Ref = None
    home: gy.Ref = None

    def start(self, msg: Start) -> None:
        self.home = self.sender
        self.next.tell(Hop(msg.hops - 1))

    def meet(self, msg: Meet) -> None:
        self.next = msg.other

    def hop(self, msg: Hop) -> None:
        if msg.left > 0:
            self.next.tell(Hop(msg.left - 1))
        else:
            self.home.tell(Total(0))


def measured(device: str, clock: Clock, seconds: float = 1.0) -> dict[str, Any]:
    """The way a device's loop stays, and times in seconds: samples of each kind, and messages per second.

    Raises:
        ValueError: a sum of the actors is wrong.
    """
    with gy.ActorSystem(device=device) as system:
        account = system.spawn(Account)
        account.ask_sync(Deposit(0), timeout=WAIT)
        found: dict[str, Any] = {"way": system.way}
        found["reply"] = _replies(account, clock, seconds)
        before = account.ask_sync(Deposit(0), timeout=WAIT).total
        found["tell"], told = _tells(account, clock, seconds)
        found["messages_per_second"], streamed = _stream(account, clock, seconds)
        total = account.ask_sync(Deposit(0), timeout=WAIT).total
        if total - before != told + streamed:
            raise ValueError(f"{told + streamed} messages added up to {total - before}")
        found["hop"] = _hops(system, clock, seconds)
    return found


def _replies(account: Any, clock: Clock, seconds: float) -> list[float]:
    """From a question to its answer."""
    samples, question, end = [], Deposit(1), clock() + seconds
    while clock() < end:
        began = clock()
        account.ask_sync(question, timeout=WAIT)
        samples.append(clock() - began)
    return samples


def _tells(account: Any, clock: Clock, seconds: float) -> tuple[list[float], int]:
    """What the sender waits for one message, the receiver being live; and how many were sent."""
    samples, letter, count, end = [], Deposit(1), 0, clock() + seconds
    while clock() < end:
        began = clock()
        for _ in range(TELLS):
            account.tell(letter)
        samples.append((clock() - began) / TELLS)
        count += TELLS
        account.ask_sync(letter, timeout=WAIT)
        count += 1
    return samples, count


def _stream(account: Any, clock: Clock, seconds: float) -> tuple[float, int]:
    """Messages per second of one sender and one receiver, to the last one handled; and how many."""
    letters, count = np.ones(BATCH, Deposit.dtype), 0
    began = clock()
    while clock() - began < seconds:
        accepted = account.tell_many(letters, Deposit)
        count += accepted
        if not accepted:
            sleep(FULL_SECONDS)
    while True:
        try:
            account.ask_sync(Deposit(1), timeout=WAIT)
            break
        except gy.MailboxFull:
            continue
    return (count + 1) / (clock() - began), count + 1


def _hops(system: gy.ActorSystem, clock: Clock, seconds: float) -> float:
    """Seconds for a message from one actor to another, on the device, back and forth between two."""
    second = system.spawn(Runner)
    first = system.spawn(Runner, next=second)
    second.tell(Meet(first))
    hops, took = 64, 0.0
    while took < seconds / 4 and hops < 1 << 22:
        hops *= 2
        began = clock()
        first.tell(Start(hops))
        system.inbox.get(timeout=WAIT)
        took = clock() - began
    return took / hops


def rows(found: dict[str, Any]) -> list[list[str]]:
    """What a table shows: what, the median and the 99th percentile in microseconds."""
    lines = []
    for name, what in (("tell", "a tell, for the sender"), ("reply", "a question until its reply is seen")):
        times = sorted(found[name])
        late = times[min(len(times) - 1, len(times) * 99 // 100)]
        lines.append([what, f"{median(times) * 1e6:.2f}", f"{late * 1e6:.2f}"])
    lines.append(["from actor to actor", f"{found['hop'] * 1e6:.2f}", ""])
    lines.append(["a message, one sender without pause", f"{1e6 / found['messages_per_second']:.3f}", ""])
    return lines
