"""What a resident loop asks of its program (run a message's handler, write its reply), and what handlers do

with messages and actors: `ref.tell`, `self.stop`, `self.spawn`, methods of their class.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.actor import arena_of, class_memories, leaf_of
from gyral.compiler.frontend.annotations import signature_of
from gyral.compiler.frontend.arguments import matched, named, positional
from gyral.compiler.frontend.construct import construct
from gyral.compiler.frontend.convert import adopt, known_int, number, stored
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.invoke import apply, passed
from gyral.compiler.frontend.payload import load_word, pack, place, unpack, words_of
from gyral.compiler.frontend.program import ActorClass, ResidentProgram
from gyral.compiler.frontend.values import (
    Actor,
    Const,
    Datum,
    Host,
    Memory,
    Method,
    Nothing,
    Record,
    Scalar,
    Tuple,
    describe,
    rebuilt,
    scalars,
)
from gyral.compiler.ir.graph import Block, Value
from gyral.compiler.ir.ops.arith import AddOp, AndOp, CmpOp, FloorDivOp, OrOp, ShlOp, zero_of
from gyral.compiler.ir.ops.atomic import AtomicLoadOp
from gyral.compiler.ir.ops.cast import CastOp
from gyral.compiler.ir.ops.control import IfOp, YieldOp
from gyral.compiler.ir.ops.grid import BarrierOp, LocalIdOp
from gyral.compiler.ir.ops.memory import DimOp, LoadOp, StoreOp
from gyral.compiler.stdlib import outbox, resident
from gyral.compiler.stdlib.arena import SIZES, control_of, put
from gyral.compiler.words import REQUIRED, Word
from gyral.core import wire
from gyral.core.dtypes import StructType, bool_, index, leaves, u32, u64
from gyral.core.wire import REF


class Resident:
    """The program a unit is a loop of."""

    def __init__(self, program: ResidentProgram) -> None:
        self.program = program

    def __call__(self, f: Frame) -> Value:
        """Whether the handler in hand may go on; always where there is no handler to ask for."""
        actor = actor_of(f)
        if actor is None:
            return f.const(bool_, True)
        at = place(f, actor.value("at"), wire.WK_ABORT)
        scope = "system" if f.unit.way == "endless" else "device"
        word = f.emit(AtomicLoadOp, arena_of(actor).value, at, type=u32, order="relaxed", scope=scope)
        return f.emit(CmpOp, word, f.const(u32, 0), predicate="eq")


def program_of(f: Frame) -> ResidentProgram:
    """The program of a unit that has one."""
    found = f.unit.resident
    if not isinstance(found, Resident):
        raise TypeError("words of resident loops stand in such loops alone")
    return found.program


def actor_of(f: Frame) -> Actor | None:
    """The actor that a function is given, if any."""
    return next((datum for datum, _ in f.names.values() if isinstance(datum, Actor)), None)


# Words of the loop.


def dispatch(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """One case per class and type of message, found by halving; what became of the message."""
    program = program_of(f)
    cases = sorted(
        (role << wire.TYPE_BITS | program.messages[handler.message], role, entry)
        for role, cls in enumerate(program.classes)
        for entry, handler in enumerate(cls.handlers)
    )
    arena, control, kind = args[0], args[6], args[8]
    key = invoke_named(f, resident.case_key, [arena, control, kind], node)
    if not isinstance(key, Scalar):
        raise TypeError("a case's key is a number")

    def search(found: Sequence[tuple[int, int, int]]) -> Datum:
        if not found:
            return invoke_named(f, resident.unknown, [], node)
        if len(found) == 1:
            value, role, entry = found[0]
            sends = program.classes[role].handlers[entry].sends
            given = [*args, Const(role), Const(entry), Const(sends)]
            same = f.emit(CmpOp, key.value, f.const(u32, value), predicate="eq")
            return _choose(f, same, lambda: invoke_named(f, resident.case, given, node), lambda: search(()))
        half = len(found) // 2
        below = f.emit(CmpOp, key.value, f.const(u32, found[half][0]), predicate="lt")
        return _choose(f, below, lambda: search(found[:half]), lambda: search(found[half:]))

    return search(cases)


def _choose(f: Frame, test: Value, yes: Callable[[], Datum], no: Callable[[], Datum]) -> Datum:
    """One of two data of the same form."""
    blocks, sides = (Block(), Block()), []
    for block, write in zip(blocks, (yes, no), strict=True):
        with f.region(block):
            sides.append(write())
            f.builder.op(YieldOp, *(s.value for s in scalars(sides[-1])))
    types = [s.dtype for s in scalars(sides[0])]
    op = f.builder.op(IfOp, test, types=types, regions=list(blocks))
    return rebuilt(sides[0], iter(op.results))


def serve(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """Call a handler on a message; its reply in a tuple, an empty one when it has none."""
    *context, role, entry = args
    number_ = known_int(f, role, node, "a class")
    cls = program_of(f).classes[number_]
    handler = cls.handlers[known_int(f, entry, node, "a handler")]
    actor = _actor(f, context, cls, number_)
    at = invoke_named(f, resident.payload_at, [context[0], context[5]], node)
    if not isinstance(at, Scalar):
        raise TypeError("a place is a number")
    message = unpack(f, arena_of(actor), at.value, handler.message)
    names = [spec.name for spec in signature_of(handler.function)]
    reply = apply(f, handler.function, list(zip(names, (actor, message), strict=True)), node)
    return Tuple(() if isinstance(reply, Nothing) else (reply,))


def _actor(f: Frame, context: Sequence[Datum], cls: ActorClass, number_: int) -> Actor:
    """`self` from what the loop knows: arena, world, sys, w, at, slot, control, dest."""
    arena, control = context[0], context[6]
    if not isinstance(arena, Memory) or not isinstance(control, Scalar):
        raise TypeError("a loop's context is an arena and numbers")
    generation = Scalar(load_word(f, arena, control.value, wire.CT_GENERATION))
    row = Scalar(load_word(f, arena, control.value, wire.CT_ROW))
    return Actor(cls, number_, Tuple((*context, generation, row)))


def give(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """Write a reply into its cell, with its type."""
    arena, cell, reply = args
    if not isinstance(arena, Memory) or not isinstance(cell, Scalar) or not isinstance(reply, Tuple):
        raise TypeError("a reply goes into a cell of the arena")
    kind = wire.REPLY_NONE
    if reply.items:
        kind, message = _message(f, reply.items[0], node)
        pack(f, arena, f.emit(AddOp, cell.value, f.const(u32, wire.CE_PAYLOAD)), message, message.type)
    at = place(f, cell.value, wire.CE_KIND)
    f.builder.op(StoreOp, f.const(u32, kind), arena.value, at)
    return Nothing("give")


def _message(f: Frame, datum: Datum, node: ast.AST) -> tuple[int, Record]:
    """A datum that must be a message of the program, and its KIND word."""
    if not isinstance(datum, Record) or datum.type not in program_of(f).messages:
        f.refuse(codes.NOT_A_MESSAGE, node, what=describe(datum))
    return wire.kind_of(program_of(f).messages[datum.type], words_of(datum.type)), datum


def remember(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """Copy an actor's record to the second half of its class's array, if the class keeps copies."""
    _copy_record(f, args, node, back=False)
    return Nothing("remember")


def restore(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """Copy an actor's record back."""
    _copy_record(f, args, node, back=True)
    return Nothing("restore")


