"""Kernels on the reference interpreter; `targets` reaches it by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gyral.compiler.interp.launch import run
from gyral.jit.compile import lowered
from gyral.jit.request import Request


def interpret(
    request: Request, shape: Sequence[int], block: Sequence[int], given: Sequence[tuple[str, Any]]
) -> None:
    """Run a kernel on the reference interpreter; `given` as `inspection` makes it."""
    arguments: list[Any] = []
    for form, value in given:
        if form == "array":
            arguments.append(value)
        elif form == "scalars":
            arguments += value
    check = request.options.check
    run(lowered(request), shape, block or None, arguments, check=check != "off", races=check == "race")
