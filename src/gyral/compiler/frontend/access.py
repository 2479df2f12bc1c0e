"""Subscripts and attributes: places in memory, components of vectors, fields of structs, items of tuples."""

from __future__ import annotations

import ast
from math import prod
from types import ModuleType

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.actor import REF_WORDS, member
from gyral.compiler.frontend.convert import adopt, as_index, number, store_value, stored
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.neighbours import neighbour
from gyral.compiler.frontend.resolve import attribute, subscript
from gyral.compiler.frontend.values import (
    Actor,
    Const,
    Datum,
    Grid,
    Host,
    Memory,
    Method,
    Part,
    Place,
    Record,
    Scalar,
    Tuple,
    Vector,
    describe,
    from_leaves,
)
from gyral.compiler.ir.graph import Value
from gyral.compiler.ir.ops.arith import AddOp, AndOp, CmpOp, MulOp, SelectOp
from gyral.compiler.ir.ops.memory import DimOp, LoadOp, StoreOp
from gyral.compiler.ir.ops.message import RequireOp
from gyral.compiler.ir.types import MemType
from gyral.core.dtypes import ArrayType, ElementType, StructType, Vec, i32, index, leaves
from gyral.core.wire import REF

COMPONENTS = "xyzw"


def reference(f: Frame, node: ast.expr) -> Datum | Place:
    """What a chain of subscripts and attributes stands for: a place in memory, or a datum."""
    if isinstance(node, (ast.Subscript, ast.Attribute)):
        return part_of(f, reference(f, node.value), node)
    return f.value(node)


def part_of(f: Frame, owner: Datum | Place, node: ast.Subscript | ast.Attribute) -> Datum | Place:
    """What one more subscript or attribute of a datum or a place stands for."""
    if isinstance(owner, Actor):
        return member(f, owner, node)
    if isinstance(node, ast.Subscript):
        if isinstance(owner, Grid):
            return neighbour(f, owner, _keys(f, key_nodes(node)), node)
        if isinstance(owner, (Memory, Part)):
            return element(f, owner, node)
        if isinstance(owner, Place) and isinstance(owner.type, Vec):
            return _component_place(f, owner, owner.type, node)
        return _item(f, load(f, owner, node) if isinstance(owner, Place) else owner, node)
    if isinstance(owner, Place):
        part = _part_of_place(f, owner, node)
        return part if part is not None else _attribute(f, load(f, owner, node), node)
    return _attribute(f, owner, node)


def element(f: Frame, owner: Memory | Part, node: ast.Subscript) -> Place:
    """The element of memory, or of an array inside it, that a subscript names."""
    if isinstance(owner, Memory):
        return Place(owner, indices_of(f, owner, key_nodes(node), node), owner.type.elem)
    return located(f, owner, _keys(f, key_nodes(node)), node)


def located(f: Frame, owner: Memory | Part, data: list[tuple[Datum, ast.AST]], node: ast.AST) -> Place:
    """The element at given indices."""
    if isinstance(owner, Memory):
        return Place(owner, checked_indices(f, owner, data, node), owner.type.elem)
    memory = owner.memory
    if owner.start is None:
        fixed = [(Scalar(value), node) for value in owner.lead]
        return Place(memory, checked_indices(f, memory, [*fixed, *data], node), memory.type.elem)
    if len(data) != len(owner.extents):
        f.refuse(codes.INDEX_COUNT, node, name=owner.name, rank=len(owner.extents), given=len(data))
    inner = owner.start
    for axis, ((datum, key), extent) in enumerate(zip(data, owner.extents, strict=True)):
        at = as_index(f, datum, key)
        f.at(key)
        inside = f.emit(CmpOp, at, extent, predicate="lt")
        inside = f.emit(AndOp, f.emit(CmpOp, at, f.const(index, 0), predicate="ge"), inside)
        f.builder.op(RequireOp, inside, at, extent, check="bounds", text=owner.name, axis=axis)
        inner = at if axis == 0 else f.emit(AddOp, f.emit(MulOp, inner, extent), at)
    return Place(memory, (f.emit(AddOp, owner.start, inner),), memory.type.elem)


def key_nodes(node: ast.Subscript) -> list[ast.expr]:
    """The expressions between the brackets."""
    return list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]


