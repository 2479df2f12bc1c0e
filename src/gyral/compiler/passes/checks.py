"""Compile checks in: every index against its extent, every integer divisor against zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.graph import Module, Op, Value
from gyral.compiler.ir.ops.arith import AndOp, CmpOp, ConstOp
from gyral.compiler.ir.ops.memory import DimOp
from gyral.compiler.ir.ops.message import RequireOp
from gyral.compiler.ir.types import MemType
from gyral.core.dtypes import index

# Where the memory stands among an access's operands; its indices follow.
_ACCESSES = {
    "memory.load": 0,
    "memory.store": 1,
    "atomic.load": 0,
    "atomic.store": 1,
    "atomic.rmw": 1,
    "atomic.cas": 2,
}


@dataclass(frozen=True, slots=True)
class InsertChecks:
    """Put a `message.require` before each access and integer division.

    Before: `v = load a, i`. After: `require 0 <= i and i < dim a` on a's name and the axis; `v = load a, i`.
    """

    name = "checks"

    def run(self, module: Module) -> None:
        """Check every function that is not trusted; run before anything moves."""
        for function in module.functions.values():
            if function.attributes.get("trusted"):
                continue
            for op in list(function.walk()):
                slot = _ACCESSES.get(op.name)
                if slot is not None:
                    _check_access(op, op.operands[slot], op.operands[slot + 1 :])
                elif op.name in ("arith.floordiv", "arith.mod"):
                    _check_divisor(op)


def _check_access(op: Op, memory: Value, indices: list[Value]) -> None:
    builder = Builder.before(op)
    zero = builder.value(ConstOp, type=index, value=0)
    for axis, place in enumerate(indices):
        if isinstance(memory.type, MemType):
            extent = builder.value(ConstOp, type=index, value=memory.type.shape[axis])
        else:
            extent = builder.value(DimOp, memory, axis=axis)
        low = builder.value(CmpOp, place, zero, predicate="ge")
        high = builder.value(CmpOp, place, extent, predicate="lt")
        within = builder.value(AndOp, low, high)
        builder.op(RequireOp, within, place, extent, check="bounds", text=memory.hint, axis=axis)


def _check_divisor(op: Op) -> None:
    divisor = op.operands[1]
    t: Any = divisor.type
    if t.is_float:
        return
    builder = Builder.before(op)
    zero = builder.value(ConstOp, type=t, value=0)
    builder.op(RequireOp, builder.value(CmpOp, divisor, zero, predicate="ne"), check="divide")
