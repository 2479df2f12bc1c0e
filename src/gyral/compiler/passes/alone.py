"""Blocks of one thread: what a block or subgroup does together is what its one thread does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.graph import Module, Op, Value
from gyral.compiler.ir.ops.arith import ConstOp, zero_of
from gyral.compiler.ir.ops.cast import CastOp
from gyral.core.dtypes import u64

_SAME = ("grid.block_reduce", "grid.block_broadcast", "subgroup.reduce", "subgroup.shuffle")
_ZERO = ("grid.block_scan", "grid.local_id", "subgroup.scan", "subgroup.lane_id")


@dataclass(frozen=True, slots=True)
class Alone:
    """Rewrite the words of the block and the subgroup in a kernel whose block is of one thread.

    Before: `barrier; t = block_reduce v`. After: `v` in t's place. `message.rescue` stays: it is about
    failed checks. The kernel's block is noted in it, where analyses find it (`uniform.is_alone`).
    """

    block: Sequence[int]
    name = "alone"

    def run(self, module: Module) -> None:
        """Rewrite the kernel, if `block` is of one thread."""
        if not self.block or prod(self.block) != 1:
            return
        function = module.kernel
        function.attributes["block"] = tuple(self.block)
        for op in list(function.walk())[1:]:
            if op.name == "grid.barrier":
                op.erase()
                continue
            value = _meaning(op)
            if value is not None:
                if not value.hint:
                    value.hint = op.results[0].hint
                op.results[0].replace_by(value)
                op.erase()


def _meaning(op: Op) -> Value | None:
    """The result of a word for one thread, None for every other op."""
    if op.name in _SAME:
        return op.operands[0]
    if op.name in _ZERO:
        t: Any = op.results[0].type
        return Builder.before(op).value(ConstOp, type=t, value=zero_of(t))
    if op.name == "subgroup.ballot":
        return Builder.before(op).value(CastOp, op.operands[0], type=u64)
    return None
