"""Local memory whose every index is a constant becomes plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.ops.arith import ConstOp, zero_of
from gyral.compiler.ir.ops.memory import LocalOp
from gyral.compiler.passes.rewrite import constant_of
from gyral.core.dtypes import DType, leaves

_MOST = 256  # values that one memory may become

Place: TypeAlias = tuple[Value, tuple[int, ...], int]


@dataclass(frozen=True, slots=True)
class Promote:
    """Turn loads and stores of local memory into SSA values, carried through branches and loops.

    Before: `m = local 2; m[0] = a; for k in range(n): m[0] = m[0] + b; y = m[0]`.
    After: `y = for k in range(n) carrying m0 = a: m0 + b`.
    """

    name = "promote"

    def run(self, module: Module) -> None:
        """Promote what can be in every function."""
        for function in module.functions.values():
            body = function.regions[0]
            memories = [op.results[0] for op in function.walk() if isinstance(op, LocalOp)]
            chosen = {m for m in memories if _promotable(m)}
            if chosen:
                _Run(chosen, body).block(body, {})
                for memory in chosen:
                    if isinstance(memory.owner, Op):
                        memory.owner.erase()


def _promotable(memory: Value) -> bool:
    t: Any = memory.type
    places: set[Place] = set()
    for op, _ in memory.uses:
        place = _place(op)
        if place is None or not all(0 <= i < n for i, n in zip(place[1], t.shape, strict=True)):
            return False
        places.add(place)
    return len(places) <= _MOST


def _place(op: Op) -> Place | None:
    """The constant place a load or store reaches; None for any other op."""
    if op.name not in ("memory.load", "memory.store"):
        return None
    memory, *indices = op.operands[0 if op.name == "memory.load" else 1 :]
    numbers = [constant_of(v) for v in indices]
    if any(n is None for n in numbers):
        return None
    return memory, tuple(int(n) for n in numbers if n is not None), op.attributes.get("leaf", 0)


class _Run:
    """Walks a function with the value that each place holds."""

    def __init__(self, chosen: set[Value], body: Block) -> None:
        self.chosen = chosen
        self.body = body
        self.unset: dict[DType, Value] = {}

    def holds(self, place: Place, now: dict[Place, Value]) -> Value:
        """What a place holds; before any store, a zero stands for the undefined."""
        if place in now:
            return now[place]
        t: Any = leaves(place[0].type.elem)[place[2]].dtype
        if t not in self.unset:
            builder = Builder(self.body, self.body.ops[0])
            self.unset[t] = builder.value(ConstOp, type=t, value=zero_of(t))
        return self.unset[t]

    def block(self, block: Block, now: dict[Place, Value]) -> None:
        for op in list(block.ops):
            place = _place(op)
            if place is not None and place[0] in self.chosen:
                if op.name == "memory.store":
                    now[place] = op.operands[0]
                else:
                    op.results[0].replace_by(self.holds(place, now))
                op.erase()
            elif op.regions:
                self.regions(op, now)

    def regions(self, op: Op, now: dict[Place, Value]) -> None:
        changed: dict[Place, None] = {}
        for inner in op.walk():
            place = _place(inner) if inner.name == "memory.store" else None
            if place is not None and place[0] in self.chosen:
                changed[place] = None
        if op.name == "control.if":
            self.branch(op, list(changed), now)
        elif op.name == "control.for":
            self.loop(op, list(changed), now)
        else:
            self.loop_with_test(op, list(changed), now)

    def branch(self, op: Op, changed: list[Place], now: dict[Place, Value]) -> None:
        sides = [dict(now), dict(now)]
        for region, held in zip(op.regions, sides, strict=True):
            self.block(region, held)
        for place in changed:
            first, second = (self.holds(place, held) for held in sides)
            if first is not second:
                op.regions[0].terminator.append_operand(first)
                op.regions[1].terminator.append_operand(second)
                first = self.add_result(op, first)
            now[place] = first

    def loop(self, op: Op, changed: list[Place], now: dict[Place, Value]) -> None:
        (body,) = op.regions
        inner = dict(now)
        for place in changed:
            op.append_operand(self.holds(place, now))
            inner[place] = body.add_arg(op.operands[-1].type)
        self.block(body, inner)
        for place in changed:
            body.terminator.append_operand(inner[place])
            now[place] = self.add_result(op, inner[place])

    def loop_with_test(self, op: Op, changed: list[Place], now: dict[Place, Value]) -> None:
        test, body = op.regions
        inner = dict(now)
        for place in changed:
            op.append_operand(self.holds(place, now))
            inner[place] = test.add_arg(op.operands[-1].type)
        self.block(test, inner)
        for place in changed:
            test.terminator.append_operand(inner[place])
            now[place] = self.add_result(op, inner[place])
            inner[place] = body.add_arg(inner[place].type)
        self.block(body, inner)
        for place in changed:
            body.terminator.append_operand(inner[place])

    def add_result(self, op: Op, like: Value) -> Value:
        value = Value(like.type, op, len(op.results), like.hint)
        op.results.append(value)
        return value
