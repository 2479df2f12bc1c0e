"""One producer and one actor, both live, for seconds or minutes: messages a second, how even, memory."""

import os
import statistics
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from gyral.core.errors import MailboxFull
from measures import Measure
from resident.classes import Add, Adder, Count
from resident.stand import Effort, check, clock, live

BATCH = 1024
SETTLED = 0.1  # of the run: before it memory may still grow


def resident_bytes() -> int:
    """Memory of this process; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def many(actor: Any) -> int:
    """About a million messages, 1,024 to a call; how many."""
    tell_many, values, sent = actor.tell_many, np.ones(BATCH, np.float32), 0
    while sent < 1_000_000:
        sent += tell_many(values, Add)
    return sent


def one_by_one(actor: Any) -> int:
    """A hundred thousand messages, each told until the mailbox takes it; how many."""
    tell, message, refused = actor.tell, Add(1.0), 0
    for _ in repeat(None, 100_000):
        try:
            tell(message)
        except MailboxFull:
            refused += 1
    return 100_000 - refused


def sustained(effort: Effort, what: str, produce: Callable[[Any], int], most: float) -> list[Measure]:
    """Nanoseconds a message handled, one value per window (a second, or a tenth of a short run)."""
    window = int(min(1.0, effort.seconds / 10) * 1e9)
    values: list[float] = []
    with live(Adder, 1) as (_, (actor,)):
        sent = before = produce(actor)
        actor.ask_sync(Count(0))
        start = last = clock()
        memory = 0
        while (now := clock()) - start < effort.seconds * 1e9:
            sent += produce(actor)
            if memory == 0 and now - start >= SETTLED * effort.seconds * 1e9:
                memory = resident_bytes()
            if now - last >= window:
                handled = actor.ask_sync(Count(0)).count  # all that was sent until here
                now = clock()
                values.append((now - last) / (handled - before))
                last, before = now, handled
        check(what, actor.ask_sync(Count(0)).count, sent)
        grown = resident_bytes() - memory
    rates = [1 / value for value in values]
    spread = statistics.pstdev(rates) / statistics.fmean(rates)
    return [
        Measure(f"{what}, a message handled", "ns", values, most),
        Measure(f"{what}, variation between windows of {window / 1e9:g} s", "%", [100 * spread], 5),
        Measure(f"{what}, memory grown meanwhile", "KiB", [grown / 1024]),
    ]


def rates(effort: Effort) -> list[Measure]:
    """The goals are 50 and 5 million messages a second."""
    length = f"{effort.seconds:g} s"
    return [
        *sustained(effort, f"{length} of tell_many", many, 20),
        *sustained(effort, f"{length} of tell, one by one", one_by_one, 200),
    ]
