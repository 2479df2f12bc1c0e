"""Apply small patterns until none fits. The only hands that change a graph besides a pass's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TypeAlias

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Block, Op, Value
from gyral.compiler.ir.ops.arith import ConstOp
from gyral.compiler.ir.traits import EFFECT, GANG, PURE, SYNC, TERMINATOR, WRITES, Trait
from gyral.compiler.ir.verify import STRICT
from gyral.core.dtypes import DType

Pattern: TypeAlias = Callable[[Op, "Rewriter"], bool]
Patterns: TypeAlias = Mapping[str, Sequence[Pattern]]

_ACTS = WRITES | EFFECT | SYNC | GANG | TERMINATOR


class Rewriter:
    """The worklist of one run over a function. A pattern returns whether it changed anything."""

    def __init__(self, patterns: Patterns) -> None:
        self.patterns = patterns
        self.waiting: list[Op] = []
        self.queued: set[Op] = set()
        self.gone: set[Op] = set()
        self.changed = False

    def run(self, function: Op) -> bool:
        """Rewrite everything in `function`; whether anything changed."""
        ops = list(function.walk())[1:]
        self.waiting = ops[::-1]
        self.queued = set(ops)
        while self.waiting:
            op = self.waiting.pop()
            self.queued.discard(op)
            if op in self.gone:
                continue
            if is_dead(op):
                self.erase(op)
                continue
            for pattern in self.patterns.get(op.name, ()):
                if pattern(op, self):
                    self.changed = True
                    if op not in self.gone:
                        self.queue(op)
                    break
        return self.changed

    def queue(self, op: Op) -> None:
        """Look at `op` (again)."""
        if op not in self.queued and op not in self.gone:
            self.queued.add(op)
            self.waiting.append(op)

    def queue_all(self, op: Op) -> None:
        """Look at `op` and everything inside it."""
        for inner in op.walk():
            self.queue(inner)

    def touch(self, value: Value) -> None:
        """Look again at whoever makes or uses `value`."""
        for user, _ in value.uses:
            self.queue(user)
            if user.name in ("control.yield", "control.test") and user.parent and user.parent.parent:
                self.queue(user.parent.parent)
        if isinstance(value.owner, Op):
            self.queue(value.owner)
        elif value.owner.parent is not None:
            self.queue(value.owner.parent)

    def replace_value(self, old: Value, new: Value) -> None:
        """Use `new` wherever `old` was used."""
        if not new.hint:
            new.hint = old.hint
        self.touch(old)
        old.replace_by(new)
        self.changed = True

    def replace(self, op: Op, values: Sequence[Value]) -> None:
        """Use `values` for the results of `op` and erase it."""
        for old, new in zip(op.results, values, strict=True):
            self.replace_value(old, new)
        self.erase(op)

    def erase(self, op: Op) -> None:
        """Take out an op whose results are unused."""
        operands = [v for inner in op.walk() for v in inner.operands]
        self.gone.update(op.walk())
        op.erase()
        for value in operands:
            self.touch(value)
        self.changed = True

    def builder(self, anchor: Op) -> Builder:
        """Build before `anchor`; new ops are looked at too."""
        return _Watching(self, anchor)

    def constant(self, anchor: Op, t: DType, value: bool | int | float) -> Value:
        """A constant before `anchor`."""
        return self.builder(anchor).value(ConstOp, type=t, value=value)

    def inline_block(self, block: Block, anchor: Op, values: Sequence[Value]) -> list[Value]:
        """Move a region's ops before `anchor` with `values` for its arguments; what it hands out."""
        for arg, value in zip(block.args, values, strict=True):
            self.replace_value(arg, value)
        terminator = block.terminator
        handed = list(terminator.operands)
        terminator.set_operands(())
        self.gone.add(terminator)
        parent = anchor.parent
        if parent is None:
            raise ValueError("the anchor stands in no block")
        place = parent.ops.index(anchor)
        moved, block.ops = block.ops[:-1], []
        for op in moved:
            op.parent = parent
            self.queue(op)
        parent.ops[place:place] = moved
        return handed


class _Watching(Builder):
    """A builder whose ops join the worklist, as strict as what they stand for."""

    def __init__(self, rewriter: Rewriter, anchor: Op) -> None:
        if anchor.parent is None:
            raise ValueError("the anchor stands in no block")
        super().__init__(anchor.parent, anchor, anchor.span)
        self.rewriter = rewriter
        self.strict = bool(anchor.attributes.get(STRICT))

    def insert(self, op: Op) -> Op:
        if self.strict:
            op.attributes[STRICT] = True
        self.rewriter.queue(op)
        return super().insert(op)


@cache
def _kind_has(kind: type[Op], flags: int) -> bool:
    return issubclass(kind, Operation) and bool(kind.traits & Trait(flags))


def has(op: Op, traits: Trait) -> bool:
    """Whether `op` has one of these traits (remembered by kind: enum arithmetic is slow)."""
    return _kind_has(type(op), traits.value)


def acts(op: Op) -> bool:
    """Whether running `op` can be noticed besides through its results, its regions included."""
    if not op.regions:
        return _kind_acts(type(op))
    if op.name == "control.while":
        return True  # may not end
    return any(
        acts(inner)
        for region in op.regions
        for inner in region.ops
        if inner.name not in ("control.yield", "control.test")
    )


@cache
def _kind_acts(kind: type[Op]) -> bool:
    return kind.name == "control.call" or _kind_has(kind, _ACTS.value)


def is_dead(op: Op) -> bool:
    """Whether nobody would miss `op`."""
    return not any(v.uses for v in op.results) and bool(op.results) and not acts(op)


def is_pure(op: Op) -> bool:
    """Whether `op` may be computed anywhere its operands exist."""
    return _kind_has(type(op), PURE.value)


def constant_of(value: Value) -> bool | int | float | None:
    """The number a value always is, or None."""
    return value.owner.attributes["value"] if isinstance(value.owner, ConstOp) else None


def is_const(value: Value, number: float) -> bool:
    """Whether a value is the constant `number`, told apart from -0.0."""
    found = constant_of(value)
    return found is not None and found == number and repr(float(found)) == repr(float(number))
