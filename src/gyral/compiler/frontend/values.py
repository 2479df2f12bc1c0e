"""What an expression stands for while a kernel is compiled.

Scalars are IR values; vectors, structs and tuples exist only here, as aggregates of scalars.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from gyral.compiler.ir.graph import Value
from gyral.compiler.ir.types import MemoryType
from gyral.core.dtypes import DType, ElementType, StructType, Vec, bool_, f32, i32

Weakness: TypeAlias = Literal["", "given", "joined"]


@dataclass(frozen=True, slots=True, eq=False)
class Scalar:
    """A run-time number. A weak one takes the type it meets: "given" by a call, or "joined" by a name."""

    value: Value
    weak: Weakness = ""

    @property
    def dtype(self) -> DType:
        """Its type, or for a weak one the type that carries it."""
        return cast(DType, self.value.type)


@dataclass(frozen=True, slots=True, eq=False)
class Const:
    """A number known when compiling, weak unless it is a bool."""

    value: bool | int | float


@dataclass(frozen=True, slots=True, eq=False)
class Tuple:
    """A tuple of data."""

    items: tuple[Datum, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """A short vector; every item is a typed scalar of its element type."""

    type: Vec
    items: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """A struct; items follow its fields."""

    type: StructType
    items: tuple[Datum, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Memory:
    """An array parameter or on-chip memory; `readonly` where a function's parameter says so."""

    value: Value
    name: str
    readonly: bool = False

    @property
    def type(self) -> MemoryType:
        """Its element type and rank or shape."""
        return cast(MemoryType, self.value.type)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """An array inside memory: the elements whose first indices are `lead`, or a run of a pool.

    Of a pool it is `start` and `extents`, its axes last one fastest; else both are empty.
    """

    memory: Memory
    name: str
    lead: tuple[Value, ...] = ()
    start: Value | None = None
    extents: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """A field of a simulation as one cell sees it: subscripts are distances to a neighbour, known numbers.

    `at` is the cell's element of the memory, `strides` how far apart neighbours lie along each axis, `reach`
    how many cells away a neighbour may be.
    """

    memory: Memory
    at: Scalar
    strides: tuple[int, ...]
    reach: int
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Actor:
    """`self` in a handler: its class (a `program.ActorClass`), and what the loop knows of it and the message.

    Parts are named by `ACTOR_PARTS`.
    """

    role: Any
    role_number: int
    parts: Tuple

    def part(self, name: str) -> Datum:
        """One of its parts."""
        return self.parts.items[ACTOR_PARTS.index(name)]

    def value(self, name: str) -> Value:
        """One of its parts that is a scalar."""
        found = self.part(name)
        if not isinstance(found, Scalar):
            raise TypeError(f"{name} of an actor is no scalar")
        return found.value


ACTOR_PARTS = ("arena", "world", "sys", "w", "at", "slot", "control", "me", "generation", "row")
"""The arena, each class's memory, the system's sizes, the worker and its block, the message, the actor's
control block, its slot, generation and row (see `stdlib.resident`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Method:
    """Something to be called on an actor or a reference: a word such as `tell`, or a method of the class."""

    owner: Datum
    name: str
    function: Any = None


@dataclass(frozen=True, slots=True)
class Place:
    """An element of memory, or a part of one: its type and its first scalar leaf."""

    memory: Memory
    indices: tuple[Value, ...]
    type: ElementType
    leaf: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Host:
    """A Python object known when compiling: a type, a function, a module, a word."""

    obj: Any


@dataclass(frozen=True, slots=True, eq=False)
class Text:
    """A string, for print and assert."""

    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Nothing:
    """What a call without a result gives; `what` names the call."""

    what: str


# Floats reach 2**1024: every shorter integer converts, and is written in few enough digits to be shown.
LITERAL_BITS = 1023

Number: TypeAlias = Scalar | Const
Datum: TypeAlias = (
    Scalar | Const | Tuple | Vector | Record | Memory | Part | Grid | Actor | Method | Host | Text | Nothing
)


def weak_dtype(number: Number) -> DType:
    """The type a weak number gets when it meets nothing typed; a typed scalar's own type."""
    if isinstance(number, Scalar):
        if not number.weak:
            return number.dtype
        return f32 if number.dtype.is_float else i32
    if isinstance(number.value, bool):
        return bool_
    return f32 if isinstance(number.value, float) else i32


