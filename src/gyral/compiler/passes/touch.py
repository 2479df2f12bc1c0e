"""Which memory ops touch, where, and whether they write it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.traits import WRITES
from gyral.compiler.passes.place import Place, Places
from gyral.compiler.passes.rewrite import has
from gyral.core.dtypes import ArrayType, DType


@dataclass(frozen=True, slots=True)
class Touch:
    """One access to an array parameter; `place` is None when it is not known before the kernel runs."""

    op: Op
    array: Value
    place: Place | None
    writes: bool


def touches(ops: Iterable[Op], places: Places) -> Iterator[Touch]:
    """The accesses to array parameters of these ops and of all inside them."""
    for outer in ops:
        for op in outer.walk():
            if op.name.startswith(("memory.", "atomic.")) and op.name != "memory.dim":
                memory, indices = operands_of(op)
                if memory is not None and isinstance(memory.type, ArrayType):
                    yield Touch(op, memory, places.place(indices), has(op, WRITES))


def is_ordered(op: Op) -> bool:
    """Whether an op orders other accesses as somebody outside of the launch may see them."""
    return op.name == "grid.fence" or op.attributes.get("order", "relaxed") != "relaxed"


def operands_of(op: Op) -> tuple[Value | None, list[Value]]:
    """The memory of an access and its indices, which stand behind it."""
    for number, value in enumerate(op.operands):
        if not isinstance(value.type, DType):
            return value, op.operands[number + 1 :]
    return None, []
