"""Which names surely have a value where they are used: Python's own control flow, path by path."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Assigned: TypeAlias = "set[str] | None"


OWN_NAMES = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Lambda)


def names_in(node: ast.AST) -> Iterator[ast.Name]:
    """Every name inside an expression, in no promised order, but for the own names of comprehensions."""
    pending = [node]
    while pending:
        at = pending.pop()
        if isinstance(at, ast.Name):
            yield at
            continue
        if isinstance(at, OWN_NAMES):
            continue
        for key in at._fields:
            value = getattr(at, key, None)
            if isinstance(value, list):
                pending += [v for v in value if isinstance(v, ast.AST)]
            elif isinstance(value, (ast.expr, ast.keyword, ast.FormattedValue)):
                pending.append(value)


def statements_in(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements at every depth of control flow, outer first; not those of nested definitions."""
    for statement in body:
        yield statement
        if isinstance(statement, (ast.If, ast.For, ast.While)):
            yield from statements_in(statement.body)
            yield from statements_in(statement.orelse)
        elif isinstance(statement, ast.Match):
            for case in statement.cases:
                yield from statements_in(case.body)


def stored_names(body: Sequence[ast.stmt]) -> set[str]:
    """Names that a body assigns anywhere: its local names."""
    found: set[str] = set()
    for statement in statements_in(body):
        if isinstance(statement, ast.Assign):
            targets: Sequence[ast.AST] = statement.targets
        elif isinstance(statement, (ast.AugAssign, ast.AnnAssign, ast.For)):
            targets = (statement.target,)
        elif isinstance(statement, ast.Match):
            found |= {name for case in statement.cases for name in _captures(case.pattern)}
            continue
        else:
            continue
        for target in targets:
            found |= {name.id for name in names_in(target) if isinstance(name.ctx, ast.Store)}
    return found


def _captures(pattern: ast.pattern) -> set[str]:
    """Names that a pattern binds."""
    return {n.name for n in ast.walk(pattern) if isinstance(n, ast.MatchAs) and n.name is not None}


@dataclass(slots=True)
class Assignment:
    """Walks a function's statements with the set of names assigned so far; None where nothing arrives."""

    local: set[str]
    constant: Callable[[ast.expr], Any]
    unset: list[ast.Name] = field(default_factory=list)
    breaks: list[list[set[str]]] = field(default_factory=list)

    def read(self, node: ast.AST | None, assigned: set[str]) -> None:
        """Note the names read in an expression that have no sure value."""
        if node is None:
            return
        for name in names_in(node):
            if isinstance(name.ctx, ast.Load) and name.id in self.local and name.id not in assigned:
                self.unset.append(name)

    def store(self, target: ast.AST, assigned: set[str]) -> None:
        """Note the names an assignment target binds."""
        self.read(target, assigned)
        for name in names_in(target):
            if isinstance(name.ctx, ast.Store):
                assigned.add(name.id)

    def block(self, body: Sequence[ast.stmt], assigned: Assigned) -> Assigned:
        """The names assigned after a body, given those before it."""
        for statement in body:
            if assigned is None:
                return None
            assigned = self._statement(statement, assigned)
        return assigned

    def _statement(self, statement: ast.stmt, assigned: set[str]) -> Assigned:
        if isinstance(statement, ast.Assign):
            self.read(statement.value, assigned)
            for target in statement.targets:
                self.store(target, assigned)
        elif isinstance(statement, ast.AnnAssign):
            self.read(statement.value, assigned)
            if statement.value is not None:
                self.store(statement.target, assigned)
        elif isinstance(statement, ast.AugAssign):
            self.read(statement.value, assigned)
            if isinstance(statement.target, ast.Name) and statement.target.id not in assigned:
                self.unset.append(statement.target)
            self.store(statement.target, assigned)
        elif isinstance(statement, ast.If):
            return self._branch(statement, assigned)
        elif isinstance(statement, (ast.While, ast.For)):
            return self._loop(statement, assigned)
        elif isinstance(statement, ast.Match):
            return self._match(statement, assigned)
        elif isinstance(statement, ast.Break):
            if self.breaks:
                self.breaks[-1].append(assigned)
            return None
        elif isinstance(statement, (ast.Continue, ast.Return)):
            self.read(getattr(statement, "value", None), assigned)
            return None
        elif isinstance(statement, (ast.Expr, ast.Assert)):
            self.read(statement, assigned)
        return assigned

    def _branch(self, statement: ast.If, assigned: set[str]) -> Assigned:
        self.read(statement.test, assigned)
        known = self.constant(statement.test)
        if known is not None:
            return self.block(statement.body if known else statement.orelse, assigned)
        then = self.block(statement.body, set(assigned))
        return _both(then, self.block(statement.orelse, set(assigned)))

    def _loop(self, statement: ast.While | ast.For, assigned: set[str]) -> Assigned:
        inside = set(assigned)
        endless = False
        if isinstance(statement, ast.For):
            self.read(statement.iter, assigned)
            self.store(statement.target, inside)
        else:
            self.read(statement.test, assigned)
            endless = self.constant(statement.test) is True
        self.breaks.append([])
        self.block(statement.body, inside)
        after: Assigned = None if endless else set(assigned)
        for left in self.breaks.pop():
            after = _both(after, left)
        return after

    def _match(self, statement: ast.Match, assigned: set[str]) -> Assigned:
        self.read(statement.subject, assigned)
        after: Assigned = None
        caught = False
        for case in statement.cases:
            assigned = assigned | _captures(case.pattern)
            self.read(case.guard, assigned)
            after = _both(after, self.block(case.body, set(assigned)))
            whole = isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
            caught = caught or (whole and case.guard is None)
        return after if caught else _both(after, set(assigned))


def _both(left: Assigned, right: Assigned) -> Assigned:
    if left is None or right is None:
        return right if left is None else left
    return left & right
