"""Programs in the form that whole blocks run: every thread of a block is there, active or not.

Passes for devices write what a block does together as shared memory and barriers, with accesses that are
`whole`. Such a program says `grid.active`, or makes whole accesses, and is run like this: threads beyond the
shape run too, but have no effects; a thread that fails goes on without any. Loops in which nobody waits for
anybody are left by threads without effects. A program that rescues threads which failed is run so, too.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from gyral.compiler.interp.express import literal
from gyral.compiler.ir.graph import Module, Op, Value
from gyral.compiler.ir.traits import EFFECT, GANG, SYNC, WRITES
from gyral.core.dtypes import bool_

_LOADS = ("memory.load", "atomic.load")
_FREE = ("grid.fence", "grid.clock")


class Writer(Protocol):
    """What is needed of the writer of a function."""

    indent: int
    lines: list[str]

    def put(self, line: str) -> None:
        """Add a line."""
        ...

    def of(self, value: Value) -> str:
        """The name of a value."""
        ...


def is_team(module: Module) -> bool:
    """Whether the module is in this form."""
    return any(
        op.name in ("grid.active", "message.rescue") or op.attributes.get("whole") for op in module.walk()
    )


def is_guarded(op: Op) -> bool:
    """Whether only active threads do this op; a load is made by all that can."""
    if op.name in _LOADS:
        return True
    return bool(op.traits & (WRITES | EFFECT)) and not op.attributes.get("whole") and op.name not in _FREE


def waits(op: Op, waiting: Collection[str]) -> bool:
    """Whether this op, its regions aside, waits for other threads; `waiting` are the functions that do."""
    if op.name == "control.call":
        return op.attributes["callee"] in waiting
    return bool(op.traits & (SYNC | GANG))


def ends_early(op: Op, waiting: Collection[str]) -> bool:
    """Whether a loop is left by threads that are not active: nobody waits in it."""
    return not any(waits(inner, waiting) for inner in op.walk())


def guard(w: Writer, op: Op, written: list[str]) -> None:
    """Write an op's lines so that inactive threads pass them by, and one that fails becomes inactive."""
    for value in op.results:
        t: Any = value.type
        w.put(f"{w.of(value)} = {literal(t, False if t is bool_ else 0.0 if t.is_float else 0)}")
    if op.name not in _LOADS:
        w.put("if alive[0]:")
        w.indent += 1
    w.put("try:")
    w.indent += 1
    for line in written:
        w.put(line)
    w.indent -= 1
    w.put("except Failed as failed: dies(alive, (g0, g1, g2), failed)")
    if op.name not in _LOADS:
        w.indent -= 1
