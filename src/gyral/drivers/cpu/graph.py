"""Launches recorded once on the CPU and run by one native call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gyral.core import native
from gyral.core.driver import Launch, Step
from gyral.drivers.cpu.queue import Queue
from gyral.drivers.cpu.slots import pack


class Graph:
    """The steps of a graph in levels: each step stands one level behind the last of those it waits for.

    `run` runs all of them, on this thread, and over the pool where that pays. Steps of one level run in any
    order.
    """

    __slots__ = ("_order", "_place", "_queued", "_steps", "run")

    def __init__(self, steps: Sequence[Step]) -> None:
        self._order = levels(steps)
        numbers = [number for level in self._order for number in level]
        self._place = {number: place for place, number in enumerate(numbers)}
        self._steps = [(step.program.plan, *_packed(step.launch)) for step in steps]
        self.run: Any = None
        self._build()

    def put(self, queue: Queue) -> None:
        """Put all steps, with the arguments they have now, on a queue."""
        self._queued = True
        queue.put(self.run)

    def replace(self, number: int, launch: Launch) -> None:
        """Give a step other arguments, from the next replay on."""
        packed = _packed(launch)
        self._steps[number] = (self._steps[number][0], *packed)
        if not self._queued:
            try:
                self.run.replace(self._place[number], *packed)
                return
            except RuntimeError:
                pass  # it runs on another thread
        # What was put on a queue, or runs, goes on with what it was given.
        self._build()

    def _build(self) -> None:
        steps = tuple(tuple(self._steps[number] for number in level) for level in self._order)
        self.run = native.require().Graph(steps)
        self._queued = False


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
    return launch.shape, pack(launch.arguments), launch.record, launch.done, launch.keep
