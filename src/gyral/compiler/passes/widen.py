"""Let a thread do four neighbouring elements, so that each array costs one access where it cost four.

Before: `y[i] = a * x[i] + y[i]` with `i = global_id()`, every array aligned and without gaps. After:

    b = 4 * global_id()
    if b < global_size() - 3: four elements, by wide loads and stores
    else: for k in range(4): one element, where b + k < global_size()
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gyral.compiler.intrinsics import INTRINSICS, Native
from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.ops.arith import AddOp, CmpOp, ConstOp, MulOp, SubOp
from gyral.compiler.ir.ops.control import ForOp, IfOp, YieldOp
from gyral.compiler.ir.ops.grid import GlobalIdOp, GlobalSizeOp
from gyral.compiler.ir.ops.memory import LoadOp, LoadWideOp, StoreOp, StoreWideOp
from gyral.compiler.ir.traits import PURE
from gyral.compiler.passes.clone import clone
from gyral.compiler.passes.target import TargetSpec
from gyral.core.artifact import ALIGNED, CompileOptions
from gyral.core.dtypes import ArrayType, DType, index

FACTOR = 4
_ACCESS = 16  # bytes
_WIDTHS = (4, 8)
_PLACES = (
    *("grid.local_id", "grid.block_id", "grid.block_dim", "grid.grid_dim", "grid.span", "grid.clock"),
    *("subgroup.lane_id", "subgroup.size"),
)

Mapping = dict[Value, Value]


@dataclass(frozen=True, slots=True)
class Widen:
    """Widen a straight kernel whose written arrays are touched at the thread's own element alone.

    Above the target's number of ops, arithmetic and not memory sets the pace.
    """

    options: CompileOptions
    target: TargetSpec
    name = "widen"

    def run(self, module: Module) -> bool:
        """Rewrite the kernel where it is right and worth it; whether it was."""
        options = self.options
        promised = ALIGNED in options.features and options.noalias and all(options.unit_stride)
        kernel = module.kernel
        if not promised or options.check != "off" or not _fits(kernel, self.target):
            return False
        _Run(kernel).rewrite()
        kernel.attributes["coarse"] = FACTOR
        return True


def length(ops: Sequence[Op], target: TargetSpec, fastmath: bool) -> int:
    """How many ops these come to where an exact fma is written out, which takes some eighty."""
    cell = INTRINSICS["fma"].spell[target.column]
    native = fastmath or not (isinstance(cell, Native) and cell.name.startswith("gyral_"))
    return sum(1 if native or op.attributes.get("fn") != "fma" else 80 for op in ops)


def _fits(kernel: Op, target: TargetSpec) -> bool:
    ops = kernel.regions[0].ops[:-1]
    total = length(ops, target, bool(kernel.attributes.get("fastmath")))
    if total > target.wide or not all(_plain(op) for op in ops):
        return False
    rank = kernel.attributes.get("rank", 1)
    moving = _moving(ops, rank)
    own = [op for op in ops if _own(op, rank, moving)]
    written = {op.memory for op in ops if isinstance(op, StoreOp)}
    touched = [op for op in ops if isinstance(op, (LoadOp, StoreOp)) and op.memory in written]
    return any(_wide(op) for op in own) and all(op in own for op in touched)


def _plain(op: Op) -> bool:
    if isinstance(op, (LoadOp, StoreOp)):
        return isinstance(op.memory.type, ArrayType)
    return isinstance(op, Operation) and op.has(PURE) and op.name not in _PLACES and not op.regions


def _own(op: Op, rank: int, moving: set[Value]) -> bool:
    """Whether an access is to the element that the thread's id names along the last axis."""
    if not isinstance(op, (LoadOp, StoreOp)) or not op.indices:
        return False
    last = op.indices[-1].owner
    return isinstance(last, GlobalIdOp) and last.axis == rank - 1 and moving.isdisjoint(op.indices[:-1])


def _wide(op: Op) -> bool:
    elem = op.memory.type.elem
    return isinstance(elem, DType) and elem.itemsize in _WIDTHS


