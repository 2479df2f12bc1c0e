"""What the whole suite shares: a cache of compiled kernels of its own, gone when the session ends."""

import os
import tempfile
from pathlib import Path

# Before anything reads the environment. Workers and processes that tests start inherit all of it.
if "GYRAL_TEST_CACHE" not in os.environ:
    _folder = tempfile.TemporaryDirectory(prefix="gyral-test-cache-")
    os.environ["GYRAL_TEST_CACHE"] = _folder.name
os.environ["GYRAL_CACHE_DIR"] = os.environ["GYRAL_TEST_CACHE"]
_source = str(Path(__file__).parents[1] / "src")
if _source not in os.environ.get("PYTHONPATH", "").split(os.pathsep):
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (_source, os.environ.get("PYTHONPATH", ""))))
