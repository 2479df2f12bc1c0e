"""`self` in a handler: fields in the class's memory, the message's sender, methods and constants."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import Any

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.payload import load_word
from gyral.compiler.frontend.resolve import lift
from gyral.compiler.frontend.values import (
    Actor,
    Datum,
    Memory,
    Method,
    Part,
    Place,
    Record,
    Scalar,
    Tuple,
    describe,
)
from gyral.compiler.ir.graph import Value
from gyral.compiler.ir.ops.arith import AddOp, OrOp, ShlOp, ShrOp
from gyral.compiler.ir.ops.memory import LoadOp
from gyral.core import wire
from gyral.core.dtypes import StructType, index, leaves, u32
from gyral.core.wire import REF

REF_WORDS = ("tell",)
ACTOR_WORDS = ("spawn", "stop")


def member(f: Frame, actor: Actor, node: ast.Subscript | ast.Attribute) -> Datum | Place:
    """What `self.name` is in a handler: a field, a word, a method or a constant of the class."""
    if isinstance(node, ast.Subscript):
        f.refuse(codes.NOT_INDEXABLE, node, what=describe(actor))
    name = node.attr
    field = actor.role.field(name)
    if field is not None:
        return _field_of(f, actor, field)
    if name == "me":
        return Record(
            REF, (actor.part("me"), Scalar(f.emit(OrOp, actor.value("generation"), _route(f, actor))))
        )
    if name == "sender":
        return _sender(f, actor)
    if name == "step":
        at = f.emit(AddOp, actor.value("control"), f.const(u32, wire.CT_STEP))
        return Place(arena_of(actor), (f.cast(at, index),), u32)
    if name in ACTOR_WORDS:
        return Method(actor, name)
    found = getattr(actor.role.python, name, None)
    if isinstance(found, FunctionType):
        return Method(actor, name, found)
    if found is None:
        names = ", ".join(one.name for one in actor.role.fields) or "none"
        f.refuse(
            codes.UNKNOWN_ATTRIBUTE, node, what=describe(actor), name=name, advice=f"its fields are {names}"
        )
    return lift(f, found, f"self.{name}", node)


def _field_of(f: Frame, actor: Actor, field: Any) -> Place | Part:
    """A field's place in its class's memory."""
    row = f.cast(actor.value("row"), index)
    memories = class_memories(actor, actor.role_number)
    record = memories[0]
    if field.kind == "state":
        return Place(record, (row,), field.type, leaf_of(actor.role.record, field.name))
    held = memories[1 + actor.role.arrays.index(field)]
    if field.kind == "fixed":
        return Part(held, field.name, (row,))
    start, *extents_ = (
        f.emit(LoadOp, record.value, row, type=u32, leaf=leaf_of(actor.role.record, name))
        for name, _ in field.place_fields()
    )
    return Part(held, field.name, (), f.cast(start, index), tuple(f.cast(e, index) for e in extents_))


def leaf_of(t: StructType, name: str) -> int:
    """The number of the first scalar leaf of a struct's field."""
    at = 0
    for field, inner in t.fields:
        if field == name:
            return at
        at += len(leaves(inner))
    raise KeyError(name)


def _route(f: Frame, actor: Actor) -> Value:
    """Device and node of the actor's own system, as they stand in a reference."""
    sys = actor.part("sys")
    if not isinstance(sys, Record):
        raise TypeError("the system's sizes are a record")
    route = sys.items[[name for name, _ in sys.type.fields].index("route")]
    if not isinstance(route, Scalar):
        raise TypeError("a size is a scalar")
    return f.emit(ShlOp, route.value, f.const(u32, 16))


def _sender(f: Frame, actor: Actor) -> Record:
    """Who sent the message in hand: an actor, or the host."""
    arena, slot = arena_of(actor), actor.value("slot")
    who = load_word(f, arena, slot, wire.SOURCE)
    generation = f.emit(ShrOp, load_word(f, arena, slot, wire.GENS), f.const(u32, 16))
    return Record(REF, (Scalar(who), Scalar(f.emit(OrOp, generation, _route(f, actor)))))


def arena_of(actor: Actor) -> Memory:
    """The words in which everything but the actors' own fields lies."""
    found = actor.part("arena")
    if not isinstance(found, Memory):
        raise TypeError("the arena is memory")
    return found


def class_memories(actor: Actor, number: int) -> list[Memory]:
    """A class's records, then the arrays of its other fields."""
    world = actor.part("world")
    held = world.items[number] if isinstance(world, Tuple) else None
    if not isinstance(held, Tuple):
        raise TypeError("the world is a tuple of tuples of arrays")
    return [memory for memory in held.items if isinstance(memory, Memory)]
