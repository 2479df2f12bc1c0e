"""Compute equal things once; read again what was just read or written, once."""

from __future__ import annotations

from collections import ChainMap
from dataclasses import dataclass
from typing import Any

from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.traits import COMMUTATIVE, READS, SYNC, WRITES
from gyral.compiler.passes.rewrite import has, is_pure
from gyral.core.dtypes import ArrayType

Known = ChainMap[Any, Value]


@dataclass(frozen=True, slots=True)
class ShareCommon:
    """Merge equal pure ops and checks in scope, and loads of a place not written since.

    Before: `a = i + 1; b = i + 1; y[i] = v; u = y[i]`. After: `a = i + 1; y[i] = v`,
    a in b's place and v in u's.
    """

    name = "cse"
    noalias: bool = False

    def run(self, module: Module) -> None:
        """Visit every function."""
        for function in module.functions.values():
            _Visitor(self.noalias).block(function.regions[0], ChainMap(), {})


class _Visitor:
    """`known` are pure values in scope; `places` what memory is known to hold, by access."""

    def __init__(self, noalias: bool) -> None:
        self.noalias = noalias
        self.rescues = 0

    def block(self, block: Block, known: Known, places: dict[Any, Value]) -> None:
        for op in list(block.ops):
            if op.regions:
                self.regions(op, known, places)
            elif is_pure(op):
                self.merge(op, _key(op), known)
            elif op.name == "memory.load":
                self.merge(op, _place(op.operands[0], op.operands[1:], op), places)
            elif op.name == "memory.store":
                value, memory, *indices = op.operands
                self.forget(memory, places)
                places[_place(memory, indices, op)] = value
            elif op.name == "message.require":
                self.require(op, known)
            elif has(op, WRITES | READS | SYNC):
                places.clear()
                self.pass_rescues(op)

    def require(self, op: Op, known: Known) -> None:
        """What was required before holds: a thread for which it did not is gone, until the next rescue."""
        key = "message.require", self.rescues, op.operands[0]
        if key in known:
            op.erase()
        else:
            known[key] = op.operands[0]

    def pass_rescues(self, op: Op) -> None:
        """Forget what was required, if this op rescues who failed."""
        self.rescues += any(inner.name == "message.rescue" for inner in op.walk())

    def merge(self, op: Op, key: Any, known: Any) -> None:
        found = known.get(key)
        if found is None:
            known[key] = op.results[0] if len(op.results) == 1 else tuple(op.results)
            return
        for old, new in zip(op.results, found if isinstance(found, tuple) else (found,), strict=True):
            if not new.hint:
                new.hint = old.hint
            old.replace_by(new)
        op.erase()

    def regions(self, op: Op, known: Known, places: dict[Any, Value]) -> None:
        """Sides of an `if` start from what holds before it; a loop only from what no turn writes."""
        written = _written(op)
        if op.name != "control.if":
            self.forget_all(written, places)
        for region in op.regions:
            self.pass_rescues(op)
            self.block(region, known.new_child(), dict(places))
        self.pass_rescues(op)
        self.forget_all(written, places)

    def forget_all(self, written: set[Value] | None, places: dict[Any, Value]) -> None:
        if written is None:
            places.clear()
            return
        for memory in written:
            self.forget(memory, places)

    def forget(self, memory: Value, places: dict[Any, Value]) -> None:
        """Drop what a write to `memory` may change: without the promise, arrays may overlap."""
        shared = isinstance(memory.type, ArrayType) and not self.noalias
        for key in [k for k in places if k[0] is memory or (shared and isinstance(k[0].type, ArrayType))]:
            del places[key]


def _key(op: Op) -> Any:
    operands: Any = op.operands
    if has(op, COMMUTATIVE):
        operands = sorted(operands, key=id)
    attributes = tuple(
        (k, repr(v) if isinstance(v, float) else (type(v), v)) for k, v in sorted(op.attributes.items())
    )
    return op.name, tuple(operands), attributes, tuple(v.type for v in op.results)


def _place(memory: Value, indices: list[Value], op: Op) -> Any:
    return memory, tuple(indices), op.attributes.get("leaf", 0)


def _written(op: Op) -> set[Value] | None:
    """The memories that ops inside may write; None when it may be any, or others may be seen to write."""
    found: set[Value] = set()
    for inner in op.walk():
        if inner.name == "memory.store":
            found.add(inner.operands[1])
        elif inner.name == "control.call" or has(inner, WRITES | SYNC):
            return None
    return found
