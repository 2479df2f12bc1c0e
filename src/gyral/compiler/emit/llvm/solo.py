"""Kernels whose block is one thread: scalar code throughout, a walk over items of one thread each.

Such threads may wait for one another, as workers of a resident loop do, so none shares a vector with another.
Where checks fail, a thread that did jumps to the end of its section: what stands between two rescues in one
region. Values that are wanted behind the end are zero there for a thread that jumped before they were made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from gyral.compiler.emit.llvm import message
from gyral.compiler.emit.llvm.atomic import cas_at, load_at, rmw_at, store_at
from gyral.compiler.emit.llvm.branch import if_jump
from gyral.compiler.emit.llvm.context import Chain, Context, Given, Plan
from gyral.compiler.emit.llvm.form import Part, Scalar
from gyral.compiler.emit.llvm.loop import for_counted, while_jump
from gyral.compiler.emit.llvm.memory import Memory, Single, address
from gyral.compiler.emit.llvm.merge import llvm_type, zero
from gyral.compiler.emit.llvm.scalars import counted, over, smallest, split
from gyral.compiler.emit.llvm.text import Text, literal
from gyral.compiler.emit.llvm.walk import emit_op
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Block, Op, Value
from gyral.compiler.ir.ops.atomic import AtomicCasOp, AtomicLoadOp, AtomicRmwOp, AtomicStoreOp
from gyral.compiler.ir.ops.control import ForOp, IfOp, WhileOp
from gyral.compiler.ir.ops.memory import LocalOp, SharedOp
from gyral.compiler.ir.ops.message import NO_SITE, PrintOp, RequireOp, RescueOp
from gyral.core.dtypes import DType, u32
from gyral.core.errors import InternalError

ONLY: Chain = (0, 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the thread is: its ids in right-aligned axes, and its number."""

    text: Text
    rank: int
    ids: tuple[str, str, str]
    number: str

    def _right(self, axis: int) -> int:
        return axis + 3 - self.rank

    def global_id(self, axis: int, chain: Chain) -> Part:
        """Index in the launch."""
        return Scalar(self.ids[self._right(axis)])

    def local_id(self, axis: int, chain: Chain) -> Part:
        """Index in the block."""
        return Scalar("0")

    def block_id(self, axis: int) -> str:
        """Index of the block."""
        return self.ids[self._right(axis)]

    def block_dim(self, axis: int) -> str:
        """Extent of a block."""
        return "1"

    def global_size(self, axis: int) -> str:
        """Extent of the launch."""
        return f"%s{self._right(axis)}"

    grid_dim = global_size

    def span(self, count: str, scope: str, chain: Chain) -> tuple[Part, str, str]:
        """All for the block's one thread; of the grid a run of neighbours."""
        if scope == "block":
            return Scalar("0"), count, "1"
        text = self.text
        run = over(text, count, text.let(f"mul i64 {text.let('mul i64 %s0, %s1')}, %s2"))
        start = text.let(f"mul i64 {self.number}, {run}")
        return Scalar(start), smallest(text, text.let(f"add i64 {start}, {run}"), count), "1"


def emit_solo(plan: Plan, text: Text, memories: dict[Value, Any], given: Given) -> None:
    """Write the walk over the threads `%begin` to `%end`."""
    rank = plan.function.attributes.get("rank", 1)
    walk = Walk(plan, text)
    plan.writers = {**plan.writers, **walk.writers()}
    walk.place_memory(memories)

    def one(number: str) -> None:
        x, y, z = number, "0", "0"
        if rank > 1:
            y, x = split(text, number, "%s2")
        if rank > 2:
            z, y = split(text, y, "%s1")
        place = Place(text, rank, (z, y, x), number)
        ctx = Context(plan, text, where=place, values=dict(given), memories=memories, noted=walk.noted)
        walk.run(ctx)

    counted(text, "%begin", "%end", one)


@dataclass(slots=True)
class Way:
    """The end of a section, the values made in it so far, and whence threads that failed jump to its end.

    A source is a label and how many values were made when the thread left.
    """

    label: str
    made: dict[Value, tuple[int, str]] = field(default_factory=dict)
    sources: list[tuple[str, int]] = field(default_factory=list)

    def make(self, value: Value, text: str) -> None:
        """Note a value that whoever leaves from here on takes along."""
        self.made[value] = len(self.made), text

    def come(self, label: str) -> None:
        """Note a thread that leaves from a block."""
        self.sources.append((label, len(self.made)))

    def left_with(self, value: Value, count: int) -> str:
        """A value as it was when `count` values were made."""
        number, text = self.made.get(value, (count, ""))
        return text if number < count else zero(value.type)


