"""One peer at one thread count, in a process of its own, doing what the coordinator asks over a pipe.

    python worker.py PEER[:VARIANT] THREADS

Requests and replies are JSON, one a line. The first line out says {"version": ...} or {"missing": why}. Then:

    {"open": kernel}                     make its data, check every form, keep the fastest right one
    {"open": kernel, "form": form}       make the data of that form anew, somewhere else in memory
    {"batch": seconds, "least": n}       time the open kernel: n or more runs, for about that long
    {"close": true}                      drop its data

What the peer prints goes to the standard error.
"""

import gc
import importlib
import json
import os
import sys
import time
from typing import Any, TextIO

from machine import busy_seconds
from peers.build import peers_folder
from peers.case import Case, Missing, Peer
from references import WrongResult, error, reference

MOST_RUNS = 1000
TRIAL_SECONDS = 0.1  # of each form, to find the fastest


def own_seconds() -> float:
    """Processor time of this process."""
    times = os.times()
    return times.user + times.system


def timed(case: Case, seconds: float, least: int) -> list[float]:
    """Wall times of runs of `case`, in seconds."""
    samples: list[float] = []
    clock = time.perf_counter
    end = clock() + seconds
    while len(samples) < least or (clock() < end and len(samples) < MOST_RUNS):
        start = clock()
        case.run()
        samples.append(clock() - start)
    return samples


class Worker:
    """The open kernel of one peer."""

    def __init__(self, name: str, peer: Peer) -> None:
        self.name = name
        self.peer = peer
        self.case: Case | None = None

    def open(self, kernel: str) -> dict[str, Any]:
        """Check each form of `kernel` and keep the fastest; a wrong or failing form is told and left out."""
        if kernel not in self.peer.cases:
            return {"absent": True}
        faults: dict[str, str] = {}
        fastest, errors = float("inf"), {}
        for case in self.peer.cases[kernel]():
            try:
                if self.peer.checked:
                    expected = reference(kernel, peers_folder() / "references")
                    errors[case.form] = error(kernel, case.results(), expected)
                case.run()
                took = min(timed(case, TRIAL_SECONDS, 3))
            except Exception as fault:  # noqa: BLE001  whatever a peer raises is told, and the others go on
                faults[case.form] = f"{'WRONG: ' if isinstance(fault, WrongResult) else ''}{fault}"[:400]
                continue
            if took < fastest:
                fastest, self.case = took, case
        if self.case is None:
            return {"faults": faults}
        chosen = self.case
        told = {"form": chosen.form, "library": chosen.library, "faults": faults}
        return told | ({"error": errors[chosen.form]} if self.peer.checked else {})

    def reopen(self, kernel: str, form: str) -> dict[str, Any]:
        """Make the data of one form anew."""
        self.case = next(case for case in self.peer.cases[kernel]() if case.form == form)
        gc.collect()
        return {}

    def batch(self, seconds: float, least: int) -> dict[str, Any]:
        """One warm-up run, then timed ones; `foreign` is the share of a core that others used meanwhile."""
        assert self.case is not None, "the coordinator opens a kernel first"
        self.case.run()
        busy, own, start = busy_seconds(), own_seconds(), time.perf_counter()
        samples = timed(self.case, seconds, least)
        wall = time.perf_counter() - start
        foreign = max(0.0, (busy_seconds() - busy) - (own_seconds() - own)) / wall
        return {"seconds": samples, "foreign": round(foreign, 3)}

    def close(self) -> dict[str, Any]:
        """Drop the open kernel."""
        self.case = None
        gc.collect()
        return {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do one request."""
        if "form" in request:
            return self.reopen(request["open"], request["form"])
        if "open" in request:
            return self.open(request["open"])
        if "batch" in request:
            return self.batch(request["batch"], request["least"])
        return self.close()


def claim_output() -> TextIO:
    """The standard output for replies alone: what others print is sent to the standard error."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return replies


def main() -> None:
    replies = claim_output()
    name, _, variant = sys.argv[1].partition(":")
    try:
        peer = importlib.import_module(f"peers.{name}").start(int(sys.argv[2]), variant)
    except (ImportError, Missing) as fault:
        print(json.dumps({"missing": str(fault)}), file=replies)
        return
    worker = Worker(name, peer)
    print(json.dumps({"version": peer.version}), file=replies)
    for line in sys.stdin:
        try:
            reply = worker.answer(json.loads(line))
        except Exception as fault:  # noqa: BLE001  it is told to the coordinator
            reply = {"fault": f"{type(fault).__name__}: {fault}"[:400]}
        print(json.dumps(reply), file=replies)


if __name__ == "__main__":
    main()
