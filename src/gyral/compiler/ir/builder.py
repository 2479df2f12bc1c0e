"""Put ops into a graph one after another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Block, Op, Value
from gyral.compiler.ir.types import Type
from gyral.core.span import NOWHERE, Span


class Builder:
    """Appends to `block`, or inserts before `anchor`; every op gets the current `span`."""

    def __init__(self, block: Block, anchor: Op | None = None, span: Span = NOWHERE) -> None:
        self.block = block
        self.anchor = anchor
        self.span = span

    @classmethod
    def before(cls, anchor: Op) -> Builder:
        """A builder that inserts before `anchor`, with its span."""
        if anchor.parent is None:
            raise ValueError("the anchor stands in no block")
        return cls(anchor.parent, anchor, anchor.span)

    def insert(self, op: Op) -> Op:
        """Put a ready op at the insertion point."""
        if self.anchor is None:
            return self.block.append(op)
        return self.block.insert_before(self.anchor, op)

    def op(
        self,
        kind: type[Operation],
        /,
        *values: Value,
        types: Sequence[Type] | None = None,
        regions: Sequence[Block] = (),
        **attributes: Any,
    ) -> Operation:
        """Build an op of `kind` at the insertion point and return the op."""
        op = kind.make(*values, types=types, regions=regions, span=self.span, **attributes)
        self.insert(op)
        return op

    def value(
        self,
        kind: type[Operation],
        /,
        *values: Value,
        type: Type | None = None,
        hint: str = "",
        **attributes: Any,
    ) -> Value:
        """Build an op with one result and return that result."""
        op = self.op(kind, *values, types=None if type is None else (type,), **attributes)
        op.result.hint = hint
        return op.result

    @contextmanager
    def inside(self, block: Block) -> Iterator[Block]:
        """Append to `block` while the context lasts."""
        kept = self.block, self.anchor
        self.block, self.anchor = block, None
        try:
            yield block
        finally:
            self.block, self.anchor = kept
