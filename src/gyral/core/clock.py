"""Time as a parameter."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Anything that tells seconds, from an origin of its own."""

    def __call__(self) -> float:
        """Seconds since the origin; never less than before."""
        ...


MONOTONIC: Clock = time.perf_counter
