"""Where an access reaches, as a sum of products of ids, sizes and parameters, and whether no one else does.

A place is a thread's own when no other thread of the launch reaches the same element by the same formula.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gyral.compiler.ir.graph import Block, Op, Value
from gyral.core.dtypes import i64, index

Term: TypeAlias = tuple[str, ...]
"""The names of the factors, sorted; () is the number 1."""
Sum: TypeAlias = Mapping[Term, int]
Place: TypeAlias = tuple[tuple[tuple[Term, int], ...], ...]
"""One index after another, each a sum in one order: equal places are the same element in every thread."""

_MOST_TERMS = 16
_SIZES = ("grid.global_size", "grid.block_dim", "grid.grid_dim")
_IDS = ("grid.global_id", "grid.local_id", "grid.block_id")


@dataclass(slots=True)
class Places:
    """The places of one function. `parameters` are its values that are the same in all threads."""

    parameters: Mapping[Value, str]
    narrow: bool
    _known: dict[Value, Sum | None] = field(default_factory=dict)

    def place(self, indices: Sequence[Value]) -> Place | None:
        """Where these indices lead; None when nobody can say before the kernel runs."""
        found = [self.sum(value) for value in indices]
        if any(each is None for each in found):
            return None
        return tuple(tuple(sorted(each.items())) for each in found if each is not None)

    def sum(self, value: Value) -> Sum | None:
        """A value as a sum of products."""
        if value not in self._known:
            self._known[value] = None  # what depends on itself, round a loop, is unknown
            self._known[value] = self._find(value)
        return self._known[value]

    def _find(self, value: Value) -> Sum | None:
        if value in self.parameters:
            return {(self.parameters[value],): 1}
        if isinstance(value.owner, Block):
            return self._counter(value)
        op: Op = value.owner
        if op.name == "arith.const" and type(op.attributes["value"]) is int:
            number = op.attributes["value"]
            return {(): number} if number else {}
        if op.name in _SIZES or op.name in _IDS:
            return {(f"{op.name.partition('.')[2]}{op.attributes['axis']}",): 1}
        if op.name == "memory.dim" and op.operands[0] in self.parameters:
            return {(f"{self.parameters[op.operands[0]]}.{op.attributes['axis']}",): 1}
        if op.name == "cast.convert":
            return self.sum(op.operands[0]) if self._keeps(op) else None
        if op.name in ("arith.add", "arith.sub", "arith.mul"):
            return self._combined(op)
        return None

    def _counter(self, value: Value) -> Sum | None:
        """The counter of a loop over the launch's shares of a range: every number comes to one thread."""
        loop = value.owner.parent
        if loop is None or loop.name != "control.for" or value.index:
            return None
        count = share_of(loop, self)
        return None if count is None else {(f"share {count}",): 1}

    def _keeps(self, op: Op) -> bool:
        """Whether a conversion keeps every number that an index may be."""
        kept = (index, i64)
        source, target = op.operands[0].type, op.results[0].type
        if not source.is_integer or not target.is_integer:
            return False
        if op.operands[0] in self.parameters and target.bits > source.bits:
            return True  # nothing was computed that could have wrapped in the narrower type
        return (source in kept and target in kept) or (self.narrow and min(source.bits, target.bits) >= 32)

    def _combined(self, op: Op) -> Sum | None:
        left, right = (self.sum(operand) for operand in op.operands)
        if left is None or right is None:
            return None
        found: dict[Term, int] = {}
        if op.name == "arith.mul":
            for one, a in left.items():
                for other, b in right.items():
                    term = tuple(sorted((*one, *other)))
                    found[term] = found.get(term, 0) + a * b
        else:
            sign = 1 if op.name == "arith.add" else -1
            found.update(left)
            for term, b in right.items():
                found[term] = found.get(term, 0) + sign * b
        found = {term: number for term, number in found.items() if number}
        return found if len(found) <= _MOST_TERMS else None


def share_of(loop: Op, places: Places) -> str | None:
    """What a loop over `grid_range(n)` counts to, None for any other loop."""
    spans = {value.owner for value in loop.operands[:3]}
    if len(spans) != 1 or any(a.index != k for k, a in enumerate(loop.operands[:3])):
        return None
    (span,) = spans
    if not isinstance(span, Op) or span.name != "grid.span" or span.attributes["scope"] != "grid":
        return None
    count = places.sum(span.operands[0])
    return None if count is None or any(_varies(term) for term in count) else repr(sorted(count.items()))


def is_own(place: Place, rank: int) -> bool:
    """Whether a place in a launch of `rank` axes is reached by one thread alone."""
    reached: set[int] = set()
    for each in place:
        varying = {term: number for term, number in each if _varies(term)}
        if not varying:
            continue
        if len(varying) == 1 and set(varying.values()) == {1} and _is_share(next(iter(varying))):
            return True
        axes = _axes(varying, rank)
        if axes is None:
            return False
        reached |= axes
    return reached == set(range(rank))


def by_counter(place: Place | None) -> bool:
    """Whether a place goes by the counter of a loop over a share of the launch."""
    return place is not None and any(_is_share(term) for each in place for term, _ in each)


def _axes(varying: Mapping[Term, int], rank: int) -> set[int] | None:
    """The axes that an index tells apart: one id, or the ids of the last axes in row-major order."""
    for first in range(rank):
        sizes = [tuple(f"global_size{k}" for k in range(axis + 1, rank)) for axis in range(first, rank)]
        wanted: dict[Any, int] = {
            tuple(sorted((f"global_id{axis}", *sizes[axis - first]))): 1 for axis in range(first, rank)
        }
        if varying == wanted:
            return set(range(first, rank))
        if varying == {(f"global_id{first}",): 1}:
            return {first}
    return None


def _varies(term: Term) -> bool:
    return any(name.startswith(("global_id", "local_id", "block_id", "share ")) for name in term)


def _is_share(term: Term) -> bool:
    return len(term) == 1 and term[0].startswith("share ")
