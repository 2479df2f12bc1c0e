"""Conversions between scalar types."""

from __future__ import annotations

from gyral.compiler.ir.define import SCALAR, Operation, operand, result
from gyral.compiler.ir.traits import PURE


class CastOp(Operation):
    """Value conversion: integers wrap, floats round to even, float to integer saturates and NaN gives 0.

    To bool: value != 0. From bool: 0 or 1.
    """

    name = "cast.convert"
    value = operand(SCALAR)
    out = result(SCALAR)
    traits = PURE


class BitcastOp(Operation):
    """The same bits read as another type of the same width."""

    name = "cast.bits"
    value = operand(SCALAR)
    out = result(SCALAR)
    traits = PURE

    def verify_(self) -> None:
        if self.value.type.bits != self.out.type.bits:
            raise ValueError(f"{self.value.type} and {self.out.type} differ in width")
