"""Conversions between scalar types."""

from __future__ import annotations

from gyral.compiler.ir.define import SCALAR, WORD, Operation, operand, result
from gyral.compiler.ir.traits import PURE
from gyral.core.dtypes import u32


class CastOp(Operation):
    """Value conversion: integers wrap, floats round to even, float to integer saturates and NaN gives 0.

    To bool: value != 0. From bool: 0 or 1.
    """

    name = "cast.convert"
    value = operand(SCALAR)
    out = result(SCALAR)
    traits = PURE


class SplitOp(Operation):
    """The two words of a 64-bit value's bits.

    With `JoinOp` it is all that is done with a 64-bit value where the target has none: such values then only
    flow from parameters, loads and clocks to here, and from `JoinOp` to stores, atomics and messages.
    """

    name = "cast.split"
    value = operand(SCALAR)
    low = result(of=u32)
    high = result(of=u32)
    traits = PURE

    def verify_(self) -> None:
        if self.value.type.bits != 64:
            raise ValueError(f"{self.value.type} has no two words")


class JoinOp(Operation):
    """The 64-bit value of two words."""

    name = "cast.join"
    low = operand(WORD)
    high = operand(WORD)
    out = result(SCALAR)
    traits = PURE

    def verify_(self) -> None:
        if self.out.type.bits != 64:
            raise ValueError(f"{self.out.type} has no two words")


class BitcastOp(Operation):
    """The same bits read as another type of the same width."""

    name = "cast.bits"
    value = operand(SCALAR)
    out = result(SCALAR)
    traits = PURE

    def verify_(self) -> None:
        if self.value.type.bits != self.out.type.bits:
            raise ValueError(f"{self.value.type} and {self.out.type} differ in width")
