"""Run random kernels on devices and in the interpreter until the time is up; print each that differs.

    python scripts/fuzz.py --seconds 600
    python scripts/fuzz.py --seconds 600 --device all --blocks

The exit status is 1 when a program failed or gave two results. A seed and a size reproduce a program; with
--blocks its threads work together. Devices that lack a type skip the programs that name it.
"""

import argparse
import sys
import time
import traceback

from gyral.runtime.device import devices
from gyral.testing.fuzz import disagreement, lacks, seeded
from gyral.testing.program import Program


def main() -> int:
    """Parse the command line and fuzz."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--size", type=int, default=8, help="statements at the top level of a program")
    parser.add_argument("--device", default="cpu", help="a device, or all that are here")
    parser.add_argument("--blocks", action="store_true", help="kernels whose threads work together")
    parser.add_argument("--show", action="store_true", help="print the text of a program that fails")
    given = parser.parse_args()
    chosen = [found.name for found in devices()] if given.device == "all" else [given.device]
    ran, skipped, bad = dict.fromkeys(chosen, 0), dict.fromkeys(chosen, 0), 0
    end, seed = time.monotonic() + given.seconds, given.seed
    while time.monotonic() < end:
        program = seeded(seed, given.size, blocks=given.blocks)
        for device in chosen:
            if lacks(program, device):
                skipped[device] += 1
                continue
            ran[device] += 1
            found = outcome(program, device)
            if found:
                bad += 1
                print(f"seed {seed}, size {given.size}, {device}: {found}", flush=True)
                if given.show:
                    print(program.text, flush=True)
        seed += 1
    for device in chosen:
        print(f"{device}: {ran[device]} programs, {skipped[device]} skipped")
    print(f"{bad} failed")
    return 1 if bad else 0


def outcome(program: Program, device: str) -> str:
    """What is wrong with a program's run on a device, or ""."""
    try:
        return disagreement(program, device)
    except Exception:  # noqa: BLE001  the failure is the finding
        return traceback.format_exc(limit=-3)


if __name__ == "__main__":
    sys.exit(main())
