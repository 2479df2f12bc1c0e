"""Replace values of some types by values of others, one or more for each, through all control.

What a target cannot compute with it may still store. Such a value becomes its parts where it arrives (from a
parameter, a load, an atomic), is computed with in parts, and becomes whole where it leaves (to a store, an
atomic, a message).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.ops.arith import ConstOp
from gyral.compiler.ir.verify import STRICT
from gyral.compiler.passes.write import Write
from gyral.core.dtypes import DType
from gyral.core.errors import InternalError

BOUNDARY = ("memory.", "atomic.", "message.", "grid.clock")
"""Ops that keep the types of storage."""
_TERMINATORS = ("control.yield", "control.test", "control.return")


class _Like(Builder):
    """Builds before an op, as strictly as that op."""

    def insert(self, op: Op) -> Op:
        if self.anchor is not None and self.anchor.attributes.get(STRICT):
            op.attributes[STRICT] = True
        return super().insert(op)


class Retype(ABC):
    """One run over a function. Subclasses say which types change and what ops on them become."""

    def __init__(self) -> None:
        self.parts: dict[Value, list[Value]] = {}

    @abstractmethod
    def becomes(self, t: Any) -> tuple[DType, ...] | None:
        """The types of the parts of a value; None when it stays."""

    @abstractmethod
    def arrive(self, w: Write, value: Value) -> list[Value]:
        """The parts of a whole value."""

    @abstractmethod
    def leave(self, w: Write, parts: list[Value], t: DType) -> Value:
        """The whole value of parts."""

    @abstractmethod
    def compute(self, w: Write, op: Op) -> list[list[Value]]:
        """The parts of each result of an op that has operands or results of types that change."""

    def loop(self, op: Op) -> None:
        """Rewrite a `for` whose counter's type changes."""
        raise InternalError(f"a loop cannot count in {op.operands[0].type} here")

    def of(self, value: Value) -> list[Value]:
        """The parts of a value, itself where its type stays."""
        return self.parts[value] if self.becomes(value.type) else [value]

    def only(self, value: Value) -> Value:
        """The single part of a value."""
        (part,) = self.of(value)
        return part

    def run(self, module: Module) -> None:
        """Rewrite every function of a module."""
        for function in module.functions.values():
            body = function.regions[0]
            ops = list(body.ops)
            for arg in body.args:
                if self.becomes(arg.type):
                    self.parts[arg] = self.arrive(Write(Builder.before(ops[0])), arg)
            self.ops(ops)

    def block(self, block: Block) -> None:
        """Rewrite a region."""
        self.ops(list(block.ops))

    def ops(self, ops: Sequence[Op]) -> None:
        """Rewrite ops in order: what they use was rewritten before."""
        for op in ops:
            if op.regions:
                self.structure(op)
            elif op.name in _TERMINATORS:
                op.set_operands(self.flat(op.operands))
            elif any(self.becomes(v.type) for v in (*op.operands, *op.results)):
                self.visit(op)

    def flat(self, values: Sequence[Value]) -> list[Value]:
        """Values with parts in place of wholes."""
        return [part for value in values for part in self.of(value)]

    def visit(self, op: Op) -> None:
        """Rewrite an op without regions."""
        w = Write(_Like.before(op))
        if op.name.startswith(BOUNDARY):
            self.boundary(w, op)
            return
        for result, parts in zip(op.results, self.compute(w, op), strict=True):
            if self.becomes(result.type):
                self.parts[result] = parts
                _hint(result, parts)
            else:
                (value,) = parts
                _hint(result, parts)
                result.replace_by(value)
        op.erase()

    def boundary(self, w: Write, op: Op) -> None:
        """Make operands whole, and parts of results."""
        for slot, value in enumerate(list(op.operands)):
            if value in self.parts:
                op.set_operand(slot, self.leave(w, self.parts[value], value.type))
        after = Write(_after(op))
        for result in op.results:
            if result.uses and self.becomes(result.type):
                self.parts[result] = self.arrive(after, result)
                _hint(result, self.parts[result])

    def same(self, w: Write, op: Op) -> list[list[Value]]:
        """The op itself on the single parts of its operands."""
        wanted: list[Any] = [self.becomes(r.type) or (r.type,) for r in op.results]
        attributes: dict[str, Any] = {k: v for k, v in op.attributes.items() if k != STRICT}
        kind: Any = type(op)
        made = w.builder.op(kind, *self.flat(op.operands), types=[t for (t,) in wanted], **attributes)
        return [[value] for value in made.results]

    def structure(self, op: Op) -> None:
        """Rewrite an op with regions."""
        match op.name:
            case "control.if":
                for region in op.regions:
                    self.block(region)
            case "control.for":
                if self.becomes(op.operands[0].type):
                    self.loop(op)
                    return
                op.set_operands([*op.operands[:3], *self.flat(op.operands[3:])])
                self.arguments(op.regions[0])
                self.block(op.regions[0])
            case "control.while":
                op.set_operands(self.flat(op.operands))
                for region in op.regions:
                    self.arguments(region)
                    self.block(region)
            case _:
                raise InternalError(f"no pass knows the region of {op.name}")
        op.results = self.replaced(op.results, op)

    def arguments(self, block: Block) -> None:
        """Give a region the parts of its arguments."""
        block.args = self.replaced(block.args, block)

    def replaced(self, values: list[Value], owner: Op | Block) -> list[Value]:
        """Results or arguments with new ones for the parts of those whose types change."""
        found: list[Value] = []
        for value in values:
            types = self.becomes(value.type)
            if types is None:
                found.append(value)
                continue
            self.parts[value] = [Value(t, owner, 0, value.hint) for t in types]
            found += self.parts[value]
        for number, value in enumerate(found):
            value.index = number
        return found


def _hint(value: Value, parts: list[Value]) -> None:
    for part in parts:
        if not part.hint and not isinstance(part.owner, ConstOp):
            part.hint = value.hint


def _after(op: Op) -> Builder:
    """Builds right behind an op, which is never the last of its block."""
    block = op.parent
    if block is None:
        raise InternalError(f"{op.name} stands in no block")
    builder = Builder.before(block.ops[block.ops.index(op) + 1])
    builder.span = op.span
    return builder