def _copy_record(f: Frame, args: list[Datum], node: ast.Call, back: bool) -> None:
    *context, role, _ = args
    number_ = known_int(f, role, node, "a class")
    cls = program_of(f).classes[number_]
    if not cls.keeps:
        return
    actor = _actor(f, context, cls, number_)
    record = class_memories(actor, number_)[0]
    row = f.cast(actor.value("row"), index)
    half = f.emit(FloorDivOp, f.emit(DimOp, record.value, axis=0), f.const(index, 2))
    copy = f.emit(AddOp, row, half)
    source, target = (copy, row) if back else (row, copy)
    for number__, leaf in enumerate(leaves(cls.record)):
        value = f.emit(LoadOp, record.value, source, type=leaf.dtype, leaf=number__)
        f.builder.op(StoreOp, value, record.value, target, leaf=number__)
    f.builder.op(BarrierOp)  # no thread of a block goes on to the handler while another still copies


# Methods.


def method(f: Frame, found: Method, node: ast.Call) -> Datum:
    """Call a method of an actor or a reference."""
    if found.function is not None:
        return _own(f, found, node)
    return _METHODS[found.name](f, found, node)


def _own(f: Frame, found: Method, node: ast.Call) -> Datum:
    """A method of the actor's class."""
    fn = found.function
    specs = signature_of(fn)
    parameters = [(s.name, s.default if s.has_default else REQUIRED) for s in specs[1:]]
    usage = f"`self.{fn.__name__}({', '.join(name for name, _ in parameters)})`"
    given = matched(f, node, fn.__name__, usage, parameters)
    data = [passed(f, spec, datum, node) for spec, datum in zip(specs[1:], given, strict=True)]
    names = [spec.name for spec in specs]
    return apply(f, fn, list(zip(names, (found.owner, *data), strict=True)), node)


