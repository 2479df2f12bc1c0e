"""Def-use webs of a function's names: which assignments reach the same use, and what must be merged where.

One walk over the structured statements numbers every definition and every merge (as SSA construction does).
Merges that some use needs are live; the definitions that meet in live merges are one web of one type, so a
statement that dominates all later uses of its name starts a web of its own: that is shadowing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from gyral.compiler.frontend.assigned import names_in
from gyral.compiler.frontend.structure import Branch, For, Leaf, Node, While

State: TypeAlias = dict[str, int]


@dataclass(slots=True)
class Scope:
    """What lowering needs to know of a function's names.

    `webs`: web number by the id of the Name node that stores; `shared`: webs with more than one definition;
    `parameters`: web of each parameter.
    """

    webs: dict[int, int] = field(default_factory=dict)
    parameters: dict[str, int] = field(default_factory=dict)
    shared: set[int] = field(default_factory=set)
    local: set[str] = field(default_factory=set)


class Numbering:
    """Numbers definitions and merges in one walk, then resolves them."""

    def __init__(self, parameters: Iterable[str]) -> None:
        self.operands: list[tuple[int, ...]] = []
        self.merge: list[bool] = []
        self.definitions: dict[int, int] = {}
        self.used: list[int] = []
        self.pending: list[tuple[Node, str, dict[str, int], dict[str, int]]] = []
        self.state: State = {name: self._number() for name in parameters}
        self.parameters = dict(self.state)

    def _number(self, *operands: int, merge: bool = False) -> int:
        self.operands.append(operands)
        self.merge.append(merge)
        return len(self.operands) - 1

    def _use(self, name: str) -> None:
        number = self.state.get(name)
        if number is not None:
            self.used.append(number)

    def read(self, *nodes: ast.AST | None) -> None:
        """Note the uses in expressions."""
        for node in nodes:
            if node is not None:
                for name in names_in(node):
                    self._use(name.id)

    def define(self, target: ast.AST) -> None:
        """Note what an assignment target defines; `v.x = …` and `v[i] = …` define `v` anew."""
        if isinstance(target, (ast.Tuple, ast.List)):
            for part in target.elts:
                self.define(part)
        elif isinstance(target, ast.Starred):
            self.define(target.value)
        elif isinstance(target, ast.Name):
            self.state[target.id] = self.definitions[id(target)] = self._number()
        else:
            self.read(target)
            root = root_of(target)
            if root is not None and root.id in self.state:
                self.state[root.id] = self.definitions[id(root)] = self._number(self.state[root.id])

    def block(self, nodes: Sequence[Node]) -> None:
        """Number a list of statements."""
        for node in nodes:
            if isinstance(node, Leaf):
                self._leaf(node.statement)
            elif isinstance(node, Branch):
                self._branch(node)
            elif isinstance(node, While):
                self._while(node)
            else:
                self._for(node)

    def _leaf(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Assign):
            self.read(statement.value)
            for target in statement.targets:
                self.define(target)
        elif isinstance(statement, ast.AnnAssign):
            self.read(statement.value)
            if statement.value is not None:
                self.define(statement.target)
        elif isinstance(statement, ast.AugAssign):
            self.read(statement.value, statement.target)
            self.define(statement.target)
        elif isinstance(statement, (ast.Expr, ast.Assert)):
            self.read(statement)

    def _branch(self, node: Branch) -> None:
        self.read(node.test)
        before = self.state
        self.state = dict(before)
        self.block(node.then)
        then, self.state = self.state, dict(before)
        self.block(node.orelse)
        merges = {}
        for name in {**then, **self.state}:
            sides = {n for n in (then.get(name), self.state.get(name)) if n is not None}
            if len(sides) > 1 or name not in then or name not in self.state:
                merges[name] = self.state[name] = self._number(*sorted(sides), merge=True)
        self.pending.append((node, "merged", merges, {}))

    def _while(self, node: While) -> None:
        heads = self._heads(assigned_in([*node.test, *node.body]))
        self.block(node.test)
        self.read(node.go)
        passes = {name: self._number(n, merge=True) for name, n in self._changed(heads, node)}
        self.state.update(passes)
        after = dict(self.state)
        self.block(node.body)
        self._close(heads)
        self.state = after
        self.pending.append((node, "carried", heads, {}))
        self.pending.append((node, "passed", passes, {}))

    def _changed(self, heads: dict[str, int], node: While) -> list[tuple[str, int]]:
        names = {**heads, **dict.fromkeys(assigned_in(node.test))}
        return [(name, self.state[name]) for name in names if name in self.state]

    def _for(self, node: For) -> None:
        self.read(node.statement.iter)
        heads = self._heads(assigned_in(node.body, node.statement.target))
        before = dict(self.state)
        if node.until is None and node.stopped is None:
            self.define(node.statement.target)
            self.block(node.body)
            self._close(heads)
            self.state = {**before, **heads}
            self.pending.append((node, "carried", heads, {}))
            return
        self.read(node.stopped)
        self.define(node.statement.target)
        self.read(node.until)
        target = {name: self.state[name] for name in assigned_in((), node.statement.target)}
        within = {name: self._number(n, merge=True) for name, n in heads.items() if name not in target}
        left = {name: self._number(*(n for n in (heads.get(name), t) if n is not None), merge=True)
                for name, t in target.items()}  # fmt: skip
        self.state.update(within)
        self.block(node.body)
        self._close(heads)
        self.state = {**before, **within, **left}
        self.pending.append((node, "carried", heads, left))
        self.pending.append((node, "passed", within, {}))

    def _heads(self, names: Iterable[str]) -> dict[str, int]:
        """A merge at a loop's head for every name the loop assigns."""
        heads = {}
        for name in names:
            entry = self.state.get(name)
            heads[name] = self._number(*(() if entry is None else (entry,)), merge=True)
        self.state.update(heads)
        return heads

    def _close(self, heads: dict[str, int]) -> None:
        for name, head in heads.items():
            back = self.state.get(name)
            if back is not None and back != head:
                self.operands[head] = (*self.operands[head], back)

    def resolve(self) -> Scope:
        """Find the live merges, put their names into the statements and gather the webs."""
        live = [False] * len(self.operands)
        pending = list(self.used)
        while pending:
            number = pending.pop()
            if not live[number]:
                live[number] = True
                pending += self.operands[number]
        webs = list(range(len(self.operands)))

        def find(n: int) -> int:
            while webs[n] != n:
                webs[n] = webs[webs[n]]
                n = webs[n]
            return n

        for number, operands in enumerate(self.operands):
            if live[number] or not self.merge[number]:
                for operand in operands:
                    webs[find(operand)] = find(number)
        for node, key, merges, left in self.pending:
            setattr(node, key, [name for name, n in merges.items() if live[n]])
            if left and isinstance(node, For):
                node.kept = any(live[n] for n in left.values())
        numbers = [*self.definitions.values(), *self.parameters.values()]
        counted: dict[int, int] = {}
        for n in numbers:
            counted[find(n)] = counted.get(find(n), 0) + 1
        return Scope(
            {key: find(n) for key, n in self.definitions.items()},
            {name: find(n) for name, n in self.parameters.items()},
            {web for web, count in counted.items() if count > 1},
        )


