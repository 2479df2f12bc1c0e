"""The public names have the types that a user's editor should show."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

EXPECTED = {
    "saxpy": "Kernel",
    "tuned": "Kernel",
    "square": "Func",
    "Particle": "Struct",
    "fast(saxpy.__gyral_kernel__)": "Kernel",
    "saxpy.ir()": "str",
    'saxpy.source("llvm")': "str",
    "saxpy.launch(8, 2, x, x)": "None",
    "saxpy.bind(8, 2, x, x)": "() -> None",
    "x": "DeviceArray",
    "gy.zeros(4, gy.f32)": "DeviceArray",
    "x.numpy()": "ndarray[Any, Any]",
    "x.copy()": "DeviceArray",
    "gy.devices()": "list[Device]",
    'gy.device("cpu")': "Device",
    'gy.device("cpu").capabilities': "Capabilities",
    "gy.f32": "DType",
    "gy.f32x3": "Vec",
    "gy.Stream": "type[Stream]",
}


@pytest.fixture(scope="module")
def report() -> dict:
    """What pyright says about the sample."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--project", str(HERE / "pyrightconfig.json")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return json.loads(done.stdout)


def test_the_sample_has_no_type_errors(report: dict) -> None:
    """A program that uses the public names as documented passes the type checker."""
    assert [d["message"] for d in report["generalDiagnostics"] if d["severity"] == "error"] == []


def test_public_names_reveal_their_types(report: dict) -> None:
    """Each public name is seen as its class, never as Any or Unknown."""
    pattern = re.compile(r'Type of "(.*)" is "(.*)"', re.DOTALL)
    messages = [d["message"] for d in report["generalDiagnostics"] if d["severity"] == "information"]
    found = dict(match.groups() for text in messages if (match := pattern.fullmatch(text)))
    assert found == EXPECTED
