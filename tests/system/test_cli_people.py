"""What the command line prints for people about their own kernels."""

from pathlib import Path

import numpy as np
import pytest
from tests.command_line import gyral

from gyral.cli import trial
from gyral.cli.exits import Exit

ONE = """
import gyral as gy

@gy.kernel
def scale(points: gy.Array[gy.f32x3], by: gy.f32, mask: gy.Array[gy.bool_], n: gy.Static[int] = 2):
    i = gy.global_id()
    if mask[i]:
        p = points[i]
        points[i] = gy.f32x3(p.x * by, p.y * by, p.z * n)
"""

TWO = (
    ONE
    + """

@gy.kernel
def widen(values: gy.Array[gy.f32], out: gy.Array[gy.f64]):
    i = gy.global_id()
    out[i] = gy.f64(1.0) + values[i]

@gy.kernel
def lost(values: gy.Array[gy.f32], table: gy.Array[gy.f32, 2]):
    i = gy.global_id()
    values[i] = table[2 * i, 0]
"""
)


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A file with a single kernel."""
    file = tmp_path / "one_kernel.py"
    file.write_text(ONE)
    return file


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A file with several kernels."""
    file = tmp_path / "several_kernels.py"
    file.write_text(TWO)
    return file


def test_the_only_kernel_of_a_file_needs_no_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], one: Path
) -> None:
    """`gyral show FILE` shows the single kernel of a file."""
    assert gyral(monkeypatch, "show", one) == Exit.OK
    assert "scale" in capsys.readouterr().out


def test_a_stage_is_told_to_programs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], one: Path
) -> None:
    """`gyral show --json` names kernel and stage beside the text."""
    assert gyral(monkeypatch, "show", one, "--stage", "dce", "--json") == Exit.OK
    printed = capsys.readouterr().out
    assert '"kernel": "scale"' in printed
    assert '"stage": "dce"' in printed


def test_promotions_stand_in_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], two: Path
) -> None:
    """A promotion is listed with its place and both types."""
    assert gyral(monkeypatch, "show", f"{two}:widen", "--promotions") == Exit.OK
    printed = capsys.readouterr().out
    assert "f32" in printed
    assert "f64" in printed


def test_built_files_are_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], one: Path, tmp_path: Path
) -> None:
    """`gyral build` prints each file it wrote after the kernel's name."""
    assert gyral(monkeypatch, "build", one, "--out", tmp_path / "out") == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["scale"] * len(lines)
    assert all(Path(line.split(": ")[1]).is_file() for line in lines)


@pytest.mark.filterwarnings("ignore:.*cannot be")
def test_a_folder_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, one: Path) -> None:
    """Artifacts cannot be built where nothing can be written."""
    assert gyral(monkeypatch, "build", one, "--out", "/dev/null/nowhere") == Exit.USAGE


def test_random_launches_take_vectors_flags_and_statics(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], one: Path
) -> None:
    """Arguments are made for arrays of vectors, booleans and parameters with a static default."""
    assert gyral(monkeypatch, "check", one, "--random", "3") == Exit.OK
    assert "3 of 3 launches agree" in capsys.readouterr().out


def test_a_fault_is_shown_with_its_launch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], two: Path
) -> None:
    """Where both sides report the same fault, its message is printed once."""
    assert gyral(monkeypatch, "check", f"{two}:lost", "--random", "2") == Exit.OK
    printed = capsys.readouterr().out
    assert "2 of them with the same fault on both sides" in printed
    assert "several_kernels.py:" in printed


def test_a_difference_fails_the_check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], two: Path
) -> None:
    """When the interpreter computes something else, the launch is shown and the status is 1."""
    monkeypatch.setattr(trial, "compare", lambda parameters, expected, got: "out[0] is 2 instead of 1")
    assert gyral(monkeypatch, "check", f"{two}:widen", "--random", "1") == Exit.MISMATCH
    assert "out[0] is 2 instead of 1" in capsys.readouterr().out


def test_values_that_differ_are_named() -> None:
    """Comparing two sides names the parameter and the element that differs."""
    parameter = trial.Parameter("out", None)
    same = trial.compare([parameter], [np.ones(3)], [np.ones(3)])
    other = trial.compare([parameter], [np.ones(3)], [np.array([1.0, 2.0, 1.0])])
    assert same == ""
    assert other.startswith("out[1] is")
