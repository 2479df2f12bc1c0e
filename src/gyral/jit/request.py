"""What is asked of a compiler: a function, the kinds of its arguments, and options."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from gyral.core.artifact import CompileOptions
from gyral.jit.arguments import Kind


@dataclass(frozen=True, slots=True)
class Request:
    """`rank` is what the kernel's decorator fixed, None when the compiler works it out.

    `frozen` holds captured values from one request of a kernel to the next: the compiler fills it when it
    first meets a value and refuses another one later.
    """

    function: Callable[..., Any]
    kinds: tuple[Kind, ...]
    options: CompileOptions
    rank: int | None = None
    frozen: MutableMapping[tuple[str, str], Any] = field(default_factory=dict, compare=False)
