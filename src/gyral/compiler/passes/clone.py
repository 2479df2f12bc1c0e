"""Copy ops, with values replaced as a mapping says."""

from __future__ import annotations

from collections.abc import Sequence

from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Block, Op, Value
from gyral.core.span import NOWHERE, Span

Mapping = dict[Value, Value]


def clone(op: Op, mapping: Mapping, at: Span = NOWHERE) -> Operation:
    """A copy of `op` over `mapping`, which learns the results; without a span of its own it gets `at`."""
    regions = [clone_block(region, mapping, at) for region in op.regions]
    copy = type(op)(
        [mapping.get(v, v) for v in op.operands],
        [v.type for v in op.results],
        op.attributes,
        regions,
        op.span if op.span is not NOWHERE else at,
    )
    for old, new in zip(op.results, copy.results, strict=True):
        new.hint = old.hint
        mapping[old] = new
    return copy  # type: ignore[return-value]


def clone_block(block: Block, mapping: Mapping, at: Span = NOWHERE) -> Block:
    """A copy of a region."""
    copy = Block([v.type for v in block.args], [v.hint for v in block.args])
    mapping.update(zip(block.args, copy.args, strict=True))
    for op in block.ops:
        copy.append(clone(op, mapping, at))
    return copy


def splice(block: Block, anchor: Op, values: Sequence[Value], at: Span | None = None) -> list[Value]:
    """Copy a region's ops before `anchor` with `values` for its arguments; what its terminator hands out."""
    mapping: Mapping = dict(zip(block.args, values, strict=True))
    parent = anchor.parent
    if parent is None:
        raise ValueError("the anchor stands in no block")
    place = parent.ops.index(anchor)
    copies = [clone(op, mapping, at or anchor.span) for op in block.ops[:-1]]
    for copy in copies:
        copy.parent = parent
    parent.ops[place:place] = copies
    return [mapping.get(v, v) for v in block.terminator.operands]


def size(op: Op) -> int:
    """How many ops stand inside, this one included."""
    return 1 + sum(size(inner) for region in op.regions for inner in region.ops)
