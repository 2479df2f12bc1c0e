"""Importing by string, for the few places that join parts which must not load each other."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def load(place: str) -> Any:
    """The object at "package.module:attribute"."""
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)
