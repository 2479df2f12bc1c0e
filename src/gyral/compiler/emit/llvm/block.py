"""Kernels with a block: barriers split its body into stretches, each a loop over the block's gangs.

What is the same for the whole block is computed once, outside those loops; control that holds a barrier is
scalar too. A value that lives across a barrier is kept per gang in scratch memory, unless it is cheap to
compute again. Whole blocks run unmasked; blocks at the far edges, or with padding lanes, run a masked copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gyral.compiler.emit.llvm import collective, exchange, local
from gyral.compiler.emit.llvm.agree import decide_again, decided
from gyral.compiler.emit.llvm.blockplace import BlockPlace, BlockShape, Spot
from gyral.compiler.emit.llvm.branch import if_jump
from gyral.compiler.emit.llvm.context import Context, Given, Plan
from gyral.compiler.emit.llvm.form import LANE, ROW
from gyral.compiler.emit.llvm.loop import for_counted, while_jump
from gyral.compiler.emit.llvm.memory import LocalMemory, Memory
from gyral.compiler.emit.llvm.scalars import counted, over, split
from gyral.compiler.emit.llvm.slots import Slots
from gyral.compiler.emit.llvm.text import Text
from gyral.compiler.emit.llvm.walk import emit_op, is_common
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Block, Op, Value
from gyral.compiler.ir.ops.control import ForOp, IfOp, WhileOp
from gyral.compiler.ir.ops.grid import BlockDimOp, BlockIdOp, GridDimOp, LocalIdOp, SpanOp
from gyral.compiler.ir.ops.memory import LocalOp, SharedOp
from gyral.compiler.ir.ops.subgroup import LaneIdOp
from gyral.compiler.ir.traits import GANG, SYNC

BLOCK_WORDS = (LocalIdOp, BlockIdOp, BlockDimOp, GridDimOp, SharedOp, LaneIdOp)


def needs_block(function: Op) -> bool:
    """Whether the kernel's meaning depends on its block, or the walk over one serves it better."""
    return bool(exchange.find(function)) or any(
        isinstance(op, BLOCK_WORDS)
        or (isinstance(op, SpanOp) and op.scope == "block")
        or (isinstance(op, Operation) and op.has(SYNC | GANG))
        for op in function.walk()
    )


def shape_of(plan: Plan) -> BlockShape:
    """The block's extents: the kernel's or the launch's own, else what suits the registers."""
    rank = plan.function.attributes.get("rank", 1)
    extents = plan.options.block or plan.function.attributes.get("block") or ()
    if not extents:
        row = exchange.THREADS if exchange.find(plan.function) else 4 * plan.width
        extents = (1,) * (rank - 1) + (row,)
    return BlockShape((1,) * (3 - rank) + tuple(extents), plan.width)


def id_variance(plan: Plan, axis: int) -> int:
    """How ids along an axis differ: the last by lane, others by gang, all by lane when rows are cut."""
    rank = plan.function.attributes.get("rank", 1)
    return LANE | ROW if axis == rank - 1 or not shape_of(plan).even else ROW


def emit_shared(ctx: Context, op: Op) -> None:
    """Shared memory was placed before the body."""


def emit_blocks(plan: Plan, text: Text, memories: dict[Value, Any], given: Given) -> tuple[int, int, int]:
    """Write the walk over blocks `%begin` to `%end`; gives the block's extents."""
    shape = shape_of(plan)
    e0, e1, e2 = (str(extent) for extent in shape.extents)
    grid = (over(text, "%s0", e0), over(text, "%s1", e1), over(text, "%s2", e2))

    def one(number: str) -> None:
        line, x = split(text, number, grid[2])
        plane, y = split(text, line, grid[1])
        spot = Spot.at(text, shape, (plane, y, x), grid, number)
        if shape.padded or plan.checked:
            Walk(plan, text, shape, spot, True, dict(memories), dict(given)).run()
            return
        whole, part, done = (text.fresh_label(hint) for hint in ("whole", "part", "next"))
        text.branch(spot.is_whole, whole, part)
        for label, masked in ((whole, False), (part, True)):
            text.begin(label)
            Walk(plan, text, shape, spot, masked, dict(memories), dict(given)).run()
            text.jump(done)
        text.begin(done)

    counted(text, "%begin", "%end", one)
    return shape.extents


