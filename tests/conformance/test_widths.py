"""Processors with narrower vectors than this one compute the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gyral.jit.machine import host

RUNNER = Path(__file__).parent / "narrow.py"


@pytest.mark.parametrize("bits", [256, 128])
def test_narrower_vectors_agree(bits: int) -> None:
    """Memory rows and whole kernels give the interpreter's results in gangs of 8 and of 4."""
    if host().vector_bits <= bits or not host().triple.startswith("x86_64"):
        pytest.skip("this processor's vectors are no wider")
    environment = {**os.environ, "GYRAL_CACHE_DIR": ""}
    command = [sys.executable, str(RUNNER), str(bits), "DF"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = json.loads(done.stdout)
    assert found["rows"] > 50
    assert found["bad"] == []
