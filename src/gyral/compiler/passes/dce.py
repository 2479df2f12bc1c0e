"""Take out what nobody would miss."""

from __future__ import annotations

from dataclasses import dataclass

from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.passes.rewrite import acts
from gyral.compiler.passes.structure import drop_for_slots, drop_while_slots


@dataclass(frozen=True, slots=True)
class RemoveDead:
    """Mark what effects need, sweep the rest, counters that only count themselves among it.

    Before: `for i in range(n): k = k + 1` where k is never read. After: a loop that carries nothing.
    """

    name = "dce"

    def run(self, module: Module) -> None:
        """Sweep every function."""
        for function in module.functions.values():
            live = _Live()
            live.block(function.regions[0])
            live.spread()
            _sweep(function.regions[0], live)


class _Live:
    """The values and ops that matter, grown from effects backwards."""

    def __init__(self) -> None:
        self.values: set[Value] = set()
        self.ops: set[Op] = set()
        self.waiting: list[Value] = []

    def want(self, value: Value) -> None:
        if value not in self.values:
            self.values.add(value)
            self.waiting.append(value)

    def block(self, block: Block) -> None:
        """Ops that act are live whatever becomes of their results."""
        for op in block.ops:
            if op.name == "control.return":
                self.ops.add(op)
                for value in op.operands:
                    self.want(value)
            elif op.regions:
                for region in op.regions:
                    self.block(region)
                if acts(op):
                    self.keep(op)
            elif acts(op) and op.name not in ("control.yield", "control.test"):
                self.keep(op)

    def keep(self, op: Op) -> None:
        """An op that must run: its operands are wanted, carried values only when somebody looks."""
        if op in self.ops:
            return
        self.ops.add(op)
        count = {"control.for": 3, "control.while": 0}.get(op.name, len(op.operands))
        for value in op.operands[:count]:
            self.want(value)
        if op.name == "control.while":
            self.want(op.regions[0].terminator.operands[0])
        outer = op.parent.parent if op.parent is not None else None
        if outer is not None and outer.name != "control.func":
            self.keep(outer)

    def spread(self) -> None:
        while self.waiting:
            value = self.waiting.pop()
            if isinstance(value.owner, Op):
                self.result(value.owner, value.index)
            else:
                self.argument(value.owner, value.index)

    def result(self, op: Op, slot: int) -> None:
        self.keep(op)
        match op.name:
            case "control.if":
                for region in op.regions:
                    self.want(region.terminator.operands[slot])
            case "control.for":
                self.want(op.operands[3 + slot])
                self.want(op.regions[0].terminator.operands[slot])
            case "control.while":
                self.want(op.regions[0].terminator.operands[1 + slot])

    def argument(self, block: Block, slot: int) -> None:
        op = block.parent
        if op is None or op.name == "control.func":
            return
        self.keep(op)
        if op.name == "control.for" and slot:
            self.want(op.operands[2 + slot])
            self.want(block.terminator.operands[slot - 1])
        elif op.name == "control.while":
            test, body = op.regions
            if block is test:
                self.want(op.operands[slot])
                self.want(body.terminator.operands[slot])
            else:
                self.want(test.terminator.operands[1 + slot])


def _sweep(block: Block, live: _Live) -> None:
    for op in reversed(list(block.ops)):
        if op.name in ("control.yield", "control.test", "control.return"):
            continue
        if op not in live.ops:
            _detach(op)
            block.ops.remove(op)
            op.parent = None
            continue
        _drop_slots(op, live)
        for region in op.regions:
            _sweep(region, live)


def _detach(op: Op) -> None:
    for inner in op.walk():
        inner.set_operands(())


def _drop_slots(op: Op, live: _Live) -> None:
    """Take dead results and carried values out of a live region op."""
    match op.name:
        case "control.if":
            keep = [s for s, v in enumerate(op.results) if v in live.values]
            if len(keep) < len(op.results):
                for region in op.regions:
                    terminator = region.terminator
                    terminator.set_operands([terminator.operands[s] for s in keep])
                op.results = [op.results[s] for s in keep]
                for number, value in enumerate(op.results):
                    value.index = number
        case "control.for":
            args = op.regions[0].args[1:]
            keep = [s for s, a in enumerate(args) if a in live.values or op.results[s] in live.values]
            if len(keep) < len(op.results):
                drop_for_slots(op, keep)
        case "control.while":
            test, body = op.regions
            carried = [s for s, a in enumerate(test.args) if a in live.values]
            passed = [s for s, a in enumerate(body.args) if a in live.values or op.results[s] in live.values]
            drop_while_slots(op, carried, passed)
