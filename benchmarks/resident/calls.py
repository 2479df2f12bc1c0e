"""What a host thread pays for telling one by one, many at once, and asking; the actor is on another core."""

from collections.abc import Callable
from itertools import repeat
from math import nan
from typing import Any

import numpy as np

from measures import Measure
from resident.classes import Add, Adder, Count
from resident.stand import Effort, check, clock, live, percentiles

CHUNK = 64
CHUNKS = 60
SINGLES = 2000
ASKS = 5000
BATCH = 1024


def tell_prebuilt(tell: Any, n: int) -> None:
    """One message, again and again."""
    message = Add(1.0)
    for _ in repeat(None, n):
        tell(message)


def tell_built(tell: Any, n: int) -> None:
    """A new message for each."""
    for _ in repeat(None, n):
        tell(Add(1.0))


def tell_fields(tell: Any, n: int) -> None:
    """The type and its fields; no object is made."""
    for _ in repeat(None, n):
        tell(Add, 1.0)


def time_prebuilt(tell: Any, samples: list[int]) -> None:
    """Each call by itself, the clock's own cost included."""
    message = Add(1.0)
    for k in range(len(samples)):
        before = clock()
        tell(message)
        samples[k] = clock() - before


def time_built(tell: Any, samples: list[int]) -> None:
    """As above."""
    for k in range(len(samples)):
        before = clock()
        tell(Add(1.0))
        samples[k] = clock() - before


def time_fields(tell: Any, samples: list[int]) -> None:
    """As above."""
    for k in range(len(samples)):
        before = clock()
        tell(Add, 1.0)
        samples[k] = clock() - before


def time_nothing(tell: Any, samples: list[int]) -> None:
    """What the clock costs."""
    for k in range(len(samples)):
        before = clock()
        samples[k] = clock() - before


FORMS: tuple[tuple[str, Callable[..., None], Callable[..., None], float], ...] = (
    ("tell(message), built before", tell_prebuilt, time_prebuilt, 90),
    ("tell(Add(1.0)), built in place", tell_built, time_built, 130),
    ("tell(Add, 1.0), no object", tell_fields, time_fields, 130),
)


def telling(effort: Effort) -> list[Measure]:
    """The cost of a call: the median of means of 64 calls, and the tail of calls timed one by one."""
    found = []
    with live(Adder, 1) as (_, (actor,)):
        sent = 0
        for what, several, single, most in FORMS:
            rounds, tails = [], []
            for _ in range(effort.rounds):
                means, samples = [], [0] * SINGLES
                for _ in range(CHUNKS):
                    sent = _caught_up(actor, what, sent)
                    before = clock()
                    several(actor.tell, CHUNK)
                    means.append((clock() - before) / CHUNK)
                    sent += CHUNK
                sent = _caught_up(actor, what, sent)
                single(actor.tell, samples)
                sent += SINGLES
                rounds.append(means)
                tails.append(samples)
            sent = _caught_up(actor, what, sent)
            found += percentiles(what, rounds, {50: most})
            found += percentiles(what, tails, {99: 500, 99.9: nan})
        nothing = [[0] * SINGLES for _ in range(effort.rounds)]
        for samples in nothing:
            time_nothing(actor.tell, samples)
    return [*found, *percentiles("the clock itself, in each p99 and in each ask", nothing, {50: nan})]


def _caught_up(actor: Any, what: str, sent: int) -> int:
    """Asks how many came: the answer says that all did, and that the actor is awake."""
    check(what, actor.ask_sync(Count(0)).count, sent)
    return sent


def telling_many(effort: Effort) -> list[Measure]:
    """The cost a message of a call with 1,024 of them, for which there is room."""
    values = np.ones(BATCH, np.float32)
    what = "tell_many of 1,024, a message"
    with live(Adder, 1) as (_, (actor,)):
        sent, rounds = 0, []
        for _ in range(effort.rounds):
            samples = []
            for _ in range(CHUNKS):
                sent = _caught_up(actor, what, sent)
                before = clock()
                sent += actor.tell_many(values, Add)
                samples.append((clock() - before) / BATCH)
            rounds.append(samples)
        _caught_up(actor, what, sent)
    return percentiles(what, rounds, {50: 8, 99: nan})


def asking(effort: Effort) -> list[Measure]:
    """From the call to the reply as an object; the message passed to the actor's core and back."""
    message, rounds = Count(0), []
    with live(Adder, 1) as (_, (actor,)):
        ask = actor.ask_sync
        for _ in range(effort.rounds):
            samples = [0] * ASKS
            for k in range(ASKS):
                before = clock()
                ask(message)
                samples[k] = clock() - before
            rounds.append(samples)
        check("ask_sync", int(actor.status.handled), effort.rounds * ASKS)
    return percentiles("ask_sync, to the reply seen", rounds, {50: 400, 99: 1500, 99.9: nan})
