"""`gyral check --device all`: one table of every device that is here, and proofs for those that are not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.command_line import gyral

import gyral as gy
from gyral.cli import check, everywhere, inventory
from gyral.cli.everywhere import Column, cell, counts, resources, table
from gyral.cli.exits import Exit
from gyral.core.errors import UnsupportedError
from gyral.testing import conformance, proofs
from gyral.testing.conformance import Row
from gyral.testing.proofs import Proof

KERNELS = """
import gyral as gy

@gy.kernel
def double(values: gy.Array[gy.f32], factor: gy.f32):
    i = gy.global_id()
    values[i] = factor * values[i]
"""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A suite of a few cases, run on the CPU alone, with Metal as the only absent kind."""
    some = tuple(case for case in conformance.cases() if case.group == "D")[:3]
    monkeypatch.setattr(conformance, "cases", lambda: some)
    monkeypatch.setattr(proofs, "cases", lambda: some)
    monkeypatch.setattr(everywhere, "devices", lambda: [gy.device("cpu")])
    monkeypatch.setattr(proofs, "TARGETS", tuple(t for t in proofs.TARGETS if t.kind == "metal"))


@pytest.mark.usefixtures("few")
def test_programs_get_every_device_and_target(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The CPU has executed its rows, Metal's text was emitted, and all is as it should be."""
    assert gyral(monkeypatch, "check", "--device", "all", "--group", "D", "--json") == Exit.OK
    found = json.loads(capsys.readouterr().out)
    judged = {device["name"]: device["judged"] for device in found["devices"]}
    assert (judged, found["ok"], found["left_out"]) == ({"cpu": "executed", "metal": "emitted"}, True, [])
    assert {c["outcome"] for c in found["devices"][0]["cases"]} == {"pass"}
    assert {c["outcome"] for c in found["devices"][1]["cases"]} <= {"emitted", "refused"}


@pytest.mark.usefixtures("few")
def test_people_get_one_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Rows by devices, with how each was judged."""
    assert gyral(monkeypatch, "check", "--device", "all", "--group", "D") == Exit.OK
    out = capsys.readouterr().out
    assert all(word in out for word in ("cpu", "executed", "metal", "emitted", "all"))


@pytest.mark.usefixtures("few")
def test_a_wrong_row_is_shown_and_ends_with_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What differs from the interpreter is named with its device."""
    real: Callable[..., list[Row]] = conformance.run

    def spoilt(*args: Any, **kwargs: Any) -> list[Row]:
        first, *rest = real(*args, **kwargs)
        return [replace(first, outcome="wrong", detail="a[0] is 1 instead of 2"), *rest]

    monkeypatch.setattr(conformance, "run", spoilt)
    assert gyral(monkeypatch, "check", "--device", "all", "--group", "D") == Exit.MISMATCH
    out = capsys.readouterr().out
    assert "WRONG cpu: D" in out
    assert "a[0] is 1 instead of 2" in out


def test_outcomes_are_counted_by_row() -> None:
    """A cell says how many cases are right, refused and wrong."""
    rows = [
        Row("A", "one", "a", "pass"),
        Row("A", "one", "b", "refused", "f64"),
        Row("A", "one", "c", "error", "boom"),
        Row("A", "two", "d", "refused", "f64"),
    ]
    column = Column("cpu", "executed", rows)
    found = counts(column)
    assert cell(found["A", "one"]) == "1 [yellow]+1[/] [bold red]1 WRONG[/]"
    assert cell(found["A", "two"]) == "[yellow]+1[/]"
    assert cell(None) == "–"
    assert column.bad == [rows[2]]
    assert table([column]).row_count == 3


def test_no_number_of_the_table_is_cut_short(capsys: pytest.CaptureFixture[str]) -> None:
    """Beside all the devices there are, in a file as on a narrow terminal, names of rows make room alone."""
    rows = [Row("A", "a row of a long name", str(n), "pass") for n in range(700)]
    rows += [Row("A", "a row of a long name", str(n), "refused", "f64") for n in range(114)]
    columns = [Column(f"cuda sm_{n}0", "executed", rows) for n in range(7)]
    narrow = Console(width=80, force_terminal=True)
    everywhere.show(columns, [], verbose=False)
    filed = capsys.readouterr().out
    narrow.print(table(columns))
    shown = capsys.readouterr().out
    assert (filed.count("700 +114"), "a row of a long name" in filed) == (14, True)
    assert (shown.count("700"), shown.count("+114"), shown.count("executed")) == (14, 14, 7)


def test_resources_are_summed_up() -> None:
    """The most registers and shared memory of any kernel, and how many spill."""
    used = [
        {"registers": 40, "shared_bytes": 8},
        {"registers": 20, "shared_bytes": 64, "spill_store_bytes": 4},
    ]
    rows = [Proof("A", "one", str(n), "compiled", resources=each) for n, each in enumerate(used)]
    expected = {"kernels": 2, "registers": 40, "shared_bytes": 64, "spilling": 1}
    assert resources(Column("cuda sm_90", "compiled", rows)) == expected
    assert resources(Column("metal", "emitted", [Proof("A", "one", "a", "emitted")])) == {}


@pytest.mark.skipif(find_spec("cuda") is None, reason="NVRTC is not installed: pip install gyral[cuda]")
def test_a_case_is_proved_by_nvidia_s_compiler() -> None:
    """CUDA's proof is machine code with its use of registers."""
    case = next(case for case in conformance.cases() if case.group == "F")
    for target in proofs.TARGETS[:3]:
        found = proofs.prove_case(case, target)
        assert (found.outcome, found.detail) == ("compiled", "")
        assert found.resources["registers"] > 0


def test_what_a_language_lacks_is_a_refusal_with_its_reason() -> None:
    """A case that needs f64 is refused for Metal by that name; for CUDA a refusal would be an error."""
    case = next(case for case in conformance.cases() if "f64" in case.requires)
    metal = next(target for target in proofs.TARGETS if target.kind == "metal")
    assert (proofs.prove_case(case, metal).outcome, proofs.lacking(case, metal)) == ("refused", "f64")


def test_kinds_that_are_here_need_no_proof() -> None:
    """Proofs stand in for devices that are missing."""
    assert {target.kind for target in proofs.absent(["opencl", "webgpu"])} == {"cuda", "metal"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A user's kernel."""
    found = tmp_path / "kernels.py"
    found.write_text(KERNELS)
    return found


def test_a_kernel_is_checked_on_every_device(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    """Random launches on each device that is here, told by its name."""
    monkeypatch.setattr(check, "devices", lambda: [gy.device("cpu")])
    line = ("check", f"{file}:double", "--device", "all", "--random", "3")
    assert gyral(monkeypatch, *line, "--json") == Exit.OK
    found = json.loads(capsys.readouterr().out)
    assert [trial["difference"] for trial in found["cpu"]] == ["", "", ""]
    assert gyral(monkeypatch, *line) == Exit.OK
    assert "3 of 3 launches agree" in capsys.readouterr().out


def test_a_device_that_refuses_a_kernel_is_told_and_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    """Other devices are checked all the same."""

    def refuse(*args: Any) -> Any:
        raise UnsupportedError("it has no f32")

    monkeypatch.setattr(check, "devices", lambda: [gy.device("cpu")])
    monkeypatch.setattr("gyral.cli.trial.run_trials", refuse)
    assert gyral(monkeypatch, "check", f"{file}:double", "--device", "all", "--random", "3") == Exit.OK
    assert "refused: it has no f32" in capsys.readouterr().out


def test_kinds_that_are_not_here_are_listed_with_their_reason(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`gyral devices` says of each missing kind what is missing."""

    def refuse(kind: str) -> Any:
        raise UnsupportedError(f"there is no driver of {kind}")

    cpu = gy.device("cpu")
    monkeypatch.setattr(inventory, "devices", lambda: [cpu])
    monkeypatch.setattr(inventory, "device_named", refuse)
    assert gyral(monkeypatch, "devices") == Exit.OK
    out = capsys.readouterr().out
    assert "no cuda: there is no driver of cuda" in out
    assert "no metal: there is no driver of metal" in out
    assert "no cpu" not in out
