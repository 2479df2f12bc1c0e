"""Which values are the same for all threads that run together, and which differ.

A forward analysis over the structured IR. The caller's `seed` says where difference comes from (thread ids,
memory that others write); it spreads through operands, through control that differs, and round loops until
nothing changes. Inside a loop a carried value stays uniform when every active thread gives it the same next
value; it may still differ after the loop, when threads leave at different turns.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.ops.atomic import AtomicCasOp, AtomicLoadOp, AtomicRmwOp
from gyral.compiler.ir.ops.control import ForOp, IfOp, WhileOp
from gyral.compiler.ir.ops.grid import (
    ActiveOp,
    BlockBroadcastOp,
    BlockReduceOp,
    BlockScanOp,
    GlobalIdOp,
    LocalIdOp,
    SpanOp,
    UniformOp,
)
from gyral.compiler.ir.ops.memory import LoadOp, StoreOp
from gyral.compiler.ir.ops.message import RescueOp
from gyral.compiler.ir.ops.subgroup import (
    LaneIdOp,
    SubgroupBallotOp,
    SubgroupReduceOp,
    SubgroupScanOp,
    SubgroupShuffleOp,
)
from gyral.compiler.ir.traits import GANG, SYNC
from gyral.core.dtypes import ArrayType
from gyral.core.errors import CompileError, Diagnostic

Seed: TypeAlias = Callable[[Op], int]
Variance: TypeAlias = dict[Value, int]

VARYING_IDS = (ActiveOp, GlobalIdOp, LocalIdOp, LaneIdOp, SpanOp)
ALIKE = (BlockReduceOp, BlockBroadcastOp, RescueOp, UniformOp)
OWN_RESULTS = (AtomicRmwOp, AtomicCasOp, AtomicLoadOp, BlockScanOp, SubgroupScanOp, SubgroupShuffleOp)
OWN_RESULTS += (SubgroupReduceOp, SubgroupBallotOp)


def analyse(function: Op, seed: Seed) -> Variance:
    """Bits of variance for every value of `function`; 0 means the same for all threads."""
    found: Variance = {}
    while True:
        before = sum(found.values()), len(found)
        _visit(function.regions[0], seed, found)
        if (sum(found.values()), len(found)) == before:
            return found


def _visit(block: Block, seed: Seed, found: Variance) -> None:
    for arg in block.args:
        found.setdefault(arg, 0)
    for op in block.ops:
        if isinstance(op, IfOp):
            _visit_if(op, seed, found)
        elif isinstance(op, ForOp):
            _visit_for(op, seed, found)
        elif isinstance(op, WhileOp):
            _visit_while(op, seed, found)
        else:
            bits = 0 if isinstance(op, ALIKE) else _union(op.operands, found)
            _join(op.results, bits | seed(op), found)


def _visit_if(op: IfOp, seed: Seed, found: Variance) -> None:
    _visit(op.then, seed, found)
    _visit(op.orelse, seed, found)
    condition = found.get(op.condition, 0)
    for slot, value in enumerate(op.results):
        sides = [side.terminator.operands[slot] for side in op.regions]
        _join([value], _union(sides, found) | condition, found)


def _visit_for(op: ForOp, seed: Seed, found: Variance) -> None:
    _join(op.body.args[:1], _union((op.lower, op.step), found), found)
    for arg, initial in zip(op.body.args[1:], op.initial, strict=True):
        _join([arg], found.get(initial, 0), found)
    _visit(op.body, seed, found)
    trips = _union((op.lower, op.upper, op.step), found)
    for slot, (arg, following) in enumerate(zip(op.body.args[1:], op.body.terminator.operands, strict=True)):
        _join([arg], found.get(following, 0), found)
        _join([op.results[slot]], found[arg] | trips, found)


def _visit_while(op: WhileOp, seed: Seed, found: Variance) -> None:
    for arg, initial in zip(op.test.args, op.initial, strict=True):
        _join([arg], found.get(initial, 0), found)
    _visit(op.test, seed, found)
    go, *passed = op.test.terminator.operands
    for slot, value in enumerate(passed):
        _join([op.body.args[slot]], found.get(value, 0), found)
        _join([op.results[slot]], found.get(value, 0) | found.get(go, 0), found)
    _visit(op.body, seed, found)
    for arg, following in zip(op.test.args, op.body.terminator.operands, strict=True):
        _join([arg], found.get(following, 0), found)


def _union(values: Iterable[Value], found: Variance) -> int:
    bits = 0
    for value in values:
        bits |= found.get(value, 0)
    return bits


def _join(values: Iterable[Value], bits: int, found: Variance) -> None:
    for value in values:
        found[value] = found.get(value, 0) | bits


def written_parameters(function: Op) -> set[Value]:
    """Array parameters some op of the function may write."""
    return {
        operand
        for op in function.walk()
        if isinstance(op, (StoreOp, AtomicRmwOp, AtomicCasOp)) or op.name == "atomic.store"
        for operand in op.operands
        if isinstance(operand.type, ArrayType)
    }


def is_alone(function: Op) -> bool:
    """Whether the kernel's block is of one thread."""
    block = function.attributes.get("block", ())
    return bool(block) and prod(block) == 1


def block_seed(function: Op) -> Seed:
    """Seed of the language's own notion: what may differ between threads of one block.

    In a block of one thread nothing does.
    """
    if is_alone(function):
        return lambda op: 0
    written = written_parameters(function)

    def seed(op: Op) -> int:
        if isinstance(op, RescueOp):
            return int(op.own)
        if isinstance(op, (*VARYING_IDS, *OWN_RESULTS)):
            return 1
        if isinstance(op, LoadOp):
            return int(not isinstance(op.memory.type, ArrayType) or op.memory in written)
        return 0

    return seed


@dataclass(frozen=True, slots=True)
class CheckUniform:
    """Refuse barriers and other words of the whole block under control that can differ between its threads.

    Before: `if global_id() < 3: barrier()`. After: an error, since some threads would never arrive.
    """

    name = "check-uniform"

    def run(self, module: Module) -> None:
        """Raise CompileError GY501 for the first words that stand under varying control."""
        function = module.kernel
        if not any(isinstance(op, Operation) and op.has(SYNC | GANG) for op in function.walk()):
            return
        found = analyse(function, block_seed(function))
        refused = list(_misplaced(function.regions[0], False, found))
        if refused:
            raise CompileError(*map(_diagnose, refused))


def _misplaced(block: Block, varying: bool, found: Variance) -> list[Op]:
    refused: list[Op] = []
    for op in block.ops:
        if varying and op.has(SYNC | GANG):
            refused.append(op)
        inner = varying or bool(_control(op, found))
        for region in op.regions:
            refused += _misplaced(region, inner, found)
    return refused


def _control(op: Op, found: Variance) -> int:
    if isinstance(op, IfOp):
        return found[op.condition]
    if isinstance(op, ForOp):
        return _union((op.lower, op.upper, op.step), found)
    if isinstance(op, WhileOp):
        return found[op.test.terminator.operands[0]]
    return 0


def _diagnose(op: Op) -> Diagnostic:
    word = op.name.split(".")[1].replace("_", " ")
    return Diagnostic(
        "GY501",
        f"{word} stands under a condition or loop that can differ between the threads of a block",
        "move it out of the branch or loop, or make the condition the same for the block "
        "(gy.block_broadcast, gy.block_any)",
        op.span,
        linecache.getline(op.span.file, op.span.line).rstrip("\n"),
    )
