"""Expressions: one function per kind of node."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.access import load, reference
from gyral.compiler.frontend.arith import binary, unary
from gyral.compiler.frontend.call import call
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.logic import as_datum, boolean, comparison, condition, conditional
from gyral.compiler.frontend.names import lookup
from gyral.compiler.frontend.values import Const, Datum, Place, Text, Tuple


def evaluate(f: Frame, node: ast.expr) -> Datum:
    """What an expression stands for; emits the ops that compute it."""
    visit = _VISIT.get(type(node))
    if isinstance(node, ast.JoinedStr):
        f.refuse(codes.STRING, node)
    if visit is None:
        what, advice = REFUSED.get(
            type(node), (f"`{type(node).__name__}`", "write it with the words of the language")
        )
        code = codes.HEAP_TYPE if type(node) in HEAP else codes.UNSUPPORTED_EXPRESSION
        if code is codes.HEAP_TYPE:
            f.refuse(code, node, what=what)
        f.refuse(code, node, what=what, advice=advice)
    return visit(f, node)


def _constant(f: Frame, node: ast.Constant) -> Datum:
    value = node.value
    if isinstance(value, (bool, int, float)):
        return Const(value)
    if isinstance(value, str):
        return Text(value)
    what = "None" if value is None else f"the literal {value!r}"
    f.refuse(codes.UNSUPPORTED_EXPRESSION, node, what=what, advice="use numbers and bools")


def _binary(f: Frame, node: ast.BinOp) -> Datum:
    left = f.value(node.left)
    right = f.value(node.right)
    if isinstance(left, Text) or isinstance(right, Text):
        f.refuse(codes.STRING, node)
    return binary(f, node.op, left, right, node)


def _unary(f: Frame, node: ast.UnaryOp) -> Datum:
    if isinstance(node.op, ast.Not):
        return as_datum(condition(f, node))
    return unary(f, node.op, f.value(node.operand), node)


def _tuple(f: Frame, node: ast.Tuple) -> Datum:
    items: list[Datum] = []
    for part in node.elts:
        if isinstance(part, ast.Starred):
            inner = f.value(part.value)
            if not isinstance(inner, Tuple):
                f.refuse(codes.UNSUPPORTED_EXPRESSION, part, what="`*` here", advice="unpack tuples only")
            items += inner.items
        else:
            items.append(f.value(part))
    return Tuple(tuple(items))


def _chain(f: Frame, node: ast.Subscript | ast.Attribute) -> Datum:
    found = reference(f, node)
    return load(f, found, node) if isinstance(found, Place) else found


_VISIT: dict[type[ast.AST], Callable[[Frame, Any], Datum]] = {
    ast.Constant: _constant,
    ast.Name: lookup,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: boolean,
    ast.Compare: comparison,
    ast.IfExp: conditional,
    ast.Call: call,
    ast.Tuple: _tuple,
    ast.Subscript: _chain,
    ast.Attribute: _chain,
}

HEAP = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
REFUSED: dict[type[ast.AST], tuple[str, str]] = {
    ast.List: ("a list", ""),
    ast.Dict: ("a dict", ""),
    ast.Set: ("a set", ""),
    ast.ListComp: ("a list comprehension", ""),
    ast.SetComp: ("a set comprehension", ""),
    ast.DictComp: ("a dict comprehension", ""),
    ast.GeneratorExp: ("a generator expression", ""),
    ast.Lambda: ("a lambda", "write a `@gy.func` outside the kernel"),
    ast.Await: ("`await`", "kernels are not coroutines; order work with streams and events outside"),
    ast.Yield: ("`yield`", "store results in an array parameter"),
    ast.YieldFrom: ("`yield from`", "store results in an array parameter"),
    ast.NamedExpr: ("`:=`", "assign in a statement of its own"),
    ast.Starred: ("`*`", "write the items one by one"),
    ast.Slice: ("a slice", "index single elements"),
}