def _tell(f: Frame, found: Method, node: ast.Call) -> Datum:
    """`ref.tell(message)` or `ref.tell(Message, field, …)`: sent when the handler ends well."""
    actor = _here(f, node)
    datum = _told(f, node)
    kind, message = _message(f, datum, node)
    owner = found.owner
    if not isinstance(owner, Record):
        raise TypeError("a reference is a record")
    context = [actor.part(name) for name in ("arena", "sys", "w", "at", "me", "generation")]
    f.at(node)
    at = invoke_named(f, outbox.stage, [*context, *owner.items, Scalar(f.const(u32, kind))], node)
    if not isinstance(at, Scalar):
        raise TypeError("a place is a number")
    goes = f.emit(CmpOp, at.value, f.const(u32, 0), predicate="ne")
    goes = f.emit(AndOp, goes, _first_thread(f))
    block = Block()
    with f.region(block):
        pack(f, arena_of(actor), at.value, message, message.type)
        f.builder.op(YieldOp)
    empty = Block()
    with f.region(empty):
        f.builder.op(YieldOp)
    f.builder.op(IfOp, goes, types=[], regions=[block, empty])
    return Nothing("tell()")


def _told(f: Frame, node: ast.Call) -> Datum:
    """What is told: a message, or its type and its fields."""
    if node.args:
        first = f.value(node.args[0])
        if isinstance(first, Host) and isinstance(first.obj, StructType):
            rest = ast.copy_location(ast.Call(node.args[0], node.args[1:], node.keywords), node)
            return construct(f, first.obj, rest)
        if len(node.args) == 1 and not node.keywords:
            return first
    usage = "`ref.tell(message)`"
    f.refuse(codes.ARGUMENTS, node, name="tell", what="takes one message", usage=usage)


def _stop(f: Frame, found: Method, node: ast.Call) -> Datum:
    """`self.stop()`: the actor ends with this handler."""
    matched(f, node, "stop", "`self.stop()`", [])
    actor = _here(f, node)
    arena = arena_of(actor)
    at = Scalar(f.emit(AddOp, actor.value("at"), f.const(u32, wire.WK_STOPPING)))
    invoke_named(f, put, [arena, at, Scalar(f.const(u32, 1))], node)
    return Nothing("stop()")


def _spawn(f: Frame, found: Method, node: ast.Call) -> Datum:
    """`self.spawn(Class, field=value, …)`: a reference, empty when the class has no free slot."""
    actor = _here(f, node)
    cls, number_ = _class_named(f, node)
    given = _spawn_fields(f, cls, node)
    f.at(node)
    found_ = invoke_named(
        f, resident.born, [arena_of(actor), actor.part("sys"), Scalar(f.const(u32, number_))], node
    )
    slot, generation = (scalar.value for scalar in scalars(found_))
    works = f.emit(CmpOp, generation, f.const(u32, 0), predicate="ne")
    works = f.emit(AndOp, works, _first_thread(f))
    block, empty = Block(), Block()
    with f.region(block):
        _be_born(f, actor, cls, number_, slot, given, node)
        f.builder.op(YieldOp)
    with f.region(empty):
        f.builder.op(YieldOp)
    f.builder.op(IfOp, works, types=[], regions=[block, empty])
    sys = actor.part("sys")
    route = sys.items[SIZES.index("route")] if isinstance(sys, Record) else None
    if not isinstance(route, Scalar):
        raise TypeError("a size is a scalar")
    shifted = f.emit(ShlOp, route.value, f.const(u32, 16))
    return Record(REF, (Scalar(slot), Scalar(f.emit(OrOp, generation, shifted))))


