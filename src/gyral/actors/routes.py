"""Routes between the systems of a process: the number that references bear, and letters from one to another.

A reference names its system in the upper half of its generation. What an actor sends to another system's
actor is left for the host, whose pump delivers it there. Its sender is nobody there: what is told to
`self.sender` would have to come back by a route of its own, which a reference in the message gives.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gyral.actors.image import Image
from gyral.actors.roster import Entry
from gyral.core import wire
from gyral.core.dtypes import ElementType, StructType
from gyral.core.errors import UnsupportedError
from gyral.core.wire import REF

MOST = 1 << 16
_lock = threading.Lock()
_systems: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
_next = 0


def assign(system: Any) -> int:
    """A number for a new system that no living one has; numbers come back after 65,536 systems."""
    global _next
    with _lock:
        for _ in range(MOST):
            number, _next = _next, (_next + 1) % MOST
            if number not in _systems:
                _systems[number] = system
                return number
    raise UnsupportedError(f"a process has at most {MOST} systems of actors at a time")


def find(route: int) -> Any:
    """The system of a number, None when there is none any more."""
    return _systems.get(route)


def reroute(
    image: Image, types: Mapping[int, StructType], entries: Iterable[Entry], old: int, new: int
) -> None:
    """Let the references of a saved system to its own actors bear another number.

    `types`: messages by their numbers. Those in fields, messages and spawn values are changed in place.
    """
    if old == new:
        return
    for held in image.classes:
        for array in (held.records, *held.arrays.values()):
            reroute_array(array, old, new)
    for batch in (*image.queued, *image.aside):
        for words in batch.messages:
            kind = int(words[wire.KIND])
            start = wire.EXTENDED_WORDS if kind & wire.EXTENDED else wire.HEADER_WORDS
            struct = types.get(kind & (1 << wire.TYPE_BITS) - 1)
            for place in _places(struct, 0) if struct is not None else ():
                at = start + place // 4 + 1
                words[at] = _other(int(words[at]), old, new)
    for entry in entries:
        for name, value in entry.fields.items():
            if isinstance(value, np.void) and value.dtype.names == ("slot", "gen"):
                entry.fields[name] = (int(value["slot"]), _other(int(value["gen"]), old, new))
            elif isinstance(value, (np.void, np.ndarray)):
                reroute_array(np.atleast_1d(value), old, new)


def _other(generation: int, old: int, new: int) -> int:
    return generation & 0xFFFF | new << 16 if generation & 0xFFFF and generation >> 16 == old else generation


def reroute_array(array: NDArray[Any], old: int, new: int) -> None:
    """All references in an array of structs."""
    names: Sequence[str] = array.dtype.names or ()
    if tuple(names) == ("slot", "gen"):
        words = array["gen"]
        mine = (words & 0xFFFF != 0) & (words >> 16 == old)
        words[mine] = words[mine] & 0xFFFF | new << 16
        return
    for name in names:
        reroute_array(array[name], old, new)


def _places(t: ElementType, start: int) -> list[int]:
    """Where references lie in a struct, in bytes."""
    if t == REF:
        return [start]
    if isinstance(t, StructType):
        return [place for _, offset, inner in t.offsets() for place in _places(inner, start + offset)]
    return []
