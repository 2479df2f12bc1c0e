"""`@gy.actor`: a class whose fields live on a device and whose methods handle messages there."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any, Literal, TypeAlias, TypeVar, overload

from gyral.actors.fields import Declared, declared, record_of
from gyral.core import entry, wire
from gyral.core.dtypes import ArrayType, StructType
from gyral.core.errors import UserError

Restart: TypeAlias = Literal["one_for_one", "one_for_all", "rest_for_one"]
OnFailure: TypeAlias = Literal["restart", "resume", "stop", "escalate"]
T = TypeVar("T")

_PROGRAM = "gyral.compiler.frontend.program"
RESERVED = ("me", "sender", "step", "tell", "spawn", "stop")
MOST_SENDS = 1024
UNKNOWN_SENDS = 16
"""Sends that are made room for where a handler sends in a loop and does not say how often."""


@dataclass(frozen=True, slots=True)
class HandlerDeclared:
    """A method that handles one type of message, and the most messages it sends."""

    message: Any
    function: Callable[..., Any]
    sends: int


@dataclass(frozen=True)
class ActorKind:
    """What `@gy.actor` knows of a class. Counts are messages; `window` is in seconds."""

    python: type
    fields: tuple[Declared, ...]
    handlers: tuple[HandlerDeclared, ...]
    mailbox: int = 1024
    block: int = 1
    capacity: int = 64
    on_failure: OnFailure = "restart"
    restart: Restart = "one_for_one"
    max_restarts: int = 3
    window: float = 60.0
    dedup: int = 0
    lines: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The class's name."""
        return self.python.__name__

    @property
    def record(self) -> StructType:
        """The scalar fields of one actor."""
        return record_of(f"{self.name}.state", self.fields)

    @property
    def keeps(self) -> bool:
        """Whether a copy of the record is kept while a handler runs."""
        return self.on_failure == "resume"

    @property
    def arrays(self) -> tuple[ArrayType, ...]:
        """The arrays it brings to the loop: records, then one per field with an array of its own."""
        own = (field.array for field in self.fields)
        return ArrayType(self.record, 1), *(t for t in own if t is not None)

    def field(self, name: str) -> Declared | None:
        """The field of this name."""
        return next((one for one in self.fields if one.name == name), None)

    def role(self) -> Any:
        """The class as the compiler takes it, which loads the compiler."""
        field, handler = entry.load(f"{_PROGRAM}:Field"), entry.load(f"{_PROGRAM}:Handler")
        fields = tuple(field(f.name, f.kind, f.type, f.shape, f.rank) for f in self.fields)
        handlers = tuple(handler(h.message.__gyral_struct__, h.function, h.sends) for h in self.handlers)
        return entry.load(f"{_PROGRAM}:ActorClass")(self.name, self.python, fields, handlers, self.keeps)

    def spelling(self) -> str:
        """What code depends on besides fields and functions."""
        constants = sorted((k, repr(v)) for k, v in vars(self.python).items() if isinstance(v, (int, float)))
        sends = [(h.message.__name__, h.function.__name__, h.sends) for h in self.handlers]
        return (
            f"{self.name} {[(f.name, f.kind, f.rank) for f in self.fields]} {sends} {self.keeps} {constants}"
        )


@overload
def actor(declaration: type[T], /) -> type[T]: ...
@overload
def actor(
    *, mailbox: int = ..., block: int = ..., capacity: int = ..., on_failure: OnFailure = ...,
    restart: Restart = ..., max_restarts: int = ..., window: float = ..., dedup: int = ...,
    sends: int | dict[str, int] | None = ...,
) -> Callable[[type[T]], type[T]]: ...  # fmt: skip
def actor(declaration: Any = None, /, *, sends: int | dict[str, int] | None = None, **options: Any) -> Any:
    """Make a class of actors of a class with annotated fields and methods that take one message.

    A method whose one parameter besides `self` is annotated with a message class handles those messages;
    what it returns is the reply. `mailbox`: messages that may wait for an actor from the host. `block`:
    threads that run a handler together. `capacity`: actors of the class that have room from the start.
    `on_failure`: "restart" gives a failed actor its first fields again, "resume" those before the message,
    "stop" ends it, "escalate" fails its group; `restart` names who else is restarted, at most `max_restarts`
    times in `window` seconds. `dedup`: idempotency keys an actor remembers. `sends`: the most messages a
    handler sends, for all or by method, where that cannot be seen.
    """
    scope = dict(sys._getframe(1).f_locals)
    if declaration is None:
        return lambda made: _made(made, sends, options, scope)
    return _made(declaration, sends, options, scope)


def _made(
    declaration: Any, sends: int | dict[str, int] | None, options: dict[str, Any], scope: dict[str, Any]
) -> Any:
    if not isinstance(declaration, type):
        raise UserError(f"@gy.actor decorates classes, not {declaration!r}")
    fields = tuple(declared(declaration, "actor"))
    for field in fields:
        if field.name in RESERVED or field.name.startswith("_"):
            raise UserError(f"an actor cannot have a field {field.name!r}: the name is taken")
    handlers = _handlers(declaration, sends, scope)
    kind = ActorKind(declaration, fields, handlers, **_checked(declaration, options))
    declaration.__gyral_actor__ = kind
    return declaration


