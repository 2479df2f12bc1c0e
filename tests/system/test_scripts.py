"""The scripts that fetch what tests use say so in one line, and go on, where it cannot be had."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ("bash", "cat", "dirname", "grep", "id", "mkdir", "sed", "tail", "uname")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="on a Mac nothing is installed")


def run(script: Path, path: str) -> subprocess.CompletedProcess[str]:
    """A script with other programs on the path."""
    environment = {**os.environ, "PATH": path}
    return subprocess.run([str(script)], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def bare(tmp_path: Path) -> str:
    """A path on which there are a few tools and no package manager."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        assert found is not None
        (folder / tool).symlink_to(found)
    return str(folder)


def test_missing_system_packages_are_named(bare: str) -> None:
    """Without apt one line names the packages, and the run goes on."""
    done = run(ROOT / "scripts" / "system_packages.sh", bare)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "", 1)
    assert "some tests are skipped without g++ clang" in done.stderr


def test_a_missing_npm_is_named(bare: str, tmp_path: Path) -> None:
    """Without npm, Tint is not fetched, and the run goes on."""
    script = tmp_path / "scripts" / "tint.sh"
    script.parent.mkdir()
    shutil.copy(ROOT / "scripts" / "tint.sh", script)
    done = run(script, bare)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (0, "", 1)
    assert done.stderr.startswith("tint: not fetched")
