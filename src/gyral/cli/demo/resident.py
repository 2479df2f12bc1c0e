"""Actors on the CPU: how long messages take, measured from a live loop and acknowledged."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from gyral.actors.ref import Ref
from gyral.actors.system import ActorSystem
from gyral.cli.demo.kernels import MAILBOX, Add, Counter, Runner, Sum
from gyral.cli.output import duration
from gyral.core.errors import MailboxFull

HOPS = 200
BUDGET_SECONDS = 0.5
BURSTS, BURST, ACTORS = 200, MAILBOX // 4, 1000
WARM_UP, LEAST = 8, 16
SHARES = (50, 90, 99)
BARS, HEIGHT = " ▁▂▃▄▅▆▇█", 4
COLUMNS = 64
WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of each try, for one thing that takes time."""

    name: str
    seconds: NDArray[np.float64]

    def percentiles(self) -> dict[str, float]:
        """Seconds that so many of a hundred tries take at most."""
        return {f"p{k}": float(np.percentile(self.seconds, k)) for k in SHARES}


@dataclass(frozen=True, slots=True)
class Residents:
    """What was measured, and whether every message was counted."""

    measured: list[Measured]
    messages_per_second: float
    ok: bool


def measure() -> Residents:
    """Spawn actors and time messages to them, each acknowledged, for about a second."""
    with ActorSystem(name="demo") as system:
        counter = system.spawn(Counter)
        one = Add(1)
        crowd = system.spawn_many(Counter, ACTORS)
        second = system.spawn(Runner)
        first = system.spawn(Runner, partner=second)
        asked = _times(lambda: counter.ask_sync(one, timeout=WAIT_SECONDS))
        hops = _times(lambda: _chain(system, first)) / HOPS
        began = time.perf_counter()
        replies = system.ask_many(crowd, Add(1), timeout=WAIT_SECONDS)
        each = np.array([(time.perf_counter() - began) / ACTORS])
        began = time.perf_counter()
        _burst(counter)
        seen = counter.ask_sync(Add(0), timeout=WAIT_SECONDS).total
        rate = BURSTS * BURST / (time.perf_counter() - began)
        ok = seen == len(asked) + WARM_UP + BURSTS * BURST and all(reply == Sum(1) for reply in replies)
    named = [
        ("ask, handled, reply seen", asked),
        (f"actor to actor, {HOPS:,} in a row", hops),
        (f"asking {ACTORS:,} actors at once, each", each),
    ]
    return Residents([Measured(name, seconds) for name, seconds in named], rate, ok)


def _times(call: Callable[[], object]) -> NDArray[np.float64]:
    """Seconds of each call, for as long as it may take in all; the first ones are not counted."""
    found: list[float] = []
    until = time.perf_counter() + BUDGET_SECONDS
    while len(found) < WARM_UP + LEAST or time.perf_counter() < until:
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return np.array(found[WARM_UP:])


def _chain(system: ActorSystem, first: Ref) -> None:
    first.tell(Add, HOPS)
    system.inbox.get(timeout=WAIT_SECONDS)


def _burst(counter: Ref) -> None:
    messages = np.ones(BURST, Add.dtype)  # pyright: ignore[reportAttributeAccessIssue]
    for _ in range(BURSTS):
        sent = 0
        while sent < BURST:
            try:
                sent += counter.tell_many(messages[sent:], Add)
            except MailboxFull:
                time.sleep(0)


def table(found: Residents) -> Table:
    """Percentiles for people."""
    grid = Table(title="Actors that stay: messages to a live loop", box=None, padding=(0, 2, 0, 0))
    grid.add_column("what", no_wrap=True)
    for share in SHARES:
        grid.add_column(f"p{share}", justify="right", no_wrap=True)
    for one in found.measured:
        shown = one.percentiles().values() if len(one.seconds) > 1 else [float(one.seconds[0]), None, None]
        grid.add_row(one.name, *("" if s is None else duration(s) for s in shown))
    grid.caption = (
        f"{found.messages_per_second / 1e6:.1f} million messages/s in batches, the last one acknowledged; "
        + ("every message counted" if found.ok else "MESSAGES ARE MISSING")
    )
    return grid


def picture(found: Residents) -> list[str]:
    """How long asks took, as a histogram in block characters, from the fastest to nine tenths and beyond."""
    seconds = found.measured[0].seconds
    low, high = float(seconds.min()), float(np.percentile(seconds, 98))
    counts, _ = np.histogram(seconds, COLUMNS, (low, max(high, low * 1.01)))
    levels = np.ceil(counts / max(1, counts.max()) * HEIGHT * (len(BARS) - 1)).astype(int)
    lines = ["How long an ask takes:"]
    for row in reversed(range(HEIGHT)):
        parts = (levels - row * (len(BARS) - 1)).clip(0, len(BARS) - 1)
        lines.append("  " + "".join(BARS[k] for k in parts).rstrip())
    left, right = duration(low), duration(high)
    return [*lines, f"  {left}{right:>{COLUMNS - len(left)}}"]


def as_data(found: Residents) -> dict[str, object]:
    """The same for programs; seconds."""
    return {
        "latency": {one.name: one.percentiles() for one in found.measured},
        "messages_per_second": found.messages_per_second,
        "ok": found.ok,
    }
