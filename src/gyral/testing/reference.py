"""The reference device: kernels run by the interpreter, which is what the language means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gyral.testing.case import Case


def interpret(
    kernel: Any, shape: Sequence[int], arguments: Sequence[Any], block: Sequence[int] | None = None
) -> None:
    """Run `kernel` over `shape` in the interpreter; NumPy arrays among the arguments are changed in place."""
    launch = kernel.interpret[tuple(shape)] if block is None else kernel.interpret[tuple(shape), tuple(block)]
    launch(*arguments)


def run_case(case: Case) -> list[Any]:
    """Fresh arguments of a case, after the interpreter ran it on them."""
    arguments = list(case.arguments())
    interpret(case.kernel, case.shape, arguments, case.block)
    return arguments
