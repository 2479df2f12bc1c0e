"""What every emitter gives: text in its language, and the signature a launch of it needs."""

from __future__ import annotations

from dataclasses import dataclass

from gyral.core.artifact import Signature


@dataclass(frozen=True, slots=True)
class Emitted:
    """A kernel in a target's language; its entry follows the convention of `core.abi`."""

    text: str
    signature: Signature
