"""`match` on integers as a chain of branches."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from gyral.compiler.frontend import codes


class PatternRefused(Exception):
    """A pattern that is not matched in kernels; carries its node and what it is."""

    def __init__(self, node: ast.AST, what: str) -> None:
        super().__init__(what)
        self.node = node
        self.what = what
        self.code = codes.PATTERN


def branches_of(statement: ast.Match, number: int) -> list[ast.stmt]:
    """The subject kept in `$match<number>`, then `if` inside `else`, one per case, in order."""
    subject = f"$match{number}"
    at = statement.subject
    keep = ast.copy_location(ast.Assign([_store(subject, at)], statement.subject), at)
    return [keep, *_chain(subject, statement.cases)]


def _chain(subject: str, cases: Sequence[ast.match_case]) -> list[ast.stmt]:
    if not cases:
        return []
    case, rest = cases[0], cases[1:]
    test = _test(case.pattern, subject)
    bound = _captured(case.pattern)
    at = case.pattern
    bind: list[ast.stmt] = []
    if bound is not None:
        bind = [ast.copy_location(ast.Assign([_store(bound, at)], _load(subject, at)), at)]
    if test is None and case.guard is None:
        return [*bind, *case.body]
    if test is None:
        return [*bind, _if(case.guard, case.body, _chain(subject, rest), at)]
    if case.guard is None:
        return [_if(test, [*bind, *case.body], _chain(subject, rest), at)]
    both = ast.copy_location(ast.BoolOp(ast.And(), [test, case.guard]), at)
    return [*bind, _if(both, case.body, _chain(subject, rest), at)]


def _if(test: ast.expr | None, body: list[ast.stmt], orelse: list[ast.stmt], at: ast.AST) -> ast.stmt:
    if test is None:
        raise ValueError("a branch needs a test")
    return ast.copy_location(ast.If(test, body, orelse), at)


def _captured(pattern: ast.pattern) -> str | None:
    return pattern.name if isinstance(pattern, ast.MatchAs) else None


def _test(pattern: ast.pattern, subject: str) -> ast.expr | None:
    """The condition of a pattern; None when it always matches."""
    if isinstance(pattern, ast.MatchValue) and _is_integer(pattern.value):
        compare = ast.Compare(_load(subject, pattern), [ast.Eq()], [pattern.value])
        return ast.copy_location(compare, pattern)
    if isinstance(pattern, ast.MatchSingleton) and pattern.value is not None:
        value = ast.copy_location(ast.Constant(pattern.value), pattern)
        return ast.copy_location(ast.Compare(_load(subject, pattern), [ast.Eq()], [value]), pattern)
    if isinstance(pattern, ast.MatchAs):
        return None if pattern.pattern is None else _test(pattern.pattern, subject)
    if isinstance(pattern, ast.MatchOr):
        tests = [_test(p, subject) for p in pattern.patterns]
        known = [t for t in tests if t is not None]
        if len(known) < len(tests):
            return None
        return ast.copy_location(ast.BoolOp(ast.Or(), known), pattern)
    raise PatternRefused(pattern, f"`case {ast.unparse(pattern)}` of this match")


def _is_integer(value: ast.expr) -> bool:
    """Whether a pattern's value can be an integer: a literal one, or a name with a dot."""
    if isinstance(value, ast.UnaryOp):
        value = value.operand
    return not isinstance(value, ast.Constant) or isinstance(value.value, int)


def _load(name: str, at: ast.AST) -> ast.expr:
    return ast.copy_location(ast.Name(name, ast.Load()), at)


def _store(name: str, at: ast.AST) -> ast.expr:
    return ast.copy_location(ast.Name(name, ast.Store()), at)
