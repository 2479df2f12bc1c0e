"""Launches that are prepared once and replayed: each step has a kernel object with its arguments set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gyral.core.abi import Grid
from gyral.core.driver import Step
from gyral.core.errors import UserError
from gyral.drivers.opencl.program import Program


@dataclass(slots=True)
class Prepared:
    """One step: its program and kernel object, the grid, and what its arguments keep alive."""

    program: Program
    kernel: Any
    size: tuple[int, int, int]
    keep: tuple[Any, ...]
    after: tuple[int, ...]


class Graph:
    """Prepared steps. `overlap`: some of them wait for fewer than all steps before them."""

    __slots__ = ("leaves", "overlap", "steps")

    def __init__(self, steps: list[Prepared]) -> None:
        self.steps = steps
        waited = {number for step in steps for number in step.after}
        self.leaves = [number for number in range(len(steps)) if number not in waited]
        self.overlap = any(number - 1 not in step.after for number, step in enumerate(steps) if number)

    @property
    def keep(self) -> tuple[Any, ...]:
        """What must live until a replay is done."""
        return tuple(step.keep for step in self.steps)


def check_order(steps: Sequence[Step]) -> None:
    """UserError when a step waits for one that is not listed before it."""
    for number, step in enumerate(steps):
        if any(not 0 <= earlier < number for earlier in step.after):
            raise UserError(f"step {number} of a graph waits for {step.after}, and only earlier ones can be")


def global_size(grid: Grid, block: tuple[int, int, int]) -> tuple[int, int, int]:
    """Threads per native axis."""
    (gx, gy, gz), (bx, by, bz) = grid.native, block
    return gx * bx, gy * by, gz * bz
