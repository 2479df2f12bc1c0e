"""Words of the whole block as shared memory and barriers, over subgroup operations where there are any."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.ops.arith import AddOp, AndOp, MulOp, ShrOp
from gyral.compiler.ir.ops.control import IfOp, YieldOp
from gyral.compiler.ir.ops.grid import BarrierOp, BlockBroadcastOp, UniformOp
from gyral.compiler.ir.ops.message import RescueOp
from gyral.compiler.ir.ops.subgroup import SubgroupReduceOp, SubgroupScanOp
from gyral.compiler.passes.target import TargetSpec
from gyral.compiler.passes.teamwork import (
    COMBINE,
    Team,
    at,
    brought,
    identity,
    load,
    offset,
    store,
)
from gyral.compiler.passes.write import Write
from gyral.core.dtypes import DType, bool_, i64, u64

_FEW = 8  # values that one thread combines alone
_REWRITTEN = ("grid.block_reduce", "grid.block_scan", "grid.block_broadcast", "message.rescue")


@dataclass(frozen=True, slots=True)
class LowerBlocks:
    """Write reductions and scans of a block as what its threads do together.

    Before: `t = block_reduce v {kind = "sum"}`.
    After: each thread stores what it brings; barrier; every 17th thread adds up the 17 values from its place
    on; barrier; all add up those sums. `block_broadcast` stays, on types that shared memory holds anywhere.
    A rescue is the smallest of what each thread rescues of its own.
    """

    spec: TargetSpec
    block: Sequence[int]
    index_bits: int = 32
    name = "blocks"

    def run(self, module: Module) -> None:
        """Rewrite the kernel; `block` is its block in the user's order of axes."""
        function = module.kernel
        found = [op for op in function.walk() if op.name in _REWRITTEN]
        if not found:
            return
        run = _Run(Team(function, self.block, self.index_bits), self.spec)
        for op in found:
            value = run.rewrite(op)
            if value is not None:
                if not value.hint:
                    value.hint = op.results[0].hint
                op.results[0].replace_by(value)
                op.erase()


