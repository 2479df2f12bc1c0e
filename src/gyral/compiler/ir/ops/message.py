"""What a thread says to the host: failed checks and printed values."""

from __future__ import annotations

from gyral.compiler.ir.define import BOOL, SCALAR, Operation, attr, operand, operands, result
from gyral.compiler.ir.traits import EFFECT, SYNC
from gyral.core.dtypes import u32

CHECKS = ("assert", "bounds", "divide", "abort")
NO_SITE = 0xFFFFFFFF
"""What `RescueOp` gives where no check failed."""


class RequireOp(Operation):
    """Where the condition is false the thread fails: it records itself and has no effects from here on.

    The lowest failing thread is reported. `text` is the message; for "bounds" it is the array's name and the
    values are index, extent; `axis` says which index. "abort" is no fault of the program: what it runs in
    wants a loop to end; `text` is the line of the loop.

    In a kernel that holds a `RescueOp` nothing is reported: the site is noted for the next rescue, and the
    thread has no effects until then.
    """

    name = "message.require"
    condition = operand(BOOL)
    values = operands(SCALAR)
    check = attr(str, choices=CHECKS)
    text = attr(str, default="")
    axis = attr(int, default=0)
    traits = EFFECT


class RescueOp(Operation):
    """Make all threads of the block active again; the site number of a check that failed since the last time.

    Every thread of the block arrives, active or not. The result is the same for the block: the lowest of the
    sites where its threads failed, or `NO_SITE`. Sites are numbered as in the kernel's signature. What a
    thread computed between its failure and here is undefined, and so is what it kept in local memory. `own`:
    each thread gets its own site; passes write so what a block does together.
    """

    name = "message.rescue"
    own = attr(bool, default=False)
    site = result(of=u32)
    traits = SYNC | EFFECT


class PrintOp(Operation):
    """Print the values: `parts` alternates literal text and format specs, text first and last.

    ("x = ", "", ", y = ", ".3f", "\\n") prints two values; the spec is Python's.
    """

    name = "message.print"
    values = operands(SCALAR)
    parts = attr(tuple)
    traits = EFFECT
