"""The command line, run as a user does: output, files and exit status."""

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.command_line import gyral

from gyral.cli import check
from gyral.cli import main as command_line
from gyral.cli.demo import fluid, measure
from gyral.cli.exits import Exit
from gyral.testing.conformance import Outcome, Row

KERNELS = """
import gyral as gy

@gy.kernel
def double(values: gy.Array[gy.f32], factor: gy.f32):
    i = gy.global_id()
    values[i] = factor * values[i]

@gy.kernel
def generic(a, b):
    i = gy.global_id()
    b[i] = a[i]

@gy.kernel
def wide(values: gy.Array[gy.i32], out: gy.Array[gy.f64]):
    i = gy.global_id()
    out[i] = values[i] * gy.f64(0.5) + gy.f32(1.0)

@gy.kernel
def beyond(values: gy.Array[gy.f32]):
    i = gy.global_id()
    values[i] = values[i + 1]

@gy.kernel
def broken(values: gy.Array[gy.f32]):
    i = gy.global_id()
    values[i] = [1.0]
"""


@pytest.fixture
def kernels(tmp_path: Path) -> Path:
    """A user's file of kernels."""
    file = tmp_path / "kernels.py"
    file.write_text(KERNELS)
    return file


def test_devices_are_listed_for_programs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`gyral devices --json` lists the CPU with what it can do."""
    assert gyral(monkeypatch, "devices", "--json") == Exit.OK
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["cpu"]["unified"] is True
    assert {"f32", "f64", "i64"} <= set(rows["cpu"]["dtypes"])


def test_devices_are_listed_for_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`gyral devices` prints a table with the CPU in it."""
    assert gyral(monkeypatch, "devices") == Exit.OK
    assert "cpu" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("stage", "words"),
    [("frontend", "func"), ("llvm", "define"), ("asm", "ret")],
)
def test_stages_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kernels: Path, stage: str, words: str
) -> None:
    """`gyral show` prints what a kernel is at a stage, from the frontend's IR to assembly."""
    assert gyral(monkeypatch, "show", f"{kernels}:double", "--stage", stage) == Exit.OK
    assert words in capsys.readouterr().out


def test_generic_kernels_are_shown_for_given_types(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kernels: Path
) -> None:
    """`--types` says what annotations leave open."""
    types = "Array[i32], Array[i32]"
    assert gyral(monkeypatch, "show", f"{kernels}:generic", "--types", types) == Exit.OK
    assert "i32" in capsys.readouterr().out


def test_promotions_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kernels: Path
) -> None:
    """`--promotions` lists each place where a value became f64 without being asked."""
    assert gyral(monkeypatch, "show", f"{kernels}:wide", "--promotions", "--json") == Exit.OK
    lines = {place["line"] for place in json.loads(capsys.readouterr().out)}
    assert lines == {17}


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", "missing.py:double"],
        ["show", "kernels.py"],
        ["show", "kernels.py:missing"],
        ["show", "kernels.py:double", "--stage", "nonsense"],
        ["show", "kernels.py:double", "--types", "f33"],
        ["build", "kernels.py", "--types", "f32", "--out", "x"],
        ["check", "kernels.py:generic"],
        ["bench", "nonsense"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_refused(
    monkeypatch: pytest.MonkeyPatch, kernels: Path, arguments: list[str]
) -> None:
    """What cannot be meant leaves with status 2."""
    monkeypatch.chdir(kernels.parent)
    assert gyral(monkeypatch, *arguments) == Exit.USAGE


def test_compile_errors_say_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kernels: Path
) -> None:
    """A kernel that is refused leaves with status 3 and the diagnostic on standard error."""
    assert gyral(monkeypatch, "show", f"{kernels}:broken") == Exit.PROGRAM
    printed = capsys.readouterr().err
    assert "GY" in printed
    assert "kernels.py:27" in printed


def test_a_kernel_that_agrees_passes_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kernels: Path
) -> None:
    """Random launches of a right kernel agree with the interpreter."""
    assert gyral(monkeypatch, "check", f"{kernels}:double", "--random", "4") == Exit.OK
    assert "4 of 4 launches agree" in capsys.readouterr().out


def test_faults_found_on_both_sides_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kernels: Path
) -> None:
    """A kernel that reads beyond its array faults alike on both sides, and that is shown."""
    assert gyral(monkeypatch, "check", f"{kernels}:beyond", "--random", "2", "--json") == Exit.OK
    trials = json.loads(capsys.readouterr().out)
    assert [bool(trial["fault"]) for trial in trials] == [True, True]


