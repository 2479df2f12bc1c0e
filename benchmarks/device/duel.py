"""Gyral and kernels written by hand on the same job: results checked first, then timed in turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from gyral.core.errors import GyralError
from jobs import Job
from rivals import Launch, Rival

GOAL = 0.97  # of the speed of the kernel written by hand
MOST_SETS = 8


@dataclass(slots=True)
class Side:
    """One rival with the job's arrays on its device, some times over so that no cache holds them all."""

    rival: Rival
    sets: list[list[Launch]]
    samples: list[float] = field(default_factory=list)
    error: float = math.nan
    held: list[Any] = field(default_factory=list)

    def run(self, times: int) -> float:
        """Seconds of one run, over `times` in a row on one set of arrays after another."""
        launches = [launch for k in range(times) for launch in self.sets[k % len(self.sets)]]
        return self.rival.seconds(launches) / times


@dataclass(frozen=True, slots=True)
class Row:
    """How a job went: medians in seconds, Gyral's speed over the other's in turn, errors."""

    job: Job
    ours: Side
    theirs: Side
    fault: str = ""

    @property
    def ratio(self) -> float:
        """How fast Gyral is beside the kernel written by hand: 1.0 is as fast."""
        pairs = zip(self.ours.samples, self.theirs.samples, strict=True)
        return median(theirs / ours for ours, theirs in pairs) if self.ours.samples else math.nan

    def record(self, bandwidth: float = 0.0) -> dict[str, Any]:
        """The row as JSON holds it; times in seconds."""
        found: dict[str, Any] = {"kernel": self.job.name, "size": self.job.size, "fault": self.fault}
        for name, side in (("gyral", self.ours), ("by_hand", self.theirs)):
            found[name] = {"error": _plain(side.error), "samples": [round(s, 9) for s in side.samples]}
            if side.samples:
                typical = median(side.samples)
                found[name] |= {
                    "median_seconds": typical,
                    "bytes_per_second": self.job.bytes / typical,
                    "operations_per_second": self.job.operations / typical,
                }
                if bandwidth and self.job.bytes:
                    found[name]["share_of_copy"] = self.job.bytes / typical / bandwidth
        return found | {"ratio": _plain(self.ratio), "goal": GOAL, "met": self.ratio >= GOAL}


def prepare(rival: Rival, job: Job, sets: int) -> Side:
    """The job's arrays on a rival's device; the result of the first run is checked."""
    side = Side(rival, [])
    for _ in range(sets):
        held = {name: rival.put(array) for name, array in job.arrays.items()}
        side.sets.append([rival.launch(step, held, job.numbers) for step in job.steps])
        side.held.append(held)
    rival.seconds(side.sets[0])
    got = {name: rival.get(side.held[0][name], array) for name, array in job.arrays.items()}
    side.error = job.error(got)
    return side


def drop(side: Side) -> None:
    """Give the arrays back before the next job."""
    free: Callable[[Any], None] = getattr(side.rival, "free", lambda held: None)
    for held in side.held:
        for one in held.values():
            free(one)
    side.sets.clear()
    side.held.clear()


def fight(job: Job, ours: Rival, theirs: Rival, *, rounds: int, seconds: float, cache: int) -> Row:
    """One job. A wrong result is a fault and is not timed. `cache`: bytes of the cache that is to miss."""
    sets = max(1, min(MOST_SETS, math.ceil(4 * cache / max(1, job.footprint)))) if cache else 1
    try:
        sides = [prepare(rival, job, sets) for rival in (ours, theirs)]
    except GyralError as error:
        return Row(job, Side(ours, []), Side(theirs, []), f"FAILED: {error}")
    wrong = [s for s in sides if not s.error <= job.allowed]
    if wrong:
        told = "; ".join(f"WRONG: {s.rival.name} is off by {s.error:.1e}" for s in wrong)
    else:
        told = ""
        slowest = max(side.run(1) for side in sides)
        times = max(1, min(1000, math.ceil(seconds / max(slowest, 1e-9))))
        for turn in range(rounds):
            for side in sides if turn % 2 else reversed(sides):
                side.samples.append(side.run(times))
    for side in sides:
        drop(side)
    return Row(job, sides[0], sides[1], told)


def fights(
    jobs: Mapping[str, Callable[[], Job]],
    names: Sequence[str],
    ours: Rival,
    theirs: Rival,
    tell: Callable[[str], None],
    **how: Any,
) -> list[Row]:
    """All jobs of some names."""
    rows = []
    for name in names:
        tell(name)
        rows.append(fight(jobs[name](), ours, theirs, **how))
    return rows


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
