"""References to actors: what the host sends by."""

from __future__ import annotations

from typing import Any

from gyral.core import native
from gyral.core.wire import REF


class Ref(native.Ref):
    """An actor, as its senders know it. In a field of an actor or message it is two words; empty, nobody.

    `tell`, `tell_many` and `ask_sync` are native. A reference stays what it is when its actor has ended: what
    is sent by it then raises ActorStopped.
    """

    __slots__ = ("_system",)
    __gyral_struct__ = REF
    _system: Any
