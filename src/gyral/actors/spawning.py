"""The fields that new actors are given, one by one or for many at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gyral.actors.declare import ActorKind
from gyral.core.dtypes import Vec
from gyral.core.errors import UserError


def columns_of(kind: ActorKind, fields: Mapping[str, Any], n: int) -> list[dict[str, Any]]:
    """Each actor's fields; a value that is a sequence of length `n` has one for each."""
    for name in fields:
        if kind.field(name) is None:
            names = ", ".join(f.name for f in kind.fields) or "none"
            raise UserError(f"{kind.name} has no field {name!r}; its fields are {names}")
    found: list[dict[str, Any]] = [{} for _ in range(n)]
    for name, value in fields.items():
        for own, one in zip(found, _values(kind, name, value, n), strict=True):
            own[name] = one
    return found


def _values(kind: ActorKind, name: str, value: Any, n: int) -> Sequence[Any]:
    """A field of each actor. A scalar field takes a sequence apart, an array one with an axis too many."""
    field = kind.field(name)
    if field is None or not isinstance(value, (list, np.ndarray)) or len(value) != n or n < 2:
        return [value] * n
    axes = {"state": int(isinstance(field.type, Vec)), "fixed": len(field.shape), "buffer": field.rank}
    return list(value) if np.ndim(value[0]) == axes[field.kind] else [value] * n
