"""Records with named fields: `@struct` on a class of annotations."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gyral.core.dtypes import PARAMETER_OF_BUILTIN, DType, ElementType, StructType, Vec
from gyral.core.errors import UserError
from gyral.runtime.elements import declare, numpy_of


class Struct(StructType):
    """A struct as a user holds it: a type for kernels, and a constructor of NumPy records on the host."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype with the same layout, for arrays of these records."""
        return numpy_of(self)

    def __call__(self, *values: Any, **named: Any) -> Any:
        """A record, fields given in order or by name; missing ones are zero."""
        names = [name for name, _ in self.fields]
        if len(values) > len(names):
            raise UserError(f"{self.name} has {len(names)} fields, and {len(values)} values were given")
        given = dict(zip(names, values, strict=False))
        for name, value in named.items():
            if name not in names or name in given:
                raise UserError(
                    f"{self.name} has no field {name!r}" if name not in names else f"{name!r} given twice"
                )
            given[name] = value
        record = np.zeros((), self.dtype)
        for name, value in given.items():
            record[name] = value
        return record[()]

    __hash__ = StructType.__hash__
    __repr__ = StructType.__repr__


if TYPE_CHECKING:

    class Record:
        """A struct as type checkers see it: a class, so that it can annotate, whose fields are `Any`."""

        name: ClassVar[str]
        dtype: ClassVar[np.dtype[np.void]]

        def __init__(self, *values: Any, **named: Any) -> None: ...
        def __getattr__(self, field: str) -> Any: ...
        def __setattr__(self, field: str, value: Any) -> None: ...


def struct(declaration: type) -> type[Record]:
    """Make a struct of a class whose body only annotates fields with scalar, vector or struct types."""
    fields = []
    for name, annotation in declaration.__annotations__.items():
        fields.append((name, _field(declaration, name, annotation)))
    if not fields:
        raise UserError(f"struct {declaration.__name__} has no fields; annotate some, such as `x: gy.f32`")
    made: Any = Struct(declaration.__name__, tuple(fields))
    made.__dict__["__doc__"] = declaration.__doc__
    declare(made)
    return made


def _field(declaration: type, name: str, annotation: Any) -> ElementType:
    if isinstance(annotation, str):
        module = sys.modules.get(declaration.__module__)
        try:
            annotation = eval(annotation, dict(vars(module)) if module else {}, dict(vars(declaration)))
        except Exception as error:
            raise UserError(
                f"field {name!r} of {declaration.__name__} is annotated {annotation!r}: {error}"
            ) from error
    annotation = (
        PARAMETER_OF_BUILTIN.get(annotation, annotation) if isinstance(annotation, type) else annotation
    )
    if isinstance(annotation, DType) and annotation.name == "index":
        annotation = None
    if not isinstance(annotation, (DType, Vec, StructType)):
        raise UserError(
            f"field {name!r} of {declaration.__name__} must be a scalar type, a vector or a struct, "
            f"not {annotation!r}"
        )
    return annotation
