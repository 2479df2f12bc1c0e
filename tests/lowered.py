"""Kernels as emitters get them for a target, run by the interpreter: the meaning must be the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest import mock

from gyral.compiler import pipeline
from gyral.compiler.interp import launch
from gyral.compiler.ir.graph import Module
from gyral.compiler.passes.target import TargetSpec
from gyral.core.artifact import CompileOptions

BLOCKS = {1: (40,), 2: (3, 12), 3: (2, 3, 8)}
"""The blocks of launches that choose none, by rank: more than one subgroup, and not powers of two."""


def interpreted(
    kernel: Any,
    shape: Sequence[int],
    block: Sequence[int] | None,
    arguments: Sequence[Any],
    spec: TargetSpec | None = None,
    **options: Any,
) -> Module:
    """Run a kernel in the interpreter, lowered for `spec` when there is one; arrays are changed in place."""
    modules: list[Module] = []

    def run(module: Module, shape: Any, block: Any, given: Any, check: bool, races: bool) -> None:
        chosen = tuple(block or module.kernel.attributes["block"] or BLOCKS[len(shape)])
        if spec is not None:
            level: Any = "on" if check else "off"
            fastmath = bool(module.kernel.attributes.get("fastmath"))
            wanted = CompileOptions(block=chosen, check=level, fastmath=fastmath, **options)
            pipeline.run(module, wanted, spec, verify=True)
            check = False
        modules.append(module)
        launch.run(module, shape, chosen, given, check=check, index_bits=32, subgroup=32)

    with mock.patch("gyral.jit.interpret.run", run):
        bound = (
            kernel.interpret[tuple(shape)] if block is None else kernel.interpret[tuple(shape), tuple(block)]
        )
        bound(*arguments)
    return modules[0]
