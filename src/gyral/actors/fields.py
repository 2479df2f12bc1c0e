"""What a class of actors or a message declares: fields by annotation, as in a dataclass."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from gyral.core.dtypes import PARAMETER_OF_BUILTIN, ArrayType, DType, ElementType, StructType, Vec, u32
from gyral.core.errors import UserError

FieldKind: TypeAlias = Literal["state", "fixed", "buffer"]
MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class LocalType:
    """Memory of a shape known when compiling, one per actor: what `gy.Local[gy.f32, 64]` gives."""

    elem: ElementType
    shape: tuple[int, ...]


class Local:
    """`gy.Local[gy.f32, 64]`: a field of an actor that is an array of fixed shape."""

    def __class_getitem__(cls, given: Any) -> LocalType:
        elem, *shape = given if isinstance(given, tuple) else (given,)
        elem = getattr(elem, "__gyral_struct__", elem)  # references to actors
        extents = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else tuple(shape)
        if not isinstance(elem, (DType, Vec, StructType)) or not 1 <= len(extents) <= 3:
            raise UserError("gy.Local takes an element type and 1 to 3 extents, such as gy.Local[gy.f32, 64]")
        if not all(isinstance(n, int) and n > 0 for n in extents):
            raise UserError(f"the extents of gy.Local must be positive integers, not {extents}")
        return LocalType(elem, extents)


@dataclass(frozen=True, slots=True)
class Declared:
    """One field: "state" stands in the record, "fixed" has a shape, "buffer" is an array of `rank` axes."""

    name: str
    kind: FieldKind
    type: ElementType
    default: Any = MISSING
    shape: tuple[int, ...] = ()
    rank: int = 1

    @property
    def stored(self) -> tuple[tuple[str, ElementType], ...]:
        """What of it stands in the record: itself, or where a buffer lies in the pool and its extents."""
        if self.kind == "state":
            return ((self.name, self.type),)
        if self.kind == "fixed":
            return ()
        return tuple(
            (name, u32) for name in (f"{self.name}@", *(f"{self.name}@{n}" for n in range(self.rank)))
        )

    @property
    def array(self) -> ArrayType | None:
        """The array that holds it for all actors of a class, if it stands in one of its own."""
        if self.kind == "state":
            return None
        return ArrayType(self.type, 1 + len(self.shape))


def declared(owner: type, what: str) -> Iterator[Declared]:
    """The fields of a class of annotations; UserError for one that no device can hold."""
    for name, annotation in inspect.get_annotations(owner).items():
        found = _resolved(owner, name, annotation)
        default = owner.__dict__.get(name, MISSING)
        if isinstance(found, LocalType):
            yield Declared(name, "fixed", found.elem, default, found.shape)
        elif isinstance(found, ArrayType):
            yield Declared(name, "buffer", found.elem, default, (), found.rank)
        elif isinstance(found, (DType, Vec, StructType)) and getattr(found, "name", "") != "index":
            yield Declared(name, "state", found, default)
        else:
            raise UserError(
                f"field {name!r} of {what} {owner.__name__} is annotated {annotation!r}; annotate it with a "
                "scalar type, a vector, a struct, gy.Ref, gy.Local[…] or gy.Array[…]"
            )


def record_of(name: str, fields: tuple[Declared, ...]) -> StructType:
    """The record of a class: one per actor, never empty."""
    stored = tuple(one for field in fields for one in field.stored)
    return StructType(name, stored or (("@", u32),))


def _resolved(owner: type, name: str, annotation: Any) -> Any:
    if isinstance(annotation, str):
        module = sys.modules.get(owner.__module__)
        try:
            annotation = eval(annotation, dict(vars(module)) if module else {}, dict(vars(owner)))
        except Exception as error:
            raise UserError(
                f"field {name!r} of {owner.__name__} is annotated {annotation!r}: {error}"
            ) from error
    annotation = getattr(annotation, "__gyral_struct__", annotation)
    return PARAMETER_OF_BUILTIN.get(annotation, annotation) if isinstance(annotation, type) else annotation
