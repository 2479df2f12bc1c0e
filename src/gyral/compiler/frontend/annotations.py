"""What a kernel's parameters say, and what a call gives for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn, TypeAlias

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.source import source_of
from gyral.core.dtypes import (
    PARAMETER_OF_BUILTIN,
    Array,
    ArrayType,
    DType,
    GenericInput,
    StaticType,
    StructType,
    Vec,
)
from gyral.core.errors import CompileError


class WeakKind(Enum):
    """A Python scalar given to a bare parameter: it takes the type of what it meets."""

    INT = "int"
    FLOAT = "float"
    BOOL = "bool"


WEAK_INT, WEAK_FLOAT, WEAK_BOOL = WeakKind.INT, WeakKind.FLOAT, WeakKind.BOOL


@dataclass(frozen=True, slots=True)
class StaticValue:
    """The value of a compile-time parameter: a number, a tuple of numbers or a type."""

    value: Any


Argument: TypeAlias = ArrayType | DType | Vec | StructType | WeakKind | StaticValue
Annotation: TypeAlias = ArrayType | DType | Vec | StructType | StaticType | GenericInput | type[Array] | None


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """One parameter. `annotation` is None for a bare one and `Array` for a generic array."""

    name: str
    annotation: Annotation
    has_default: bool = False
    default: Any = None
    keyword_only: bool = False

    @property
    def is_static(self) -> bool:
        """Whether its value is part of the specialisation."""
        return isinstance(self.annotation, StaticType)


def signature_of(fn: Callable[..., Any]) -> tuple[ParameterSpec, ...]:
    """The parameters of a function with their annotations resolved; CompileError for one that is no type."""
    code = fn.__code__
    if code.co_flags & 0x0C:  # CO_VARARGS | CO_VARKEYWORDS
        source = source_of(fn, methods=True)
        args = source.tree.args
        star = args.vararg or args.kwarg or source.tree
        raise CompileError(source.diagnostic(codes.SIGNATURE, star, what="a parameter with `*`"))
    positional, named = code.co_argcount, code.co_kwonlyargcount
    names = code.co_varnames[: positional + named]
    defaults = fn.__defaults__ or ()
    given = dict(zip(names[positional - len(defaults) : positional], defaults, strict=True))
    given.update(fn.__kwdefaults__ or {})
    annotations = getattr(fn, "__annotations__", {})
    return tuple(
        ParameterSpec(
            name,
            _resolve(fn, name, annotations.get(name)),
            name in given,
            given.get(name),
            number >= positional,
        )
        for number, name in enumerate(names)
    )


def is_annotation(found: object) -> bool:
    """Whether a host object says a type of the language; None says nothing, which is allowed."""
    if found is None or found is Array or (isinstance(found, type) and found in PARAMETER_OF_BUILTIN):
        return True
    found = getattr(found, "__gyral_struct__", found)
    return isinstance(found, (ArrayType, DType, Vec, StructType, StaticType, GenericInput))


def as_annotation(found: Any) -> Annotation:
    """A host object that is an annotation as a type; `bool int float` mean `bool_ i32 f32`."""
    if isinstance(found, type):
        return getattr(found, "__gyral_struct__", None) or PARAMETER_OF_BUILTIN.get(found, found)
    return found


def evaluate_annotation(fn: Callable[..., Any], text: str) -> object:
    """An annotation kept as text, evaluated where the function was defined."""
    cells = dict(zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True))
    held = {}
    for name, cell in cells.items():
        try:
            held[name] = cell.cell_contents
        except ValueError:
            continue
    return eval(text, fn.__globals__, held)


def _resolve(fn: Callable[..., Any], name: str, annotation: object) -> Annotation:
    if isinstance(annotation, str):
        try:
            annotation = evaluate_annotation(fn, annotation)
        except Exception as error:  # noqa: BLE001  the user's expression may raise anything
            _refuse(fn, name, f"{annotation!r} ({type(error).__name__}: {error})")
    if not is_annotation(annotation):
        _refuse(fn, name, repr(annotation))
    return as_annotation(annotation)


def _refuse(fn: Callable[..., Any], name: str, what: str) -> NoReturn:
    source = source_of(fn, methods=True)
    args = source.tree.args
    node = next((a for a in (*args.posonlyargs, *args.args, *args.kwonlyargs) if a.arg == name), source.tree)
    raise CompileError(source.diagnostic(codes.ANNOTATION, node, what=what))