def indices_of(f: Frame, memory: Memory, keys: list[ast.expr], node: ast.AST) -> tuple[Value, ...]:
    """Index values, checked against the memory's rank and, where both are known, its extents."""
    return checked_indices(f, memory, _keys(f, keys), node)


def _keys(f: Frame, keys: list[ast.expr]) -> list[tuple[Datum, ast.AST]]:
    """What stands between the brackets, evaluated; tuples are unpacked."""
    data: list[tuple[Datum, ast.AST]] = []
    for key in keys:
        if isinstance(key, ast.Slice) or (isinstance(key, ast.Constant) and key.value is Ellipsis):
            f.refuse(codes.SLICE, key)
        datum = f.value(key)
        data += [(d, key) for d in datum.items] if isinstance(datum, Tuple) else [(datum, key)]
    return data


def checked_indices(
    f: Frame, memory: Memory, data: list[tuple[Datum, ast.AST]], node: ast.AST
) -> tuple[Value, ...]:
    """Data as the index values of an access."""
    rank = memory.type.rank
    if len(data) != rank:
        f.refuse(codes.INDEX_COUNT, node, name=memory.name, rank=rank, given=len(data))
    for axis, (datum, key) in enumerate(data):
        if isinstance(memory.type, MemType) and isinstance(datum, Const) and isinstance(datum.value, int):
            extent = memory.type.shape[axis]
            if datum.value >= extent:
                f.refuse(codes.CONSTANT_BOUNDS, key, value=datum.value, name=memory.name, extent=extent)
    return tuple(as_index(f, datum, key) for datum, key in data)


def _part_of_place(f: Frame, owner: Place, node: ast.Attribute) -> Place | None:
    """`a[i].pos` or `a[i].x` as a place; None for what is read whole: a swizzle, a method of a reference."""
    name, at = node.attr, owner.leaf
    if owner.type == REF and name in REF_WORDS:
        return None
    if isinstance(owner.type, StructType):
        for field, inner in owner.type.fields:
            if field == name:
                return Place(owner.memory, owner.indices, inner, at)
            at += len(leaves(inner))
        names = ", ".join(field for field, _ in owner.type.fields)
        f.refuse(codes.UNKNOWN_ATTRIBUTE, node, what=owner.type, name=name, advice=f"its fields are {names}")
    if isinstance(owner.type, Vec) and len(name) == 1 and name in COMPONENTS[: owner.type.size]:
        return Place(owner.memory, owner.indices, owner.type.elem, at + COMPONENTS.index(name))
    return None


def _component_place(f: Frame, owner: Place, t: Vec, node: ast.Subscript) -> Datum | Place:
    """`a[i][k]` where elements are vectors."""
    key = f.value(node.slice)
    if isinstance(key, Const):
        k = _position(f, key, t.size, t, node.slice)
        return Place(owner.memory, owner.indices, t.elem, owner.leaf + k)
    return _component_of(f, load(f, owner, node), key, node)


def load(f: Frame, place: Place, node: ast.AST) -> Datum:
    """Read a place: one load per scalar leaf."""
    f.at(node)
    found = [
        f.emit(LoadOp, place.memory.value, *place.indices, type=leaf.dtype, leaf=place.leaf + k)
        for k, leaf in enumerate(leaves(place.type))
    ]
    return from_leaves(place.type, iter(found))


def store(f: Frame, place: Place, datum: Datum, node: ast.AST, target: ast.AST) -> None:
    """Write a place, named by `target`; the datum, from `node`, converts as stores do."""
    writable(f, place.memory, target)
    made = stored(f, datum, place.type, node)
    f.at(target)
    for k, value in enumerate(_leaf_values(f, made, place.type, node)):
        f.builder.op(StoreOp, value, place.memory.value, *place.indices, leaf=place.leaf + k)


def writable(f: Frame, memory: Memory, node: ast.AST) -> None:
    """Refuse a write to a read-only parameter."""
    if memory.readonly or (isinstance(memory.type, ArrayType) and memory.type.readonly):
        f.refuse(codes.READ_ONLY, node, name=memory.name)


