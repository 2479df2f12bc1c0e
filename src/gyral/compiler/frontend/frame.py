"""The state of lowering: one unit per kernel, one frame per pass over a function."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from gyral.compiler.frontend.codes import Code
from gyral.compiler.frontend.joins import Join
from gyral.compiler.frontend.scope import Scope
from gyral.compiler.frontend.source import Source
from gyral.compiler.frontend.values import Datum
from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Block, Module, Value
from gyral.compiler.ir.ops.arith import ConstOp
from gyral.compiler.ir.ops.cast import CastOp
from gyral.compiler.ir.types import Type
from gyral.core.dtypes import DType
from gyral.core.errors import Diagnostic
from gyral.core.span import Span

Binding: TypeAlias = tuple[Datum, Join | None]
_LIBRARY = "gyral.compiler.stdlib"


class Refused(Exception):
    """A construct was refused; carries the finding."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class Poisoned(Exception):
    """A name was used whose definition was refused before; nothing new to say."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """A conversion the user did not write: to f64 ("promotes"), or a store that may lose bits ("wraps")."""

    kind: str
    source: DType
    target: DType
    span: Span


@dataclass(slots=True)
class Unit:
    """One kernel and the functions it reaches.

    `frozen`: captured values by (function, name), filled on the first compile and compared later.
    `named`: words that need a block, `axes`: axes named, `ids`: ranks said by global_ids; each with the
    finding that says so where it turns out wrong.
    `resident`, for a loop that stays on the device and calls handlers: emits whether work may go on, asked at
    the end of each turn of a handler's loops. `way`: how it stays, as `program.Way` says.
    """

    name: str
    module: Module
    check: bool
    fastmath: bool
    block: tuple[int, ...]
    frozen: MutableMapping[tuple[str, str], Any]
    plain_functions: bool = False
    specialisations: dict[Any, Any] = field(default_factory=dict)
    stack: list[Callable[..., Any]] = field(default_factory=list)
    promotions: dict[Promotion, None] = field(default_factory=dict)
    named: dict[str, Diagnostic] = field(default_factory=dict)
    axes: dict[int, Diagnostic] = field(default_factory=dict)
    ids: dict[int, Diagnostic] = field(default_factory=dict)
    specialise: Callable[..., tuple[str, Datum]] | None = None
    resident: Callable[[Frame], Value] | None = None
    way: str = ""

    def is_trusted(self, fn: Callable[..., Any]) -> bool:
        """Whether a function is part of a resident loop itself, which neither checks nor watches loops."""
        return self.resident is not None and fn.__module__.startswith(_LIBRARY)


@dataclass(slots=True)
class Frame:
    """One pass over one function: where ops go, what names mean, what was found wrong."""

    unit: Unit
    fn: Callable[..., Any]
    source: Source
    scope: Scope
    joins: dict[int, Join]
    forms: dict[tuple[int, str], Binding]
    builder: Builder
    entry: Block
    evaluate: Callable[[Frame, ast.expr], Datum]
    is_kernel: bool
    names: dict[str, Binding] = field(default_factory=dict)
    poisoned: set[str] = field(default_factory=set)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    unsettled: bool = False
    incomplete: bool = False

    def value(self, node: ast.expr) -> Datum:
        """What an expression stands for; emits the ops that compute it."""
        return self.evaluate(self, node)

    def refuse(
        self, code: Code, node: ast.AST, note: tuple[str, ast.AST] | None = None, **fields: Any
    ) -> NoReturn:
        """Give up on the statement with a finding at `node`."""
        raise Refused(self.finding(code, node, note, **fields))

    def finding(
        self, code: Code, node: ast.AST, note: tuple[str, ast.AST] | None = None, **fields: Any
    ) -> Diagnostic:
        """A finding at a node, with one related line at most."""
        found = self.source.diagnostic(code, node, **fields)
        if note is None:
            return found
        text, place = note
        span = self.source.span(place)
        notes = ((text, span, self.source.line(span.line)),)
        return Diagnostic(found.code, found.message, found.advice, found.span, found.source_line, notes)

    def at(self, node: ast.AST) -> None:
        """Ops emitted from now on stand at `node`."""
        self.builder.span = self.source.span(node)

    def emit(
        self, op: type[Operation], /, *values: Value, type: Type | None = None, **attributes: Any
    ) -> Value:
        """Append an op with one result and return that result."""
        return self.builder.value(op, *values, type=type, **attributes)

    def const(self, dtype: DType, value: bool | int | float) -> Value:
        """A constant of a type that holds it."""
        return self.builder.value(ConstOp, type=dtype, value=value)

    def cast(self, value: Value, dtype: DType) -> Value:
        """A value in another type; itself when it has the type."""
        return value if value.type is dtype else self.builder.value(CastOp, value, type=dtype)

    @contextmanager
    def region(self, block: Block) -> Iterator[Block]:
        """Emit into `block` while the context lasts; names bound there are dropped after it."""
        names, self.names = self.names, dict(self.names)
        try:
            with self.builder.inside(block):
                yield block
        finally:
            self.names = names

    def promoted(self, kind: str, source: DType, target: DType, node: ast.AST) -> None:
        """Record a conversion that the user did not write."""
        self.unit.promotions[Promotion(kind, source, target, self.source.span(node))] = None
