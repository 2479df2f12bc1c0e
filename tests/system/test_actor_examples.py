"""The examples of actors run as a reader runs them, and are right."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("transactions", ["--events", "40000"]),
        ("pagerank_actors", []),
        ("pipeline", ["--samples", "20000"]),
        ("pipeline", ["--samples", "5000", "--slow", "500"]),
    ],
)
def test_an_example_is_right(name: str, arguments: list[str]) -> None:
    """A run ends with a report in JSON that says it agrees with the same thing done without actors."""
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments, "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    report = json.loads(ran.stdout)
    assert (report["ok"], report["way"]) == (True, "resident")


def test_a_graph_comes_from_a_file(tmp_path: Path) -> None:
    """PageRank takes edges by name, and pages without links keep the proportions."""
    file = tmp_path / "edges.txt"
    file.write_text("# from to\na b\na c\nb c\nc a\nd c\nc e\n")
    command = [sys.executable, str(EXAMPLES / "pagerank_actors.py"), "--graph", str(file), "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    report = json.loads(ran.stdout)
    assert (report["pages"], report["links"], report["ok"], next(iter(report["best"]))) == (5, 6, True, "c")
