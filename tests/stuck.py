"""Machine code that never comes back, and uses no processor: it waits for a signal that nobody sends."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from gyral import _native

CODES = {
    ("Linux", "x86_64"): bytes.fromhex("b822000000 0f05 ebf7"),  # mov eax, 34 (pause); syscall; again
    # mov x0..x4, 0; mov x8, 73 (ppoll); svc 0; again
    ("Linux", "aarch64"): bytes.fromhex(
        "000080d2 010080d2 020080d2 030080d2 040080d2 280980d2 010000d4 f9ffff17"
    ),
}
HERE = CODES.get((platform.system(), platform.machine()))
needs_code = pytest.mark.skipif(HERE is None, reason="no such code was written for this machine")


def code() -> object:
    """The code, loaded."""
    return _native.load(HERE, 0)


def begun() -> int:
    """How many threads of actors are in the code's system call, those of former tests among them."""
    call = {"x86_64": "34", "aarch64": "73"}[platform.machine()]
    waiting = 0
    for task in Path("/proc/self/task").iterdir():
        try:
            if (task / "comm").read_text().startswith("gyral-actor-"):
                waiting += (task / "syscall").read_text().split()[0] == call
        except OSError:  # it ended meanwhile
            continue
    return waiting
