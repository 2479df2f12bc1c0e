"""Values that live from one stretch of a block to another: a place per gang in scratch memory.

Ids and short index arithmetic on them are computed again instead, which also keeps accesses contiguous.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gyral.compiler.emit.llvm.context import Chain, Context, Plan
from gyral.compiler.emit.llvm.form import LANE
from gyral.compiler.emit.llvm.merge import held, in_form
from gyral.compiler.emit.llvm.text import Text
from gyral.compiler.emit.llvm.walk import emit_op
from gyral.compiler.ir.graph import Block, Op, Value
from gyral.compiler.ir.ops.arith import AddOp, CmpOp, ConstOp, FloorDivOp, ModOp, MulOp, NegOp, SubOp
from gyral.compiler.ir.ops.cast import CastOp
from gyral.compiler.ir.ops.grid import BlockBroadcastOp, GlobalIdOp, LocalIdOp
from gyral.compiler.ir.ops.subgroup import LaneIdOp
from gyral.core.dtypes import ArrayType, bool_, index

CHEAP = (
    AddOp,
    SubOp,
    MulOp,
    NegOp,
    CastOp,
    CmpOp,
    FloorDivOp,
    ModOp,
    ConstOp,
    GlobalIdOp,
    LocalIdOp,
    LaneIdOp,
)
DEPTH = 6


def recomputed(plan: Plan, value: Value, depth: int = DEPTH) -> bool:
    """Whether a value is short arithmetic on ids and common values."""
    if not plan.variance.get(value, 0):
        return True
    owner = value.owner
    if depth == 0 or not isinstance(owner, CHEAP):
        return False
    if isinstance(owner, (FloorDivOp, ModOp)) and not isinstance(owner.rhs.owner, ConstOp):
        return False
    return all(recomputed(plan, operand, depth - 1) for operand in owner.operands)


class Slots:
    """Scratch memory of one copy of a block's body."""

    def __init__(self, plan: Plan, text: Text, gangs: int) -> None:
        self.plan = plan
        self.text = text
        self.gangs = gangs
        self.used = 0
        self.pointers: dict[Value, str] = {}

    def region(self, size: int) -> str:
        """So many bytes of scratch, aligned to 64; a pointer."""
        at, self.used = self.used, self.used + -(-size // 64) * 64
        return self.text.let(f"getelementptr i8, ptr %scratch, i64 {at}")

    def find(self, body: Block, is_boundary: Callable[[Op], bool]) -> None:
        """Give every value that crosses a boundary its place."""
        stretch: dict[Value, int] = {}
        wanted: dict[Value, None] = {}
        self._number(body, is_boundary, [0], stretch, wanted)
        for value in wanted:
            self.pointers[value] = self.region(self._size(value) * self.gangs)

    def _number(
        self, block: Block, is_boundary: Callable[[Op], bool], count: list[int],
        stretch: dict[Value, int], wanted: dict[Value, None],
    ) -> None:  # fmt: skip
        for op in block.ops:
            if op is not block.terminator and not is_boundary(op):
                for inner in op.walk():
                    for value in (*inner.results, *(a for r in inner.regions for a in r.args)):
                        stretch[value] = count[0]
                    for value in inner.operands:
                        self._want(value, stretch.get(value) != count[0], wanted)
                continue
            count[0] += 1
            for value in op.operands:
                self._want(value, True, wanted, always=isinstance(op, BlockBroadcastOp))
            for region in op.regions:
                for value in region.args:
                    self._want(value, True, wanted, always=True)
                self._number(region, is_boundary, count, stretch, wanted)
                count[0] += 1
            for value in op.results:
                self._want(value, True, wanted, always=True)

    def _want(self, value: Value, crosses: bool, wanted: dict[Value, None], always: bool = False) -> None:
        if not crosses or isinstance(value.type, ArrayType) or not self.plan.variance.get(value, 0):
            return
        if always or not recomputed(self.plan, value):
            wanted[value] = None

    def _size(self, value: Value) -> int:
        if not self.plan.variance[value] & LANE or value.type is bool_:
            return 8
        size = self.plan.options.index_bits // 8 if value.type is index else value.type.itemsize
        return size * self.plan.width

    def alias(self, targets: Sequence[Value], sources: Sequence[Value]) -> None:
        """Let targets share the places of sources."""
        for target, source in zip(targets, sources, strict=True):
            if source in self.pointers:
                self.pointers[target] = self.pointers[source]

    def bring(self, ctx: Context, ops: Sequence[Op]) -> None:
        """Fetch what the ops use from other stretches."""
        inside: set[Value] = set()
        for op in ops:
            for inner in op.walk():
                inside.update(inner.results)
                for region in inner.regions:
                    inside.update(region.args)
        for op in ops:
            for inner in op.walk():
                for value in inner.operands:
                    if value not in inside:
                        self.fetch(ctx, value)

    def fetch(self, ctx: Context, value: Value) -> None:
        """Make a value known to the context: from its place, or computed again."""
        if value in ctx.values or not ctx.bits(value) or value in ctx.memories:
            return
        if value not in self.pointers:
            for operand in value.owner.operands:
                self.fetch(ctx, operand)
            emit_op(ctx, value.owner)
            return
        for key in ctx.keys(ctx.bits(value)):
            ctx.set(value, key, held(ctx, value, self._load(ctx, value, key)))

    def keep(self, ctx: Context, values: Sequence[Value]) -> None:
        """Put results that other stretches want in their places."""
        for value in values:
            if value in self.pointers and ctx.bits(value):
                self.put(ctx, value, self.lanes_of(ctx, value, value))

    def lanes_of(self, ctx: Context, source: Value, target: Value) -> dict[Chain, str]:
        """The source in the form the target is kept in, by chain."""
        return {key: in_form(ctx, source, target, key) for key in ctx.keys(ctx.bits(target))}

    def put(self, ctx: Context, target: Value, names: dict[Chain, str]) -> None:
        """Write names to the target's place."""
        for key, name in names.items():
            kind = self._kind(ctx, target)
            if target.type is bool_:
                wide = bool(ctx.bits(target) & LANE)
                name = ctx.text.let(f"bitcast {ctx.mask_type} {name} to i{ctx.width}") if wide else name
                name = name if wide else ctx.text.let(f"zext i1 {name} to i8")
            ctx.text.do(f"store {kind} {name}, ptr {self.place(ctx, target, key)}, align 8")

    def _load(self, ctx: Context, value: Value, key: Chain) -> str:
        name = ctx.text.let(f"load {self._kind(ctx, value)}, ptr {self.place(ctx, value, key)}, align 8")
        if value.type is bool_ and ctx.bits(value) & LANE:
            return ctx.text.let(f"bitcast i{ctx.width} {name} to {ctx.mask_type}")
        return ctx.text.let(f"trunc i8 {name} to i1") if value.type is bool_ else name

    def _kind(self, ctx: Context, value: Value) -> str:
        wide = bool(ctx.bits(value) & LANE)
        if value.type is bool_:
            return f"i{ctx.width}" if wide else "i8"
        return ctx.form(value.type, wide).llvm

    def place(self, ctx: Context, value: Value, key: Chain) -> str:
        """Address of a chain's part."""
        return self.gang_place(ctx, value, ctx.where.gang(key))

    def gang_place(self, ctx: Context, value: Value, gang: str) -> str:
        """Address of a gang's part, by the gang's number."""
        offset = ctx.text.let(f"mul nsw i64 {gang}, {self._size(value)}")
        return ctx.text.let(f"getelementptr i8, ptr {self.pointers[value]}, i64 {offset}")
