"""Actors for tests of what outlives a loop: with fields of every kind, keys, and queues that wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import gyral as gy


@gy.message
class Book:
    amount: gy.f32
    place: gy.i32


@gy.message
class Sum:
    total: gy.f32


@gy.message
class Break:
    n: gy.i32


@gy.message
class Meet:
    other: gy.Ref


@gy.actor(mailbox=512, dedup=4)
class Ledger:
    """Books amounts, remembers keys, and tells `auditor` what it booked."""

    total: gy.f32 = 0.0
    point: gy.f64x2
    auditor: gy.Ref = None
    window: gy.Local[gy.f32, 4]
    pages: gy.Array[gy.f32, 2]

    def book(self, msg: Book) -> Sum:
        self.total += msg.amount
        self.window[msg.place % 4] += msg.amount
        self.pages[msg.place % 2, 1] += msg.amount
        if self.auditor:
            self.auditor.tell(msg)
        return Sum(self.total)

    def meet(self, msg: Meet):
        msg.other.tell(Book(self.total, 0))

    def fail(self, msg: Break) -> Sum:
        return Sum(100 // msg.n)


def pages(start: float = 0.0) -> np.ndarray:
    """First pages of a ledger."""
    return np.arange(6, dtype=np.float32).reshape(2, 3) + np.float32(start)


def bank(system: Any) -> tuple[Any, Any]:
    """A ledger that works, and its auditor, whose messages wait."""
    auditor = system.spawn(Ledger, name="bank/auditor", pages=pages(10))
    worker = system.spawn(Ledger, name="bank/worker", auditor=auditor, pages=pages(), total=1.0)
    auditor.pause()
    for k in range(20):
        worker.tell(Book(k, k))
    wait_for(lambda: worker.status.handled == 20)
    return worker, auditor


def wait_for(condition: Any) -> None:
    """Look until a condition holds; each look is one of up to a million."""
    for _ in range(1_000_000):
        if condition():
            return
    raise AssertionError("what was waited for did not come")


def seen(system: Any) -> dict[str, Any]:
    """All that can be seen of a system's actors, by name."""
    found = {}
    for ref in system.refs():
        state = {name: repr(value) for name, value in ref.state().items()}
        found[ref.name] = (state, ref.status)
    return found


def flip(path: Path, at: int = 5000) -> None:
    """Flip a bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
