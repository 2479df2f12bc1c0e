"""What this processor is, for cache keys; asked of the native module so that LLVM stays unloaded."""

from __future__ import annotations

import platform

from gyral.core import native


def identity() -> str:
    """A text that differs whenever code compiled for one machine might not run, or run well, on the other."""
    key = native.module.host_key() if native.module is not None else platform.processor()
    return f"{platform.machine()} {key}"
