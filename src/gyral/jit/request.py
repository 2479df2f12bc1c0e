"""What is asked of a compiler: a function, the kinds of its arguments, and options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gyral.core.artifact import CompileOptions
from gyral.jit.arguments import Kind


@dataclass(frozen=True, slots=True)
class Request:
    """`rank` is what the kernel's decorator fixed, None when the compiler works it out."""

    function: Callable[..., Any]
    kinds: tuple[Kind, ...]
    options: CompileOptions
    rank: int | None = None
