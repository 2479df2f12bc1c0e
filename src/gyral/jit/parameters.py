"""A kernel's parameters as its annotations declare them, read without the compiler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

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
from gyral.core.errors import CompileError, UserError
from gyral.jit.targets import check_signature

Annotation: TypeAlias = ArrayType | GenericInput | DType | Vec | StructType | StaticType | type[Array] | None
"""What a parameter accepts; None for a parameter without an annotation."""


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED = _Required()


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name, what it accepts, and its default (REQUIRED when it has none)."""

    name: str
    accepts: Annotation
    default: Any = REQUIRED


def parameters_of(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """The parameters of a kernel, in order. UserError for forms that kernels do not have."""
    code = function.__code__
    if code.co_flags & 0x0C:
        raise UserError(f"kernel {function.__name__!r} takes *args or **kwargs; name each parameter")
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    annotations = _annotations(function)
    defaults = dict(
        zip(reversed(names[: code.co_argcount]), reversed(function.__defaults__ or ()), strict=False)
    )
    defaults.update(function.__kwdefaults__ or {})
    return tuple(
        Parameter(name, _read(function, name, annotations), defaults.get(name, REQUIRED)) for name in names
    )


def bind(
    kernel: str, parameters: tuple[Parameter, ...], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> list[Any]:
    """A call's arguments in parameter order, defaults filled in; UserError where Python has TypeError."""
    if len(args) > len(parameters):
        raise UserError(f"{kernel}() takes {_count(len(parameters))}, and {len(args)} were given")
    if not kwargs and len(args) == len(parameters):
        return list(args)
    bound = dict(zip((p.name for p in parameters), args, strict=False))
    known = {p.name for p in parameters}
    for name, value in kwargs.items():
        if name not in known:
            raise UserError(
                f"{kernel}() has no parameter {name!r}; it has {', '.join(sorted(known)) or 'none'}"
            )
        if name in bound:
            raise UserError(f"{kernel}() was given {name!r} twice")
        bound[name] = value
    missing = [p.name for p in parameters if p.name not in bound and p.default is REQUIRED]
    if missing:
        raise UserError(
            f"{kernel}() takes {_count(len(parameters))}, and {len(args) + len(kwargs)} were given: "
            f"{', '.join(map(repr, missing))} is missing"
        )
    return [bound.get(p.name, p.default) for p in parameters]


def _count(number: int) -> str:
    return "no arguments" if number == 0 else "one argument" if number == 1 else f"{number} arguments"


def _annotations(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return function.__annotations__
    except NameError as error:
        raise UserError(f"an annotation of kernel {function.__name__!r} names nothing: {error}") from error


def _read(function: Callable[..., Any], name: str, annotations: Mapping[str, Any]) -> Annotation:
    found = annotations.get(name)
    if isinstance(found, str):
        found = _evaluate(function, name, found)
    if isinstance(found, type) and found in PARAMETER_OF_BUILTIN:
        return PARAMETER_OF_BUILTIN[found]
    if found is None or found is Array:
        return found
    if isinstance(found, (ArrayType, GenericInput, DType, Vec, StructType, StaticType)):
        return found
    raise _refusal(function, name, found)


def _refusal(function: Callable[..., Any], name: str, found: object) -> UserError:
    """The compiler's own complaint, which shows the line; ours where it has none."""
    try:
        check_signature(function)
    except CompileError as error:
        return error
    return UserError(f"parameter {name!r} of {function.__name__} is annotated {found!r}, which is no type")


def _evaluate(function: Callable[..., Any], name: str, text: str) -> Any:
    closure = {
        free: cell.cell_contents
        for free, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        if _filled(cell)
    }
    try:
        return eval(text, {**function.__globals__, **closure})
    except Exception as error:
        raise _refusal(function, name, text) from error


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
