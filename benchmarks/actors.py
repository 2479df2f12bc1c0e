"""Latency and throughput of resident actors on the CPU, from live loops, beside other actors in Python.

python benchmarks/actors.py [--quick | --full] [--only telling,asking] [--json FILE]
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from measures import Measure
from resident.calls import asking, telling, telling_many
from resident.floor import floors
from resident.hops import crowds, hops
from resident.life import lives
from resident.rates import rates
from resident.rivals import rivals
from resident.stand import CORES, Effort
from terminal import console, publish

SECTIONS: dict[str, Callable[[Effort], list[Measure]]] = {
    "telling": telling,
    "telling_many": telling_many,
    "asking": asking,
    "hops": hops,
    "crowds": crowds,
    "rates": rates,
    "lives": lives,
    "floors": floors,
}
USUAL, QUICK, FULL = Effort(15, 10.0), Effort(5, 2.0), Effort(15, 60.0)


def notes() -> list[str]:
    """How the figures were taken."""
    if len(CORES) < 2:
        return ["threads were bound to no processor: fewer than two are usable, so nothing ran side by side"]
    return [
        f"the host's thread was bound to processor {CORES[0]}, a single worker to {CORES[1]}, two workers to "
        "one each while the host slept; idle, spawning and replacing ran unbound",
        "each value is one round: a percentile of its calls, or a mean; behind each the actor's own count of "
        "messages was compared with what was sent",
    ]


def chosen(text: str) -> list[str]:
    """The sections of a list with commas."""
    names = text.split(",")
    for name in names:
        if name not in (*SECTIONS, "rivals"):
            raise argparse.ArgumentTypeError(
                f"there is no section {name!r}; there are {', '.join(SECTIONS)}, rivals"
            )
    return names


def main(given: list[str]) -> int:
    """Returns 0 when all was measured, whatever the goals say."""
    parser = argparse.ArgumentParser(description="Latency and throughput of resident actors on the CPU.")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--quick", action="store_true", help="half a minute, few rounds")
    length.add_argument("--full", action="store_true", help="sustained runs of 60 s")
    parser.add_argument("--only", type=chosen, help=f"of {','.join(SECTIONS)},rivals")
    parser.add_argument("--json", type=Path, help="where to write the record")
    options = parser.parse_args(given)
    effort = QUICK if options.quick else FULL if options.full else USUAL
    wanted = options.only or [*SECTIONS, "rivals"]
    figures, told, output = [], notes(), console()
    for name in SECTIONS:
        if name in wanted:
            output.print(f"measuring {name}")  # a spinner would be a thread beside those that are measured
            figures += SECTIONS[name](effort)
    if "rivals" in wanted:
        output.print("measuring rivals")
        others, more = rivals(effort)
        figures, told = figures + others, told + more
    publish("Resident actors on the CPU", figures, output, options.json, "-actors", told)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
