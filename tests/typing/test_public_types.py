"""The public names have the types that a user's editor should show."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DEMO = ROOT / "src" / "gyral" / "cli" / "demo" / "kernels.py"
EXAMPLE = re.compile(r"```python\n(.*?)```", re.DOTALL)

EXPECTED = {
    "saxpy": "Kernel",
    "tuned": "Kernel",
    "fall": "Kernel",
    "square": "Func[(v: float), float]",
    "square(2)": "float",
    "saxpy.ir()": "str",
    'saxpy.source("llvm")': "str",
    "saxpy.launch(8, 2, x, x)": "None",
    "saxpy.bind(8, 2, x, x)": "() -> None",
    "x": "DeviceArray",
    "gy.zeros(4, gy.f32)": "DeviceArray",
    "gy.zeros(4, Particle)": "DeviceArray",
    "x.numpy()": "ndarray[Any, Any]",
    "x.copy()": "DeviceArray",
    "gy.devices()": "list[Device]",
    'gy.device("cpu")': "Device",
    'gy.device("cpu").capabilities': "Capabilities",
    "gy.f32(1)": "float",
    "gy.i32(1.5)": "int",
    "gy.f32x3(1, 2, 3) + 1": "Vec",
    "gy.Stream": "type[Stream]",
}


def write_pages(folder: Path) -> None:
    """The examples of each page of the documentation as one program; a page redefines names as it goes."""
    header = "# pyright: standard, reportRedeclaration=false\n"
    # Words of actors, such as `self.sender`, and empty arrays are of the kernel language.
    rules = ("reportAttributeAccessIssue", "reportAssignmentType", "reportIndexIssue")
    loose = f"# pyright: {', '.join(f'{rule}=false' for rule in rules)}\n"
    for page in [ROOT / "README.md", *sorted((ROOT / "docs" / "pages").glob("*.md"))]:
        examples = EXAMPLE.findall(page.read_text(encoding="utf-8"))
        if examples and "import gyral as gy" not in "".join(examples):
            raise ValueError(f"{page.name} has examples that do not import gyral")
        top = header + (loose if "@gy.actor" in "".join(examples) else "")
        (folder / f"{page.stem.replace('-', '_')}.py").write_text(top + "\n".join(examples), "utf-8")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What strict pyright says of the sample, the mistakes, the demo's kernels and the documentation."""
    folder = tmp_path_factory.mktemp("typing")
    write_pages(folder)
    for name in ("sample.py", "wrong.py"):
        (folder / name).write_text((HERE / name).read_text("utf-8"), "utf-8")
    # The demo's functions have bare parameters, which strict mode does not take.
    demo = DEMO.read_text("utf-8")
    (folder / "demo_kernels.py").write_text("# pyright: standard\n" + demo, "utf-8")
    project = {
        "include": ["."],
        "pythonVersion": "3.11",
        "venvPath": str(Path(sys.prefix).parent),
        "venv": Path(sys.prefix).name,
        "extraPaths": [str(ROOT / "src")],
        "typeCheckingMode": "strict",
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(project), "utf-8")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--project", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)["generalDiagnostics"]


def lines_with_errors(report: list[dict[str, Any]], name: str) -> set[int]:
    return {
        d["range"]["start"]["line"] + 1
        for d in report
        if d["severity"] == "error" and Path(d["file"]).name == name
    }


def test_correct_programs_have_no_type_errors(report: list[dict[str, Any]]) -> None:
    """The sample passes strictly, and so do the demo's kernels and every example of the documentation."""
    errors = [
        f"{Path(d['file']).name}:{d['range']['start']['line'] + 1}: {d['message']}"
        for d in report
        if d["severity"] == "error" and Path(d["file"]).name != "wrong.py"
    ]
    assert errors == []


def test_mistakes_are_type_errors(report: list[dict[str, Any]]) -> None:
    """Each line marked wrong is reported, and no other."""
    text = (HERE / "wrong.py").read_text("utf-8").splitlines()
    marked = {number for number, line in enumerate(text, 1) if line.endswith("# wrong")}
    assert lines_with_errors(report, "wrong.py") == marked


def test_public_names_reveal_their_types(report: list[dict[str, Any]]) -> None:
    """Each public name is seen as its class, never as Any or Unknown."""
    pattern = re.compile(r'Type of "(.*)" is "(.*)"', re.DOTALL)
    messages = [d["message"] for d in report if d["severity"] == "information"]
    found = dict(match.groups() for text in messages if (match := pattern.fullmatch(text)))
    assert found == EXPECTED
