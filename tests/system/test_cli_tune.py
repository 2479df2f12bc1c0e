"""`gyral tune` and `gyral build --tuned`, run as a user does."""

import json
from pathlib import Path

import pytest
from tests.command_line import gyral

from gyral.cli.exits import Exit
from gyral.jit import cache, programs, tuned

KERNELS = """
import gyral as gy

@gy.kernel
def double(values: gy.Array[gy.f32], factor: gy.f32):
    i = gy.global_id()
    values[i] = factor * values[i]
"""

BEYOND = KERNELS.replace("values[i]\n", "values[i + 1]\n")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> cache.DiskCache:
    """A cache of this test's own, instead of the process's."""
    made = cache.DiskCache(str(tmp_path / "cache"), 1 << 24)
    monkeypatch.setattr(tuned, "disk", lambda: made)
    monkeypatch.setattr(programs, "disk", lambda: made)
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A user's kernel."""
    found = tmp_path / "kernels.py"
    found.write_text(KERNELS)
    return found


@pytest.mark.usefixtures("store")
def test_candidates_are_measured_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    """`gyral tune --json` lists every candidate with its time and the choice among them."""
    status = gyral(
        monkeypatch, "tune", f"{file}:double", "--shape", "5000", "--samples", "2", "--budget", "20", "--json"
    )
    (found,) = json.loads(capsys.readouterr().out)
    assert (status, found["kernel"], found["shape"], found["kept"]) == (Exit.OK, "double", [5000], True)
    labels = {trial["candidate"] for trial in found["trials"]}
    assert {"default", "tile=1x4"} <= labels
    assert found["chosen"] in labels
    assert all(trial["median_seconds"] > 0 and not trial["fault"] for trial in found["trials"])


@pytest.mark.usefixtures("store")
def test_a_person_sees_a_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path
) -> None:
    """The choice is the last line."""
    assert gyral(monkeypatch, "tune", f"{file}:double", "--shape", "640", "--budget", "0.3") == Exit.OK
    out = capsys.readouterr().out
    assert "default" in out
    assert out.rstrip().splitlines()[-1].startswith("double over (640,) on cpu: ")


@pytest.mark.parametrize("shape", ["0", "1,2,3,4", "many", "8,,8"])
def test_a_shape_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, file: Path, shape: str) -> None:
    """The command line is wrong, and says so."""
    assert gyral(monkeypatch, "tune", f"{file}:double", "--shape", shape) == Exit.USAGE


def test_a_kernel_that_leaves_its_arrays_is_not_run_unchecked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Made-up arguments that do not fit are found by a checked launch, before anything is timed."""
    file = tmp_path / "beyond.py"
    file.write_text(BEYOND)
    assert gyral(monkeypatch, "tune", f"{file}:double", "--shape", "100") == Exit.USAGE
    assert "made-up arguments" in " ".join(capsys.readouterr().err.split())


def test_what_was_tuned_is_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], file: Path, store: cache.DiskCache
) -> None:
    """`gyral build --tuned` takes the answers along, and the code of their choices."""
    gyral(
        monkeypatch, "tune", f"{file}:double", "--shape", "5000", "--samples", "1", "--budget", "20", "--json"
    )
    capsys.readouterr()
    (key,) = [
        k for k in (p.parent.name + p.stem for p in Path(store.folder).rglob("*.gya")) if tuned.load(store, k)
    ]
    choice = tuned.Choice(tile=(1, 3))
    answers = {size: tuned.Answer(choice, dict(a.trials)) for size, a in tuned.load(store, key).items()}
    assert tuned.save(store, key, answers)
    out = file.parent / "built"
    assert gyral(monkeypatch, "build", f"{file}:double", "--out", str(out), "--tuned", "--json") == Exit.OK
    paths = json.loads(capsys.readouterr().out)["double"]
    assert len(paths) == 3
    assert tuned.load(cache.DiskCache(str(out), 1 << 24), key) == answers