@dataclass(slots=True)
class Walk:
    """A body under way. `known`: here the thread is alive for certain, told without looking."""

    plan: Plan
    text: Text
    alive: str = ""
    noted: str = ""
    known: bool = True
    way: Way | None = None

    def writers(self) -> dict[type[Op], Any]:
        """How ops are written that stand for one thread in another way than for lanes."""
        return {
            IfOp: self.emit_if,
            ForOp: self.emit_for,
            WhileOp: self.emit_while,
            LocalOp: _placed,
            SharedOp: _placed,
            AtomicRmwOp: _rmw,
            AtomicCasOp: _cas,
            AtomicLoadOp: _load,
            AtomicStoreOp: _store,
            RequireOp: self.emit_require,
            RescueOp: self.emit_rescue,
            PrintOp: _print,
        }

    def place_memory(self, memories: dict[Value, Any]) -> None:
        """Give on-chip memory its places in scratch, and say where the thread's life is kept."""
        used = 0
        for op in self.plan.function.walk():
            if not isinstance(op, (LocalOp, SharedOp)):
                continue
            kind = op.out.type
            size, strides = kind.elem.itemsize, []
            for extent in reversed(kind.shape):
                strides.insert(0, str(size))
                size *= extent
            pointer = self.text.let(f"getelementptr i8, ptr %scratch, i64 {used}")
            memories[op.out] = Memory(pointer, (), tuple(strides))
            used += -(-prod(kind.shape) * kind.elem.itemsize // 64) * 64
        self.plan.scratch_bytes = used
        if self.plan.checked:
            self.alive = self.text.alloca("i1", 1)
            self.noted = self.text.alloca("i32", 4) if self.plan.rescues else ""

    def run(self, ctx: Context) -> None:
        """Write the kernel's body for one thread."""
        self.known = True
        if self.alive:
            self.text.do(f"store i1 true, ptr {self.alive}")
        if self.noted:
            self.text.do(f"store i32 -1, ptr {self.noted}")
        self.region(ctx, self.plan.function.regions[0])

    def region(self, ctx: Context, block: Block) -> None:
        """Write the ops of a region but its terminator: sections, and between them what holds a rescue."""
        section: list[Op] = []
        for op in block.ops[:-1]:
            if _has(op, RescueOp):
                self.section(ctx, section)
                section = []
                emit_op(ctx, op)
            else:
                section.append(op)
        self.section(ctx, section)

    def section(self, ctx: Context, ops: list[Op]) -> None:
        """Write ops that a thread without life passes by; one that loses it here jumps to their end."""
        if self.known and not any(map(_fails, ops)):
            for op in ops:
                emit_op(ctx, op)
            return
        if not ops:
            return
        kept, self.way = self.way, Way(self.text.fresh_label("gone"))
        if not self.known:
            self.look(self.way)
        for op in ops:
            emit_op(ctx, op)
            for value in op.results:
                if _is_made(ctx, value):
                    self.way.make(value, ctx.scalar(value, ONLY))
            if not self.known:
                self.look(self.way)
        self.join(ctx, self.way, [v for v in _wanted(ops) if _is_made(ctx, v)])
        self.known, self.way = False, kept

    def look(self, way: Way) -> None:
        """Go on alive, else by a way."""
        on = self.text.fresh_label("living")
        way.come(self.text.label)
        self.text.branch(self.text.let(f"load i1, ptr {self.alive}"), on, way.label)
        self.text.begin(on)
        self.known = True

    def join(self, ctx: Context, way: Way, values: list[Value]) -> None:
        """Where a way ends: values are as they are here; for who came by it as they were, or zero."""
        text, end = self.text, self.text.label
        text.jump(way.label)
        text.begin(way.label)
        for value in values:
            phi = text.phi(llvm_type(ctx, value))
            phi.add(ctx.scalar(value, ONLY), end)
            for label, count in way.sources:
                phi.add(way.left_with(value, count), label)
            ctx.set(value, ONLY, Scalar(phi.name))

    def emit_if(self, ctx: Context, op: Operation) -> None:
        """An if, by a jump."""
        before, after = self.known, True

        def side(ctx: Context, region: Block) -> None:
            nonlocal after
            self.known = before
            self.region(ctx, region)
            after = after and self.known

        if_jump(ctx, op, side)
        self.known = after

    def emit_for(self, ctx: Context, op: Operation) -> None:
        """A counted loop."""
        self.loop(ctx, op, lambda write: for_counted(ctx, op, write))

    def emit_while(self, ctx: Context, op: Operation) -> None:
        """A loop with its test inside."""
        self.loop(ctx, op, lambda write: while_jump(ctx, op, write))

    def loop(self, ctx: Context, op: Operation, write: Any) -> None:
        """A loop, which a thread that failed leaves at the end of its turn, unless a rescue stands in it."""
        if not _fails(op):
            write(self.region)
            return
        if _has(op, RescueOp):
            known = self.known
            for region in op.regions:
                known = _ends(region, known)
            start = self.known and known

            def turn(ctx: Context, region: Block) -> None:
                self.known = start if region is op.regions[0] else self.known
                self.region(ctx, region)

            write(turn)
            self.known = _ends(op.regions[0], start) if isinstance(op, WhileOp) else start
            return
        way = Way(self.text.fresh_label("out"))

        def watched(ctx: Context, region: Block) -> None:
            if region is op.regions[0]:
                self.known = True
            elif not self.known:
                self.look(way)
            self.region(ctx, region)
            if region is op.body and not self.known:
                self.look(way)

        write(watched)
        if way.sources:
            self.join(ctx, way, [v for v in op.results if v.uses])
        self.known = False

    def emit_require(self, ctx: Context, op: Operation) -> None:
        """Where the condition is false the thread says so and leaves the section."""
        text, way = self.text, self.way
        if way is None:
            raise InternalError("a check stands outside of every section")
        number = message.check_site(ctx, op)
        failed, fine = text.fresh_label("failed"), text.fresh_label("fine")
        text.branch(ctx.scalar(op.condition, ONLY), fine, failed)
        text.begin(failed)
        if self.noted:
            text.do(f"store i32 {number}, ptr {self.noted}")
        else:
            message.fault(ctx, op, number, ONLY, "0")
        text.do(f"store i1 false, ptr {self.alive}")
        way.come(text.label)
        text.jump(way.label)
        text.begin(fine)

    def emit_rescue(self, ctx: Context, op: Operation) -> None:
        """The site that was noted, and life again."""
        if not self.alive:
            ctx.set(op.site, ONLY, Scalar(literal(u32, NO_SITE)))
            return
        ctx.set(op.site, ONLY, Scalar(message.take(ctx)))
        self.text.do(f"store i1 true, ptr {self.alive}")
        self.known = True


def _has(op: Op, kind: type[Op]) -> bool:
    return any(isinstance(inner, kind) for inner in op.walk())


def _fails(op: Op) -> bool:
    return _has(op, RequireOp)


def _ends(block: Block, known: bool) -> bool:
    """Whether a thread is alive for certain at the end of a region; `known`: it is at its start."""
    for op in reversed(block.ops[:-1]):
        if isinstance(op, RescueOp):
            return True
        if _fails(op):
            return False
    return known


def _wanted(section: list[Op]) -> list[Value]:
    """Values that are used outside of a section."""
    inside = {inner for op in section for inner in op.walk()}
    return [v for op in section for v in op.results if any(user not in inside for user, _ in v.uses)]


def _is_made(ctx: Context, value: Value) -> bool:
    """Whether an instruction gives the value, which no literal or parameter is."""
    if not isinstance(value.type, DType) or value not in ctx.values:
        return False
    return ctx.scalar(value, ONLY).startswith("%v")


def _placed(ctx: Context, op: Op) -> None:
    """On-chip memory was placed before the body."""


def _pointer(ctx: Context, op: Operation) -> str:
    place = address(ctx, op.memory, op.indices, op.leaf, ONLY)
    if not isinstance(place, Single):
        raise InternalError("one thread reaches several places at once")
    return place.pointer


def _rmw(ctx: Context, op: Operation) -> None:
    pointer = _pointer(ctx, op)
    ctx.set(op.old, ONLY, Scalar(rmw_at(ctx, op, pointer, ctx.scalar(op.value, ONLY))))


def _cas(ctx: Context, op: Operation) -> None:
    pointer = _pointer(ctx, op)
    expected, value = (ctx.scalar(v, ONLY) for v in (op.expected, op.value))
    ctx.set(op.old, ONLY, Scalar(cas_at(ctx, op, pointer, expected, value)))


def _load(ctx: Context, op: Operation) -> None:
    ctx.set(op.out, ONLY, Scalar(load_at(ctx, op, _pointer(ctx, op))))


def _store(ctx: Context, op: Operation) -> None:
    store_at(ctx, op, _pointer(ctx, op), ctx.scalar(op.value, ONLY))


def _print(ctx: Context, op: Operation) -> None:
    message.append(ctx, op, message.print_site(ctx, op), ONLY, "0")