def test_kernels_are_built_ahead(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kernels: Path, tmp_path: Path
) -> None:
    """`gyral build` writes artifacts and names them."""
    out = tmp_path / "built"
    assert gyral(monkeypatch, "build", f"{kernels}:double", "--out", out, "--json") == Exit.OK
    built = json.loads(capsys.readouterr().out)
    assert all(Path(path).is_file() for path in built["double"])
    assert len(built["double"]) >= 1


def test_benchmarks_are_checked_and_timed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`gyral bench` times a case and says whether its result was right."""
    assert gyral(monkeypatch, "bench", "launch", "--seconds", "0", "--json") == Exit.OK
    (timing,) = json.loads(capsys.readouterr().out)["kernels"]
    assert timing["name"] == "launch"
    assert timing["ok"] is True
    assert 0 < timing["best_seconds"] <= timing["median_seconds"]


def test_the_demo_agrees_with_numpy_and_draws(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Every section of the demo is within its tolerance and the pictures it names can be looked at."""
    monkeypatch.setattr(measure, "BUDGET_SECONDS", 0.0)
    monkeypatch.setattr(fluid, "PICTURE_STEPS", 3)
    assert gyral(monkeypatch, "demo", "--out", tmp_path / "pictures", "--json") == Exit.OK
    told = json.loads(capsys.readouterr().out)
    sizes = {struct.unpack_from(">II", Path(path).read_bytes(), 16) for path in told["pictures"]}
    assert [section["name"] for section in told["sections"]] == ["photograph", "fluid", "options", "flights"]
    assert sizes == {(640, 427)}


def test_a_wrong_result_fails_the_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """When kernels and NumPy disagree the demo says so and leaves with status 1."""
    monkeypatch.setattr(measure, "BUDGET_SECONDS", 0.0)
    monkeypatch.setattr(measure, "difference", lambda ours, theirs: 1.0)
    monkeypatch.setattr(fluid, "PICTURE_STEPS", 1)
    assert gyral(monkeypatch, "demo", "--out", tmp_path) == Exit.MISMATCH
    assert "WRONG" in capsys.readouterr().out


def test_python_m_gyral_is_the_command(tmp_path: Path) -> None:
    """`python -m gyral --version` prints the version."""
    done = subprocess.run(
        [sys.executable, "-m", "gyral", "--version"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.startswith("gyral ")


def test_a_file_that_fails_is_the_users_to_mend(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """An exception in the user's file is told by name with status 3."""
    file = tmp_path / "failing.py"
    file.write_text("1 / 0\n")
    assert gyral(monkeypatch, "show", file) == Exit.PROGRAM
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_fault_of_ours_is_not_taken_for_a_failed_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exception that nobody foresaw leaves with status 70 and a traceback."""
    monkeypatch.setattr(command_line, "app", lambda: [][0])
    assert gyral(monkeypatch) == Exit.INTERNAL
    assert "IndexError" in capsys.readouterr().err


def test_interrupting_has_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C leaves with status 130."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "app", interrupted)
    assert gyral(monkeypatch) == Exit.INTERRUPTED


def conformance(monkeypatch: pytest.MonkeyPatch, *outcomes: Outcome) -> None:
    """Let the suite end in these outcomes."""
    rows = [Row("A", "statements", f"case {k} [i32]", outcome, "why") for k, outcome in enumerate(outcomes)]

    def run(device: str, groups: list[str] | None, progress: Callable[[int, int], None]) -> list[Row]:
        progress(len(rows), len(rows))
        return rows

    monkeypatch.setattr(check, "run", run)


def test_a_conforming_device_passes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows that pass, or that the device may refuse, are counted, and the status is 0."""
    conformance(monkeypatch, "pass", "pass", "refused")
    assert gyral(monkeypatch, "check", "--group", "A") == Exit.OK
    assert "statements" in capsys.readouterr().out


@pytest.mark.parametrize("outcome", ["wrong", "error"])
def test_a_device_that_computes_something_else_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], outcome: Outcome
) -> None:
    """A row that is wrong or meets an error is listed, and the status is 1."""
    conformance(monkeypatch, "pass", outcome)
    assert gyral(monkeypatch, "check") == Exit.MISMATCH
    printed = capsys.readouterr().out
    assert f"{outcome.upper()} A statements: case 1 [i32]\n    why" in printed
    assert "case 0" not in printed


def test_conformance_is_told_to_programs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`gyral check --json` prints one record per case and nothing else."""
    conformance(monkeypatch, "pass")
    assert gyral(monkeypatch, "check", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == [
        {"group": "A", "row": "statements", "case": "case 0 [i32]", "outcome": "pass", "detail": "why"}
    ]


def test_promotions_are_listed_for_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kernels: Path
) -> None:
    """A kernel without conversions of ours is said to have none."""
    assert gyral(monkeypatch, "show", f"{kernels}:double", "--promotions") == Exit.OK
    assert "nothing is converted" in capsys.readouterr().out
