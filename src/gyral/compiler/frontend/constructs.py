"""What is refused by its form alone, before any type is known."""

from __future__ import annotations

import ast

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.assigned import statements_in
from gyral.compiler.frontend.source import Source
from gyral.core.errors import Diagnostic

MAX_STATEMENTS = 20_000

STATEMENTS: dict[type[ast.stmt], tuple[str, str]] = {
    ast.FunctionDef: ("`def` inside a kernel", "define it outside, with `@gy.func`"),
    ast.AsyncFunctionDef: ("`async def`", "define functions outside, with `@gy.func`"),
    ast.ClassDef: ("`class` inside a kernel", "define it outside, with `@gy.struct`"),
    ast.Delete: ("`del`", "leave it out; names cost nothing"),
    ast.With: ("`with`", "leave it out; nothing in a kernel needs closing"),
    ast.AsyncWith: ("`async with`", "leave it out"),
    ast.AsyncFor: ("`async for`", "write `for k in range(n)`"),
    ast.Raise: ("`raise`", "use `assert`, which is compiled under check"),
    ast.Try: ("`try`", "test for the condition instead; kernels raise nothing"),
    ast.Import: ("`import`", "import at the top of the file"),
    ast.ImportFrom: ("`import`", "import at the top of the file"),
    ast.Global: ("`global`", "pass arrays as parameters; a kernel changes nothing else"),
    ast.Nonlocal: ("`nonlocal`", "pass arrays as parameters; a kernel changes nothing else"),
}
if hasattr(ast, "TryStar"):
    STATEMENTS[ast.TryStar] = STATEMENTS[ast.Try]


def refusals(source: Source, is_kernel: bool) -> list[Diagnostic]:
    """Every statement of a function that the language does not have."""
    found: list[Diagnostic] = []
    args = source.tree.args
    for star in (args.vararg, args.kwarg):
        if star is not None:
            found.append(source.diagnostic(codes.SIGNATURE, star, what=f"`*{star.arg}`"))
    count = 0
    for statement in statements_in(source.tree.body):
        count += 1
        row = STATEMENTS.get(type(statement))
        if row is not None:
            what, advice = row
            found.append(source.diagnostic(codes.UNSUPPORTED_STATEMENT, statement, what=what, advice=advice))
        elif isinstance(statement, (ast.For, ast.While)) and statement.orelse:
            loop = "for" if isinstance(statement, ast.For) else "while"
            found.append(source.diagnostic(codes.LOOP_ELSE, statement.orelse[0], loop=loop))
        elif isinstance(statement, ast.Return) and statement.value is not None and is_kernel:
            if not (isinstance(statement.value, ast.Constant) and statement.value.value is None):
                found.append(source.diagnostic(codes.KERNEL_RETURNS, statement.value))
    if count > MAX_STATEMENTS:
        tree = source.tree
        found.append(
            source.diagnostic(
                codes.TOO_LARGE, tree, name=source.name, limit=MAX_STATEMENTS, what="statements"
            )
        )
    return found
