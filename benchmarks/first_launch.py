"""What a new process pays: import, first launch with and without a stored artifact, extra memory of a launch.

    python benchmarks/first_launch.py [--processes 9]

Each figure is the median over fresh processes. The artifact cache is a folder of this run's own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from fleet import source_path
from measures import Measure
from terminal import console, publish

PROBE = Path(__file__).parent / "first_launch_probe.py"


class ProbeFailed(Exception):
    """A probe ended with an error, or its launch gave a wrong result."""


def probe(what: str, cache: str) -> dict[str, Any]:
    """Run the probe in a new process with the artifact cache at `cache`.

    Raises:
        ProbeFailed: it could not do what it was asked.
    """
    environment = os.environ | {"GYRAL_CACHE_DIR": cache, "PYTHONPATH": source_path()}
    done = subprocess.run(
        [sys.executable, str(PROBE), what], env=environment, capture_output=True, text=True, timeout=120
    )
    if done.returncode:
        raise ProbeFailed(f"the {what} probe ended with {done.returncode}:\n{done.stderr.strip()}")
    told = json.loads(done.stdout)
    if not told.get("right", True):
        raise ProbeFailed("the first launches gave a wrong result")
    return told


def milliseconds(told: list[dict[str, Any]], field: str) -> list[float]:
    return [1e3 * each[field] for each in told]


def measured(processes: int) -> tuple[list[Measure], list[str]]:
    """The figures, and lines about what was loaded."""
    with tempfile.TemporaryDirectory() as folder:
        warm = str(Path(folder) / "warm")
        probe("launch", warm)
        imports, cold, stored, memory = [], [], [], []
        for turn in range(processes):  # in turn, so that all see the same machine
            imports.append(probe("import", warm))
            cold.append(probe("launch", str(Path(folder) / f"cold-{turn}")))
            stored.append(probe("launch", warm))
            memory.append(probe("memory", warm))
    without_llvm = not any(each["llvm"] for each in stored)
    disk_goal = 15 if without_llvm else 60
    extra = [each["bytes"] / 2**20 for each in memory]
    figures = [
        Measure("import gyral, after import numpy", "ms", milliseconds(imports, "seconds"), 30),
        Measure("first launch, nothing cached", "ms", milliseconds(cold, "first"), 200),
        Measure("first launch, artifact on disk", "ms", milliseconds(stored, "first"), disk_goal),
        Measure("second launch (1 M elements)", "ms", milliseconds(stored, "second")),
        Measure("extra memory of a launch over 128 MiB", "MiB", extra, 1),
    ]
    loaded = ", ".join(sorted({name for each in imports for name in each["loaded"]}))
    notes = [
        f"import gyral loads {loaded or 'no compiler module and no llvmlite'}",
        f"a launch from a stored artifact {'does not load' if without_llvm else 'loads'} LLVM",
    ]
    return figures, notes


def main(given: list[str]) -> int:
    """Returns 1 when a probe failed, else 0."""
    parser = argparse.ArgumentParser(description="What a new process pays for Gyral.")
    parser.add_argument("--processes", type=int, default=9, help="fresh processes per figure")
    parser.add_argument("--json", type=Path, help="where to write the record")
    options = parser.parse_args(given)
    output = console()
    try:
        with output.status("starting processes"):
            figures, notes = measured(max(1, options.processes))
    except ProbeFailed as fault:
        output.print(str(fault), markup=False)
        return 1
    publish("A new process", figures, output, options.json, "-first-launch", notes)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
