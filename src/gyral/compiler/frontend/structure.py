"""Structured statements: `break`, `continue` and `return` become conditions, `match` becomes branches.

    while True:            While(test=[A], go=not c, body=[B])
        A
        if c: break
        B

A leading exit goes into a loop's test. Other exits set a flag that guards what follows; what follows a branch
that always leaves moves into its other side. Names made here start with `$`, which no user's name can.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import Any, TypeAlias

from gyral.compiler.frontend.matching import branches_of

MAX_NESTING = 100


class Way(Flag):
    """How a piece of code can end."""

    FALL = auto()
    BREAK = auto()
    CONTINUE = auto()
    RETURN = auto()


EXITS = Way.BREAK | Way.CONTINUE | Way.RETURN


@dataclass(slots=True)
class Leaf:
    """A statement without control flow."""

    statement: ast.stmt


@dataclass(slots=True)
class Branch:
    """One of two sides. `merged`: names whose value differs between them and is used later."""

    test: ast.expr
    then: list[Node]
    orelse: list[Node]
    merged: Sequence[str] = ()


@dataclass(slots=True)
class While:
    """Run `test`; while `go` holds run `body`. `carried` enter each turn, `passed` leave the test."""

    test: list[Node]
    go: ast.expr
    body: list[Node]
    carried: Sequence[str] = ()
    passed: Sequence[str] = ()


@dataclass(slots=True)
class For:
    """A counted loop. `stopped` ends it before the target moves on, `until` at the top of a turn.

    `kept`: the target's value is used after the loop.
    """

    statement: ast.For
    stopped: ast.expr | None
    until: ast.expr | None
    body: list[Node]
    carried: Sequence[str] = ()
    passed: Sequence[str] = ()
    kept: bool = False


Node: TypeAlias = Leaf | Branch | While | For
Constant: TypeAlias = Callable[[ast.expr], Any]


@dataclass(slots=True)
class Loop:
    """The loop around a statement: its flags, made when an exit needs them."""

    number: int
    breaks: bool = False
    skips: bool = False


@dataclass(slots=True)
class Structurer:
    """Turns a function's body into structured statements.

    `constant` gives the truth of a test known when compiling, else None; `limit` is called with a node
    that is nested too deeply.
    """

    constant: Constant
    limit: Callable[[ast.AST], Any]
    count: int = 0
    depth: int = 0
    returns: bool = False
    ways: dict[int, tuple[ast.stmt, Way]] = field(default_factory=dict)

    def function(self, body: list[ast.stmt]) -> list[Node]:
        """The whole body; `$done` is set first when a `return` stands inside a loop."""
        nodes = self.block(body, None, tail=True)
        return [_set("$done", False, body[0]), *nodes] if self.returns else nodes

    def block(self, body: Sequence[ast.stmt], loop: Loop | None, tail: bool) -> list[Node]:
        """Statements in order. `tail`: nothing that a `continue` or `return` would skip comes after them."""
        out: list[Node] = []
        for at, statement in enumerate(body):
            rest = body[at + 1 :]
            if isinstance(statement, ast.Match):
                lowered = branches_of(statement, self._fresh())
                return out + self.block([*lowered, *rest], loop, tail)
            if isinstance(statement, ast.If):
                if self._branch(statement, rest, loop, tail, out):
                    return out
            elif isinstance(statement, (ast.While, ast.For)):
                if self._loop(statement, rest, loop, tail, out):
                    return out
            elif isinstance(statement, (ast.Break, ast.Continue, ast.Return)):
                self._exit(statement, loop, tail, out)
                return out
            elif not isinstance(statement, ast.Pass):
                out.append(Leaf(statement))
        return out

    def _fresh(self) -> int:
        self.count += 1
        return self.count

    def _exit(self, statement: ast.stmt, loop: Loop | None, tail: bool, out: list[Node]) -> None:
        if isinstance(statement, ast.Return):
            if statement.value is not None:
                out.append(Leaf(_assign("$value", statement.value, statement)))
            if loop is not None or not tail:
                self.returns = True
                out.append(_set("$done", True, statement))
        elif loop is not None and isinstance(statement, ast.Break):
            loop.breaks = True
            out.append(_set(f"$break{loop.number}", True, statement))
        elif loop is not None and not tail:
            loop.skips = True
            out.append(_set(f"$skip{loop.number}", True, statement))

    def _branch(
        self, statement: ast.If, rest: Sequence[ast.stmt], loop: Loop | None, tail: bool, out: list[Node]
    ) -> bool:
        """Lower an `if`; True when it took the rest of the block with it."""
        known = self.constant(statement.test)
        if known is not None:
            taken = statement.body if known else statement.orelse
            out += self.block([*taken, *rest], loop, tail)
            return True
        self.depth += 1
        if self.depth > MAX_NESTING:
            self.limit(statement)
        then, orelse = self.flow(statement.body), self.flow(statement.orelse)
        whole = bool((then | orelse) & EXITS)
        moved = True
        if not whole or not rest:
            here = tail and not rest
            out.append(
                Branch(
                    statement.test,
                    self.block(statement.body, loop, here),
                    self.block(statement.orelse, loop, here),
                )
            )
            moved = False
        elif not then & Way.FALL:
            after = rest if orelse & Way.FALL else ()
            first = self.block(statement.body, loop, tail)
            out.append(Branch(statement.test, first, self.block([*statement.orelse, *after], loop, tail)))
        elif not orelse & Way.FALL:
            first = self.block([*statement.body, *rest], loop, tail)
            out.append(Branch(statement.test, first, self.block(statement.orelse, loop, tail)))
        else:
            out.append(
                Branch(
                    statement.test,
                    self.block(statement.body, loop, False),
                    self.block(statement.orelse, loop, False),
                )
            )
            out.append(self._guard((then | orelse) & EXITS, statement, rest, loop, tail))
        self.depth -= 1
        return moved

    def _guard(
        self, left: Way, at: ast.stmt, rest: Sequence[ast.stmt], loop: Loop | None, tail: bool
    ) -> Branch:
        """The rest of a block, run when none of the ways out was taken."""
        flags = []
        if left & Way.RETURN:
            flags.append("$done")
        if loop is not None and left & Way.BREAK:
            flags.append(f"$break{loop.number}")
        if loop is not None and left & Way.CONTINUE:
            flags.append(f"$skip{loop.number}")
        return Branch(_none_of([_name(flag, at) for flag in flags], at), self.block(rest, loop, tail), [])

    def _loop(
        self,
        statement: ast.While | ast.For,
        rest: Sequence[ast.stmt],
        loop: Loop | None,
        tail: bool,
        out: list[Node],
    ) -> bool:
        """Lower a loop; True when it took the rest of the block with it."""
        self.depth += 1
        if self.depth > MAX_NESTING:
            self.limit(statement)
        returned = False
        if isinstance(statement, ast.For):
            returned = self._for(statement, out)
        else:
            known = self.constant(statement.test)
            if known is None or known:
                last, returned = self._while(statement, known is not None, out)
                rest = [*last, *rest]
        self.depth -= 1
        if returned and rest:
            out.append(self._guard(Way.RETURN, statement, rest, loop, tail))
        else:
            out += self.block(rest, loop, tail)
        return True

    def _while(self, statement: ast.While, forever: bool, out: list[Node]) -> tuple[Sequence[ast.stmt], bool]:
        """Lower a while loop; what its only exit runs, to follow it, and whether `$done` may be set."""
        loop = Loop(self._fresh())
        before, exits, after, last = self._leading(statement.body, forever)
        if before and self.flow(after) & (Way.BREAK | Way.RETURN):  # a flag must stop `before` too
            before, exits, after, last = (), [], statement.body, ()
        test = self.block(before, None, True)
        body = self.block(after, loop, True)
        tests = [*([] if forever else [statement.test]), *(_not(e) for e in exits)]
        left = self.flow(after)
        tests = [*(_not(_name(flag, statement)) for flag in self._flags(loop, left)), *tests]
        if loop.breaks:
            out.append(_set(f"$break{loop.number}", False, statement))
        if loop.skips:
            body.insert(0, _set(f"$skip{loop.number}", False, statement))
        go = _all_of(tests, statement)
        out.append(While(test, go, body))
        return last, bool(left & Way.RETURN)

    def _for(self, statement: ast.For, out: list[Node]) -> bool:
        """Lower a for loop; whether `$done` may be set."""
        loop = Loop(self._fresh())
        _, exits, after, _ = self._leading(statement.body, False)
        body = self.block(after, loop, True)
        left = self.flow(after)
        flags = [_name(flag, statement) for flag in self._flags(loop, left)]
        if loop.breaks:
            out.append(_set(f"$break{loop.number}", False, statement))
        if loop.skips:
            body.insert(0, _set(f"$skip{loop.number}", False, statement))
        stopped = _any_of(flags, statement) if flags else None
        out.append(For(statement, stopped, _any_of(exits, statement) if exits else None, body))
        return bool(left & Way.RETURN)

    def _flags(self, loop: Loop, left: Way) -> list[str]:
        flags = [f"$break{loop.number}"] if loop.breaks else []
        return [*flags, "$done"] if left & Way.RETURN else flags

    def _leading(
        self, body: Sequence[ast.stmt], forever: bool
    ) -> tuple[Sequence[ast.stmt], list[ast.expr], Sequence[ast.stmt], Sequence[ast.stmt]]:
        """Split a body: what precedes its leading exits, their conditions, the rest, what the exit runs."""
        at = 0
        if forever:
            while at < len(body) and self.flow(body[at : at + 1]) == Way.FALL:
                at += 1
        before, exits = body[:at], []
        while at < len(body):
            statement = body[at]
            if not isinstance(statement, ast.If) or self.constant(statement.test) is not None:
                break
            if _only_breaks(statement.body):
                exits.append(statement.test)
                body = [*body[: at + 1], *statement.orelse, *body[at + 1 :]]
            elif _only_breaks(statement.orelse):
                exits.append(_not(statement.test))
                body = [*body[: at + 1], *statement.body, *body[at + 1 :]]
            elif forever and not exits and self._sole_exit(statement, body[at + 1 :]):
                last = statement.body[:-1] if isinstance(statement.body[-1], ast.Break) else statement.body
                return before, [statement.test], [*statement.orelse, *body[at + 1 :]], last
            else:
                break
            at += 1
        return (before, exits, body[at:], ()) if exits else ((), [], body, ())

    def _sole_exit(self, statement: ast.If, after: Sequence[ast.stmt]) -> bool:
        """Whether `if c: X; break` (or X ends in return) is the one way out of its endless loop."""
        if not statement.body or not isinstance(statement.body[-1], (ast.Break, ast.Return)):
            return False
        if len(statement.body) > 1 and self.flow(statement.body[:-1]) != Way.FALL:
            return False
        return not (self.flow(statement.orelse) | self.flow(after)) & (Way.BREAK | Way.RETURN)

    def flow(self, body: Sequence[ast.stmt]) -> Way:
        """The ways in which a list of statements can end."""
        found = Way.FALL
        for statement in body:
            found = found & ~Way.FALL | self._flow_of(statement)
            if not found & Way.FALL:
                break
        return found

    def _flow_of(self, statement: ast.stmt) -> Way:
        if not isinstance(statement, (ast.If, ast.While, ast.For, ast.Match)):
            return _SIMPLE.get(type(statement), Way.FALL)
        known = self.ways.get(id(statement))
        if known is None:  # the statement is kept too, so that its id is not given to another
            known = self.ways[id(statement)] = statement, self._flow_inside(statement)
        return known[1]

    def _flow_inside(self, statement: ast.If | ast.While | ast.For | ast.Match) -> Way:
        if isinstance(statement, ast.If):
            known = self.constant(statement.test)
            if known is not None:
                return self.flow(statement.body if known else statement.orelse)
            return self.flow(statement.body) | self.flow(statement.orelse)
        if isinstance(statement, ast.Match):
            found = Way.FALL
            for case in statement.cases:
                found |= self.flow(case.body)
            whole = any(_catches_all(case) for case in statement.cases)
            falls = any(self.flow(case.body) & Way.FALL for case in statement.cases)
            return found & ~Way.FALL if whole and not falls else found
        inside = self.flow(statement.body)
        endless = isinstance(statement, ast.While) and self.constant(statement.test) is True
        ends = not endless or bool(inside & Way.BREAK)
        return inside & Way.RETURN | (Way.FALL if ends else Way(0))


_SIMPLE = {ast.Break: Way.BREAK, ast.Continue: Way.CONTINUE, ast.Return: Way.RETURN}


def _catches_all(case: ast.match_case) -> bool:
    return case.guard is None and isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None


def _only_breaks(body: Sequence[ast.stmt]) -> bool:
    return len(body) == 1 and isinstance(body[0], ast.Break)


def _name(name: str, at: ast.AST) -> ast.expr:
    return ast.copy_location(ast.Name(name, ast.Load()), at)


def _assign(name: str, value: ast.expr, at: ast.stmt) -> ast.stmt:
    target = ast.copy_location(ast.Name(name, ast.Store()), at)
    return ast.copy_location(ast.Assign([target], value), at)


def _set(name: str, value: bool, at: ast.stmt) -> Leaf:
    return Leaf(_assign(name, ast.copy_location(ast.Constant(value), at), at))


def _not(test: ast.expr) -> ast.expr:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    return ast.copy_location(ast.UnaryOp(ast.Not(), test), test)


def _all_of(tests: list[ast.expr], at: ast.stmt) -> ast.expr:
    if not tests:
        return ast.copy_location(ast.Constant(True), at)
    return tests[0] if len(tests) == 1 else ast.copy_location(ast.BoolOp(ast.And(), tests), at)


def _any_of(tests: list[ast.expr], at: ast.stmt) -> ast.expr:
    return tests[0] if len(tests) == 1 else ast.copy_location(ast.BoolOp(ast.Or(), tests), at)


def _none_of(flags: list[ast.expr], at: ast.stmt) -> ast.expr:
    return _not(_any_of(flags, at))
