"""`benchmarks/actors.py`: what it measures, checks and writes down."""

import json
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parents[2] / "benchmarks" / "actors.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a user calls it."""
    command = [sys.executable, str(RUN), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_run_measures_live_actors_and_keeps_a_record(tmp_path: Path) -> None:
    """Each figure has its goal and a value per round, and the record names the machine."""
    record = tmp_path / "record.json"
    done = run("--quick", "--only", "asking,hops", "--json", str(record))
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(record.read_text())
    assert told["kind"] == "measures"
    assert told["machine"]["cpu"]
    assert [(each["what"], each["unit"], each["most"], each["runs"]) for each in told["measures"]] == [
        ("ask_sync, to the reply seen, p50", "ns", 400, 5),
        ("ask_sync, to the reply seen, p99", "ns", 1500, 5),
        ("ask_sync, to the reply seen, p99.9", "ns", None, 5),
        ("actor to actor, same worker", "ns", 40, 100),
        ("actor to actor, two workers", "ns", 250, 100),
    ]
    assert all(0 < each["low"] <= each["median"] <= each["high"] for each in told["measures"])


def test_an_unknown_section_is_refused() -> None:
    """A wrong name ends the run before anything starts, and says which sections there are."""
    done = run("--only", "askin")
    assert done.returncode == 2
    assert "there is no section 'askin'; there are telling" in done.stderr
