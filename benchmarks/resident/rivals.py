"""Other actors in Python, each in a process of its own: a thread with a queue, Pykka, Thespian."""

import json
import os
import subprocess
import sys
from math import nan
from pathlib import Path

from measures import Measure
from peers.build import peers_folder
from resident.stand import Effort, percentiles

PROGRAM = Path(__file__).with_name("rival.py")
NAMES = ("queue", "pykka", "thespian")
LIMIT = 120.0


def rivals(effort: Effort) -> tuple[list[Measure], list[str]]:
    """Their figures; versions, and who was left out and why."""
    figures: list[Measure] = []
    told: list[str] = []
    for name in NAMES:
        found = run(name, effort.rounds)
        if isinstance(found, str):
            told.append(
                f"left out: {name}: {found.strip().splitlines()[-1] if found.strip() else 'it failed'}"
            )
            continue
        told.append(f"{found['title']}, {found['placed']}: the fastest of the forms tried")
        figures.append(Measure(f"{name}: tell, a call", "µs", scaled(found["tell"])))
        figures.append(Measure(f"{name}: told and handled, a message", "µs", scaled(found["handled"])))
        figures += percentiles(f"{name}: ask", found["ask"], {50: nan, 99: nan}, 1e-3, "µs")
    return figures, told


def scaled(values: list[float]) -> list[float]:
    """Nanoseconds as microseconds."""
    return [value / 1000 for value in values]


def run(name: str, rounds: int) -> dict | str:
    """What a peer's process tells, or why it does not."""
    own = peers_folder() / "venv" / "bin" / "python"
    python = str(own) if own.exists() and name != "queue" else sys.executable
    try:
        done = subprocess.run(
            [python, str(PROGRAM), name, str(rounds)],
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
    except subprocess.TimeoutExpired:
        return f"it took longer than {LIMIT:g} s"
    if done.returncode != 0:
        return (done.stderr.strip() or f"it ended with status {done.returncode}").splitlines()[-1]
    return json.loads(done.stdout)
