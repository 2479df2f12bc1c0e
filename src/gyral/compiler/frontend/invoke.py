"""Calls of `@gy.func`: one function of the module per combination of argument types and constants."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.annotations import ParameterSpec, signature_of
from gyral.compiler.frontend.arguments import matched
from gyral.compiler.frontend.convert import number, store_value, stored
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.values import (
    Actor,
    Const,
    Datum,
    Grid,
    Host,
    Memory,
    Nothing,
    Part,
    Record,
    Scalar,
    Text,
    Tuple,
    Vector,
    describe,
    rebuilt,
    scalars,
)
from gyral.compiler.ir.graph import Value
from gyral.compiler.ir.ops.control import CallOp
from gyral.compiler.words import REQUIRED
from gyral.core.dtypes import Array, ArrayType, DType, GenericInput, StaticType, StructType, Vec


def invoke(f: Frame, fn: Callable[..., Any], node: ast.Call) -> Datum:
    """Call a function; it is lowered once per specialisation."""
    specs = signature_of(fn)
    parameters = [(s.name, s.default if s.has_default else REQUIRED) for s in specs]
    usage = f"`{fn.__name__}({', '.join(s.name for s in specs)})`"
    named_only = sum(s.keyword_only for s in specs)
    given = matched(f, node, fn.__name__, usage, parameters, named_only)
    data = [passed(f, spec, datum, node) for spec, datum in zip(specs, given, strict=True)]
    return apply(f, fn, list(zip((s.name for s in specs), data, strict=True)), node)


def apply(f: Frame, fn: Callable[..., Any], named: list[tuple[str, Datum]], node: ast.AST) -> Datum:
    """Call a function with one datum per parameter."""
    data = [datum for _, datum in named]
    for name, datum in named:
        if isinstance(datum, Part):
            what = f"{name!r} takes an array, and {datum.name!r} is a part of its actor's memory"
            f.refuse(codes.ARRAY_ARGUMENT, node, what=what)
    if fn in f.unit.stack:
        chain = [g.__name__ for g in f.unit.stack[f.unit.stack.index(fn) :]]
        via = f" through {', '.join(chain[1:])}" if len(chain) > 1 else ""
        f.refuse(codes.RECURSION, node, name=fn.__name__, via=via)
    key = (fn, *(shape_key(datum) for datum in data))
    found = f.unit.specialisations.get(key)
    if found is None:
        if f.unit.specialise is None:
            raise RuntimeError("the unit has no way to lower functions")
        found = f.unit.specialisations[key] = f.unit.specialise(f.unit, fn, named)
    symbol, result = found
    f.at(node)
    types = [s.dtype for s in scalars(result)]
    op = f.builder.op(CallOp, *run_time(data), types=types, callee=symbol)
    return (
        rebuilt(result, iter(op.results)) if not isinstance(result, Nothing) else Nothing(f"{fn.__name__}()")
    )


def passed(f: Frame, spec: ParameterSpec, datum: Datum, node: ast.Call) -> Datum:
    """An argument as its parameter's annotation wants it; a bare parameter takes what comes."""
    wanted = spec.annotation
    if isinstance(datum, (Text, Nothing)):
        f.refuse(codes.STRING if isinstance(datum, Text) else codes.NO_VALUE, node, what=describe(datum))
    if wanted is None:
        return datum
    if isinstance(wanted, StaticType):
        if not isinstance(datum, (Const, Tuple, Host)):
            f.refuse(codes.NOT_CONSTANT, node, what=f"the argument {spec.name!r}")
        return datum
    if isinstance(wanted, DType):
        return Scalar(store_value(f, number(f, datum, node), wanted, node))
    if isinstance(wanted, (Vec, StructType)):
        return stored(f, datum, wanted, node)
    return _array(f, spec, wanted, datum, node)


def _array(
    f: Frame,
    spec: ParameterSpec,
    wanted: ArrayType | GenericInput | type[Array],
    datum: Datum,
    node: ast.Call,
) -> Datum:
    if not isinstance(datum, Memory):
        what = f"{spec.name!r} takes an array, not {describe(datum)}"
        f.refuse(codes.ARRAY_ARGUMENT, node, what=what)
    if isinstance(wanted, ArrayType) and (wanted.elem != datum.type.elem or wanted.rank != datum.type.rank):
        given = f"an array of {datum.type.elem} with rank {datum.type.rank}"
        f.refuse(codes.ARRAY_ARGUMENT, node, what=f"{spec.name!r} takes {wanted}, not {given}")
    readonly = isinstance(wanted, GenericInput) or (isinstance(wanted, ArrayType) and wanted.readonly)
    return Memory(datum.value, datum.name, readonly or datum.readonly)


def shape_key(datum: Datum) -> Any:
    """What of an argument chooses the specialisation."""
    if isinstance(datum, Scalar):
        return datum.dtype, datum.weak
    if isinstance(datum, Const):
        return type(datum.value), repr(datum.value)
    if isinstance(datum, (Tuple, Vector, Record)):
        kind = datum.type if isinstance(datum, (Vector, Record)) else "tuple"
        return kind, *(shape_key(item) for item in datum.items)
    if isinstance(datum, Memory):
        return datum.value.type, datum.readonly
    if isinstance(datum, Grid):
        return datum.memory.value.type, datum.strides, datum.reach, datum.name
    if isinstance(datum, Actor):
        return datum.role.name, datum.role_number, shape_key(datum.parts)
    return id(datum.obj) if isinstance(datum, Host) else None


def run_time(data: Sequence[Datum]) -> list[Value]:
    """What is passed when running: scalars and memory, in parameter order."""
    found: list[Value] = []
    for datum in data:
        if isinstance(datum, Memory):
            found.append(datum.value)
        elif isinstance(datum, Grid):
            found += (datum.memory.value, datum.at.value)
        elif isinstance(datum, Tuple):
            found += run_time(datum.items)
        elif isinstance(datum, Actor):
            found += run_time(datum.parts.items)
        else:
            found += [s.value for s in scalars(datum)]
    return found
