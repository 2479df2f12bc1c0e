"""Atomic accesses to arrays and shared memory; all give the value that stood before."""

from __future__ import annotations

from gyral.compiler.ir.define import INDEX, MEMORY, SCALAR, Operation, attr, operand, operands, result
from gyral.compiler.ir.ops.memory import check_access
from gyral.compiler.ir.traits import READS, WRITES

KINDS = ("add", "sub", "min", "max", "and", "or", "xor", "exchange")
ORDERS = ("relaxed", "acquire", "release", "acq_rel")
SCOPES = ("block", "device", "system")


class AtomicRmwOp(Operation):
    """old = memory[indices]; memory[indices] = kind(old, value); old."""

    name = "atomic.rmw"
    value = operand(SCALAR)
    memory = operand(MEMORY)
    indices = operands(INDEX)
    kind = attr(str, choices=KINDS)
    leaf = attr(int, default=0)
    order = attr(str, choices=ORDERS, default="relaxed")
    scope = attr(str, choices=SCOPES, default="device")
    old = result(same_as="value")
    traits = READS | WRITES

    def verify_(self) -> None:
        check_access(self.memory.type, len(self.indices), self.leaf, self.value.type)


class AtomicCasOp(Operation):
    """old = memory[indices]; if old == expected: memory[indices] = value; old. Floats compare by bits."""

    name = "atomic.cas"
    expected = operand(SCALAR)
    value = operand(same_as="expected")
    memory = operand(MEMORY)
    indices = operands(INDEX)
    leaf = attr(int, default=0)
    order = attr(str, choices=ORDERS, default="relaxed")
    scope = attr(str, choices=SCOPES, default="device")
    old = result(same_as="expected")
    traits = READS | WRITES


class AtomicLoadOp(Operation):
    """Read one value whole."""

    name = "atomic.load"
    memory = operand(MEMORY)
    indices = operands(INDEX)
    leaf = attr(int, default=0)
    order = attr(str, choices=ORDERS, default="relaxed")
    scope = attr(str, choices=SCOPES, default="device")
    out = result(SCALAR)
    traits = READS | WRITES  # ordered against other accesses, so never moved or merged


class AtomicStoreOp(Operation):
    """Write one value whole."""

    name = "atomic.store"
    value = operand(SCALAR)
    memory = operand(MEMORY)
    indices = operands(INDEX)
    leaf = attr(int, default=0)
    order = attr(str, choices=ORDERS, default="relaxed")
    scope = attr(str, choices=SCOPES, default="device")
    traits = READS | WRITES
