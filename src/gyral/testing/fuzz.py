"""Differential fuzzing: a random program on a device and in the interpreter must leave the same bits."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from gyral.core.dtypes import SCALARS
from gyral.core.errors import KernelFault
from gyral.runtime.device import device as device_named
from gyral.testing import reference
from gyral.testing.block_program import block_program
from gyral.testing.compare import difference
from gyral.testing.program import Program, random_program
from gyral.testing.source import forget

_TOLD = ("gy.shared", "gy.block_broadcast", "gy.subgroup_")
"""Words by which threads hear from others: from one that failed they hear what is undefined."""


def disagreement(program: Program, device: str = "cpu") -> str:
    """A sentence on the first difference between a device and the interpreter, or ""."""
    kernel = program.kernel()
    expected, got = program.arguments(), program.arguments()
    faults = [
        _fault(lambda: reference.interpret(kernel, program.shape, expected, program.block)),
        _fault(lambda: _launch(kernel, program, got, device)),
    ]
    forget(kernel)
    if None not in faults and any(word in program.text for word in _TOLD):
        return ""
    if faults[0] != faults[1]:
        return f"thread {faults[1]} failed instead of {faults[0]}"
    names = [*(name for name, _, _ in program.inputs), *(name for name, _ in program.outputs), "cells"]
    found = (difference(name, a, b) for name, a, b in zip(names, expected, got, strict=False))
    return next((text for text in found if text), "")


def lacks(program: Program, device: str) -> str:
    """A type that a program names and a device does not have, or ""."""
    has = device_named(device).capabilities.dtypes
    return next((t.name for t in SCALARS if t not in has and f"gy.{t}" in program.text), "")


def _launch(kernel: Any, program: Program, arguments: Sequence[Any], device: str) -> None:
    with device_named(device):
        bound = kernel[program.shape] if program.block is None else kernel[program.shape, program.block]
        bound(*arguments)


def _fault(launch: Callable[[], None]) -> tuple[int, ...] | None:
    """The thread that a launch under check says failed; None when all went well."""
    try:
        launch()
    except KernelFault as fault:
        return fault.thread
    return None


def seeded(seed: int, size: int = 8, *, blocks: bool = False) -> Program:
    """The program of a seed; the same on every machine. With `blocks` its threads work together."""
    return (block_program if blocks else random_program)(random.Random(seed), size)