class _Run:
    """One kernel under way."""

    def __init__(self, team: Team, spec: TargetSpec) -> None:
        self.team = team
        self.spec = spec
        self.sites = 0

    def rewrite(self, op: Op) -> Value | None:
        """The result of a word, written before it; None when it stays as it is."""
        if op.name == "message.rescue":
            return self.rescue(op)
        t: Any = op.operands[0].type
        carried = self.team.carried(t)
        w = Write(Builder.before(op))
        if op.name == "grid.block_broadcast":
            if carried is t:
                return None
            thread = op.operands[1]
            return back(w, w.builder.value(BlockBroadcastOp, w.cast(op.operands[0], carried), thread), t)
        kind = op.attributes["kind"] if op.name == "grid.block_reduce" else "sum"
        value = brought(w, self.team, op.operands[0], kind, carried)
        # Where 64-bit integers are pairs, subgroups cannot carry between their words.
        native = self.spec.gangs == "native" and (self.spec.int64 or carried not in (i64, u64))
        if op.name == "grid.block_scan":
            return back(w, self.scan_subgroups(w, op, value) if native else self.scan(w, value), t)
        total = self.reduce_subgroups(w, op, kind, value) if native else self.reduce(w, kind, value)
        return back(w, self.told(w, total), t)

    def rescue(self, op: Op) -> Value:
        """The lowest of the sites that the threads rescue; those beyond the shape have none."""
        w = Write(Builder.before(op))
        own = w.builder.value(RescueOp, own=True)
        if self.team.size == 1:
            return own
        native = self.spec.gangs == "native"
        return self.told(
            w, self.reduce_subgroups(w, op, "min", own) if native else self.reduce(w, "min", own)
        )

    def told(self, w: Write, total: Value) -> Value:
        """A value that all threads found alike, in a form of which the target believes it."""
        if self.spec.uniform_load:
            return w.builder.value(BlockBroadcastOp, total, at(w, 0))
        return w.do(UniformOp, total)

    def reduce(self, w: Write, kind: str, value: Value) -> Value:
        """Through shared memory alone.

        Nobody reads `slots` after the second barrier, and nobody writes `sums` before the next first one: so
        both can be used again without more barriers.
        """
        if self.team.size == 1:
            return value
        chunk, count = _chunks(self.team.size)
        slots, sums = self._memories(value.type, count)
        store(w, value, slots, self.team.number)
        w.builder.op(BarrierOp)
        with _Some(w, self.team.number, count) as inner:
            first = self._first(inner, chunk)
            values = [self._slot(inner, slots, offset(inner, first, k), kind, k) for k in range(chunk)]
            store(inner, self._fold(inner, kind, values, first), sums, self.team.number)
        w.builder.op(BarrierOp)
        return _combine(w, kind, [load(w, sums, at(w, k)) for k in range(count)])

    def scan(self, w: Write, value: Value) -> Value:
        """Exclusive sums through shared memory alone; each thread reads its own slot last, as in `reduce`."""
        if self.team.size == 1:
            return _zero(w, value.type)
        chunk, count = _chunks(self.team.size)
        slots, sums = self._memories(value.type, count)
        store(w, value, slots, self.team.number)
        w.builder.op(BarrierOp)
        with _Some(w, self.team.number, count) as inner:
            first = self._first(inner, chunk)
            total = _zero(inner, value.type)
            for k in range(chunk):
                place = offset(inner, first, k)
                own = load(inner, slots, place)
                store(inner, total, slots, place)
                total = inner.do(AddOp, total, own)
            store(inner, total, sums, self.team.number)
        w.builder.op(BarrierOp)
        before = load(w, slots, self.team.number)
        starts = [chunk * (k + 1) for k in range(count - 1)]
        return w.do(AddOp, self._before(w, sums, starts), before)

    def reduce_subgroups(self, w: Write, op: Op, kind: str, value: Value) -> Value:
        """Each subgroup by its own operations, then all of them through shared memory."""
        part = w.builder.value(SubgroupReduceOp, value, kind=kind, whole=True)
        count = -(-self.team.size // self.spec.subgroup)
        if count == 1:
            w.builder.op(BarrierOp)  # which a word of the block counts as
            return part
        sums = self._site(value.type, count)
        self._publish(w, part, sums, 0)
        total = _combine(w, kind, [load(w, sums, at(w, k)) for k in range(count)])
        self._release(w, op)
        return total

    def scan_subgroups(self, w: Write, op: Op, value: Value) -> Value:
        """Each subgroup by its own operations; the sums of those before pass through shared memory."""
        before = w.builder.value(SubgroupScanOp, value, whole=True)
        lanes = self.spec.subgroup
        count = -(-self.team.size // lanes)
        if count == 1:
            w.builder.op(BarrierOp)
            return before
        sums = self._site(value.type, count)
        self._publish(w, w.do(AddOp, before, value), sums, lanes - 1)
        total = self._before(w, sums, [lanes * (k + 1) for k in range(count - 1)])
        self._release(w, op)
        return w.do(AddOp, total, before)

    def _memories(self, t: DType, count: int) -> tuple[Value, Value]:
        chunk, _ = _chunks(self.team.size)
        return self.team.memory("slots", t, chunk * count), self.team.memory("sums", t, count)

    def _site(self, t: DType, count: int) -> Value:
        """Shared memory of one place in the program, which only a loop around it comes back to."""
        self.sites += 1
        return self.team.memory(f"subgroups {self.sites}", t, count)

    def _publish(self, w: Write, value: Value, sums: Value, lane: int) -> None:
        """One lane of each subgroup stores; all see it."""
        lanes = self.spec.subgroup
        own = w.do(AndOp, self.team.number, at(w, lanes - 1))
        inside = Block()
        inner = Write(Builder(inside, span=w.builder.span))
        group = inner.do(ShrOp, self.team.number, at(inner, lanes.bit_length() - 1))
        store(inner, value, sums, group)
        _if(w, w.cmp("eq", own, at(w, lane)), inside)
        w.builder.op(BarrierOp)

    def _release(self, w: Write, op: Op) -> None:
        """Let all read before the next turn of a loop writes."""
        block = op.parent
        while block is not None and block.parent is not None and block.parent is not self.team.function:
            if block.parent.name in ("control.for", "control.while"):
                w.builder.op(BarrierOp)
                return
            block = block.parent.parent

    def _slot(self, w: Write, slots: Value, place: Value, kind: str, k: int) -> Value:
        """What a thread brought; behind the block's last thread the identity."""
        chunk, count = _chunks(self.team.size)
        value = load(w, slots, place)
        if (count - 1) * chunk + k < self.team.size:
            return value
        within = w.cmp("lt", place, at(w, self.team.size))
        return w.select(within, value, w.const(value.type, identity(kind, value.type)))

    def _first(self, w: Write, chunk: int) -> Value:
        return w.do(MulOp, self.team.number, at(w, chunk)) if chunk > 1 else self.team.number

    def _fold(self, w: Write, kind: str, values: list[Value], first: Value) -> Value:
        """The values in order. A NaN counts for min and max where it is the block's first value only."""
        t: Any = values[0].type
        if t.is_float and kind != "sum":
            neutral = w.const(t, identity(kind, t))
            later = w.do(COMBINE[kind], neutral, values[0])
            values = [w.select(w.cmp("eq", first, at(w, 0)), values[0], later), *values[1:]]
        return _combine(w, kind, values)

    def _before(self, w: Write, sums: Value, starts: list[int]) -> Value:
        """The sum of what stands before this thread's part; part k + 1 begins at thread `starts[k]`."""
        total = _zero(w, sums.type.elem)
        for k, start in enumerate(starts):
            behind = w.cmp("ge", self.team.number, at(w, start))
            total = w.select(behind, w.do(AddOp, total, load(w, sums, at(w, k))), total)
        return total


class _Some:
    """What the first `count` threads of the block do: a writer inside an `if`."""

    def __init__(self, w: Write, number: Value, count: int) -> None:
        self.outer, self.number, self.count = w, number, count
        self.block = Block()

    def __enter__(self) -> Write:
        return Write(Builder(self.block, span=self.outer.builder.span))

    def __exit__(self, *fault: object) -> None:
        if fault[0] is None:
            w = self.outer
            _if(w, w.cmp("lt", self.number, at(w, self.count)), self.block)


def _if(w: Write, condition: Value, then: Block) -> None:
    """An `if` without results over a block that lacks its terminator."""
    orelse = Block()
    for side in (then, orelse):
        Builder(side, span=w.builder.span).op(YieldOp)
    w.builder.op(IfOp, condition, types=(), regions=(then, orelse))


def _combine(w: Write, kind: str, values: list[Value]) -> Value:
    total = values[0]
    for value in values[1:]:
        total = w.do(COMBINE[kind], total, value)
    return total


def _zero(w: Write, t: DType) -> Value:
    return w.const(t, 0.0 if t.is_float else 0)


def _chunks(size: int) -> tuple[int, int]:
    """How many values one thread takes, and how many threads do.

    An odd number, so that threads which stride by it meet in no memory bank.
    """
    chunk = size if size <= _FEW else math.isqrt(size - 1) + 1 | 1
    return chunk, -(-size // chunk)


def back(w: Write, value: Value, t: DType) -> Value:
    """A carried value in its own type."""
    if value.type is t:
        return value
    return w.cmp("ne", value, w.const(value.type, 0)) if t is bool_ else w.cast(value, t)