def _leaf_values(f: Frame, datum: Datum, t: ElementType, node: ast.AST) -> list[Value]:
    """The scalars of a datum of element type `t`, in `leaves` order."""
    if isinstance(datum, (Scalar, Const)) and not isinstance(t, (Vec, StructType)):
        return [adopt(f, datum, t, node)]
    if isinstance(datum, Vector):
        return [item.value for item in datum.items]
    if isinstance(datum, Record):
        pairs = zip(datum.items, datum.type.fields, strict=True)
        return [v for item, (_, inner) in pairs for v in _leaf_values(f, item, inner, node)]
    f.refuse(codes.MIXED_SHAPE, node, left=describe(datum), right=t)


def _attribute(f: Frame, owner: Datum, node: ast.Attribute) -> Datum:
    name = node.attr
    if isinstance(owner, Host):
        return attribute(f, owner.obj, name, node)
    if isinstance(owner, Record):
        for (field, _), item in zip(owner.type.fields, owner.items, strict=True):
            if field == name:
                return item
        if owner.type == REF and name in REF_WORDS:
            return Method(owner, name)
        names = ", ".join(field for field, _ in owner.type.fields)
        f.refuse(codes.UNKNOWN_ATTRIBUTE, node, what=owner.type, name=name, advice=f"its fields are {names}")
    if isinstance(owner, Vector):
        return _swizzle(f, owner, node)
    if isinstance(owner, (Memory, Part)):
        return _array_attribute(f, owner, node)
    f.refuse(
        codes.UNKNOWN_ATTRIBUTE,
        node,
        what=describe(owner),
        name=name,
        advice="numbers and tuples have no attributes",
    )


def _swizzle(f: Frame, owner: Vector, node: ast.Attribute) -> Datum:
    letters = COMPONENTS[: owner.type.size]
    if len(node.attr) > 4 or any(letter not in COMPONENTS for letter in node.attr):
        advice = f"its components are {', '.join(letters)}"
        f.refuse(codes.UNKNOWN_ATTRIBUTE, node, what=owner.type, name=node.attr, advice=advice)
    if any(letter not in letters for letter in node.attr):
        f.refuse(
            codes.COMPONENT, node, what=owner.type, which=node.attr, advice=f"one of {', '.join(letters)}"
        )
    items = tuple(owner.items[letters.index(letter)] for letter in node.attr)
    return items[0] if len(items) == 1 else Vector(Vec(owner.type.elem, len(items)), items)


def extents(f: Frame, memory: Memory | Part) -> tuple[Datum, ...]:
    """The extents of memory: constants for on-chip memory, else of type index."""
    if isinstance(memory, Part):
        if memory.start is not None:
            return tuple(Scalar(value) for value in memory.extents)
        return extents(f, memory.memory)[len(memory.lead) :]
    if isinstance(memory.type, MemType):
        return tuple(Const(n) for n in memory.type.shape)
    return tuple(Scalar(f.emit(DimOp, memory.value, axis=axis)) for axis in range(memory.type.rank))


def _array_attribute(f: Frame, owner: Memory | Part, node: ast.Attribute) -> Datum:
    f.at(node)
    if node.attr == "shape":
        return Tuple(extents(f, owner))
    if node.attr == "size":
        sizes = extents(f, owner)
        known = [s.value for s in sizes if isinstance(s, Const)]
        if len(known) == len(sizes):
            return Const(prod(int(k) for k in known))
        values = [s.value for s in sizes if isinstance(s, Scalar)]
        total = values[0]
        for value in values[1:]:
            total = f.emit(MulOp, total, value)
        return Scalar(total)
    if node.attr == "ndim":
        return Const(len(extents(f, owner)))
    if node.attr == "dtype":
        return Host((owner.memory if isinstance(owner, Part) else owner).type.elem)
    advice = "arrays have shape, size, ndim and dtype in kernels"
    f.refuse(codes.UNKNOWN_ATTRIBUTE, node, what=describe(owner), name=node.attr, advice=advice)


def _item(f: Frame, owner: Datum, node: ast.Subscript) -> Datum:
    """An item of a tuple, a component of a vector, or the one host object that is indexed."""
    if isinstance(node.slice, ast.Slice):
        f.refuse(codes.SLICE, node.slice)
    key = f.value(node.slice)
    if isinstance(owner, Host):
        return subscript(f, owner.obj, key, node)
    if isinstance(owner, Tuple):
        if not isinstance(key, Const):
            f.refuse(codes.TUPLE_INDEX, node.slice)
        return owner.items[_position(f, key, len(owner.items), owner, node.slice)]
    if isinstance(owner, Vector):
        if isinstance(key, Const):
            return owner.items[_position(f, key, owner.type.size, owner.type, node.slice)]
        return _run_time_component(f, owner, key, node)
    f.refuse(codes.NOT_INDEXABLE, node, what=describe(owner))


