"""Differential fuzzing: a random program on a device and in the interpreter must leave the same bits."""

from __future__ import annotations

import random

from gyral.runtime.device import device as device_named
from gyral.testing import reference
from gyral.testing.compare import difference
from gyral.testing.program import Program, random_program
from gyral.testing.source import forget


def disagreement(program: Program, device: str = "cpu") -> str:
    """A sentence on the first difference between a device and the interpreter, or ""."""
    kernel = program.kernel()
    expected, got = program.arguments(), program.arguments()
    reference.interpret(kernel, (program.count,), expected)
    with device_named(device):
        kernel[program.count](*got)
    forget(kernel)
    names = [*(name for name, _, _ in program.inputs), *(name for name, _ in program.outputs), "cells"]
    found = (difference(name, a, b) for name, a, b in zip(names, expected, got, strict=False))
    return next((text for text in found if text), "")


def seeded(seed: int, size: int = 8) -> Program:
    """The program of a seed; the same on every machine."""
    return random_program(random.Random(seed), size)
