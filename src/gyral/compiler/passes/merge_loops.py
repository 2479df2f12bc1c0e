"""Loops of several kernels over the same share of the launch become one loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gyral.compiler.ir.graph import Block, Op, Value
from gyral.compiler.ir.ops.control import ForOp, YieldOp
from gyral.compiler.ir.traits import EFFECT, GANG, SYNC
from gyral.compiler.passes.place import Places, by_counter, share_of
from gyral.compiler.passes.rewrite import has, is_pure
from gyral.compiler.passes.touch import Touch, touches
from gyral.core.dtypes import ArrayType


def merge_loops(body: Block, part_of: Mapping[Op, int], places: Places, apart: bool) -> None:
    """Merge the outermost loops over equal `grid_range`s where nothing between them stands in the way.

    Before: `for k in share(n): t[k] = f(k)` and `for k in share(n): s = s + t[k]`.
    After: `for k in share(n): t[k] = f(k); s = s + t[k]`. What stood between them comes behind.
    """
    part = dict(part_of)
    first = 0
    while first < len(body.ops):
        one = body.ops[first]
        count = _share(one, places)
        if count is not None:
            later = first + 1
            while later < len(body.ops):
                other = body.ops[later]
                if (
                    _share(other, places) == count
                    and (ready := _moved_up(body, first, later, part, places, apart)) is not None
                ):
                    one = _merge(body, one, other, ready)
                    part[one] = part.get(other, 0)
                    first = later = body.ops.index(one)
                later += 1
        first += 1


def _share(op: Op, places: Places) -> str | None:
    return share_of(op, places) if op.name == "control.for" else None


def _moved_up(
    body: Block, first: int, later: int, part: Mapping[Op, int], places: Places, apart: bool
) -> list[Op] | None:
    """The ops between two loops that must come before the first so that the second can; None if it cannot."""
    one, other, between = body.ops[first], body.ops[later], body.ops[first + 1 : later]
    if any(has(op, EFFECT | SYNC | GANG) for loop in (one, other) for op in loop.walk()):
        return None
    wanted: set[Value] = {value for op in other.walk() for value in op.operands}
    ready: list[Op] = []
    for op in reversed(between):
        if wanted.intersection(op.results):
            if not (is_pure(op) or op.name in ("memory.local", "memory.shared")):
                return None
            ready.insert(0, op)
            wanted.update(op.operands)
    if wanted.intersection(one.results):
        return None
    behind = [op for op in between if op not in ready]
    if any(not _may_wait(op) and part.get(op) == part.get(other) for op in behind):
        return None
    ours = list(touches([other], places))
    if _meet(touches(behind, places), ours, apart, counted=False):
        return None
    return None if _meet(touches([one], places), ours, apart, counted=True) else ready


def _may_wait(op: Op) -> bool:
    """Whether an op of the second loop's own kernel may come behind it, as far as the op alone tells."""
    return is_pure(op) or (op.name == "memory.load" and isinstance(op.operands[0].type, ArrayType))


def _meet(some: Iterable[Touch], others: Sequence[Touch], apart: bool, *, counted: bool) -> bool:
    """Whether accesses meet in one element; those by the loop's own counter do so in its own turn alone."""
    for one in some:
        for other in others:
            if not (one.writes or other.writes) or not (one.array is other.array or not apart):
                continue
            if not (counted and by_counter(one.place) and one.place == other.place):
                return True
    return False


def _merge(body: Block, one: Op, other: Op, ready: Sequence[Op]) -> Op:
    """One loop in the place of the first, which does the turns of both."""
    for op in (*ready, other):
        body.ops.remove(op)
    place = body.ops.index(one)
    region = Block([one.regions[0].args[0].type], [one.regions[0].args[0].hint])
    handed: list[Value] = []
    for loop in (one, other):
        source = loop.regions[0]
        counter, *carried = source.args
        counter.replace_by(region.args[0])
        for arg in carried:
            arg.replace_by(region.add_arg(arg.type, arg.hint))
        handed += source.terminator.operands
        source.terminator.set_operands(())
        for op in source.ops[:-1]:
            region.append(op)
        source.ops = source.ops[-1:]
    region.append(YieldOp.make(*handed, span=other.span))
    initial = [*one.operands, *other.operands[3:]]
    types = [value.type for loop in (one, other) for value in loop.results]
    made = ForOp.make(*initial, types=types, regions=[region], span=one.span)
    for old, new in zip((*one.results, *other.results), made.results, strict=True):
        new.hint = old.hint
        old.replace_by(new)
    for loop in (one, other):
        loop.set_operands(())
    made.parent = body
    body.ops[place : place + 1] = [*ready, made]
    return made
