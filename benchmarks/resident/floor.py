"""What the machine itself takes: two threads in C on the same two processors, which actors cannot beat."""

import ctypes
from collections.abc import Callable
from math import nan
from typing import Any

from measures import Measure
from peers.build import build, tool
from peers.case import Missing
from resident.stand import CORES, Effort, percentiles, pin, unbound

ASLEEP_NS = 2_000_000  # the caller's rest, after which the other sleeps
WAKES = 100
MEANS, ASKS = 50, 1000


def floors(effort: Effort) -> list[Measure]:
    """A question and its answer, to a thread that watches and to one that sleeps; none without a compiler."""
    if len(CORES) < 2:
        return []
    try:
        command = [tool("cc"), "-O2", "-shared", "-fPIC", "-pthread", "-o", "{out}", "meeting.c"]
        library = ctypes.CDLL(str(build("meeting", [command], ["meeting.c"])))
    except Missing:
        return []
    lines = sampled(effort, MEANS, lambda times: library.line_times(times, MEANS, ASKS, CORES[1]))
    rest = ctypes.c_int64(ASLEEP_NS)
    wakes = sampled(effort, WAKES, lambda times: library.wake_times(times, WAKES, rest, CORES[1]))
    return [
        *percentiles("in C: a word to the other processor and one back", lines, {50: nan}),
        *percentiles("in C: the same where the other sleeps", wakes, {50: nan, 99: nan}, 1e-3, "µs"),
    ]


def sampled(effort: Effort, count: int, fill: Callable[[Any], int]) -> list[list[float]]:
    """Rounds of so many times each, the caller bound as a host is."""
    rounds: list[list[float]] = []
    with unbound():
        pin(())
        for _ in range(effort.rounds):
            times = (ctypes.c_int64 * count)()
            if fill(times) != 0:
                raise OSError("no thread could be started")
            rounds.append([float(time) for time in times])
    return rounds
