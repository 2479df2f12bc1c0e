"""Oclgrind as a judge of OpenCL kernels: it interprets them, and reports races and accesses out of bounds.

`REASON` says why a test that wants it must be skipped, or "".
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _reason() -> str:
    if shutil.which("oclgrind") is None:
        return "no oclgrind: install the package oclgrind"
    return "" if find_spec("pyopencl") is not None else "no pyopencl: install gyral[opencl]"


REASON = _reason()


# A loop of compare and exchange begins with what it finds, and verifies that; OpenCL 1.2 has no better word.
_GUESS = "old = *w;"


def report(program: Path, *arguments: str, most: int = 2000) -> str:
    """What Oclgrind says while a Python program runs on its device, "" when all is well.

    RuntimeError with the program's own words when it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        # Nothing is cached: code made for another device's features would say nothing of this one.
        environment = {
            **os.environ,
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "GYRAL_CACHE_DIR": "",
        }
        # Its interpreter lacks some of what LLVM's optimiser makes of plain code.
        options = ["--build-options", "-cl-opt-disable", "--max-errors", str(most), "--log", str(log)]
        command = ["oclgrind", "--data-races", *options, sys.executable, str(program), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(
                f"{program.name} failed under Oclgrind: {done.stdout[-2000:]}{done.stderr[-4000:]}"
            )
        return _without_guesses(log.read_text()) if log.exists() else ""


def _without_guesses(text: str) -> str:
    complaints = re.split(r"\n(?=\S)", text)
    return "\n".join(c for c in complaints if _GUESS not in c or "atomic_cmpxchg" not in c).strip()