def kind_of(declaration: Any) -> ActorKind:
    """The kind behind a class made by `@gy.actor`; UserError for anything else."""
    found = getattr(declaration, "__gyral_actor__", None)
    if not isinstance(found, ActorKind) or found.python is not declaration:
        raise UserError(f"{declaration!r} is no actor class: decorate it with @gy.actor")
    return found


_CHOICES = {
    "on_failure": ("restart", "resume", "stop", "escalate"),
    "restart": ("one_for_one", "one_for_all", "rest_for_one"),
}
_LEAST = {"mailbox": 1, "block": 1, "capacity": 1, "max_restarts": 0, "window": 0, "dedup": 0}


def _checked(declaration: type, options: dict[str, Any]) -> dict[str, Any]:
    for name, value in options.items():
        if name in _CHOICES:
            if value not in _CHOICES[name]:
                raise UserError(f"{name} of {declaration.__name__} is one of {_CHOICES[name]}, not {value!r}")
        elif name not in _LEAST:
            known = ", ".join((*_LEAST, *_CHOICES, "sends"))
            raise UserError(f"@gy.actor has no option {name!r}; it has {known}")
        elif not isinstance(value, (int, float)) or isinstance(value, bool) or value < _LEAST[name]:
            raise UserError(
                f"{name} of {declaration.__name__} is a number from {_LEAST[name]} on, not {value!r}"
            )
    return options


def _handlers(
    declaration: type, sends: int | dict[str, int] | None, scope: dict[str, Any]
) -> tuple[HandlerDeclared, ...]:
    found: dict[Any, HandlerDeclared] = {}
    for name, function in vars(declaration).items():
        if not isinstance(function, FunctionType) or name.startswith("_"):
            continue
        message = _message_of(function, scope)
        if message is None:
            continue
        if message in found:
            other = found[message].function.__name__
            raise UserError(
                f"{declaration.__name__} handles {message.__name__} in two methods, {other} and {name}; "
                "a message goes to one"
            )
        limit = _limit(declaration, function, sends.get(name) if isinstance(sends, dict) else sends)
        found[message] = HandlerDeclared(message, function, limit)
    return tuple(found.values())


def _limit(declaration: type, function: FunctionType, said: int | None) -> int:
    """The most messages a handler sends: as it was said, else as it is seen."""
    seen = most_sends(declaration, function)
    if said is None:
        return seen
    if not isinstance(said, int) or isinstance(said, bool) or not 0 <= said <= MOST_SENDS:
        raise UserError(f"sends of {declaration.__name__} is a number from 0 to {MOST_SENDS}, not {said!r}")
    if not said and seen:
        raise UserError(
            f"{declaration.__name__}.{function.__name__} sends messages, and sends=0 says that it sends none"
        )
    return said


def _message_of(function: FunctionType, scope: dict[str, Any]) -> Any:
    """The message class that a method's one parameter is annotated with, or None.

    Annotations that are words are looked up where the class is defined, `scope` its local names.
    """
    code = function.__code__
    if code.co_argcount != 2 or code.co_flags & 0x0C or code.co_kwonlyargcount:
        return None
    name = code.co_varnames[1]
    annotation = function.__annotations__.get(name)
    if isinstance(annotation, str):
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        held = {k: c.cell_contents for k, c in cells.items() if k in annotation}
        try:
            annotation = eval(annotation, function.__globals__, scope | held)
        except Exception as error:
            raise UserError(
                f"the annotation {annotation!r} of {name!r} in {function.__qualname__} "
                f"means nothing where the class is: {error}"
            ) from error
        function.__annotations__[name] = annotation
    return annotation if getattr(annotation, "__gyral_message__", False) else None


def most_sends(declaration: type, function: Callable[..., Any], seen: tuple[Any, ...] = ()) -> int:
    """The most messages that a handler, and the methods it calls, send; a guess where it sends in a loop."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return UNKNOWN_SENDS
    total = 0
    for node in ast.walk(tree):
        if isinstance(node, (ast.For, ast.While)) and _sends_in(declaration, node, (*seen, function)):
            return max(UNKNOWN_SENDS, _sends_in(declaration, tree, (*seen, function)))
    total += _sends_in(declaration, tree, (*seen, function))
    return total


def _sends_in(declaration: type, tree: ast.AST, seen: tuple[Any, ...]) -> int:
    count = 0
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr == "tell":
            count += 1
        elif isinstance(node.func.value, ast.Name) and node.func.value.id == "self":
            called = vars(declaration).get(node.func.attr)
            if isinstance(called, FunctionType) and called not in seen:
                count += most_sends(declaration, called, seen)
    return count


def check_payload(t: StructType, name: str) -> None:
    """UserError for a message that is too large."""
    if t.itemsize > 4 * wire.MAX_PAYLOAD_WORDS:
        raise UserError(f"message {name} has {t.itemsize} bytes; at most {4 * wire.MAX_PAYLOAD_WORDS} fit")
