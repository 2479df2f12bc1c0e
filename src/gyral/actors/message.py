"""`@gy.message`: a class of annotated fields, sent to actors as the bytes of a C struct."""

from __future__ import annotations

from collections.abc import Iterable
from types import FunctionType
from typing import Any, TypeVar, dataclass_transform

from gyral.actors.declare import check_payload
from gyral.actors.fields import Declared, declared
from gyral.core import native
from gyral.core.dtypes import StructType, leaves, u32
from gyral.core.errors import UserError
from gyral.runtime.elements import declare, numpy_of

T = TypeVar("T")


@dataclass_transform()
def message(declaration: type[T]) -> type[T]:
    """Make a message of a class whose body annotates fields with scalars, vectors, structs or `gy.Ref`.

    Instances hold the payload as the device reads it; missing fields are zero. UserError for fields that no
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
    made = native.require().message_type(
        declaration.__name__, _rows(struct, fields), struct.itemsize, declaration.__doc__ or ""
    )
    made.__module__, made.__qualname__ = declaration.__module__, declaration.__qualname__
    made.__gyral_struct__ = struct
    made.__gyral_message__ = True
    made.dtype = numpy_of(struct)
    for name, value in vars(declaration).items():
        if isinstance(value, (FunctionType, property, classmethod, staticmethod)):
            setattr(made, name, value)
    return made


def is_message(found: Any) -> bool:
    """Whether an object is a class made by `@gy.message`."""
    return isinstance(found, type) and getattr(found, "__gyral_message__", False) is True


def messages_of(functions: Iterable[Any]) -> list[Any]:
    """The message classes that functions name, in order, each once."""
    found: dict[Any, None] = {}
    for function in functions:
        code = function.__code__
        held = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        for name in (*code.co_freevars, *code.co_names):
            try:
                value = held[name].cell_contents if name in held else function.__globals__.get(name)
            except ValueError:
                continue
            if is_message(value):
                found[value] = None
        for value in function.__annotations__.values():
            if is_message(value):
                found[value] = None
    return list(found)


def _rows(struct: StructType, fields: tuple[Declared, ...]) -> tuple[tuple[str, int, str], ...]:
    """Per scalar leaf: its dotted name, byte offset and type."""
    if not fields:
        return ()
    return tuple((".".join(leaf.path), leaf.offset, leaf.dtype.name) for leaf in leaves(struct))
