"""What happened, for those who want to know: typed records handed to listeners, in the thread it happened.

Nothing is kept and nothing is formatted unless somebody listens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class Compiled:
    """A kernel was specialised: `origin` says whether code was made or found on disk."""

    kernel: str
    device: str
    origin: Literal["compiler", "disk"]
    seconds: float


@dataclass(frozen=True, slots=True)
class Copied:
    """An argument of a launch was copied to or from a device because it lived elsewhere."""

    kernel: str
    argument: str
    device: str
    direction: Literal["in", "out"]
    nbytes: int


@dataclass(frozen=True, slots=True)
class CacheTrouble:
    """The cache on disk could not be used as it should: an entry was damaged, or writing failed."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class FellBack:
    """A launch runs on its kernel's fallback because none of the devices it wanted will do, and why."""

    kernel: str
    wanted: tuple[str, ...]
    device: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reset:
    """A device was closed to be opened anew; `reason` is what closing it ran into, "" for nothing."""

    device: str
    reason: str


@dataclass(frozen=True, slots=True)
class ActorFailed:
    """A handler failed, and its supervisor acted: "restart", "resume", "stop", "escalate" or "fail"."""

    system: str
    actor: str
    action: str
    reason: str


@dataclass(frozen=True, slots=True)
class ActorHung:
    """A handler runs for longer than it may; `diagnosis` says whose and where."""

    system: str
    actor: str
    worker: int
    diagnosis: str


@dataclass(frozen=True, slots=True)
class ActorsStalled:
    """A worker of a system found no room for too long: what waited for it goes to the dead letters."""

    system: str
    worker: int


@dataclass(frozen=True, slots=True)
class ActorTrouble:
    """What a system of actors met on a thread of its own; closing the system raises it."""

    system: str
    error: BaseException


@dataclass(frozen=True, slots=True)
class Relaunched:
    """The loop of a system was launched: `why` is "class", "grow", "widen" or "replace"."""

    system: str
    epochs: int
    why: str
    seconds: float


@dataclass(frozen=True, slots=True)
class CheckpointTrouble:
    """A checkpoint could not be read as it should; `used` is the file whose state is taken instead."""

    path: str
    used: str
    reason: str


@dataclass(frozen=True, slots=True)
class LoopRecovered:
    """A loop of actors that hung goes on; `source` is the checkpoint it goes on from, "" for none.

    `given_up`: a worker's thread never came back.
    """

    system: str
    source: str
    seconds: float
    given_up: bool


@dataclass(frozen=True, slots=True)
class ProcessLost:
    """The process of a loop of actors died; `how` says by what."""

    system: str
    how: str


Event: TypeAlias = (
    Compiled
    | Copied
    | CacheTrouble
    | FellBack
    | Reset
    | ActorFailed
    | ActorHung
    | ActorsStalled
    | ActorTrouble
    | Relaunched
    | CheckpointTrouble
    | LoopRecovered
    | ProcessLost
)
Listener: TypeAlias = Callable[[Event], None]
_listeners: list[Listener] = []


def emit(event: Event) -> None:
    """Hand an event to every listener. What a listener raises reaches the caller."""
    for listener in tuple(_listeners):
        listener(event)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hand every event of the process to `listener` while the block runs."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
