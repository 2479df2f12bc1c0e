"""What all measurements stand on: who runs on which processor, the clock, percentiles."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import gyral as gy
from measures import Measure

Clock = Callable[[], int]
clock: Clock = time.perf_counter_ns
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
TASKS = Path("/proc/self/task")


@dataclass(frozen=True, slots=True)
class Effort:
    """`rounds` values stand behind each figure; a sustained run lasts `seconds`."""

    rounds: int
    seconds: float


def threads(prefix: str = "gyral-") -> dict[str, int]:
    """The process's threads of such names, by name; none where the system does not tell."""
    found = {}
    for task in TASKS.iterdir() if TASKS.exists() else ():
        try:
            name = (task / "comm").read_text().strip()
        except OSError:  # it ended meanwhile
            continue
        if name.startswith(prefix):
            found[name] = int(task.name)
    return found


def processor_ns(task: int) -> int:
    """Processor time that a thread of this process has used."""
    return int((TASKS / str(task) / "schedstat").read_text().split()[0])


def pin(workers: Sequence[int]) -> None:
    """Bind worker w to the processor numbered `workers[w]` of those usable, and the caller to the first.

    With one processor, or where threads cannot be bound, all stay where the system puts them.
    """
    if len(CORES) < 2:
        return
    for name, task in threads("gyral-actor-").items():
        place = workers[int(name.rpartition("-")[2])]
        os.sched_setaffinity(task, {CORES[place % len(CORES)]})
    os.sched_setaffinity(0, {CORES[0]})


@contextmanager
def unbound() -> Iterator[None]:
    """The caller is bound to nothing again when the block ends."""
    try:
        yield
    finally:
        if CORES:
            os.sched_setaffinity(0, CORES)


@contextmanager
def live(cls: type, count: int, workers: Sequence[int] = (1,)) -> Iterator[tuple[gy.ActorSystem, list[Any]]]:
    """A running system with `count` actors of a class, its workers bound as `pin` says."""
    with unbound(), gy.ActorSystem(device="cpu", workers=len(workers), name="measured") as system:
        refs = system.spawn_many(cls, count)
        pin(workers)
        yield system, refs


def check(what: str, found: int, wanted: int) -> None:
    """A figure behind which messages were lost is none."""
    if found != wanted:
        raise RuntimeError(f"{what}: {found} messages were handled of {wanted}")


def wait_empty(system: gy.ActorSystem, nap: float = 0.0005) -> None:
    """Sleep until all that was sent has ended."""
    while system.queued:
        time.sleep(nap)


def percentiles(
    what: str,
    rounds: Sequence[Sequence[float]],
    most: dict[float, float],
    scale: float = 1.0,
    unit: str = "ns",
) -> list[Measure]:
    """A figure for each percentile of `most`, whose values (nan: none) are goals; a value for each round."""
    found = []
    for share, goal in most.items():
        values = [float(np.percentile(samples, share)) * scale for samples in rounds]
        found.append(Measure(f"{what}, p{share:g}", unit, values, None if goal != goal else goal))
    return found
