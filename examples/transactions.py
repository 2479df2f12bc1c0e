"""A monitor of a stream of events: rules are actors, alerts reach the host while events still come.

python examples/transactions.py [--device cpu] [--events 336776] [--show 12] [--json]

The events are real: the flights that left New York City in 2013 (nycflights13, CC0, compiled from the U.S.
Bureau of Transportation Statistics), in the order of the table that comes with `gyral demo`. An airline is an
account, a flight a transaction, its delay the amount. Each rule gets every event and keeps what it has to
know. What the rules count is compared with the same rules in Python.
"""

import argparse
import sys
import time
from dataclasses import dataclass, field
from importlib.resources import as_file, files

import numpy as np

import gyral as gy
from telling import finish, options, progress, run, tell_all

AIRLINES = 16
LARGE = 600.0  # minutes: one flight is an alert
LATE, IN_A_ROW = 60.0, 6  # so many flights of an airline in a row
CANCELLED, OF_THE_LAST = 48, 64  # flights of any airline
BATCH = 1024


@gy.message
class Flight:
    number: gy.i32
    airline: gy.i32
    delay: gy.f32
    cancelled: gy.i32


@gy.message
class Alert:
    rule: gy.i32
    number: gy.i32
    airline: gy.i32
    amount: gy.f32


@gy.actor(mailbox=2 * BATCH)
class Large:
    """One amount beyond the limit."""

    alerts: gy.i32 = 0

    def check(self, msg: Flight):
        if msg.delay > LARGE:
            self.alerts += 1
            self.sender.tell(Alert(0, msg.number, msg.airline, msg.delay))


@gy.actor(mailbox=2 * BATCH)
class InARow:
    """An account with many late transactions one after another."""

    alerts: gy.i32 = 0
    length: gy.Local[gy.i32, AIRLINES] = None

    def check(self, msg: Flight):
        if msg.cancelled == 0:
            length = self.length[msg.airline] + 1 if msg.delay > LATE else 0
            self.length[msg.airline] = length
            if length == IN_A_ROW:
                self.alerts += 1
                self.sender.tell(Alert(1, msg.number, msg.airline, gy.f32(length)))


@gy.actor(mailbox=2 * BATCH)
class Wave:
    """Many failed transactions among the last ones, of whichever account; quiet until the wave has ebbed."""

    alerts: gy.i32 = 0
    failed: gy.i32 = 0
    at: gy.i32 = 0
    rings: gy.i32 = 0
    last: gy.Local[gy.i32, OF_THE_LAST] = None

    def check(self, msg: Flight):
        self.failed += msg.cancelled - self.last[self.at]
        self.last[self.at] = msg.cancelled
        self.at = (self.at + 1) % OF_THE_LAST
        if self.failed >= CANCELLED and self.rings == 0:
            self.rings = 1
            self.alerts += 1
            self.sender.tell(Alert(2, msg.number, msg.airline, gy.f32(self.failed)))
        elif self.failed < CANCELLED // 2:
            self.rings = 0


RULES = (Large, InARow, Wave)
NAMES = ("large", "in a row", "wave")


def table(most: int) -> tuple[np.ndarray, list[str]]:
    """The events as messages, and the codes of the airlines."""
    place = files("gyral.cli.demo") / "data" / "flights.npz"
    with as_file(place) as path, np.load(path) as stored:
        delay, airline, codes = stored["delay"][:most], stored["carrier"][:most], stored["carriers"]
    events = np.zeros(len(delay), Flight.dtype)
    events["number"], events["airline"] = np.arange(len(delay)), airline
    events["cancelled"], events["delay"] = np.isnan(delay), np.nan_to_num(delay)
    return events, [str(code) for code in codes]


@dataclass
class Reference:
    """The same rules in Python."""

    alerts: list[int] = field(default_factory=lambda: [0, 0, 0])
    length: list[int] = field(default_factory=lambda: [0] * AIRLINES)

    def over(self, events: np.ndarray) -> list[int]:
        """How many alerts each rule gives."""
        self.alerts[0] = int((events["delay"] > LARGE).sum())
        for airline, delay, cancelled in events[["airline", "delay", "cancelled"]].tolist():
            if not cancelled:
                self.length[airline] = self.length[airline] + 1 if delay > LATE else 0
                self.alerts[1] += self.length[airline] == IN_A_ROW
        failed = np.cumsum(events["cancelled"])
        failed[OF_THE_LAST:] -= failed[:-OF_THE_LAST].copy()
        rings = False
        for count in failed.tolist():
            if count >= CANCELLED and not rings:
                rings, self.alerts[2] = True, self.alerts[2] + 1
            elif count < CANCELLED // 2:
                rings = False
        return self.alerts


def watch(events: np.ndarray, given: argparse.Namespace) -> tuple[list[Alert], list[int], dict[str, object]]:
    """Send every event to every rule; the alerts in the order they came, and what the rules counted."""
    alerts: list[Alert] = []
    waits = 0
    with gy.ActorSystem(device=given.device, letters=len(events)) as system:
        rules = [system.spawn(rule, name=name) for rule, name in zip(RULES, NAMES, strict=True)]
        began = time.perf_counter()
        for start in range(0, len(events), BATCH):
            batch = events[start : start + BATCH]
            for rule in rules:
                waits += tell_all(rule, batch, Flight)
            alerts += [letter.message for letter in system.inbox.take()]
            if start % (32 * BATCH) == 0:
                progress(given, f"{start:,} events, {len(alerts)} alerts")
        system.settle()
        seconds = time.perf_counter() - began
        alerts += [letter.message for letter in system.inbox.take()]
        counts = [rule.state()["alerts"] for rule in rules]
        way = system.way
    return alerts, counts, {"way": way, "seconds": seconds, "waits": waits}


def main() -> int:
    parser = options("Rules as actors over a stream of real events")
    parser.add_argument("--events", type=int, default=336_776, help="how many of them (all)")
    parser.add_argument("--show", type=int, default=12, help="alerts to print (12)")
    given = parser.parse_args()
    events, codes = table(max(1, given.events))
    alerts, counts, facts = watch(events, given)
    came = [sum(alert.rule == k for alert in alerts) for k in range(len(RULES))]
    rate = len(RULES) * len(events) / facts["seconds"]
    report = {
        "device": given.device,
        "events": len(events),
        **facts,
        "checks_per_second": round(rate),
        "alerts": dict(zip(NAMES, came, strict=True)),
        "ok": came == counts == Reference().over(events),
    }
    shown = sorted(alerts, key=lambda alert: alert.number)[-max(0, given.show) :] if given.show > 0 else []
    lines = [f"  event {a.number:>7,}  {codes[a.airline]}  {NAMES[a.rule]:<9} {a.amount:,.0f}" for a in shown]
    lines += [
        f"{len(events):,} events, each checked by {len(RULES)} rules on {given.device} ({facts['way']}) in "
        f"{facts['seconds']:.2f} s: {rate / 1e6:.1f} million checks/s",
        "alerts: " + ", ".join(f"{name} {count}" for name, count in zip(NAMES, came, strict=True)),
        "as the same rules in Python say" if report["ok"] else "NOT as the same rules in Python say",
    ]
    return finish(given, report, lines)


if __name__ == "__main__":
    sys.exit(run(main))
