"""Arithmetic and logic on scalars. Integers wrap, except `index`, whose +, - and * are exact."""

from __future__ import annotations

from gyral.compiler.ir.define import (
    BITS,
    BOOL,
    FLOAT,
    INTEGER,
    NUMBER,
    SCALAR,
    Operation,
    attr,
    operand,
    result,
)
from gyral.compiler.ir.traits import COMMUTATIVE, PURE, UNIFORM
from gyral.core.dtypes import DType, bool_

PREDICATES = ("eq", "ne", "lt", "le", "gt", "ge")


class ConstOp(Operation):
    """A literal of the result's type."""

    name = "arith.const"
    value = attr((bool, int, float))
    out = result(SCALAR)
    traits = PURE | UNIFORM

    def verify_(self) -> None:
        t = self.out.type
        if t is bool_ and not isinstance(self.value, bool):
            raise ValueError("a bool constant holds True or False")
        if t.is_float and not isinstance(self.value, float):
            raise ValueError("a float constant holds a float")
        if t.is_integer:
            low, high = t.bounds()
            if (
                isinstance(self.value, bool)
                or not isinstance(self.value, int)
                or not low <= self.value <= high
            ):
                raise ValueError(f"{self.value!r} is not a value of {t}")


class AddOp(Operation):
    """lhs + rhs."""

    name = "arith.add"
    lhs = operand(NUMBER)
    rhs = operand(same_as="lhs")
    out = result(same_as="lhs")
    traits = PURE | COMMUTATIVE


class SubOp(Operation):
    """lhs - rhs."""

    name = "arith.sub"
    lhs = operand(NUMBER)
    rhs = operand(same_as="lhs")
    out = result(same_as="lhs")
    traits = PURE


class MulOp(Operation):
    """lhs * rhs."""

    name = "arith.mul"
    lhs = operand(NUMBER)
    rhs = operand(same_as="lhs")
    out = result(same_as="lhs")
    traits = PURE | COMMUTATIVE


class DivOp(Operation):
    """lhs / rhs in IEEE arithmetic."""

    name = "arith.div"
    lhs = operand(FLOAT)
    rhs = operand(same_as="lhs")
    out = result(same_as="lhs")
    traits = PURE


class FloorDivOp(Operation):
    """Python's //: rounds down. Integer x // 0 is 0; lowest // -1 wraps."""

    name = "arith.floordiv"
    lhs = operand(NUMBER)
    rhs = operand(same_as="lhs")
    out = result(same_as="lhs")
    traits = PURE


class ModOp(Operation):
    """Python's %: the sign of the divisor. Integer x % 0 is x."""

    name = "arith.mod"
    lhs = operand(NUMBER)
    rhs = operand(same_as="lhs")
    out = result(same_as="lhs")
    traits = PURE


class NegOp(Operation):
    """-value; for floats the sign bit flips, of NaN too."""

    name = "arith.neg"
    value = operand(NUMBER)
    out = result(same_as="value")
    traits = PURE


class AbsOp(Operation):
    """|value|; the lowest integer stays."""

    name = "arith.abs"
    value = operand(NUMBER)
    out = result(same_as="value")
    traits = PURE


class MinOp(Operation):
    """Python's min(lhs, rhs): rhs when rhs < lhs, else lhs."""

    name = "arith.min"
    lhs = operand(NUMBER)
    rhs = operand(same_as="lhs")
    out = result(same_as="lhs")
    traits = PURE


class MaxOp(Operation):
    """Python's max(lhs, rhs): rhs when rhs > lhs, else lhs."""

    name = "arith.max"
    lhs = operand(NUMBER)
    rhs = operand(same_as="lhs")
    out = result(same_as="lhs")
    traits = PURE


class AndOp(Operation):
    """Bitwise and."""

    name = "arith.and"
    lhs = operand(BITS)
    rhs = operand(same_as="lhs")
    out = result(same_as="lhs")
    traits = PURE | COMMUTATIVE


class OrOp(Operation):
    """Bitwise or."""

    name = "arith.or"
    lhs = operand(BITS)
    rhs = operand(same_as="lhs")
    out = result(same_as="lhs")
    traits = PURE | COMMUTATIVE


class XorOp(Operation):
    """Bitwise exclusive or."""

    name = "arith.xor"
    lhs = operand(BITS)
    rhs = operand(same_as="lhs")
    out = result(same_as="lhs")
    traits = PURE | COMMUTATIVE


class NotOp(Operation):
    """Bitwise complement; logical not of a bool."""

    name = "arith.not"
    value = operand(BITS)
    out = result(same_as="value")
    traits = PURE


class ShlOp(Operation):
    """lhs << rhs, the count masked to the width."""

    name = "arith.shl"
    lhs = operand(INTEGER)
    rhs = operand(same_as="lhs")
    out = result(same_as="lhs")
    traits = PURE


class ShrOp(Operation):
    """lhs >> rhs, the count masked to the width; arithmetic for signed types."""

    name = "arith.shr"
    lhs = operand(INTEGER)
    rhs = operand(same_as="lhs")
    out = result(same_as="lhs")
    traits = PURE


class CmpOp(Operation):
    """lhs <predicate> rhs. With a NaN every predicate but `ne` is false."""

    name = "arith.cmp"
    lhs = operand(SCALAR)
    rhs = operand(same_as="lhs")
    predicate = attr(str, choices=PREDICATES)
    out = result(of=bool_)
    traits = PURE


class SelectOp(Operation):
    """on_true where condition, else on_false; both are computed."""

    name = "arith.select"
    condition = operand(BOOL)
    on_true = operand(SCALAR)
    on_false = operand(same_as="on_true")
    out = result(same_as="on_true")
    traits = PURE


def zero_of(dtype: DType) -> bool | int | float:
    """The zero a ConstOp of this type holds."""
    if dtype is bool_:
        return False
    return 0.0 if dtype.is_float else 0
