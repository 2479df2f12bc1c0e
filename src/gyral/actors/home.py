"""What the native mail asks of the system it serves, without keeping it alive."""

from __future__ import annotations

import weakref
from typing import Any

from gyral.actors.engine import Engine
from gyral.actors.lives import Lives


class Words:
    """Says in words what the mail knows by number, and makes room for larger messages (`Mail.home`)."""

    def __init__(self, engine: Engine, lives: Lives) -> None:
        self._engine: Any = weakref.ref(engine)
        self._lives: Any = weakref.ref(lives)

    def why(self, site: int) -> str | None:
        """Where and why a handler failed."""
        engine = self._engine()
        return None if engine is None else engine.sites.why(site)

    def named(self, slot: int) -> str | None:
        """An actor as people call it."""
        lives = self._lives()
        return None if lives is None else lives.called(slot)

    def widen(self, words: int) -> bool:
        """Give slots room for so many words; whether they have it."""
        engine = self._engine()
        return engine is not None and engine.widen(words)
