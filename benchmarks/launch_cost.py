"""What one launch of a 1024-element saxpy costs from Python, against Numba's dispatch and a ctypes call of C.

python benchmarks/launch_cost.py [--rounds 9]
"""

import argparse
import sys
from pathlib import Path

from fleet import Member
from measure import Measurement, Settings, start_fleet
from measures import Measure
from peers.build import peers_folder
from terminal import console, publish

# What is told, by peer and problem, and the goal in nanoseconds.
FIGURES = {
    ("gyral", "launch"): ("gyral: kernel[n](a, x, y)", 600),
    ("gyral", "launch_method"): ("gyral: kernel.launch(n, a, x, y)", None),
    ("gyral", "launch_bound"): ("gyral: bound()", 350),
    ("numba", "launch"): ("numba: function(a, x, y)", None),
    ("cpp", "launch"): ("C through ctypes, arguments made before", None),
}
KERNELS = ("launch", "launch_method", "launch_bound")
PEERS = ("gyral", "numba", "cpp")


def measured(rounds: int, seconds: float, fleet: list[Member]) -> tuple[list[Measure], list[str]]:
    """The figures, and a line for each peer or form that failed."""
    settings = Settings(KERNELS, PEERS, (1,), rounds=rounds, placements=1, seconds=seconds)
    run = Measurement(settings, fleet)
    run.run()
    figures = [
        Measure(*told[:1], "ns", [1e9 * batch for batch in row.clean(row.batches)], told[1])
        for row in run.rows
        if (told := FIGURES.get((row.peer, row.kernel))) and row.batches
    ]
    faults = [f"{row.peer}, {row.kernel}: {row.fault}" for row in run.rows if row.fault]
    return figures, faults


def main(given: list[str]) -> int:
    """Returns 1 when Gyral's own launches could not be measured, else 0."""
    parser = argparse.ArgumentParser(description="What a small launch costs from Python.")
    parser.add_argument("--rounds", type=int, default=9, help="batches per figure")
    parser.add_argument("--seconds", type=float, default=0.1, help="length of a batch")
    parser.add_argument("--json", type=Path, help="where to write the record")
    options = parser.parse_args(given)
    output = console()
    fleet = start_fleet(PEERS, (1,), peers_folder() / "logs")
    try:
        with output.status("measuring"):
            figures, notes = measured(max(1, options.rounds), options.seconds, fleet)
    finally:
        for member in fleet:
            member.end()
    notes += [f"left out: {member.peer}: {member.missing}" for member in fleet if member.missing]
    publish("One small launch from Python", figures, output, options.json, "-launch-cost", notes)
    return 0 if any(figure.what.startswith("gyral") for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
