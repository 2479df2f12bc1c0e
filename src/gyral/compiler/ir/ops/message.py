"""What a thread says to the host: failed checks and printed values."""

from __future__ import annotations

from gyral.compiler.ir.define import BOOL, SCALAR, Operation, attr, operand, operands
from gyral.compiler.ir.traits import EFFECT

CHECKS = ("assert", "bounds", "divide")


class RequireOp(Operation):
    """Where the condition is false the thread fails: it records itself and has no effects from here on.

    The lowest failing thread is reported. `text` is the message; for "bounds" it is the array's name and the
    values are index, extent; `axis` says which index.
    """

    name = "message.require"
    condition = operand(BOOL)
    values = operands(SCALAR)
    check = attr(str, choices=CHECKS)
    text = attr(str, default="")
    axis = attr(int, default=0)
    traits = EFFECT


class PrintOp(Operation):
    """Print the values: `parts` alternates literal text and format specs, text first and last.

    ("x = ", "", ", y = ", ".3f", "\\n") prints two values; the spec is Python's.
    """

    name = "message.print"
    values = operands(SCALAR)
    parts = attr(tuple)
    traits = EFFECT
