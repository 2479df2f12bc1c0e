"""One op for every row of the intrinsics table."""

from __future__ import annotations

from gyral.compiler.ir.define import SCALAR, Operation, attr, operands, result
from gyral.compiler.ir.traits import PURE


class MathOp(Operation):
    """Apply the intrinsic `fn`; the table says its signature and meaning."""

    name = "math.call"
    values = operands(SCALAR)
    fn = attr(str)
    out = result(SCALAR)
    traits = PURE