def root_of(target: ast.AST) -> ast.Name | None:
    """The name at the start of `a.b[i].c`."""
    while isinstance(target, (ast.Attribute, ast.Subscript)):
        target = target.value
    return target if isinstance(target, ast.Name) else None


def assigned_in(nodes: Sequence[Node], *targets: ast.AST) -> list[str]:
    """Names that structured statements (and targets) define, in order, once each."""
    found: dict[str, None] = {}
    for target in targets:
        _targets(target, found)
    for node in nodes:
        if isinstance(node, Leaf):
            statement = node.statement
            if isinstance(statement, ast.Assign):
                for target in statement.targets:
                    _targets(target, found)
            elif isinstance(statement, (ast.AugAssign, ast.AnnAssign)):
                _targets(statement.target, found)
        elif isinstance(node, Branch):
            found.update(dict.fromkeys(assigned_in([*node.then, *node.orelse])))
        elif isinstance(node, While):
            found.update(dict.fromkeys(assigned_in([*node.test, *node.body])))
        else:
            found.update(dict.fromkeys(assigned_in(node.body, node.statement.target)))
    return list(found)


def _targets(target: ast.AST, found: dict[str, None]) -> None:
    if isinstance(target, (ast.Tuple, ast.List)):
        for part in target.elts:
            _targets(part, found)
    elif isinstance(target, ast.Starred):
        _targets(target.value, found)
    else:
        root = root_of(target)
        if root is not None:
            found[root.id] = None
