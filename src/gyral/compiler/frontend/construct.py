"""Calling a type: conversions, vectors and structs."""

from __future__ import annotations

import ast

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.arguments import named, positional
from gyral.compiler.frontend.convert import convert, number, stored
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.values import Const, Datum, Record, Scalar, Tuple, Vector, describe
from gyral.core.dtypes import DType, StructType, Vec, u32


def construct(f: Frame, t: DType | Vec | StructType, node: ast.Call) -> Datum:
    """`gy.i32(x)`, `gy.f32x3(…)`, `Particle(…)`."""
    if isinstance(t, StructType):
        return _record(f, t, node)
    args = positional(f, node)
    if node.keywords:
        usage = f"`gy.{t}(…)`"
        f.refuse(codes.ARGUMENTS, node, name=f"gy.{t}", what="takes no keywords", usage=usage)
    if isinstance(t, Vec):
        return _vector(f, t, args, node)
    if len(args) != 1:
        what = f"takes one argument, not {len(args)}"
        f.refuse(codes.ARGUMENTS, node, name=f"gy.{t}", what=what, usage=f"`gy.{t}(x)`")
    f.at(node)
    given = number(f, args[0], node)
    if (
        isinstance(given, Const)
        and isinstance(given.value, float)
        and t.is_integer
        and given.value != given.value
    ):
        return Scalar(f.const(t, 0))
    return convert(f, given, t)


def _vector(f: Frame, t: Vec, args: list[Datum], node: ast.Call) -> Datum:
    """From components, from shorter vectors one after another, or one number for all."""
    parts: list[Datum] = []
    for arg in args:
        parts += arg.items if isinstance(arg, (Vector, Tuple)) else [arg]
    if len(parts) == 1:
        parts *= t.size
    if len(parts) != t.size:
        what = f"takes {t.size} components, not {len(parts)}"
        f.refuse(
            codes.ARGUMENTS, node, name=f"gy.{t}", what=what, usage=f"`gy.{t}({', '.join('xyzw'[: t.size])})`"
        )
    f.at(node)
    return Vector(t, tuple(convert(f, number(f, part, node), t.elem) for part in parts))


def _record(f: Frame, t: StructType, node: ast.Call) -> Datum:
    names = [name for name, _ in t.fields]
    args, kwargs = positional(f, node), named(f, node)
    shown = ", ".join(names)
    if len(args) > len(names):
        f.refuse(codes.BAD_STRUCT, node, what=f"{t} has {len(names)} fields, not {len(args)}", fields=shown)
    given = dict(zip(names, args, strict=False))
    for key, datum in kwargs.items():
        if key not in names or key in given:
            what = f"{t} has no field {key!r}" if key not in names else f"{t} is given {key!r} twice"
            f.refuse(codes.BAD_STRUCT, node, what=what, fields=shown)
        given[key] = datum
    if names == ["_"] and not given:  # a message without fields
        given["_"] = Scalar(f.const(u32, 0))
    missing = [name for name in names if name not in given]
    if missing:
        f.refuse(codes.BAD_STRUCT, node, what=f"{t} is given no {missing[0]!r}", fields=shown)
    f.at(node)
    return Record(t, tuple(_field(f, given[name], inner, node) for name, inner in t.fields))


def _field(f: Frame, datum: Datum, t: DType | Vec | StructType, node: ast.Call) -> Datum:
    if isinstance(t, Vec) and isinstance(datum, Tuple) and len(datum.items) == t.size:
        items = [stored(f, item, t.elem, node) for item in datum.items]
        return Vector(t, tuple(item for item in items if isinstance(item, Scalar)))
    if isinstance(t, Vec) and not isinstance(datum, Vector):
        f.refuse(codes.MIXED_SHAPE, node, left=describe(datum), right=t)
    return stored(f, datum, t, node)
