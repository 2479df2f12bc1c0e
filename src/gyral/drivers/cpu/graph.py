"""Launches recorded once on the CPU and run by one native call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gyral.core import native
from gyral.core.driver import Launch, Step
from gyral.core.errors import StateError
from gyral.drivers.cpu.slots import pack


class Graph:
    """The steps of a graph in levels: each step stands one level behind the last of those it waits for.

    `run` runs all of them, on this thread, and over the pool where that pays. Steps of one level run in any
    order.
    """

    __slots__ = ("_kept", "_place", "run")

    def __init__(self, steps: Sequence[Step]) -> None:
        self._kept = [step.launch.keep for step in steps]
        order = levels(steps)
        numbers = [number for level in order for number in level]
        self._place = {number: place for place, number in enumerate(numbers)}
        packed = [(step.program.plan, *_packed(step.launch)) for step in steps]
        self.run: Any = native.require().Graph(tuple(tuple(packed[n] for n in level) for level in order))

    def replace(self, number: int, launch: Launch) -> None:
        """Give a step other arguments. StateError while the graph runs."""
        try:
            self.run.replace(self._place[number], *_packed(launch))
        except RuntimeError as error:
            raise StateError(str(error)) from error
        self._kept[number] = launch.keep


def levels(steps: Sequence[Step]) -> list[list[int]]:
    """The numbers of the steps by level."""
    found: list[list[int]] = []
    at: list[int] = []
    for number, step in enumerate(steps):
        level = 1 + max((at[before] for before in step.after), default=-1)
        at.append(level)
        if level == len(found):
            found.append([])
        found[level].append(number)
    return found


def _packed(launch: Launch) -> tuple[Any, ...]:
    return launch.shape, pack(launch.arguments), launch.record, launch.done
