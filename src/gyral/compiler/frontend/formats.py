"""Text in kernels: what print and assert are given, as literal text and format specs."""

from __future__ import annotations

import ast

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.convert import settled
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.values import Const, Datum, Host, Record, Scalar, Text, Tuple, Vector, describe
from gyral.compiler.ir.graph import Value


class Parts:
    """Literal text and format specs in turn, with the values that the specs format."""

    def __init__(self) -> None:
        self.parts: list[str] = [""]
        self.values: list[Value] = []

    def text(self, text: str) -> None:
        """Append literal text."""
        self.parts[-1] += text

    def value(self, value: Value, spec: str) -> None:
        """Append a value with its format spec."""
        self.parts += [spec, ""]
        self.values.append(value)


def print_parts(f: Frame, nodes: list[ast.expr], separator: str, end: str) -> Parts:
    """What `print(*nodes, sep=separator, end=end)` says."""
    parts = Parts()
    for number, node in enumerate(nodes):
        if number:
            parts.text(separator)
        add(f, parts, node)
    parts.text(end)
    return parts


def message_of(f: Frame, node: ast.expr | None) -> tuple[str, list[Value]]:
    """An assert's message, as a pattern for `str.format`, and the values it formats."""
    if node is None:
        return "", []
    parts = Parts()
    add(f, parts, node)
    if len(parts.values) > 4:
        f.refuse(codes.PRINT_FORMAT, node, what="more than four values in an assert")
    text = ""
    for at, part in enumerate(parts.parts):
        if at % 2:
            text += "{:" + part + "}" if part else "{}"
        else:
            text += part.replace("{", "{{").replace("}", "}}")
    return text, parts.values


def add(f: Frame, parts: Parts, node: ast.expr) -> None:
    """Append an expression, which may be a string or an f-string."""
    if isinstance(node, ast.JoinedStr):
        for piece in node.values:
            if isinstance(piece, ast.FormattedValue):
                _formatted(f, parts, piece)
            elif isinstance(piece, ast.Constant):
                parts.text(str(piece.value))
        return
    _datum(f, parts, f.value(node), "", node)


def _formatted(f: Frame, parts: Parts, piece: ast.FormattedValue) -> None:
    spec = ""
    if piece.format_spec is not None:
        pieces = (
            piece.format_spec.values if isinstance(piece.format_spec, ast.JoinedStr) else [piece.format_spec]
        )
        for inner in pieces:
            if not isinstance(inner, ast.Constant):
                f.refuse(codes.PRINT_FORMAT, piece, what="a format computed at run time")
            spec += str(inner.value)
    _datum(f, parts, f.value(piece.value), spec, piece)


def _datum(f: Frame, parts: Parts, datum: Datum, spec: str, node: ast.AST) -> None:
    if isinstance(datum, Text):
        parts.text(format(datum.text, spec))
    elif isinstance(datum, Const):
        _constant(f, parts, datum, spec, node)
    elif isinstance(datum, Scalar):
        value = settled(f, datum, node)
        _check(f, spec, 1.0 if value.dtype.is_float else 1, node)
        parts.value(value.value, spec)
    elif isinstance(datum, (Tuple, Vector)):
        _sequence(f, parts, datum.items, spec, node)
    elif isinstance(datum, Record):
        parts.text(f"{datum.type.name}(")
        for at, ((name, _), item) in enumerate(zip(datum.type.fields, datum.items, strict=True)):
            parts.text(f"{', ' if at else ''}{name}=")
            _datum(f, parts, item, spec, node)
        parts.text(")")
    elif isinstance(datum, Host):
        f.refuse(codes.PRINT_FORMAT, node, what=describe(datum))
    else:
        f.refuse(codes.NOT_A_NUMBER, node, what=describe(datum))


def _constant(f: Frame, parts: Parts, datum: Const, spec: str, node: ast.AST) -> None:
    _check(f, spec, datum.value, node)
    parts.text(format(datum.value, spec))


def _check(f: Frame, spec: str, sample: bool | int | float, node: ast.AST) -> None:
    try:
        format(sample, spec)
    except ValueError:
        f.refuse(codes.PRINT_FORMAT, node, what=f"the format {spec!r} for this value")


def _sequence(f: Frame, parts: Parts, items: tuple[Datum, ...], spec: str, node: ast.AST) -> None:
    parts.text("(")
    for at, item in enumerate(items):
        if at:
            parts.text(", ")
        _datum(f, parts, item, spec, node)
    parts.text(",)" if len(items) == 1 else ")")
