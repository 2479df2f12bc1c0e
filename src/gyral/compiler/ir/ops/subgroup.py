"""What the threads of a subgroup do together; lanes follow the block's linear order.

A reduction or scan that is `whole` counts every thread of the block that the device runs, active or not.
"""

from __future__ import annotations

from gyral.compiler.ir.define import BOOL, SCALAR, Operation, attr, operand, result
from gyral.compiler.ir.ops.grid import REDUCTIONS
from gyral.compiler.ir.traits import GANG, PURE, UNIFORM
from gyral.core.dtypes import i32, u64

SHUFFLES = ("index", "up", "down", "xor")


class SubgroupSizeOp(Operation):
    """Lanes of a subgroup on this device."""

    name = "subgroup.size"
    out = result(of=i32)
    traits = PURE | UNIFORM


class LaneIdOp(Operation):
    """This thread's lane."""

    name = "subgroup.lane_id"
    out = result(of=i32)
    traits = PURE


class SubgroupReduceOp(Operation):
    """Sum, min, max, any or all over the subgroup; missing threads give the identity."""

    name = "subgroup.reduce"
    value = operand(SCALAR)
    kind = attr(str, choices=REDUCTIONS)
    whole = attr(bool, default=False)
    out = result(same_as="value")
    traits = GANG


class SubgroupBallotOp(Operation):
    """Bit l is set where lane l's value is true."""

    name = "subgroup.ballot"
    value = operand(BOOL)
    out = result(of=u64)
    traits = GANG


class SubgroupShuffleOp(Operation):
    """`value` of another lane: lane `amount`, own - amount, own + amount, or own ^ amount.

    A lane outside the subgroup, or a missing thread, gives the caller's own value.
    """

    name = "subgroup.shuffle"
    value = operand(SCALAR)
    amount = operand(SCALAR)
    mode = attr(str, choices=SHUFFLES)
    out = result(same_as="value")
    traits = GANG


class SubgroupScanOp(Operation):
    """Exclusive sum over the lanes before this one."""

    name = "subgroup.scan"
    value = operand(SCALAR)
    whole = attr(bool, default=False)
    out = result(same_as="value")
    traits = GANG
