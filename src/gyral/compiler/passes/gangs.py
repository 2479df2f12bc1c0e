"""Subgroup operations through shared memory, for devices without any, or none whose lanes are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.graph import Module, Op, Value
from gyral.compiler.ir.ops.arith import AddOp, AndOp, ConstOp, MinOp, OrOp, ShlOp, SubOp, XorOp
from gyral.compiler.ir.ops.grid import BarrierOp
from gyral.compiler.passes.blocks import back
from gyral.compiler.passes.target import TargetSpec
from gyral.compiler.passes.teamwork import COMBINE, Team, at, brought, identity, load, offset, store, widened
from gyral.compiler.passes.write import Write
from gyral.core.dtypes import DType, i32, index, u32, u64


@dataclass(frozen=True, slots=True)
class LowerGangs:
    """Write subgroup operations as what consecutive threads of a block do through shared memory.

    Before: `u = subgroup.shuffle v, n {mode = "up"}`.
    After: each thread stores v and whether it is active; barrier; it reads what stands n before its own,
    where that lies in its subgroup and was active; barrier.
    """

    spec: TargetSpec
    block: Sequence[int]
    index_bits: int = 32
    name = "gangs"

    def run(self, module: Module) -> None:
        """Rewrite the kernel; `block` is its block in the user's order of axes."""
        function = module.kernel
        found = [op for op in function.walk() if op.name in _REWRITES]
        if not found:
            return
        run = _Run(Team(function, self.block, self.index_bits), self.spec.subgroup)
        for op in found:
            value = _REWRITES[op.name](run, Write(Builder.before(op)), op)
            if not value.hint:
                value.hint = op.results[0].hint
            op.results[0].replace_by(value)
            op.erase()


class _Run:
    """One kernel under way."""

    def __init__(self, team: Team, lanes: int) -> None:
        self.team = team
        self.lanes = lanes

    def width(self, w: Write, op: Op) -> Value:
        """Lanes of a subgroup."""
        return w.const(i32, self.lanes)

    def lane(self, w: Write) -> Value:
        """This thread's place in its subgroup, an index."""
        return w.do(AndOp, self.team.number, at(w, self.lanes - 1))

    def lane_id(self, w: Write, op: Op) -> Value:
        """This thread's lane."""
        return w.cast(self.lane(w), i32)

    def start(self, w: Write) -> Value:
        """The block's number of the subgroup's first thread."""
        return w.do(AndOp, self.team.number, at(w, -self.lanes))

    def published(self, w: Write, value: Value) -> Value:
        """Shared memory with a value of every thread, for all to read; `release` ends that."""
        memory = self.team.memory("lanes", value.type, self.team.size)
        store(w, value, memory, self.team.number)
        return memory

    def others(self, w: Write, memory: Value, kind: str) -> list[tuple[Value, Value]]:
        """Each lane's place in the subgroup, and its value or, behind the block's end, the identity."""
        found = []
        start = self.start(w)
        t = memory.type.elem
        last = w.const(index, self.team.size - 1)
        for k in range(min(self.lanes, self.team.size)):
            place = offset(w, start, k)
            # Every subgroup but the last of the block is whole.
            if k < self.team.size % self.lanes or self.team.size % self.lanes == 0:
                found.append((at(w, k), load(w, memory, place)))
                continue
            value = load(w, memory, w.do(MinOp, place, last))
            value = w.select(w.cmp("le", place, last), value, w.const(t, identity(kind, t)))
            found.append((at(w, k), value))
        return found

    def reduce(self, w: Write, op: Op) -> Value:
        """Every lane combines all values in order; NaN as in a block's reduction."""
        t: Any = op.operands[0].type
        kind = op.attributes["kind"]
        value = brought(w, self.team, op.operands[0], kind, self.team.carried(t))
        memory = self.published(w, value)
        w.builder.op(BarrierOp)
        values = [one for _, one in self.others(w, memory, kind)]
        total = values[0]
        for one in values[1:]:
            total = w.do(COMBINE[kind], total, one)
        w.builder.op(BarrierOp)
        return back(w, total, t)

    def scan(self, w: Write, op: Op) -> Value:
        """Every lane adds up the values before its own."""
        t: Any = op.operands[0].type
        value = brought(w, self.team, op.operands[0], "sum", self.team.carried(t))
        memory = self.published(w, value)
        w.builder.op(BarrierOp)
        own = self.lane(w)
        total = w.const(value.type, 0.0 if value.type.is_float else 0)
        for place, one in self.others(w, memory, "sum")[:-1]:
            total = w.select(w.cmp("lt", place, own), w.do(AddOp, total, one), total)
        w.builder.op(BarrierOp)
        return back(w, total, t)

    def ballot(self, w: Write, op: Op) -> Value:
        """Every lane gathers the bits of all."""
        value = brought(w, self.team, op.operands[0], "any", u32)
        memory = self.published(w, value)
        w.builder.op(BarrierOp)
        words = [w.const(u32, 0), w.const(u32, 0)]
        for k, (_, one) in enumerate(self.others(w, memory, "any")):
            bit = w.do(ShlOp, one, w.const(u32, k % 32)) if k % 32 else one
            words[k // 32] = w.do(OrOp, words[k // 32], bit)
        w.builder.op(BarrierOp)
        low = w.cast(words[0], u64)
        if self.lanes <= 32:
            return low
        return w.do(OrOp, low, w.do(ShlOp, w.cast(words[1], u64), w.const(u64, 32)))

    def shuffle(self, w: Write, op: Op) -> Value:
        """Read another lane's slot, where there is such a lane and it was active."""
        value, amount = op.operands
        t: Any = value.type
        carried: DType = self.team.carried(t)
        memory = self.published(w, widened(w, value, carried))
        flags = self.team.memory("flags", u32, self.team.size)
        store(w, w.cast(self.team.active(w.builder), u32), flags, self.team.number)
        w.builder.op(BarrierOp)
        source, inside = self.source(w, op.attributes["mode"], w.cast(amount, index))
        place = w.do(AddOp, self.start(w), source)
        inside = w.do(AndOp, inside, w.cmp("lt", place, at(w, self.team.size)))
        safe = w.select(inside, place, self.team.number)
        other, flag = load(w, memory, safe), load(w, flags, safe)
        w.builder.op(BarrierOp)
        there = w.cmp("ne", flag, w.const(u32, 0))
        return w.select(there, back(w, other, t), value)

    def source(self, w: Write, mode: str, amount: Value) -> tuple[Value, Value]:
        """The lane that a shuffle reads, and whether there is such a lane."""
        lane = self.lane(w)
        # So that lane plus amount cannot leave the range of an index.
        near = w.cmp("lt", amount, at(w, self.lanes))
        near = w.do(AndOp, near, w.cmp("gt", amount, at(w, -self.lanes)))
        amount = w.select(near, amount, at(w, self.lanes))
        form = {"up": SubOp, "down": AddOp, "xor": XorOp}
        source = amount if mode == "index" else w.do(form[mode], lane, amount)
        low = w.cmp("ge", source, w.builder.value(ConstOp, type=index, value=0))
        high = w.cmp("lt", source, at(w, self.lanes))
        return source, w.do(AndOp, near, w.do(AndOp, low, high))


_REWRITES: dict[str, Callable[[_Run, Write, Op], Value]] = {
    "subgroup.size": _Run.width,
    "subgroup.lane_id": _Run.lane_id,
    "subgroup.reduce": _Run.reduce,
    "subgroup.scan": _Run.scan,
    "subgroup.ballot": _Run.ballot,
    "subgroup.shuffle": _Run.shuffle,
}
