"""Programs that tests write down and run in processes of their own, with a cache of their choice."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

SAXPY = """
import sys
import numpy as np
import gyral as gy

@gy.kernel
def saxpy(a: gy.f32, x: gy.Array[gy.f32], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i] = a * x[i] + y[i]

x, y = np.arange(1000, dtype=np.float32), np.ones(1000, np.float32)
"""
LAUNCH = """
saxpy[1000](2.0, x, y)
assert (y == 2 * x + 1).all()
"""


def script(folder: Path, *parts: str) -> Path:
    """A program of these parts, each taken back to the left margin."""
    path = folder / "program.py"
    path.write_text("\n".join(textwrap.dedent(part) for part in parts))
    return path


def run(path: Path, cache: Path | str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"GYRAL_CACHE_DIR": str(cache)} | environ,
    )
