"""What is in force here: the options, device and stream of the innermost `with`, per task and thread.

The variable holds None outside every scope. The native launch path looks at that one value and leaves
every launch inside a scope to Python.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from gyral.core.artifact import Check


@dataclass(frozen=True, slots=True)
class Scope:
    """Options in force; None means: not said here, ask the kernel and the settings.

    `recorder` takes down launches in place of running them; it is no option that a user sets.
    """

    device: Any = None
    stream: Any = None
    check: Check | None = None
    fastmath: bool | None = None
    downcast: bool | None = None
    implicit_copies: bool = True
    time_limit: float | None = None
    recorder: Any = None


VARIABLE: ContextVar[Scope | None] = ContextVar("gyral_scope", default=None)
_OUTSIDE = Scope()
# One variable for all scopes: a context keeps every variable that was ever set in it.
_ENTERED: ContextVar[tuple[tuple[Scoped, Token[Scope | None]], ...]] = ContextVar("gyral_entered", default=())


def current() -> Scope:
    """The scope in force, with everything unsaid outside of any."""
    return VARIABLE.get() or _OUTSIDE


class Scoped:
    """A context manager that lays changes over the scope in force, and takes them off again.

    One object may be entered again and by several tasks at once: each entry undoes its own.
    """

    def __init__(self, **changes: Any) -> None:
        self._changes = changes

    def __enter__(self) -> Self:
        token = VARIABLE.set(replace(current(), **self._changes))
        _ENTERED.set((*_ENTERED.get(), (self, token)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        entered = _ENTERED.get()
        last = max(at for at, (owner, _) in enumerate(entered) if owner is self)
        _ENTERED.set(entered[:last] + entered[last + 1 :])
        VARIABLE.reset(entered[last][1])
