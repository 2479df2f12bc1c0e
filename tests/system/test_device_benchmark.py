"""`benchmarks/device/run`: what it measures where a device is, and what it says where none is."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from tests import tint

import gyral as gy

FOLDER = Path(__file__).parents[2] / "benchmarks" / "device"
KINDS = {device.kind for device in gy.devices()}
TEXT = FOLDER / "kernels.wgsl"


def run(*arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """The command as a user calls it."""
    command = [sys.executable, str(FOLDER / "run.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


@pytest.mark.skipif("cuda" in KINDS, reason="a GPU is here")
def test_without_the_device_it_says_what_is_missing() -> None:
    """Status 4, a sentence, and nothing measured."""
    done = run("--device", "cuda")
    assert done.returncode == 4
    assert "cuda cannot be measured here: there is no CUDA driver here" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--kernels", "saxpi"), "there is no kernel 'saxpi'"),
        (("--device", "cpu"), "not for 'cpu'"),
        (("--rounds", "0"), "above 0"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments: tuple[str, ...], says: str) -> None:
    """Before anything is measured."""
    done = run(*arguments)
    assert (done.returncode, says in done.stderr) == (2, True)


@pytest.mark.parametrize("kind", ["opencl", "webgpu"])
def test_gyral_is_timed_beside_kernels_written_by_hand(kind: str, tmp_path: Path) -> None:
    """Both sides' results are right, and the record holds their times and how they compare."""
    if kind not in KINDS:
        pytest.skip(f"no {kind} device is here")
    record = tmp_path / "record.json"
    short = ("--rounds", "2", "--seconds", "0.001", "--skip-conformance", "--skip-calls")
    done = run("--device", kind, "--kernels", "saxpy,nbody", *short, "--json", str(record))
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(record.read_text())
    assert [row["kernel"] for row in told["kernels"]] == ["saxpy", "nbody"]
    for row in told["kernels"]:
        assert (row["fault"], len(row["gyral"]["samples"]), len(row["by_hand"]["samples"])) == ("", 2, 2)
        assert row["ratio"] > 0
        assert max(row["gyral"]["error"], row["by_hand"]["error"]) < 1e-4
    assert {"device", "driver", "gyral"} <= set(told["versions"])


@pytest.mark.skipif(find_spec("cuda") is None, reason="NVRTC is not installed: pip install gyral[cuda]")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100"])
def test_the_kernels_in_cuda_compile(architecture: str) -> None:
    """What is run on a GPU is at least accepted by its compiler here."""
    code = (
        "import by_cuda, sys; text = (by_cuda.HERE / 'kernels.cu').read_text();"
        "sys.exit(by_cuda.by_nvrtc(text, sys.argv[1])[0][:4] != b'\\x7fELF')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, architecture], cwd=FOLDER, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(bool(tint.REASON), reason=tint.REASON)
def test_the_kernels_in_wgsl_are_what_browsers_take() -> None:
    """Tint finds nothing wrong."""
    assert tint.validate([TEXT.read_text()]) == [None]