def _class_named(f: Frame, node: ast.Call) -> tuple[ActorClass, int]:
    given = positional(f, ast.Call(node.func, node.args[:1], []))
    what = given[0].obj if given and isinstance(given[0], Host) else None
    for number_, cls in enumerate(program_of(f).classes):
        if cls.python is what:
            return cls, number_
    usage = "`self.spawn(Class, field=value)`"
    f.refuse(codes.ARGUMENTS, node, name="spawn", what="needs a class of this system", usage=usage)


def _spawn_fields(f: Frame, cls: ActorClass, node: ast.Call) -> dict[str, Datum]:
    given = named(f, node)
    for name in given:
        one = cls.field(name)
        if one is None or one.kind != "state":
            f.refuse(
                codes.ARGUMENTS, node, name="spawn", what=f"cannot set {name!r} of {cls.name}",
                usage="`self.spawn(Class, field=value)`, of scalars, vectors, structs and references",
            )  # fmt: skip
    return given


def _be_born(
    f: Frame,
    actor: Actor,
    cls: ActorClass,
    number_: int,
    slot: Value,
    given: dict[str, Datum],
    node: ast.Call,
) -> None:
    """Set a new actor's fields, then let it live."""
    control = invoke_named(f, control_of, [actor.part("sys"), Scalar(slot)], node)
    if not isinstance(control, Scalar):
        raise TypeError("a place is a number")
    arena = arena_of(actor)
    row = f.cast(load_word(f, arena, control.value, wire.CT_ROW), index)
    record = class_memories(actor, number_)[0]
    for one in cls.fields:
        if one.kind != "state":
            continue
        first = leaf_of(cls.record, one.name)
        default = getattr(cls.python, one.name, None)
        if one.name in given:
            values = [s.value for s in scalars(stored(f, given[one.name], one.type, node))]
        elif isinstance(default, (bool, int, float)):
            values = [adopt(f, number(f, Const(default), node), leaves(one.type)[0].dtype, node)]
        else:
            values = [f.const(leaf.dtype, zero_of(leaf.dtype)) for leaf in leaves(one.type)]
        for k, value in enumerate(values):
            f.builder.op(StoreOp, value, record.value, row, leaf=first + k)
    invoke_named(f, resident.live, [arena, control], node)


def _here(f: Frame, node: ast.AST) -> Actor:
    actor = actor_of(f)
    if actor is None:
        f.refuse(codes.NO_ACTOR, node)
    return actor


def _first_thread(f: Frame) -> Value:
    return f.emit(CmpOp, f.emit(LocalIdOp, axis=0), f.const(index, 0), predicate="eq")


def now(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """The hybrid logical clock of the message in hand."""
    actor = _here(f, node)
    low, high = (
        f.emit(CastOp, load_word(f, arena_of(actor), actor.value("at"), k), type=u64)
        for k in (wire.WK_CLOCK_LO, wire.WK_CLOCK_HI)
    )
    return Scalar(f.emit(OrOp, low, f.emit(ShlOp, high, f.const(u64, 32))))


def invoke_named(f: Frame, fn: Callable[..., Any], data: Sequence[Datum], node: ast.Call) -> Datum:
    """Call a function of the loop with data."""
    names = [spec.name for spec in signature_of(fn)]
    return apply(f, fn, list(zip(names, data, strict=True)), node)


_METHODS: dict[str, Callable[[Frame, Method, ast.Call], Datum]] = {
    "tell": _tell,
    "stop": _stop,
    "spawn": _spawn,
}

HANDLERS: dict[str, Callable[[Frame, Word, list[Datum], ast.Call], Datum]] = {
    "dispatch": dispatch,
    "serve": serve,
    "give": give,
    "remember": remember,
    "restore": restore,
    "now": now,
}
