"""What importing a part brings along."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "gyral"


def imported_roots(path: Path) -> set[str]:
    """The top-level packages a file names in its import statements, wherever they stand."""
    roots = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            roots.add(node.module.partition(".")[0])
    return roots


def modules_after(statement: str) -> set[str]:
    """The modules loaded in a fresh process by `statement`."""
    program = f"{statement}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(SOURCE.parent)},
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("wing", ["core", "compiler"])
def test_core_and_compiler_need_python_alone(wing: str) -> None:
    """Files below core/ and compiler/ import the standard library and gyral, nothing else."""
    allowed = sys.stdlib_module_names | {"gyral"}
    foreign = {
        str(path.relative_to(ROOT)): extra
        for path in sorted((SOURCE / wing).rglob("*.py"))
        if (extra := sorted(imported_roots(path) - allowed))
    }
    assert foreign == {}


def test_the_command_line_alone_imports_its_libraries() -> None:
    """typer and rich are imported by cli/ and by nothing else."""
    users = [
        str(path.relative_to(ROOT))
        for path in sorted(SOURCE.rglob("*.py"))
        if SOURCE / "cli" not in path.parents and imported_roots(path) & {"typer", "rich"}
    ]
    assert users == []


def test_the_front_door_loads_no_compiler() -> None:
    """`import gyral` loads no module of the compiler, no llvmlite and no command line."""
    heavy = ("gyral.compiler", "gyral.cli", "llvmlite", "typer", "rich")
    loaded = modules_after("import gyral")
    assert sorted(module for module in loaded if module.startswith(heavy)) == []


def test_the_compiler_loads_without_numpy() -> None:
    """The pipeline, and with it the whole compiler, loads neither NumPy nor llvmlite."""
    # An empty front door in place of gyral/__init__.py, which does need NumPy.
    loaded = modules_after(
        "import sys, types\n"
        "front = types.ModuleType('gyral')\n"
        f"front.__path__ = [{str(SOURCE)!r}]\n"
        "sys.modules['gyral'] = front\n"
        "import gyral.compiler.pipeline"
    )
    assert loaded & {"numpy", "llvmlite"} == set()
