"""Actors for tests of the loop: they count, pass on, answer, fail, end and spawn."""

from __future__ import annotations

from typing import Any

from tests.resident import Twin, program

import gyral as gy
from gyral.compiler.frontend.program import ActorClass, Field, Handler
from gyral.core.dtypes import StructType, f32, i32
from gyral.core.wire import REF, Geometry


def message(name: str, **fields: Any) -> Any:
    """A type of message as handlers name it; its struct is `__gyral_struct__`."""
    return type(name, (), {"__gyral_struct__": StructType(name, tuple(fields.items()))})


Add = message("Add", n=i32)
Total = message("Total", n=i32)
Divide = message("Divide", n=i32)
Index = message("Index", n=i32)
End = message("End", n=i32)
Twice = message("Twice", n=i32)
Ask = message("Ask", n=i32)
Late = message("Late", n=i32)
Many = message("Many", n=i32)
Born = message("Born", n=i32)
Unheard = message("Unheard", n=i32)

MESSAGES = (Add, Total, Divide, Index, End, Twice, Ask, Late, Many, Born, Unheard)


class Keeper:
    """Adds up; `log` counts what came, by its remainder."""

    total = 0

    def add(self, msg: Add) -> Total:
        assert msg.n >= 0, "negative"
        self.total += msg.n
        self.log[msg.n % 4] += 1
        return Total(self.total)

    def divide(self, msg: Divide) -> Total:
        self.total += 1
        return Total(100 // msg.n)

    def index(self, msg: Index) -> None:
        self.total += 1
        self.log[msg.n] = 7

    def end(self, msg: End) -> None:
        self.total += 1000
        self.stop()


class Relay:
    """Passes on what it is told to `to`."""

    count = 5

    def add(self, msg: Add) -> None:
        self.count += 1
        self.to.tell(msg)

    def twice(self, msg: Twice) -> None:
        self.to.tell(Add, msg.n)
        self.to.tell(Add, msg.n + 1)

    def ask(self, msg: Ask) -> None:
        self.sender.tell(Total(self.count))

    def late(self, msg: Late) -> None:
        self.count += 100
        self.to.tell(Add, 1)
        self.to.tell(Add, 2)
        assert msg.n == 0, "late"

    def many(self, msg: Many) -> None:
        for k in range(msg.n):
            self.to.tell(Add, k)

    def born(self, msg: Born) -> Total:
        child = self.spawn(Keeper, total=msg.n)
        child.tell(Add, 1)
        self.to = child
        return Total(msg.n)


def _handlers(cls: Any, **sends: int) -> tuple[Handler, ...]:
    found = {name: fn for name, fn in vars(cls).items() if callable(fn) and not name.startswith("_")}
    types = {one.__name__.lower(): one for one in MESSAGES}
    return tuple(Handler(types[name].__gyral_struct__, fn, sends.get(name, 0)) for name, fn in found.items())


KEEPER = ActorClass(
    "Keeper", Keeper, (Field("total", "state", i32), Field("log", "fixed", i32, (4,))), _handlers(Keeper)
)
RELAY = ActorClass(
    "Relay", Relay, (Field("count", "state", i32), Field("to", "state", REF)),
    _handlers(Relay, add=1, twice=2, ask=1, late=2, many=2, born=1),
)  # fmt: skip
BANK = program((KEEPER, RELAY), [one.__gyral_struct__ for one in MESSAGES])
"""Class 0 keeps, class 1 relays."""

CAREFUL = program(
    (ActorClass("Keeper", Keeper, KEEPER.fields, KEEPER.handlers, keeps=True),),
    [one.__gyral_struct__ for one in MESSAGES],
)
"""Keepers with a copy of their record."""


class Heap:
    """Has an array of its own."""

    def add(self, msg: Add) -> Total:
        self.store[msg.n] += 1.5
        return Total(self.store.shape[0])


HEAP = program(
    (ActorClass("Heap", Heap, (Field("store", "buffer", f32),), _handlers(Heap)),),
    [one.__gyral_struct__ for one in MESSAGES],
)


class Crew:
    """Works as a block of 32 threads."""

    def add(self, msg: Add) -> Total:
        i = gy.local_id()
        self.cells[i] += msg.n + i
        assert i != 7 or msg.n >= 0, "negative"
        found = gy.block_sum(self.cells[i])
        if i == 0:
            self.total = found
        return Total(found)

    def twice(self, msg: Twice) -> None:
        self.to.tell(Add, msg.n)
        self.to.tell(Add, msg.n + 1)


CREW = program(
    (
        ActorClass(
            "Crew", Crew,
            (Field("total", "state", i32), Field("to", "state", REF), Field("cells", "fixed", i32, (32,))),
            _handlers(Crew, twice=2), keeps=True,
        ),
    ),
    [one.__gyral_struct__ for one in MESSAGES], block=32,
)  # fmt: skip


def world(program: Any = BANK, **sizes: Any) -> Twin:
    """A small world: one worker unless asked for more."""
    start = sizes.pop("start", 0)
    route = sizes.pop("route", 0)
    batch = sizes.pop("batch", 64)
    given = {
        "workers": 1, "capacity": 8, "classes": len(program.classes), "depth": 8, "urgent_depth": 4,
        "out_depth": 8, "held_room": 4, "list_room": 8, "cells": 4,
    } | sizes  # fmt: skip
    return Twin(program, Geometry(**given), start=start, route=route, batch=batch)


def tell(w: Twin, dest: int, message: Any, *values: Any, **options: Any) -> None:
    """Send a message named by its class."""
    w.tell(dest, message.__gyral_struct__, *values, **options)


def number(message: Any) -> int:
    """A message's type."""
    return MESSAGES.index(message) + 1


def total(w: Twin, slot: int) -> int:
    """What a keeper added up."""
    return int(w.record(slot)["total"])