@dataclass(slots=True)
class Walk:
    """One copy of a block's body: all gangs present, or each under the mask of threads that exist."""

    plan: Plan
    text: Text
    shape: BlockShape
    spot: Spot
    masked: bool
    memories: dict[Value, Any]
    given: Given
    top: Context = field(init=False)
    slots: Slots = field(init=False)
    exchanged: frozenset[Op] = frozenset()
    local_regions: list[tuple[Value, str, int]] = field(default_factory=list)
    alive: str = ""
    noted: str = ""

    @property
    def together(self) -> int:
        """Gangs interleaved in a stretch."""
        if self.masked:
            return 1
        return next(n for n in (4, 2, 1) if self.shape.gangs % n == 0)

    def run(self) -> None:
        """Write the body."""
        plan = self.plan
        self.slots = Slots(plan, self.text, self.shape.gangs)
        place = BlockPlace(self.text, plan.function.attributes.get("rank", 1), self.shape, self.spot, "0")
        self.top = Context(
            plan, self.text, where=place, values=self.given, memories=self.memories, scalar_only=True
        )
        self._place_memory()
        if plan.checked:
            self.alive = self.slots.region(8 * self.shape.gangs)
            self.revive()
        if plan.rescues:
            self.noted = self.top.noted = self.text.alloca("i32", 4)
            self.text.do(f"store i32 -1, ptr {self.noted}")
        if not plan.checked:
            found = exchange.find(plan.function)
            self.exchanged = frozenset(op for op in found if exchange.applies(op, plan.variance))
        self.slots.find(plan.function.regions[0], self.divides)
        self.level(self.top, plan.function.regions[0])
        plan.scratch_bytes = max(plan.scratch_bytes, self.slots.used)

    def revive(self) -> None:
        """Make every lane alive."""
        if self.alive:
            counted(self.text, "0", str(self.shape.gangs), self._revive)

    def _revive(self, gang: str) -> None:
        at = self.text.let(f"getelementptr i64, ptr {self.alive}, i64 {gang}")
        self.text.do(f"store i64 -1, ptr {at}")

    def _place_memory(self) -> None:
        for op in self.plan.function.walk():
            if isinstance(op, SharedOp):
                kind = op.out.type
                size, strides = kind.elem.itemsize, []
                for extent in reversed(kind.shape):
                    strides.insert(0, str(size))
                    size *= extent
                self.memories[op.out] = Memory(self.slots.region(size), (), tuple(strides))
            elif isinstance(op, LocalOp):
                size, offsets = local.layout(op.out.type, self.plan.width)
                region = self.slots.region(size * self.shape.gangs)
                self.local_regions.append((op.out, region, size))
                self.memories[op.out] = LocalMemory({}, op.out.type.shape, offsets)

    def divides(self, op: Op) -> bool:
        """Whether an op stands between stretches: it is, or holds, a word of the whole block."""
        return op in self.exchanged or any(inner.has(SYNC) for inner in op.walk())

    def level(self, ctx: Context, block: Block) -> None:
        """Write a region that holds a barrier, or the whole body: stretches between boundaries."""
        stretch: list[Op] = []
        for op in block.ops[:-1]:
            if self.divides(op):
                self.stretch(stretch)
                stretch = []
                self.boundary(op)
            else:
                stretch.append(op)
        self.stretch(stretch)

    def stretch(self, ops: list[Op]) -> None:
        """Common values once, the rest for each group of gangs."""
        for op in ops:
            emit_op(self.top, op)
        rest = [op for op in ops if op.regions or not is_common(self.top, op)]
        if not rest:
            return

        def group(ctx: Context) -> None:
            self.slots.bring(ctx, rest)
            for op in rest:
                emit_op(ctx, op)
            for op in rest:
                self.slots.keep(ctx, op.results)

        self.each_group(group)

    def each_group(self, body: Callable[[Context], None]) -> None:
        """Run `body(ctx)` for every group of gangs that has threads."""
        together = self.together
        counted(self.text, "0", str(self.shape.gangs // together), lambda n: self._group(n, together, body))

    def _group(self, number: str, together: int, body: Callable[[Context], None]) -> None:
        text = self.text
        first = number if together == 1 or number == "0" else text.let(f"mul nsw i64 {number}, {together}")
        rank = self.plan.function.attributes.get("rank", 1)
        place = BlockPlace(text, rank, self.shape, self.spot, first, masked=self.masked)
        # Branches are written again inside the loop: their results there must not stand for those before it.
        ctx = Context(self.plan, text, rows=together, where=place, memories=dict(self.memories))
        for value, parts in self.top.values.items():
            ctx.values[value] = dict.fromkeys(ctx.keys(ctx.bits(value)), parts[0, 0])
        place.ctx = ctx
        ctx.noted = self.noted
        for value, region, size in self.local_regions:
            held = self.memories[value]
            pointers = {
                chain: text.let(f"getelementptr [{size} x i8], ptr {region}, i64 {place.gang(chain)}")
                for chain in ctx.chains
            }
            ctx.memories[value] = LocalMemory(pointers, held.shape, held.leaf_offsets)
        if self.alive:
            ctx.alive = {
                chain: text.let(f"getelementptr i64, ptr {self.alive}, i64 {place.gang(chain)}")
                for chain in ctx.chains
            }
        if not self.masked:
            body(ctx)
            return
        ctx.mask = {chain: place.presence(ctx, chain) for chain in ctx.chains}
        some, none = text.fresh_label("gang"), text.fresh_label("gone")
        text.branch(ctx.any_of(ctx.mask.values()), some, none)
        text.begin(some)
        body(ctx)
        text.jump(none)
        text.begin(none)

    def copy(self, sources: list[Value], targets: list[Value]) -> None:
        """Per gang, all sources are read before any target is written."""
        pairs = [(s, t) for s, t in zip(sources, targets, strict=True) if self.top.bits(t)]
        if not pairs:
            return

        def group(ctx: Context) -> None:
            names = []
            for source, target in pairs:
                self.slots.fetch(ctx, source)
                names.append(self.slots.lanes_of(ctx, source, target))
            for (_, target), parts in zip(pairs, names, strict=True):
                self.slots.put(ctx, target, parts)

        self.each_group(group)

    def boundary(self, op: Op) -> None:
        """Write an op that all threads of the block reach together."""
        if isinstance(op, ForOp) and op in self.exchanged:
            exchange.emit(self, op, self.shape.threads)
            return
        with decided(self, op):
            self._together(op)

    def _together(self, op: Op) -> None:
        """Write control or a word of the whole block, its decisions being scalars."""
        if isinstance(op, IfOp):
            if_jump(self.top, op, lambda ctx, region: self._side(op, region))
        elif isinstance(op, ForOp):
            carried = op.body.args[1:]
            self.copy(op.initial, carried)
            for_counted(self.top, op, lambda ctx, region: self._turn(region, carried))
            self.slots.alias(op.results, carried)
        elif isinstance(op, WhileOp):
            self.slots.alias(op.body.args, op.results)
            self.copy(op.initial, op.test.args)
            while_jump(self.top, op, lambda ctx, region: self._phase(op, region))
        else:
            collective.emit(self, op)

    def _side(self, op: IfOp, region: Block) -> None:
        self.level(self.top, region)
        self.copy(region.terminator.operands, op.results)

    def _turn(self, region: Block, carried: list[Value]) -> None:
        self.level(self.top, region)
        self.copy(region.terminator.operands, carried)

    def _phase(self, op: WhileOp, region: Block) -> None:
        self.level(self.top, region)
        if region is op.test:
            self.copy(region.terminator.operands[1:], op.results)
            decide_again(self, region.terminator.operands[0])
        else:
            self.copy(region.terminator.operands, op.test.args)
