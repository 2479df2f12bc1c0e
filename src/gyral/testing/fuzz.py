"""Differential fuzzing: a random program on a device and in the interpreter must leave the same bits."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from gyral.core.errors import KernelFault
from gyral.runtime.device import device as device_named
from gyral.testing import reference
from gyral.testing.compare import difference
from gyral.testing.program import Program, random_program
from gyral.testing.source import forget


def disagreement(program: Program, device: str = "cpu") -> str:
    """A sentence on the first difference between a device and the interpreter, or ""."""
    kernel = program.kernel()
    expected, got = program.arguments(), program.arguments()
    faults = [
        _fault(lambda: reference.interpret(kernel, program.shape, expected, program.block)),
        _fault(lambda: _launch(kernel, program, got, device)),
    ]
    forget(kernel)
    if faults[0] != faults[1]:
        return f"thread {faults[1]} failed instead of {faults[0]}"
    if faults[0] is not None and "gy.shared" in program.text:
        return ""  # what a failed thread did not write into shared memory is undefined for the others
    names = [*(name for name, _, _ in program.inputs), *(name for name, _ in program.outputs), "cells"]
    found = (difference(name, a, b) for name, a, b in zip(names, expected, got, strict=False))
    return next((text for text in found if text), "")


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


def seeded(seed: int, size: int = 8) -> Program:
    """The program of a seed; the same on every machine."""
    return random_program(random.Random(seed), size)
