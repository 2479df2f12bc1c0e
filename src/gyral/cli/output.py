"""How commands speak: tables for people, JSON for programs."""

import json
import math
import sys
from collections.abc import Sequence

from rich.console import Console

STEPS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def people(error: bool = False) -> Console:
    """The console of the moment; where a command prints what a person reads."""
    return Console(stderr=error)


def print_json(data: object) -> None:
    """One JSON document on standard output and nothing else. NaN and infinities become null."""
    sys.stdout.write(json.dumps(finite(data), indent=2, ensure_ascii=False) + "\n")


def finite(data: object) -> object:
    """The same data with null for what JSON cannot say."""
    if isinstance(data, float) and not math.isfinite(data):
        return None
    if isinstance(data, dict):
        return {key: finite(value) for key, value in data.items()}
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return [finite(value) for value in data]
    return data


def duration(seconds: float) -> str:
    """Three figures and a unit a person reads: 1.25 ms."""
    scale, unit = next((step for step in STEPS if seconds >= step[0]), STEPS[-1])
    value = seconds / scale
    places = max(0, 2 - int(math.log10(value))) if value >= 1 else 2
    return f"{value:.{places}f} {unit}"
