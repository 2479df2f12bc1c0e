"""Tests known when compiling, so that the branch not taken is never typed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from gyral.compiler.frontend.arith import FOLDS
from gyral.compiler.frontend.frame import Unit
from gyral.compiler.frontend.logic import PREDICATES
from gyral.compiler.frontend.resolve import ABSENT, frozen_value, outside
from gyral.compiler.frontend.values import Const, Datum, Host, Memory
from gyral.compiler.words import WAYS, Word
from gyral.core.dtypes import DType, StructType, Vec


class NotStatic(Exception):
    """The expression depends on what is known only when running."""


class Static:
    """Evaluates tests over literals, captured numbers, constant parameters and types."""

    def __init__(
        self, unit: Unit, fn: Callable[..., Any], parameters: Mapping[str, Datum], local: set[str]
    ) -> None:
        self.unit = unit
        self.fn = fn
        self.parameters = parameters
        self.local = local
        self.known: dict[int, tuple[ast.expr, bool | None]] = {}  # nodes are kept, so that ids stay theirs

    def truth(self, node: ast.expr) -> bool | None:
        """Whether a test holds, or None when that is known only when running."""
        key = id(node)
        if key not in self.known:
            try:
                self.known[key] = node, bool(self._value(node))
            except (NotStatic, ZeroDivisionError, TypeError, ValueError, OverflowError):
                self.known[key] = node, None
        return self.known[key][1]

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
            return node.value
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.UnaryOp):
            return self._unary(node)
        if isinstance(node, ast.BoolOp):
            return self._boolean(node)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if (
            isinstance(node, ast.BinOp)
            and type(node.op) in FOLDS
            and not isinstance(node.op, (ast.Pow, ast.LShift))
        ):
            return FOLDS[type(node.op)](self._number(node.left), self._number(node.right))
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and self.unit.way:
            return self._way(node.func.id)
        raise NotStatic

    def _way(self, name: str) -> bool:
        """Whether a resident loop stays the way that a word asks for."""
        word = outside(self.fn, name)
        if name in self.local or not isinstance(word, Word) or word.name not in WAYS:
            raise NotStatic
        return word.name == self.unit.way

    def _number(self, node: ast.expr) -> Any:
        found = self._value(node)
        if not isinstance(found, (bool, int, float)):
            raise NotStatic
        return found

    def _name(self, name: str) -> Any:
        if name in self.local:
            raise NotStatic
        if name in self.parameters:
            datum = self.parameters[name]
            if isinstance(datum, Const):
                return datum.value
            if isinstance(datum, Host):
                return datum.obj
            raise NotStatic
        return self._outside(name, outside(self.fn, name))

    def _outside(self, name: str, found: Any) -> Any:
        if isinstance(found, ModuleType):
            return found
        if type(found) not in (bool, int, float) and not isinstance(found, (DType, Vec, StructType)):
            raise NotStatic
        old = frozen_value(self.unit.frozen, self.fn, name, found)
        if type(old) is not type(found) or repr(old) != repr(found):
            raise NotStatic  # lowering the test refuses it
        return found

    def _attribute(self, node: ast.Attribute) -> Any:
        if isinstance(node.value, ast.Name) and node.value.id not in self.local:
            datum = self.parameters.get(node.value.id)
            if isinstance(datum, Memory) and node.attr in ("dtype", "ndim"):
                return datum.type.elem if node.attr == "dtype" else datum.type.rank
            if datum is not None:
                raise NotStatic
        owner = self._value(node.value)
        if not isinstance(owner, ModuleType):
            raise NotStatic
        return self._outside(f"{owner.__name__}.{node.attr}", getattr(owner, node.attr, ABSENT))

    def _unary(self, node: ast.UnaryOp) -> Any:
        if isinstance(node.op, ast.Not):
            return not self._value(node.operand)
        value = self._number(node.operand)
        return (
            -value if isinstance(node.op, ast.USub) else ~value if isinstance(node.op, ast.Invert) else +value
        )

    def _boolean(self, node: ast.BoolOp) -> Any:
        """Python's rule, where one side known is enough when it decides."""
        stops = isinstance(node.op, ast.Or)
        found: Any = not stops
        for part in node.values:
            found = self._value(part)
            if bool(found) is stops:
                return found
        return found

    def _compare(self, node: ast.Compare) -> bool:
        left = self._value(node.left)
        for op, part in zip(node.ops, node.comparators, strict=True):
            right = self._value(part)
            if isinstance(op, (ast.Is, ast.IsNot)):
                holds = (left is right) is isinstance(op, ast.Is)
            elif type(op) in PREDICATES:
                holds = PREDICATES[type(op)][1](left, right)
            else:
                raise NotStatic
            if not holds:
                return False
            left = right
        return True
