"""Every error Gyral raises, by whose move it is next.

GyralError
├── UserError            the call or the program is wrong: change it
│   └── CompileError     a kernel that cannot be compiled: code, line, caret, advice
├── UnsupportedError     right, but this device or build cannot: choose another, or another way
├── DeviceError          the device or its driver failed; `kind` says what may help
│   ├── KernelFault      a check in a kernel failed
│   ├── HandlerFailed    a check in an actor's handler failed
│   ├── AskTimeout       no reply in time
│   └── LoopLost         the loop of actors ended before it answered
├── StateError           an object used outside its life: freed, closed, changed under way
│   └── ActorStopped     the actor takes no messages any more
├── PolicyError          a policy of the deployment said no
│   ├── MailboxFull      an actor has as many messages waiting as it may
│   ├── MessageExpired   a message's deadline passed before its turn came
│   └── DuplicateMessage a message with this key was handled before
└── InternalError        our mistake: please report it
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gyral.core.span import Span


class GyralError(Exception):
    """Base of all errors raised by Gyral."""


class UserError(GyralError):
    """The call or the program is wrong; the message says what, where and what to do."""


class UnsupportedError(GyralError):
    """What was asked is meaningful, but this device, platform or build cannot do it."""


class DeviceErrorKind(Enum):
    """What may help after a device failure."""

    TRANSIENT = "transient"
    RESOURCE = "resource"
    PROGRAMMER = "programmer"
    FATAL = "fatal"


class DeviceError(GyralError):
    """A device or its driver failed. `kind` tells whether retrying, freeing or fixing helps."""

    def __init__(self, message: str, kind: DeviceErrorKind = DeviceErrorKind.FATAL) -> None:
        super().__init__(message)
        self.kind = kind


class DowncastWarning(UserWarning):
    """A kernel computes f64 in f32, as it was allowed to, because the device has no f64."""


class KernelFault(DeviceError):
    """A check compiled into a kernel failed: bounds, division, assert or a race.

    `thread` is the launch index of the lowest failing thread, `span` the source line.
    """

    def __init__(self, message: str, thread: tuple[int, ...], span: Span) -> None:
        super().__init__(message, DeviceErrorKind.PROGRAMMER)
        self.thread = thread
        self.span = span


class StateError(GyralError):
    """An object was used outside its life: after free, after close, or changed while in use."""


class PolicyError(GyralError):
    """A configured policy refused the call."""


class MailboxFull(PolicyError):
    """An actor has as many messages waiting as it may. Nothing was sent."""


class MessageExpired(PolicyError):
    """The deadline of a message passed before its turn came. It was not handled."""


class DuplicateMessage(PolicyError):
    """A message with this key was handled before. It was not handled again."""


class NeedsRoom(UserError):
    """A message, with its options, is larger than a slot of its system."""


class ActorStopped(StateError):
    """The actor takes no messages: it ended, failed or is draining. This one was not handled."""


class AskTimeout(DeviceError):
    """No reply came in time. Whether the message was or will be handled is unknown."""

    def __init__(self, message: str) -> None:
        super().__init__(message, DeviceErrorKind.TRANSIENT)


class HandlerFailed(DeviceError):
    """A check failed in the handler that was to answer. `site` is its number in the program's table."""

    def __init__(self, message: str, site: int = 0) -> None:
        super().__init__(message, DeviceErrorKind.PROGRAMMER)
        self.site = site


class LoopLost(DeviceError):
    """The loop ended before it answered. Whether the message was handled is unknown."""


ACTOR_ERRORS = {
    kind.__name__: kind
    for kind in (
        MailboxFull, ActorStopped, AskTimeout, HandlerFailed, MessageExpired, DuplicateMessage, LoopLost,
        NeedsRoom, StateError,
    )
}  # fmt: skip
"""What the native module raises between a host and its actors."""


class InternalError(GyralError):
    """A fault of Gyral itself. Please report it with the program that shows it."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding of the compiler: code, place, what is wrong, what to do."""

    code: str
    message: str
    advice: str
    span: Span
    source_line: str = ""
    notes: tuple[tuple[str, Span, str], ...] = ()

    def render(self) -> str:
        """The finding as a person reads it: place, line, caret, advice, related lines."""
        parts = [f"{self.code}: {self.message}", *_excerpt(self.span, self.source_line)]
        for text, span, line in self.notes:
            parts += [f"note: {text}", *_excerpt(span, line)]
        parts.append(f"help: {self.advice}")
        return "\n".join(parts)


class CompileError(UserError):
    """A kernel could not be compiled. `diagnostics` holds every finding, the first one first."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("\n\n".join(d.render() for d in diagnostics))
        self.diagnostics = diagnostics

    @property
    def code(self) -> str:
        """The code of the first finding, such as `GY101`."""
        return self.diagnostics[0].code


def _excerpt(span: Span, line: str) -> list[str]:
    place = f"  --> {span}"
    if not line:
        return [place]
    end = span.end_column if span.end_line == span.line else len(line)
    caret = " " * span.column + "^" * max(1, min(end, len(line)) - span.column)
    gutter = f"{span.line:>4} | "
    return [place, f"{gutter}{line}", " " * (len(gutter) - 2) + "| " + caret]