def _component_of(f: Frame, owner: Datum, key: Datum, node: ast.Subscript) -> Datum:
    if isinstance(owner, Vector):
        return _run_time_component(f, owner, key, node)
    f.refuse(codes.NOT_INDEXABLE, node, what=describe(owner))


def _position(f: Frame, key: Const, size: int, owner: object, node: ast.AST) -> int:
    """A constant position; negative ones count from the end, as in Python's tuples."""
    k = key.value
    if isinstance(k, (bool, float)):
        f.refuse(codes.INDEX_TYPE, node, what=repr(k))
    if not -size <= k < size:
        what = describe(owner) if isinstance(owner, Tuple) else owner
        f.refuse(codes.COMPONENT, node, what=what, which=k, advice=f"an index from 0 to {size - 1}")
    return k % size


def _run_time_component(f: Frame, owner: Vector, key: Datum, node: ast.Subscript) -> Datum:
    """A component chosen at run time, by selects; an index out of range gives the last."""
    at = _run_time_key(f, key, node)
    found = owner.items[-1].value
    for k in range(owner.type.size - 2, -1, -1):
        found = f.emit(SelectOp, _is(f, at, k), owner.items[k].value, found)
    return Scalar(found)


def _run_time_key(f: Frame, key: Datum, node: ast.Subscript) -> Value:
    given = number(f, key, node.slice)
    if not isinstance(given, Scalar) or not given.dtype.is_integer:
        f.refuse(codes.INDEX_TYPE, node.slice, what=describe(given))
    return f.cast(given.value, i32) if given.dtype is not index else given.value


def _is(f: Frame, at: Value, k: int) -> Value:
    return f.emit(CmpOp, at, f.const(index if at.type is index else i32, k), predicate="eq")


def with_part(f: Frame, owner: Datum, target: ast.Attribute | ast.Subscript, datum: Datum) -> Datum:
    """A local vector or struct with one part replaced."""
    if isinstance(target, ast.Attribute):
        if isinstance(owner, Record):
            names = [field for field, _ in owner.type.fields]
            if target.attr in names:
                k = names.index(target.attr)
                item = stored(f, datum, owner.type.fields[k][1], target)
                return Record(owner.type, (*owner.items[:k], item, *owner.items[k + 1 :]))
        if (
            isinstance(owner, Vector)
            and len(target.attr) == 1
            and target.attr in COMPONENTS[: owner.type.size]
        ):
            return _with_component(f, owner, COMPONENTS.index(target.attr), datum, target)
        if isinstance(owner, Host) and isinstance(owner.obj, ModuleType):
            f.refuse(codes.NOT_ASSIGNABLE, target, what=f"{owner.obj.__name__}.{target.attr}")
        advice = "assign to its fields or components"
        f.refuse(codes.UNKNOWN_ATTRIBUTE, target, what=describe(owner), name=target.attr, advice=advice)
    if isinstance(owner, Vector):
        key = f.value(target.slice)
        if isinstance(key, Const):
            k = _position(f, key, owner.type.size, owner.type, target.slice)
            return _with_component(f, owner, k, datum, target)
        at = _run_time_key(f, key, target)
        new = store_value(f, number(f, datum, target), owner.type.elem, target)
        items = [f.emit(SelectOp, _is(f, at, k), new, i.value) for k, i in enumerate(owner.items)]
        return Vector(owner.type, tuple(Scalar(v) for v in items))
    if isinstance(owner, Tuple):
        f.refuse(codes.NOT_ASSIGNABLE, target, what=f"an item of {describe(owner)}")
    f.refuse(codes.NOT_INDEXABLE, target, what=describe(owner))


def _with_component(f: Frame, owner: Vector, k: int, datum: Datum, node: ast.AST) -> Vector:
    item = Scalar(store_value(f, number(f, datum, node), owner.type.elem, node))
    return Vector(owner.type, (*owner.items[:k], item, *owner.items[k + 1 :]))
