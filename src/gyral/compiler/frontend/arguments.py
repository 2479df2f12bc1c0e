"""The arguments of a call, evaluated and matched with parameter names."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.resolve import lift
from gyral.compiler.frontend.values import Const, Datum, Text, Tuple
from gyral.compiler.words import REQUIRED


def positional(f: Frame, node: ast.Call) -> list[Datum]:
    """The positional arguments; `*` unpacks tuples."""
    found: list[Datum] = []
    for arg in node.args:
        if isinstance(arg, ast.Starred):
            inner = f.value(arg.value)
            if not isinstance(inner, Tuple):
                f.refuse(codes.UNSUPPORTED_EXPRESSION, arg, what="`*` here", advice="unpack tuples only")
            found += inner.items
        else:
            found.append(f.value(arg))
    return found


def named(f: Frame, node: ast.Call) -> dict[str, Datum]:
    """The keyword arguments."""
    found: dict[str, Datum] = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            f.refuse(
                codes.UNSUPPORTED_EXPRESSION, keyword.value, what="`**` here", advice="write the keywords"
            )
        found[keyword.arg] = f.value(keyword.value)
    return found


def matched(
    f: Frame,
    node: ast.Call,
    name: str,
    usage: str,
    parameters: Sequence[tuple[str, Any]],
    keyword_only: int = 0,
) -> list[Datum]:
    """One datum per parameter: given by position, by keyword, or from its default."""
    args, kwargs = positional(f, node), named(f, node)
    names = [p for p, _ in parameters]
    if len(args) > len(names) - keyword_only:
        many = len(names) - keyword_only
        what = f"takes {many} argument{'s' if many != 1 else ''}, not {len(args)}"
        f.refuse(codes.ARGUMENTS, node, name=name, what=what, usage=usage)
    for key in kwargs:
        if key not in names:
            f.refuse(codes.ARGUMENTS, node, name=name, what=f"has no parameter {key!r}", usage=usage)
        if key in names[: len(args)]:
            f.refuse(codes.ARGUMENTS, node, name=name, what=f"is given {key!r} twice", usage=usage)
    found: list[Datum] = []
    for at, (parameter, default) in enumerate(parameters):
        if at < len(args):
            found.append(args[at])
        elif parameter in kwargs:
            found.append(kwargs[parameter])
        elif default is REQUIRED:
            f.refuse(codes.ARGUMENTS, node, name=name, what=f"needs {parameter!r}", usage=usage)
        else:
            found.append(_default(f, default, parameter, node))
    return found


def _default(f: Frame, value: Any, name: str, node: ast.Call) -> Datum:
    if type(value) in (bool, int, float):
        return Const(value)
    return Text(value) if isinstance(value, str) else lift(f, value, name, node)


def option(f: Frame, datum: Datum, choices: Sequence[str], word: str, name: str, node: ast.Call) -> str:
    """An option of a word: one of a few strings."""
    given = datum.text if isinstance(datum, Text) else None
    if given is None or given not in choices:
        shown = given if given is not None else "another kind of value"
        f.refuse(
            codes.OPTION_VALUE, node, word=word, name=name, choices=", ".join(map(repr, choices)), given=shown
        )
    return given
