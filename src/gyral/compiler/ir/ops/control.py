"""Functions and structured control. `break`, `continue` and early `return` never reach the IR:

the frontend turns them into conditions, so that C, WGSL and masked SIMD all follow from the regions.
"""

from __future__ import annotations

from gyral.compiler.ir.define import (
    ANY,
    BOOL,
    INTEGER,
    SCALAR,
    Operation,
    attr,
    operand,
    operands,
    region,
    results,
)
from gyral.compiler.ir.traits import TERMINATOR


class FuncOp(Operation):
    """A function; block arguments are its parameters, a `control.return` ends it.

    kind "kernel": `rank` of the launch, `block` fixed in the kernel (or ()), no results. `coarse`:
    elements of the last axis that one thread does; its id there counts such groups.
    `trusted`: no checks are put into it.
    kind "func": called by `control.call`; `returns` are its result types.
    """

    name = "control.func"
    symbol = attr(str)
    kind = attr(str, choices=("kernel", "func"))
    rank = attr(int, default=1)
    block = attr(tuple, default=())
    coarse = attr(int, default=1)
    fastmath = attr(bool, default=False)
    trusted = attr(bool, default=False)
    returns = attr(tuple, default=())
    body = region()


class ReturnOp(Operation):
    """End of a function."""

    name = "control.return"
    values = operands(SCALAR)
    traits = TERMINATOR


class CallOp(Operation):
    """Call the function `callee` of the module; array arguments are passed by reference."""

    name = "control.call"
    arguments = operands(ANY)
    callee = attr(str)
    values = results(SCALAR)


class YieldOp(Operation):
    """Hand values to the op around this region."""

    name = "control.yield"
    values = operands(SCALAR)
    traits = TERMINATOR


class IfOp(Operation):
    """One of two regions; each yields the results.

    `whole`: the condition is that the launch has all elements of the thread, of which each does several.
    """

    name = "control.if"
    condition = operand(BOOL)
    whole = attr(bool, default=False)
    then = region()
    orelse = region()
    values = results(SCALAR)


class ForOp(Operation):
    """for iv in range(lower, upper, step), carrying values; the trip count is fixed at entry.

    Block arguments: iv, then the carried values; the body yields their next values.
    A step of 0 gives no trips.
    """

    name = "control.for"
    lower = operand(INTEGER)
    upper = operand(same_as="lower")
    step = operand(same_as="lower")
    initial = operands(SCALAR)
    body = region()
    values = results(SCALAR)


class WhileOp(Operation):
    """Loop with its test in a region of its own, so that a test in the middle is one too.

    `test` takes the carried values and ends in `control.test go, passed...`: when `go` is false the loop
    ends with `passed` as results, else `body` runs on `passed` and yields the next carried values.
    """

    name = "control.while"
    initial = operands(SCALAR)
    test = region()
    body = region()
    values = results(SCALAR)


class TestOp(Operation):
    """End of a while's test region: go on or not, and what is passed to the body or out."""

    name = "control.test"
    go = operand(BOOL)
    passed = operands(SCALAR)
    traits = TERMINATOR
