"""Where a thread stands, and what a block does together. Axis 0 is the slowest, as in NumPy."""

from __future__ import annotations

from gyral.compiler.ir.define import INDEX, SCALAR, Operation, attr, operand, result
from gyral.compiler.ir.ops.atomic import SCOPES
from gyral.compiler.ir.traits import EFFECT, PURE, READS, SYNC, UNIFORM, WRITES
from gyral.core.dtypes import bool_, index, u64

REDUCTIONS = ("sum", "min", "max", "any", "all")


class GlobalIdOp(Operation):
    """This thread's index in the launch."""

    name = "grid.global_id"
    axis = attr(int)
    out = result(of=index)
    traits = PURE


class GlobalSizeOp(Operation):
    """Extent of the launch shape."""

    name = "grid.global_size"
    axis = attr(int)
    out = result(of=index)
    traits = PURE | UNIFORM


class LocalIdOp(Operation):
    """This thread's index in its block."""

    name = "grid.local_id"
    axis = attr(int)
    out = result(of=index)
    traits = PURE


class BlockIdOp(Operation):
    """The block's index in the grid."""

    name = "grid.block_id"
    axis = attr(int)
    out = result(of=index)
    traits = PURE | UNIFORM


class BlockDimOp(Operation):
    """Extent of a whole block."""

    name = "grid.block_dim"
    axis = attr(int)
    out = result(of=index)
    traits = PURE | UNIFORM


class GridDimOp(Operation):
    """Number of blocks along an axis."""

    name = "grid.grid_dim"
    axis = attr(int)
    out = result(of=index)
    traits = PURE | UNIFORM


class SpanOp(Operation):
    """This thread's share of 0..count-1: every k of it is visited once by some thread of the scope.

    Results are the lower, upper and step of a `for`; the device chooses the order.
    scope "grid": over the launch, "block": over the thread's block.
    """

    name = "grid.span"
    count = operand(INDEX)
    scope = attr(str, choices=("grid", "block"))
    lower = result(of=index)
    upper = result(of=index)
    step = result(of=index)
    traits = PURE


class ActiveOp(Operation):
    """Whether this thread is one of the launch's and has not failed; passes ask it, users cannot."""

    name = "grid.active"
    out = result(of=bool_)
    traits = READS


class UniformOp(Operation):
    """A value that every thread of the block computed alike, from shared memory; passes say it, users cannot.

    It tells analyses what they cannot see. Nothing is done for it where a target asks for no proof.
    """

    name = "grid.uniform"
    value = operand(SCALAR)
    out = result(same_as="value")
    traits = PURE | UNIFORM


class BarrierOp(Operation):
    """Every thread of the block arrives before any goes on; memory is seen by the block."""

    name = "grid.barrier"
    traits = SYNC | READS | WRITES


class FenceOp(Operation):
    """Memory accesses before are seen before those after, by the scope."""

    name = "grid.fence"
    scope = attr(str, choices=SCOPES)
    traits = READS | WRITES


class BlockReduceOp(Operation):
    """The block's sum, min, max, any or all of `value`; missing threads give the identity."""

    name = "grid.block_reduce"
    value = operand(SCALAR)
    kind = attr(str, choices=REDUCTIONS)
    out = result(same_as="value")
    traits = SYNC | READS | WRITES | UNIFORM


class BlockBroadcastOp(Operation):
    """`value` of the block's thread number `thread`, in linear order; it must be one that exists."""

    name = "grid.block_broadcast"
    value = operand(SCALAR)
    thread = operand(INDEX)
    out = result(same_as="value")
    traits = SYNC | READS | WRITES | UNIFORM


class BlockScanOp(Operation):
    """Exclusive sum of `value` over the block's threads in linear order."""

    name = "grid.block_scan"
    value = operand(SCALAR)
    out = result(same_as="value")
    traits = SYNC | READS | WRITES


class ClockOp(Operation):
    """A counter of the device that only grows; units are the device's own."""

    name = "grid.clock"
    out = result(of=u64)
    traits = EFFECT
