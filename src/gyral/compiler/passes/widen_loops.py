"""Let a counted loop do four turns at a time, so that what it reads in a row costs a quarter of the accesses.

Before: `for k in range(n): s += x[i, k] * y[k, j]`, every array aligned and without gaps. After:

    for q in range(max(n, 0) >> 2): four turns from 4 * q on, x by wide loads, in the same order
    for k in range(4 * (max(n, 0) >> 2), n): the rest
"""

from __future__ import annotations

from dataclasses import dataclass

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.ops.arith import AddOp, ConstOp, MaxOp, MulOp, ShrOp
from gyral.compiler.ir.ops.control import ForOp, YieldOp
from gyral.compiler.ir.ops.memory import LoadOp, LoadWideOp
from gyral.compiler.ir.traits import GANG, PURE, SYNC, WRITES
from gyral.compiler.passes.clone import Mapping, clone
from gyral.compiler.passes.rewrite import is_const
from gyral.compiler.passes.target import TargetSpec
from gyral.compiler.passes.widen import length
from gyral.core.artifact import ALIGNED, CompileOptions
from gyral.core.dtypes import ArrayType, DType, index

FACTOR = 4
_WIDTH = 4  # bytes of an element, so that four are the widest access
_MOST_OPS = 40


@dataclass(frozen=True, slots=True)
class WidenLoops:
    """Widen loops from 0 on that only compute and read, in kernels whose threads never meet."""

    options: CompileOptions
    target: TargetSpec
    name = "widen_loops"

    def run(self, module: Module) -> bool:
        """Rewrite the kernel's loops where it is right and worth it; whether any was."""
        options, kernel = self.options, module.kernel
        promised = ALIGNED in options.features and options.noalias and all(options.unit_stride)
        ops = list(kernel.walk())
        if not promised or options.check != "off" or any(op.traits & (SYNC | GANG) for op in ops):
            return False
        writes = [op for op in ops if op.traits & WRITES]
        written = {v for op in writes for v in op.operands if isinstance(v.type, ArrayType)}
        changed = False
        for op in ops:
            if isinstance(op, ForOp) and _fits(op, self.target, bool(kernel.attributes.get("fastmath"))):
                wide = [inner for inner in op.body.ops if _in_a_row(inner, op.body, written)]
                if wide:
                    _rewrite(op, wide)
                    changed = True
        return changed


def _fits(loop: ForOp, target: TargetSpec, fastmath: bool) -> bool:
    ops = loop.body.ops[:-1]
    counted = loop.lower.type is index and is_const(loop.lower, 0) and is_const(loop.step, 1)
    return counted and length(ops, target, fastmath) <= _MOST_OPS and all(_plain(op) for op in ops)


def _plain(op: Op) -> bool:
    return not op.regions and (bool(op.traits & PURE) or isinstance(op, LoadOp))


def _in_a_row(op: Op, body: Block, written: set[Value]) -> bool:
    """Whether an op reads the elements that the loop's counter names, of an array that nobody writes."""
    if not isinstance(op, LoadOp) or op.memory in written or not isinstance(op.memory.type, ArrayType):
        return False
    *others, last = op.indices
    elem = op.memory.type.elem
    narrow = isinstance(elem, DType) and elem.itemsize == _WIDTH
    moving = {*body.args, *(v for inner in body.ops for v in inner.results)}
    return narrow and last is body.args[0] and moving.isdisjoint(others)


def _rewrite(loop: ForOp, wide: list[Op]) -> None:
    at = Builder.before(loop)
    zero, one, two, four = (at.value(ConstOp, type=index, value=n) for n in (0, 1, 2, FACTOR))
    turns = at.value(ShrOp, at.value(MaxOp, loop.upper, zero), two)
    block = Block([v.type for v in loop.body.args], [v.hint for v in loop.body.args])
    _four_turns(Builder(block, span=loop.span), loop.body, block, wide, four)
    first = at.op(
        ForOp, zero, turns, one, *loop.initial, types=[v.type for v in loop.results], regions=(block,)
    )
    loop.set_operands((at.value(MulOp, turns, four), loop.upper, loop.step, *first.results))


def _four_turns(at: Builder, body: Block, block: Block, wide: list[Op], four: Value) -> None:
    """The ops of four turns one after another, each on what the one before carries on."""
    start = at.value(MulOp, block.args[0], four)
    carried = list(block.args[1:])
    read: dict[Op, Op] = {}
    for turn in range(FACTOR):
        here = at.value(AddOp, start, at.value(ConstOp, type=index, value=turn)) if turn else start
        mapping: Mapping = dict(zip(body.args, (here, *carried), strict=True))
        for op in body.ops[:-1]:
            if op in wide:
                if op not in read:
                    places = [mapping.get(v, v) for v in op.operands]
                    read[op] = at.op(LoadWideOp, *places, types=[op.results[0].type] * FACTOR)
                mapping[op.results[0]] = read[op].results[turn]
            else:
                at.insert(clone(op, mapping))
        carried = [mapping.get(v, v) for v in body.terminator.operands]
    at.op(YieldOp, *carried)
