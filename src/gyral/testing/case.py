"""One row of the language, ready to run: a kernel, a launch, and what to compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from gyral.core.dtypes import DType
from gyral.testing.compare import EXACT, Tolerance

Arguments: TypeAlias = Callable[[], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """A launch whose effects are compared with the interpreter's.

    `arguments()` makes fresh arguments; writable NumPy arrays among them are compared after the launch,
    those whose position is in `unordered` sorted first.
    `reference(*arguments)`, where there is one, does in NumPy what the kernel does, in place: the
    interpreter itself is checked against it, under `reference_tolerance`.
    `requires` names what a device must have: scalar types and features of its capability record.
    """

    group: str
    row: str
    name: str
    kernel: Any
    arguments: Arguments
    shape: tuple[int, ...]
    block: tuple[int, ...] | None = None
    reference: Callable[..., None] | None = None
    tolerance: Tolerance = EXACT
    reference_tolerance: Tolerance = EXACT
    requires: frozenset[str] = field(default_factory=frozenset)
    unordered: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """A short unique name: group, row, and what tells this case from its neighbours."""
        return f"{self.group}-{self.row}-{self.name}".replace(" ", "_")

    def effects(self, arguments: Sequence[Any]) -> list[tuple[str, np.ndarray]]:
        """The arrays among the arguments, by a name, in a form that can be compared."""
        found = []
        for k, value in enumerate(arguments):
            if isinstance(value, np.ndarray) and value.flags.writeable:
                found.append((f"argument {k}", np.sort(value, axis=None) if k in self.unordered else value))
        return found


def needs(*dtypes: DType, features: Sequence[str] = ()) -> frozenset[str]:
    """A `requires` set from scalar types and named features."""
    return frozenset([*(t.name for t in dtypes), *features])
