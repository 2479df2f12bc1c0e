"""Fields of a simulation in its step function: `u[-1, 0]` is the value of a neighbouring cell."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.convert import adopt, known_int, number
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.values import (
    Const,
    Datum,
    Grid,
    Memory,
    Scalar,
    Text,
    Tuple,
    from_leaves,
)
from gyral.compiler.ir.ops.arith import AddOp
from gyral.compiler.ir.ops.memory import LoadOp
from gyral.compiler.words import Word
from gyral.core.dtypes import index, leaves


def neighbour(f: Frame, field: Grid, given: Sequence[tuple[Datum, ast.AST]], node: ast.Subscript) -> Datum:
    """The value of a neighbour, one distance per axis; refused beyond the reach of the simulation."""
    rank = len(field.strides)
    if len(given) != rank:
        f.refuse(codes.INDEX_COUNT, node, name=field.name, rank=rank, given=len(given))
    away = 0
    for (datum, key), stride in zip(given, field.strides, strict=True):
        if not isinstance(datum, Const) or isinstance(datum.value, (bool, float)):
            f.refuse(codes.NOT_CONSTANT, key, what=f"the distance to a neighbour of {field.name!r}")
        if abs(datum.value) > field.reach:
            f.refuse(codes.OUT_OF_REACH, key, name=field.name, away=abs(datum.value), reach=field.reach)
        away += datum.value * stride
    f.at(node)
    at = field.at.value
    if away:
        at = f.emit(AddOp, at, f.const(index, away))
    t = field.memory.type.elem
    found = [
        f.emit(LoadOp, field.memory.value, at, type=leaf.dtype, leaf=k) for k, leaf in enumerate(leaves(t))
    ]
    return from_leaves(t, iter(found))


def grid(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """A field as the cell at an element sees it."""
    memory, at, strides, reach, name = args
    if not (isinstance(memory, Memory) and isinstance(strides, Tuple) and isinstance(name, Text)):
        raise TypeError("a grid is made of an array, an element, strides, a reach and a name")
    steps = tuple(known_int(f, item, node, "a stride") for item in strides.items)
    here = Scalar(adopt(f, number(f, at, node), index, node))
    return Grid(memory, here, steps, known_int(f, reach, node, "the reach"), name.text)


def as_place(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """An integer as an index, with which it stays known which elements lie side by side."""
    return Scalar(adopt(f, number(f, args[0], node), index, node))


HANDLERS: dict[str, Callable[[Frame, Word, list[Datum], ast.Call], Datum]] = {"grid": grid, "place": as_place}
