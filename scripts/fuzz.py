"""Run random kernels on a device and in the interpreter until the time is up; print each that differs.

    python scripts/fuzz.py --seconds 600

The exit status is 1 when a program failed or gave two results. A seed and a size reproduce a program.
"""

import argparse
import sys
import time
import traceback

from gyral.testing.fuzz import disagreement, seeded


def main() -> int:
    """Parse the command line and fuzz."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--size", type=int, default=8, help="statements at the top level of a program")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--show", action="store_true", help="print the text of a program that fails")
    given = parser.parse_args()
    end, seed, bad = time.monotonic() + given.seconds, given.seed, 0
    while time.monotonic() < end:
        program = seeded(seed, given.size)
        try:
            found = disagreement(program, given.device)
        except Exception:  # noqa: BLE001  the failure is the finding
            found = traceback.format_exc(limit=-3)
        if found:
            bad += 1
            print(f"seed {seed}, size {given.size}: {found}", flush=True)
            if given.show:
                print(program.text, flush=True)
        seed += 1
    print(f"{seed - given.seed} programs, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