def _moving(ops: Sequence[Op], rank: int) -> set[Value]:
    """The values that follow from the id along the last axis."""
    found: set[Value] = set()
    for op in ops:
        moves = isinstance(op, GlobalIdOp) and op.axis == rank - 1
        if moves or not found.isdisjoint(op.operands):
            found.update(op.results)
    return found


class _Run:
    """One kernel under way."""

    def __init__(self, kernel: Op) -> None:
        self.block = kernel.regions[0]
        self.rank = kernel.attributes.get("rank", 1)
        self.old = self.block.ops[:-1]
        self.moving = _moving(self.old, self.rank)

    def rewrite(self) -> None:
        end = self.block.terminator
        at = Builder.before(end)
        axis = self.rank - 1
        first = at.value(
            MulOp, at.value(GlobalIdOp, axis=axis), at.value(ConstOp, type=index, value=FACTOR), hint="first"
        )
        extent = at.value(GlobalSizeOp, axis=axis)
        last = at.value(SubOp, extent, at.value(ConstOp, type=index, value=FACTOR - 1))
        whole, rest = Block(), Block()
        self.all_at_once(Builder(whole, span=end.span), first)
        self.one_by_one(Builder(rest, span=end.span), first, extent)
        fits = at.value(CmpOp, first, last, predicate="lt")
        at.op(IfOp, fits, types=(), regions=(whole, rest), whole=True)
        for op in reversed(self.old):
            op.erase()

    def all_at_once(self, at: Builder, first: Value) -> None:
        copies: list[Mapping] = [{} for _ in range(FACTOR)]
        for op in self.old:
            if isinstance(op, GlobalIdOp) and op.axis == self.rank - 1:
                for k, mapping in enumerate(copies):
                    mapping[op.result] = at.value(AddOp, first, at.value(ConstOp, type=index, value=k))
            elif _own(op, self.rank, self.moving) and _wide(op):
                (self.load if isinstance(op, LoadOp) else self.store)(at, op, copies)
            elif isinstance(op, StoreOp) or not self.moving.isdisjoint(op.operands):
                for mapping in copies:
                    at.insert(clone(op, mapping))
            else:
                shared = at.insert(clone(op, copies[0]))
                for mapping in copies:
                    mapping.update(zip(op.results, shared.results, strict=True))
        at.op(YieldOp)

    def load(self, at: Builder, op: Op, copies: list[Mapping]) -> None:
        for group in _groups(op, copies):
            indices = [_in(group[0], v) for v in op.indices]
            made = at.op(LoadWideOp, op.memory, *indices, types=[op.result.type] * len(group))
            for mapping, value in zip(group, made.results, strict=True):
                mapping[op.result] = value

    def store(self, at: Builder, op: Op, copies: list[Mapping]) -> None:
        for group in _groups(op, copies):
            indices = [_in(group[0], v) for v in op.indices]
            at.op(StoreWideOp, op.memory, *indices, *(_in(mapping, op.value) for mapping in group))

    def one_by_one(self, at: Builder, first: Value, extent: Value) -> None:
        zero, one, count = (at.value(ConstOp, type=index, value=n) for n in (0, 1, FACTOR))
        turn = Block((index,), ("k",))
        inner = Builder(turn, span=at.span)
        here = inner.value(AddOp, first, turn.args[0])
        guarded, nothing = Block(), Block()
        mapping: Mapping = {}
        body = Builder(guarded, span=at.span)
        for op in self.old:
            if isinstance(op, GlobalIdOp) and op.axis == self.rank - 1:
                mapping[op.result] = here
            else:
                body.insert(clone(op, mapping))
        body.op(YieldOp)
        Builder(nothing, span=at.span).op(YieldOp)
        inside = inner.value(CmpOp, here, extent, predicate="lt")
        inner.op(IfOp, inside, types=(), regions=(guarded, nothing))
        inner.op(YieldOp)
        at.op(ForOp, zero, count, one, types=(), regions=(turn,))
        at.op(YieldOp)


def _in(mapping: Mapping, value: Value) -> Value:
    return mapping.get(value, value)


def _groups(op: Op, copies: list[Mapping]) -> Iterator[list[Mapping]]:
    """The copies whose elements one access holds."""
    width = _ACCESS // op.memory.type.elem.itemsize
    for start in range(0, len(copies), width):
        yield copies[start : start + width]
