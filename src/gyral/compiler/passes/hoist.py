"""Compute once before a loop what every turn would compute alike."""

from __future__ import annotations

from dataclasses import dataclass

from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.traits import SYNC, WRITES
from gyral.compiler.passes.rewrite import constant_of, has, is_pure
from gyral.compiler.passes.touch import is_ordered
from gyral.core.dtypes import ArrayType


@dataclass(frozen=True, slots=True)
class Hoist:
    """Move pure ops over outer values out of loops; loads of steady memory too, where they surely run.

    Before: `for k in range(n): y = y + a * b`. After: `t = a * b` and `for k in range(n): y = y + t`.
    """

    name = "hoist"
    noalias: bool = False

    def run(self, module: Module) -> None:
        """Visit the loops of every function, inner ones first."""
        for function in module.functions.values():
            steady = self._never_written(function)
            _visit(function.regions[0], steady)

    def _never_written(self, function: Op) -> set[Value]:
        """Array parameters whose loads give the same all through the launch.

        None where accesses are ordered: then somebody outside writes what is read behind them.
        """
        if any(is_ordered(op) for op in function.walk()):
            return set()
        written: set[Value] = set()
        for op in function.walk():
            if op.name == "control.call":
                return set()
            if has(op, WRITES) and not has(op, SYNC):
                written.update(v for v in op.operands if isinstance(v.type, ArrayType))
        arrays = {v for v in function.regions[0].args if isinstance(v.type, ArrayType)}
        return arrays - written if self.noalias or not written else set()


def _visit(block: Block, steady: set[Value]) -> None:
    for op in list(block.ops):
        for region in op.regions:
            _visit(region, steady)
        if op.name in ("control.for", "control.while"):
            for number, region in enumerate(op.regions):
                _hoist(op, region, steady, _surely_runs(op, number))


def _surely_runs(op: Op, number: int) -> bool:
    """Whether a region of a loop runs at least once when the loop is reached."""
    if op.name == "control.while":
        return number == 0
    lower, upper, step = map(constant_of, op.operands[:3])
    if lower is None or upper is None or not step:
        return False
    return lower < upper if step > 0 else lower > upper


def _hoist(loop: Op, region: Block, steady: set[Value], runs: bool) -> None:
    parent = loop.parent
    if parent is None:
        return
    inside: set[Value] = set(region.args)
    moved: list[Op] = []
    kept: list[Op] = []
    for op in region.ops:
        loads = runs and op.name == "memory.load" and op.operands[0] in steady
        if (is_pure(op) or loads) and not any(v in inside for v in op.operands):
            moved.append(op)
            continue
        kept.append(op)
        inside.update(op.results)
    if not moved:
        return
    region.ops = kept
    place = parent.ops.index(loop)
    parent.ops[place:place] = moved
    for op in moved:
        op.parent = parent
