"""Names while lowering: binding, lookup, and merging what branches and loops assign."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.convert import literal, store_value
from gyral.compiler.frontend.frame import Binding, Frame, Poisoned
from gyral.compiler.frontend.joins import Join
from gyral.compiler.frontend.resolve import resolve_global
from gyral.compiler.frontend.values import (
    Actor,
    Const,
    Datum,
    Host,
    Memory,
    Nothing,
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
from gyral.compiler.ir.ops.arith import zero_of
from gyral.core.dtypes import DType, bool_, i64


def lookup(f: Frame, node: ast.Name) -> Datum:
    """What a name means here: a local binding, else what the function sees outside."""
    name = node.id
    found = f.names.get(name)
    if found is not None:
        return found[0]
    if name in f.poisoned:
        raise Poisoned
    if name in f.scope.local:
        if f.incomplete:
            raise Poisoned
        f.refuse(codes.MAYBE_UNSET, node, name=name)
    return resolve_global(f, node)


def bind(f: Frame, target: ast.Name, datum: Datum, node: ast.AST, pinned: DType | None = None) -> None:
    """Give a name a new meaning; names with several definitions join their types."""
    if isinstance(datum, Nothing):
        f.refuse(codes.NO_VALUE, node, what=datum.what)
    if isinstance(datum, Text):
        f.refuse(codes.STRING, node)
    web = f.scope.webs[id(target)]
    if web in f.scope.shared:
        join = f.joins.get(web)
        if join is None:
            join = f.joins[web] = Join(target.id)
        if pinned is not None:
            join.pinned = pinned
        datum = joined(f, join, datum, node)
        f.names[target.id] = datum, join
    else:
        if pinned is not None and isinstance(datum, (Scalar, Const)):
            datum = Scalar(store_value(f, datum, pinned, node))
        f.names[target.id] = datum, None
    if isinstance(datum, (Scalar, Memory)) and not datum.value.hint:
        datum.value.hint = target.id


def joined(f: Frame, join: Join, datum: Datum, node: ast.AST) -> Datum:
    """Note a definition in its join and give it the form the name has."""
    if isinstance(datum, Tuple):
        if join.parts is None and not join.known():
            join.parts = [Join(join.name) for _ in datum.items]
        if join.parts is None or len(join.parts) != len(datum.items):
            f.refuse(codes.MIXED_SHAPE, node, left=describe(datum), right=f"what {join.name!r} is elsewhere")
        return Tuple(tuple(joined(f, part, i, node) for part, i in zip(join.parts, datum.items, strict=True)))
    if isinstance(datum, (Scalar, Const)):
        if join.parts is not None or join.fixed is not None:
            f.refuse(codes.MIXED_SHAPE, node, left=describe(datum), right=f"what {join.name!r} is elsewhere")
        join.note(datum, node)
        return shaped(f, join, datum, node)
    form = fixed_form(datum)
    if join.parts is not None or (join.known() and (join.fixed is None or join.fixed != form)):
        note = None if join.fixed_at is None else (f"{join.name!r} is something else here", join.fixed_at)
        f.refuse(
            codes.MIXED_SHAPE, node, note, left=describe(datum), right=f"what {join.name!r} is elsewhere"
        )
    join.fixed, join.fixed_at = form, join.fixed_at or node
    return datum


def fixed_form(datum: Datum) -> object:
    """What two definitions of one name must agree on when they are no numbers."""
    if isinstance(datum, (Vector, Record)):
        return datum.type
    if isinstance(datum, Memory):
        return datum.value
    if isinstance(datum, Actor):  # its parts are made anew in each pass
        return datum.role
    return datum.obj if isinstance(datum, Host) else datum


def shaped(f: Frame, join: Join, datum: Datum, node: ast.AST) -> Datum:
    """A datum in the form its name has now."""
    if isinstance(datum, Tuple) and join.parts is not None:
        return Tuple(tuple(shaped(f, p, i, node) for p, i in zip(join.parts, datum.items, strict=True)))
    if not isinstance(datum, (Scalar, Const)):
        return datum
    if join.pinned is not None:
        return Scalar(store_value(f, datum, join.pinned, node))
    dtype, weak = join.current()
    if isinstance(datum, Const):
        value = datum.value
        if isinstance(value, float) and not dtype.is_float:
            value = int(value) if value - value == 0.0 else 0  # a pass whose types have not settled
            f.incomplete = True
        if dtype is bool_ and not isinstance(value, bool):
            value = False  # a conflict, which is told at the end
        if weak and not dtype.is_float and not -(1 << 31) <= value < 1 << 31:
            dtype = i64
        return Scalar(f.const(dtype, literal(f, value, dtype, node)), "joined" if weak else "")
    if datum.weak == "joined" and not weak and datum.dtype is not dtype:
        f.unsettled = True
    return Scalar(f.cast(datum.value, dtype), "joined" if weak else "")


def reshaped(f: Frame, name: str, binding: Binding, node: ast.AST) -> Datum:
    """A binding's datum as its name is typed by now; differs only in passes that are repeated."""
    datum, join = binding
    return datum if join is None else shaped(f, join, datum, node)


def zero_like(f: Frame, datum: Datum) -> Datum:
    """Zeros in the form of a datum, for a side on which a name has no value and none is used."""
    zeros = [f.const(s.dtype, zero_of(s.dtype)) for s in scalars(datum)]
    return rebuilt(datum, iter(zeros))


def leaves_of(data: Iterable[Datum]) -> list[Value]:
    """The run-time values of some data, in order."""
    return [s.value for datum in data for s in scalars(datum)]


def rebind(f: Frame, bindings: Sequence[tuple[str, Binding]], values: Iterator[Value]) -> None:
    """Bind names again, their run-time scalars replaced in order."""
    for name, (datum, join) in bindings:
        new = rebuilt(datum, values)
        for scalar in scalars(new):
            scalar.value.hint = scalar.value.hint or name
        f.names[name] = new, join
