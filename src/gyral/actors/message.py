"""`@gy.message`: a class of annotated fields, sent to actors as the bytes of a C struct."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any, TypeVar, dataclass_transform

import numpy as np

from gyral.actors.declare import check_payload
from gyral.actors.fields import MISSING, Declared, declared
from gyral.core import native
from gyral.core.dtypes import ElementType, StructType, Vec, bool_, u32
from gyral.core.errors import UserError
from gyral.core.wire import REF
from gyral.runtime.elements import declare, numpy_of

T = TypeVar("T")


@dataclass_transform()
def message(declaration: type[T]) -> type[T]:
    """Make a message of a class whose body annotates fields with scalars, vectors, structs or `gy.Ref`.

    Instances hold the payload as the device reads it; a field with a value in the class may
    be left out. UserError for fields that no
    device can hold.
    """
    if not isinstance(declaration, type):
        raise UserError(f"@gy.message decorates classes, not {declaration!r}")
    fields = tuple(declared(declaration, "message"))
    for field in fields:
        if field.kind != "state":
            raise UserError(
                f"field {field.name!r} of message {declaration.__name__} is an array; a message holds "
                "scalars, vectors, structs and references. Arrays are kept in actors: gy.Local, gy.Array"
            )
    struct = StructType(declaration.__name__, tuple((f.name, f.type) for f in fields) or (("_", u32),))
    check_payload(struct, declaration.__name__)
    declare(struct)
    rows = [_row(*row) for row in struct.offsets()] if fields else []
    made = native.require().message_type(
        f"{declaration.__module__}.{declaration.__name__}", rows, struct.itemsize, declaration.__doc__ or "",
        _defaults(declaration.__name__, fields),
    )  # fmt: skip
    made.__module__, made.__qualname__ = declaration.__module__, declaration.__qualname__
    made.__gyral_struct__ = struct
    made.__gyral_message__ = True
    made.dtype = numpy_of(struct)
    for name, value in vars(declaration).items():
        if isinstance(value, (FunctionType, property, classmethod, staticmethod)):
            setattr(made, name, value)
    return made


def _defaults(name: str, fields: tuple[Declared, ...]) -> tuple[Any, ...]:
    """The values of the last fields that may be left out."""
    first = next((k for k, f in enumerate(fields) if f.default is not MISSING), len(fields))
    for field in fields[first:]:
        if field.default is MISSING:
            raise UserError(f"field {field.name!r} of message {name} has no default and follows one that has")
    return tuple(field.default for field in fields[first:])


def is_message(found: Any) -> bool:
    """Whether an object is a class made by `@gy.message`."""
    return isinstance(found, type) and getattr(found, "__gyral_message__", False) is True


def messages_of(functions: Iterable[Any]) -> list[Any]:
    """The message classes that functions name, in order, each once."""
    return [found for found in named_by(functions) if is_message(found)]


def named_by(functions: Iterable[Any]) -> list[Any]:
    """The classes that functions name in their code and annotations, in order, each once."""
    found: dict[Any, None] = {}
    for function in functions:
        code = function.__code__
        held = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        for name in (*code.co_freevars, *code.co_names):
            try:
                value = held[name].cell_contents if name in held else function.__globals__.get(name)
            except ValueError:
                continue
            if isinstance(value, type):
                found[value] = None
        found |= dict.fromkeys(v for v in function.__annotations__.values() if isinstance(v, type))
    return list(found)


def read_message(kind: Any, data: bytes) -> Any:
    """A message of a class from the bytes of its payload."""
    if not kind.__match_args__:
        return kind()
    row = np.frombuffer(data, kind.dtype, 1)[0]
    return kind(*(_value(row[name], t) for name, t in kind.__gyral_struct__.fields))


def _value(value: Any, t: ElementType) -> Any:
    """A field as its class takes it."""
    if isinstance(t, StructType):
        return tuple(_value(value[name], inner) for name, inner in t.fields)
    return tuple(value.tolist()) if isinstance(t, Vec) else value.item()


def _row(name: str, offset: int, t: ElementType) -> tuple[Any, ...]:
    """A field as the native module takes it: (name, kind, offset), or its parts."""
    if t == REF:
        return name, "ref", offset
    if isinstance(t, StructType):
        return name, [_row(inner, offset + at, part) for inner, at, part in t.offsets()]
    if isinstance(t, Vec):
        return name, [_row("xyzw"[k], offset + k * t.elem.itemsize, t.elem) for k in range(t.size)]
    return name, "bool" if t is bool_ else t.name, offset
