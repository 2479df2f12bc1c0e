"""A pipeline of four stages, each an actor, that pushes back: whoever is ahead waits for room.

python examples/pipeline.py [--device cpu] [--samples 100000] [--slow 0] [--json]

Counts of an analogue-to-digital converter come in; the stages turn them into volts, smooth them, find pulses
and sum up each pulse for the host. The signal is made here, from a seed: a slow wave, noise, and pulses at
places that are known. `--slow N` lets the third stage take N turns of a loop for each sample: lanes fill up
stage by stage, and at last the host waits; nothing is lost, and the pulses are the same.
"""

import argparse
import asyncio
import sys
import time

import numpy as np

import gyral as gy
from telling import finish, options, progress, run

TAPS = 8
VOLTS = 5.0 / 65536
HIGH, LOW = 1.0, 0.5  # volts: a pulse begins above, ends below
BATCH = 256


@gy.message
class Count:
    at: gy.i32
    raw: gy.i32


@gy.message
class Sample:
    at: gy.i32
    volts: gy.f32


@gy.message
class Smooth:
    at: gy.i32
    volts: gy.f32


@gy.message
class Level:
    at: gy.i32
    volts: gy.f32
    inside: gy.i32


@gy.message
class Pulse:
    begin: gy.i32
    length: gy.i32
    peak: gy.f32


@gy.actor
class Calibrate:
    to: gy.Ref = None

    def convert(self, msg: Count):
        self.to.tell(Sample(msg.at, gy.f32(msg.raw) * VOLTS))


@gy.actor
class Filter:
    to: gy.Ref = None
    at: gy.i32 = 0
    last: gy.Local[gy.f32, TAPS] = None

    def smooth(self, msg: Sample):
        self.last[self.at] = msg.volts
        self.at = (self.at + 1) % TAPS
        total = 0.0
        for k in range(TAPS):
            total += self.last[k]
        self.to.tell(Smooth(msg.at, total / TAPS))


@gy.actor
class Detect:
    to: gy.Ref = None
    inside: gy.i32 = 0
    slow: gy.i32 = 0
    spent: gy.u32 = 1

    def find(self, msg: Smooth):
        for _ in range(self.slow):
            self.spent = self.spent * gy.u32(1664525) + gy.u32(1013904223)
        was = self.inside
        if msg.volts > HIGH:
            self.inside = 1
        elif msg.volts < LOW:
            self.inside = 0
        if was + self.inside > 0:
            self.to.tell(Level(msg.at, msg.volts, self.inside))


@gy.actor
class Summarise:
    host: gy.Ref = None
    begin: gy.i32 = 0
    length: gy.i32 = 0
    peak: gy.f32 = 0.0

    def gather(self, msg: Level):
        if msg.inside == 0:
            self.host.tell(Pulse(self.begin, self.length, self.peak))
            self.length = 0
            self.peak = 0.0
        else:
            if self.length == 0:
                self.begin = msg.at
            self.length += 1
            self.peak = max(self.peak, msg.volts)

    def hello(self, msg: Count):
        self.host = self.sender


def signal(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts with pulses in them, and where the pulses begin."""
    random = np.random.default_rng(1955)
    at = np.arange(n)
    volts = 0.2 + 0.1 * np.sin(at / 500) + random.normal(0, 0.02, n)
    starts = np.arange(300, n - 200, 997)
    for start, length in zip(starts, random.integers(20, 120, len(starts)), strict=True):
        volts[start : start + length] += 2.0
    counts = np.zeros(n, Count.dtype)
    counts["at"], counts["raw"] = at, np.rint(volts / VOLTS)
    return counts, starts


def by_numpy(counts: np.ndarray) -> list[tuple[int, int]]:
    """The pulses as begin and length."""
    volts = counts["raw"] * VOLTS
    total = np.cumsum(volts)
    total[TAPS:] -= total[:-TAPS].copy()
    found, begin = [], -1
    for at, level in enumerate((total / TAPS).tolist()):
        if begin < 0 and level > HIGH:
            begin = at
        elif begin >= 0 and level < LOW:
            found.append((begin, at - begin))
            begin = -1
    return found


async def feed(first: gy.Ref, counts: np.ndarray, given: argparse.Namespace) -> int:
    """Send all counts, batch by batch; how often there was no room. Other tasks go on meanwhile."""
    sent = waits = 0
    while sent < len(counts):
        try:
            taken = first.tell_many(counts[sent : sent + BATCH], Count)
        except gy.MailboxFull:
            taken = 0
        sent += taken
        if not taken:
            waits += 1
            await asyncio.sleep(0.0002)
        if sent % (64 * BATCH) == 0:
            progress(given, f"{sent:,} of {len(counts):,}, waited {waits} times")
    return waits


async def flow(counts: np.ndarray, given: argparse.Namespace) -> tuple[list[Pulse], dict[str, object]]:
    """Build the pipeline from its end, feed it, and take what comes out."""
    # A worker for each stage: between stages that share one, lanes could fill in a ring.
    async with gy.ActorSystem(device=given.device, workers=4, grace=30.0) as system:
        last = system.spawn(Summarise, name="summarise")
        third = system.spawn(Detect, name="detect", to=last, slow=given.slow)
        second = system.spawn(Filter, name="filter", to=third)
        first = system.spawn(Calibrate, name="calibrate", to=second)
        await last.ask(Count(0, 0))  # so that it knows whom to report to
        began = time.perf_counter()
        waits = await feed(first, counts, given)
        await asyncio.to_thread(system.settle)
        seconds = time.perf_counter() - began
        pulses = [letter.message for letter in system.inbox.take()]
        lost = len(system.dead_letters())
        return pulses, {"way": system.way, "seconds": seconds, "waits": waits, "lost": lost}


def main() -> int:
    parser = options("A streaming pipeline of four actors with back-pressure")
    parser.add_argument("--samples", type=int, default=100_000, help="how many counts to send (100000)")
    parser.add_argument("--slow", type=int, default=0, help="turns of a loop that the third stage wastes (0)")
    given = parser.parse_args()
    counts, starts = signal(max(1000, given.samples))
    pulses, facts = asyncio.run(flow(counts, given))
    wanted = by_numpy(counts)
    report = {
        "device": given.device,
        "samples": len(counts),
        **facts,
        "samples_per_second": round(len(counts) / facts["seconds"]),
        "pulses": len(pulses),
        "ok": [(p.begin, p.length) for p in pulses] == wanted and len(wanted) == len(starts),
    }
    lines = [
        f"{len(counts):,} samples through four stages on {given.device} ({facts['way']}) in "
        f"{facts['seconds']:.2f} s: {len(counts) / facts['seconds'] / 1e6:.2f} million/s",
        f"the host waited for room {facts['waits']:,} times; {len(pulses)} pulses, "
        + ("as NumPy finds them" if report["ok"] else "NOT as NumPy finds them"),
    ]
    return finish(given, report, lines)


if __name__ == "__main__":
    sys.exit(run(main))
