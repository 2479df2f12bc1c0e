"""Several kernels that run as one: what stands where a kernel's function would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gyral.core.dtypes import ArrayType
from gyral.core.errors import UserError


@dataclass(frozen=True, slots=True)
class Link:
    """One kernel of a chain: its function, the rank it fixes, and what the chain calls its parameters."""

    function: Callable[..., Any]
    rank: int | None
    parameters: tuple[str, ...]


class Chain:
    """Kernels in the order in which each thread runs them. Parameters of one name are one parameter.

    `parameters` are those that a launch gives, in order; `temporaries` those that live in the launch alone.
    `spelling` says all this in words that are equal only for equal chains over equal functions.
    """

    __slots__ = ("links", "name", "parameters", "spelling", "temporaries")

    def __init__(
        self,
        name: str,
        links: tuple[Link, ...],
        parameters: tuple[str, ...],
        temporaries: tuple[tuple[str, ArrayType], ...],
        spelling: str,
    ) -> None:
        self.name = name
        self.links = links
        self.parameters = parameters
        self.temporaries = temporaries
        self.spelling = spelling

    @property
    def functions(self) -> tuple[Any, ...]:
        """The kernels' functions."""
        return tuple(link.function for link in self.links)

    @property
    def __name__(self) -> str:
        """What the kernel made of it is called."""
        return self.name

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """A chain is launched, never called."""
        raise UserError(f"{self.__name__} is made of kernels: launch it with a shape")


def functions_of(function: Callable[..., Any]) -> tuple[Any, ...]:
    """The functions behind what a kernel is made of."""
    return getattr(function, "functions", None) or (function,)
