"""The graph of the IR: values, ops, blocks. Control flow is structured, so a region is one block.

Ops keep lists of operands, results, attributes and regions; values know their uses.
Only builders and rewriters change a graph after it was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from gyral.compiler.ir.types import Type
from gyral.core.span import NOWHERE, Span


class Value:
    """One SSA value: the result of an op or the argument of a block. `hint` is a name for people."""

    __slots__ = ("hint", "index", "owner", "type", "uses")

    def __init__(self, type: Type, owner: Op | Block, index: int, hint: str = "") -> None:
        # Which type and which owner a declaration or an isinstance says: a checker cannot follow either.
        self.type: Any = type
        self.owner: Any = owner
        self.index = index
        self.hint = hint
        self.uses: dict[tuple[Op, int], None] = {}

    def replace_by(self, other: Value) -> None:
        """Make every user use `other` instead."""
        for op, slot in list(self.uses):
            op.set_operand(slot, other)

    def __repr__(self) -> str:
        return f"<%{self.hint or self.index}: {self.type}>"


class Op:
    """One operation. Subclasses are declarations (see `define`)."""

    name: ClassVar[str] = ""

    __slots__ = ("attributes", "operands", "parent", "regions", "results", "span")

    def __init__(
        self,
        operands: Sequence[Value] = (),
        result_types: Sequence[Type] = (),
        attributes: Mapping[str, Any] | None = None,
        regions: Sequence[Block] = (),
        span: Span = NOWHERE,
    ) -> None:
        self.operands: list[Value] = []
        self.results = [Value(t, self, i) for i, t in enumerate(result_types)]
        self.attributes: dict[str, Any] = dict(attributes or {})
        self.regions: list[Block] = list(regions)
        self.span = span
        self.parent: Block | None = None
        for region in self.regions:
            region.parent = self
        for value in operands:
            self.append_operand(value)

    def append_operand(self, value: Value) -> None:
        """Add one more operand at the end."""
        value.uses[(self, len(self.operands))] = None
        self.operands.append(value)

    def set_operand(self, slot: int, value: Value) -> None:
        """Use `value` in place of operand `slot`."""
        self.operands[slot].uses.pop((self, slot), None)
        self.operands[slot] = value
        value.uses[(self, slot)] = None

    def set_operands(self, values: Sequence[Value]) -> None:
        """Replace the whole operand list."""
        for slot, old in enumerate(self.operands):
            old.uses.pop((self, slot), None)
        self.operands = []
        for value in values:
            self.append_operand(value)

    def erase(self) -> None:
        """Take this op, whose results have no uses left, out of the graph."""
        for op in self.walk():
            op.set_operands(())
        if self.parent is not None:
            self.parent.ops.remove(self)
            self.parent = None

    def walk(self) -> Iterator[Op]:
        """This op and every op inside it, outer first, in order."""
        yield self
        for region in self.regions:
            for op in list(region.ops):
                yield from op.walk()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Fields come from declarations, which a checker does not see."""

    @property
    def result(self) -> Value:
        """The only result."""
        (value,) = self.results
        return value


class Block:
    """A straight list of ops with arguments; the last op is a terminator."""

    __slots__ = ("args", "ops", "parent")

    def __init__(self, arg_types: Sequence[Type] = (), hints: Sequence[str] = ()) -> None:
        self.args = [Value(t, self, i, hints[i] if hints else "") for i, t in enumerate(arg_types)]
        self.ops: list[Op] = []
        self.parent: Op | None = None

    def append(self, op: Op) -> Op:
        """Put `op` at the end."""
        op.parent = self
        self.ops.append(op)
        return op

    def insert_before(self, anchor: Op, op: Op) -> Op:
        """Put `op` right before `anchor`."""
        op.parent = self
        self.ops.insert(self.ops.index(anchor), op)
        return op

    def add_arg(self, type: Type, hint: str = "") -> Value:
        """Add one more argument at the end."""
        value = Value(type, self, len(self.args), hint)
        self.args.append(value)
        return value

    @property
    def terminator(self) -> Op:
        """The last op."""
        return self.ops[-1]


class Module:
    """Functions by name; exactly one of them is the kernel, and it stands last."""

    def __init__(self, functions: Sequence[Op] = ()) -> None:
        self.functions: dict[str, Op] = {}
        for function in functions:
            self.add(function)

    def add(self, function: Op) -> Op:
        """Add a function under its symbol."""
        self.functions[function.attributes["symbol"]] = function
        return function

    @property
    def kernel(self) -> Op:
        """The function of kind `kernel`."""
        return next(f for f in self.functions.values() if f.attributes["kind"] == "kernel")

    def walk(self) -> Iterator[Op]:
        """Every op of every function."""
        for function in list(self.functions.values()):
            yield from function.walk()