def is_weak(number: Number) -> bool:
    """Whether the number takes the type of what it meets."""
    return not isinstance(number.value, bool) if isinstance(number, Const) else bool(number.weak)


def is_float(number: Number) -> bool:
    """Whether the number is a float, weak or typed."""
    return isinstance(number.value, float) if isinstance(number, Const) else number.dtype.is_float


def too_large(value: object) -> bool:
    """Whether an integer known to the compiler is beyond every type, the floats among them."""
    return isinstance(value, int) and value.bit_length() > LITERAL_BITS


def scalars(datum: Datum) -> Iterator[Scalar]:
    """The run-time scalars of a datum, in order; constants and types have none."""
    if isinstance(datum, Scalar):
        yield datum
    elif isinstance(datum, (Tuple, Vector, Record)):
        for item in datum.items:
            yield from scalars(item)
    elif isinstance(datum, Actor):
        yield from scalars(datum.parts)
    elif isinstance(datum, Grid):
        yield datum.at


def rebuilt(datum: Datum, values: Iterator[Value]) -> Datum:
    """The same datum with its run-time scalars replaced, in the order of `scalars`."""
    if isinstance(datum, Scalar):
        return Scalar(next(values), datum.weak)
    if isinstance(datum, Tuple):
        return Tuple(tuple(rebuilt(item, values) for item in datum.items))
    if isinstance(datum, Record):
        return Record(datum.type, tuple(rebuilt(item, values) for item in datum.items))
    if isinstance(datum, Vector):
        return Vector(datum.type, tuple(Scalar(next(values)) for _ in datum.items))
    return datum


def from_leaves(t: ElementType, values: Iterator[Value]) -> Datum:
    """A datum of an element type from its scalars in `leaves` order."""
    if isinstance(t, DType):
        return Scalar(next(values))
    if isinstance(t, Vec):
        return Vector(t, tuple(Scalar(next(values)) for _ in range(t.size)))
    return Record(t, tuple(from_leaves(inner, values) for _, inner in t.fields))


def describe(datum: Datum) -> str:
    """A datum as a diagnostic calls it."""
    if isinstance(datum, Scalar):
        if datum.weak:
            return "a Python float" if datum.dtype.is_float else "a Python int"
        return "bool" if datum.dtype is bool_ else str(datum.dtype)
    if isinstance(datum, Const):
        return repr(datum.value)
    if isinstance(datum, Tuple):
        return f"a tuple of {len(datum.items)}"
    if isinstance(datum, (Vector, Record)):
        return str(datum.type)
    if isinstance(datum, (Memory, Part)):
        return f"the array {datum.name!r}"
    if isinstance(datum, Grid):
        return f"the field {datum.name!r}"
    if isinstance(datum, Actor):
        return f"the actor {datum.role.name}"
    if isinstance(datum, Method):
        return f"the method {datum.name!r}"
    if isinstance(datum, Text):
        return "a string"
    if isinstance(datum, Nothing):
        return datum.what
    return describe_host(datum.obj)


def describe_host(obj: object) -> str:
    """A host object as a diagnostic calls it."""
    if isinstance(obj, (DType, Vec, StructType)):
        return f"the type {obj}"
    name = getattr(obj, "__name__", None)
    kind = type(obj).__name__
    return f"the {kind.replace('builtin_function_or_method', 'function')} {name}" if name else f"a {kind}"


def short(datum: Datum) -> str:
    """The type of a datum in a word or two."""
    if isinstance(datum, Const):
        return "a Python " + type(datum.value).__name__ if not isinstance(datum.value, bool) else "bool"
    return describe(datum)
