"""What a resident program is made of: classes of actors, their fields and handlers, and the messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from gyral.core.dtypes import ElementType, StructType, u32

Way: TypeAlias = Literal["threads", "batched", "endless"]
"""How a loop stays. "threads": in a host's threads, where it returns to rest and to wake others. "batched":
in supersteps, each a launch: messages are seen one launch later, and atomics need no order. "endless": in one
launch, which returns only when told; what it shares with the host is ordered for the whole system."""
FieldKind: TypeAlias = Literal["state", "fixed", "buffer"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of an actor.

    "state": a scalar, vector, struct or reference in the class's record. "fixed": memory of a known `shape`,
    one row per actor of an array. "buffer": an array of the actor's own, of `rank` axes, in the pool that all
    actors of the class share; where it is and its extents stand in the record (`place_fields`).
    """

    name: str
    kind: FieldKind
    type: ElementType
    shape: tuple[int, ...] = ()
    rank: int = 1

    def place_fields(self) -> tuple[tuple[str, ElementType], ...]:
        """The record's own fields for a buffer: its first element in the pool, then its extents."""
        names = (f"{self.name}@", *(f"{self.name}@{axis}" for axis in range(self.rank)))
        return tuple((name, u32) for name in names)


@dataclass(frozen=True, slots=True)
class Handler:
    """What an actor does with one type of message. `sends`: the most messages it sends."""

    message: StructType
    function: Callable[..., Any]
    sends: int


@dataclass(frozen=True, slots=True)
class ActorClass:
    """A class of actors. `python` is where its other methods and constants are looked up.

    `keeps`: a copy of the record is taken before each handler, and restored when it fails.
    """

    name: str
    python: type
    fields: tuple[Field, ...]
    handlers: tuple[Handler, ...]
    keeps: bool = False

    @property
    def record(self) -> StructType:
        """The fields that stand in the class's record; never empty."""
        found: list[tuple[str, ElementType]] = []
        for one in self.fields:
            if one.kind == "state":
                found.append((one.name, one.type))
            elif one.kind == "buffer":
                found += one.place_fields()
        return StructType(f"{self.name}.state", tuple(found) or (("@", u32),))

    def field(self, name: str) -> Field | None:
        """The field of this name."""
        return next((one for one in self.fields if one.name == name), None)

    @property
    def arrays(self) -> tuple[Field, ...]:
        """The fields that stand in arrays of their own, in order of the kernel's parameters."""
        return tuple(one for one in self.fields if one.kind != "state")


@dataclass(frozen=True, slots=True)
class ResidentProgram:
    """Everything one loop is compiled from. `messages` numbers every type of message, from 1."""

    classes: tuple[ActorClass, ...]
    messages: Mapping[StructType, int] = field(default_factory=dict)
    block: tuple[int, ...] = (1,)
    way: Way = "threads"
