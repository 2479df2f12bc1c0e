"""Put functions of the library in place of ops, by name."""

from __future__ import annotations

from typing import Any, Protocol

from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.verify import STRICT
from gyral.compiler.passes.clone import size, splice
from gyral.compiler.passes.inline import MAX_SIZE
from gyral.core.errors import InternalError, UserError


class Library(Protocol):
    """Bodies of functions by name."""

    def get(self, name: str) -> Op | None:
        """The function of this name, self-contained (nothing in it is a call); None when there is none."""
        ...


class Bodies:
    """The bodies that one kernel takes in; UserError when it grows too large by them."""

    def __init__(self, library: Library, function: Op) -> None:
        self.library = library
        self.size = size(function)

    def put(self, name: str, anchor: Op, *values: Value) -> list[Value]:
        """The results of a function, written out before `anchor` and computed exactly as it is written."""
        found = self.library.get(name)
        if found is None:
            raise InternalError(f"the library lacks {name!r}")
        self.size += size(found)
        if self.size > MAX_SIZE:
            raise UserError(
                f"{anchor.span}: the kernel grows over {MAX_SIZE} operations when what the device lacks is "
                "written out. Make it smaller."
            )
        block: Any = anchor.parent
        start = block.ops.index(anchor)
        results = splice(found.regions[0], anchor, values)
        for op in block.ops[start : block.ops.index(anchor)]:
            for inner in op.walk():
                if inner.results and inner.results[0].type.is_float:
                    inner.attributes[STRICT] = True
        return results
