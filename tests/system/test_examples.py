"""The examples run as a reader runs them, and draw what they say."""

import argparse
import importlib.util
import json
import subprocess
import sys
import zlib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """What the examples share, loaded as they load it."""
    found = {}
    for name in ("screen", "drive"):
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        found[name] = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, found[name])
        spec.loader.exec_module(found[name])
    return found


@pytest.mark.parametrize(("name", "size"), [("reaction_diffusion", 32), ("wave3d", 24)])
def test_an_example_reports_and_writes_pictures(name: str, size: int, tmp_path: Path) -> None:
    """A short run ends with a report in JSON, a last picture and one for each frame."""
    arguments = ["--size", str(size), "--steps", "16", "--png", str(tmp_path / "last.png")]
    arguments += ["--frames", str(tmp_path / "frames"), "--json"]
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    report = json.loads(ran.stdout)
    assert (report["steps"], report["device"], report["interrupted"]) == (16, "cpu", False)
    pictures = [tmp_path / "last.png", *sorted((tmp_path / "frames").iterdir())]
    assert {picture.read_bytes()[:8] for picture in pictures} == {b"\x89PNG\r\n\x1a\n"}


def test_an_interrupt_ends_an_example(modules: dict[str, ModuleType], capsys: Any) -> None:
    """Ctrl-C ends the run with a report and the status that shells expect."""

    def run(steps: int) -> None:
        raise KeyboardInterrupt

    sim = SimpleNamespace(
        steps=0,
        rate=0.0,
        shape=(4, 4),
        way="resident",
        launches=1,
        run=run,
        device=SimpleNamespace(name="cpu"),
    )
    given = argparse.Namespace(steps=9, json=True, frames=None, png=None)
    status = modules["drive"].drive(sim, given, 2, lambda: np.zeros((4, 4, 3), np.uint8))
    assert (status, json.loads(capsys.readouterr().out)["interrupted"]) == (130, True)


def test_a_picture_is_written_whole(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    """A PNG holds its header and every pixel behind the filter of its row."""
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    modules["screen"].write_png(tmp_path / "a.png", image)
    data = (tmp_path / "a.png").read_bytes()
    at = data.index(b"IDAT")
    size = int.from_bytes(data[at - 4 : at], "big")
    rows = np.frombuffer(zlib.decompress(data[at + 4 : at + 4 + size]), np.uint8).reshape(4, 16)
    assert data[16:24] == (5).to_bytes(4, "big") + (4).to_bytes(4, "big")
    assert rows[:, 1:].tolist() == image.reshape(4, 15).tolist()


@pytest.mark.parametrize(("colour", "wanted"), [("truecolor", "\x1b[38;2;255;0;0m"), ("", "---")])
def test_a_terminal_without_colour_gets_shades(
    colour: str, wanted: str, modules: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pictures are half blocks in 24-bit colour where the terminal says that it has it, else shades."""
    monkeypatch.setenv("COLORTERM", colour)
    monkeypatch.delenv("NO_COLOR", raising=False)
    image = np.zeros((4, 6, 3), np.uint8)
    image[..., 0] = 255
    text = modules["screen"].Screen().text(image)
    assert wanted in text
    assert text.count("\n") == 1
