"""What `gyral top` shows: a system's actors as lines of text, the busiest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gyral.actors.watch import View

STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
TITLES = ("actor", "class", "state", "queued", "handled", "per s", "wait", "failed", "restarts")
LEFT = 3
"""So many columns are words."""


@dataclass(frozen=True, slots=True)
class Row:
    """An actor: counts are messages, `rate` messages in a second since the view before, None without one.

    `wait`: seconds that a message waits, as long as the queue and the rate stay what they are.
    """

    actor: str
    kind: str
    state: str
    queued: int
    handled: int
    rate: float | None
    wait: float | None
    failed: int
    restarts: int


def rows_of(view: View, before: View | None = None) -> list[Row]:
    """Everybody in a view, those first for whom most waits, then those who did most."""
    actors, names = view["actors"], view["names"]
    earlier, seconds = {}, 0.0
    if before is not None and before["actors"]:
        seconds = view["seconds"] - before["seconds"]
        old = before["actors"]
        earlier = dict(zip(zip(old["slot"], old["generation"], strict=True), old["handled"], strict=True))
    found = []
    for k, slot in enumerate(actors.get("slot", ())):
        handled, queued = actors["handled"][k], actors["queued"][k]
        known = earlier.get((slot, actors["generation"][k]))
        rate = (handled - known) / seconds if known is not None and seconds > 0 else None
        found.append(
            Row(
                actor=names.get(str(slot), f"#{slot}"),
                kind=actors["class"][k],
                state=actors["state"][k],
                queued=queued,
                handled=handled,
                rate=rate,
                wait=queued / rate if rate else None,
                failed=actors["failed"][k],
                restarts=actors["restarts"][k],
            )
        )
    return sorted(found, key=lambda row: (-row.queued, -(row.rate or 0.0), -row.handled, row.actor))


def table(view: View, before: View | None = None, most: int = 20) -> list[str]:
    """A view as lines: the system, titles, at most so many actors, and how many more there are."""
    rows = rows_of(view, before)
    workers = ", ".join(view["workers"]) or "no workers"
    queued, handled = sum(row.queued for row in rows), sum(row.handled for row in rows)
    rates = [row.rate for row in rows if row.rate is not None]
    lines = [
        f"{view['system']} (process {view['pid']}) on {view['device']}, {view['way']}: {len(rows)} actors, "
        f"{figure(queued)} queued, {figure(handled)} handled"
        + (f", {figure(sum(rates))} per s" if rates else "")
        + f"; epoch {view['epochs']}; workers: {workers}"
    ]
    cells = [TITLES, *(_cells(row) for row in rows[:most])]
    widths = [max(len(row[k]) for row in cells) for k in range(len(TITLES))]
    for row in cells:
        parts = [
            text.ljust(width) if k < LEFT else text.rjust(width)
            for k, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(parts).rstrip())
    if len(rows) > most:
        lines.append(f"  and {len(rows) - most:,} more")
    return lines


def as_data(view: View, before: View | None = None) -> dict[str, Any]:
    """A view for programs: a record per actor; seconds, and messages in a second."""
    head = {k: view[k] for k in ("system", "pid", "device", "way", "epochs", "workers")}
    rows = [{k: getattr(row, k) for k in Row.__slots__} for row in rows_of(view, before)]
    return head | {"actors": rows}


def figure(value: float) -> str:
    """A count with three or four figures: 12.3k."""
    for scale, unit in STEPS:
        if value >= scale * 10 or (scale > 1e3 and value >= scale):
            return f"{value / scale:.3g}{unit}" if value < 1000 * scale else f"{value / scale:.0f}{unit}"
    return f"{value:.0f}"


def _cells(row: Row) -> Sequence[str]:
    return (
        row.actor[:32], row.kind[:24], row.state, figure(row.queued), figure(row.handled),
        "" if row.rate is None else figure(row.rate), "" if row.wait is None else _time(row.wait),
        figure(row.failed), figure(row.restarts),
    )  # fmt: skip


def _time(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 1e-3 else f"{seconds * 1e6:.0f} µs"
