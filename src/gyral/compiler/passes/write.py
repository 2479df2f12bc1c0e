"""Short names for building ops in a row, as passes do when they write one thing as many."""

from __future__ import annotations

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Value
from gyral.compiler.ir.ops.arith import CmpOp, ConstOp, SelectOp
from gyral.compiler.ir.ops.cast import BitcastOp, CastOp
from gyral.compiler.ir.ops.math import MathOp
from gyral.compiler.ir.types import Type
from gyral.core.dtypes import DType


class Write:
    """Puts ops at a builder's place and gives their values."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder

    def const(self, t: Type, value: bool | int | float) -> Value:
        """A constant."""
        return self.builder.value(ConstOp, type=t, value=value)

    def do(self, kind: type[Operation], *values: Value) -> Value:
        """An op without attributes whose result type its operands fix."""
        return self.builder.value(kind, *values)

    def cast(self, value: Value, t: DType) -> Value:
        """The value as another type."""
        return self.builder.value(CastOp, value, type=t)

    def bits(self, value: Value, t: DType) -> Value:
        """The bits of a value as another type."""
        return self.builder.value(BitcastOp, value, type=t)

    def cmp(self, predicate: str, lhs: Value, rhs: Value) -> Value:
        """A comparison."""
        return self.builder.value(CmpOp, lhs, rhs, predicate=predicate)

    def select(self, condition: Value, on_true: Value, on_false: Value) -> Value:
        """One of two values."""
        return self.builder.value(SelectOp, condition, on_true, on_false)

    def math(self, fn: str, *values: Value) -> Value:
        """An intrinsic that gives what it takes."""
        return self.builder.value(MathOp, *values, type=values[0].type, fn=fn)
