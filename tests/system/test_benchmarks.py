"""The benchmark runs end to end, with a peer that is always there and one that never is."""

import json
import os
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parents[2] / "benchmarks" / "run.py"


def test_a_run_times_what_is_there_and_names_what_is_not(tmp_path):
    """NumPy's launch is timed and checked, an unknown peer is left out by name, and the record says all."""
    record = tmp_path / "record.json"
    options = "--kernels launch --threads 1 --rounds 2 --placements 2 --seconds 0.001 --quiet 0 --base numpy"
    done = subprocess.run(
        [sys.executable, str(RUN), *options.split(), "--peers", "numpy,nobody", "--json", str(record)],
        env=os.environ | {"GYRAL_PEERS": str(tmp_path / "peers")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(record.read_text())
    (row,) = told["rows"]
    assert (row["peer"], row["form"], row["fault"], len(row["batches"])) == ("numpy", "two calls", "", 2)
    assert "nobody" in told["missing"]["nobody at 1"]
    assert "left out: nobody at 1" in done.stdout


def test_an_unknown_kernel_is_refused(tmp_path):
    """A wrong name ends the run before anything starts, and says which names there are."""
    command = [sys.executable, str(RUN), "--kernels", "saxpi"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "there is no kernel 'saxpi'; there are saxpy" in done.stderr
