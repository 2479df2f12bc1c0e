"""The rules of the house that hold for every file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "gyral"
TESTS = ROOT / "tests"
FILE_LINES = 500
FUNCTION_LINES = 60
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base2"}
READERS = {"environ", "environb", "getenv", "getenvb"}


def python_files(*folders: Path) -> list[Path]:
    files = [path for folder in folders for path in folder.rglob("*.py")]
    return sorted(path for path in files if ".peers" not in path.relative_to(ROOT).parts)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_a_file_fits_in_one_head() -> None:
    """No source file, Python or C, is longer than 500 lines."""
    files = python_files(SOURCE, TESTS, ROOT / "benchmarks", ROOT / "docs")
    files += [path for path in (ROOT / "src" / "native").rglob("*") if path.suffix in {".c", ".h"}]
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {path: lines for path, lines in lengths.items() if lines > FILE_LINES} == {}


def test_a_function_fits_on_a_screen() -> None:
    """No function of the package is longer than 60 lines."""
    long = {
        f"{name(path)}:{function.lineno} {function.name}": lines
        for path in python_files(SOURCE)
        for function in functions(ast.parse(path.read_text(encoding="utf-8")))
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES
    }
    assert long == {}


def test_names_say_something() -> None:
    """No module of the package is called after what it is not."""
    vague = [name(path) for path in python_files(SOURCE) if VAGUE & {path.stem, *path.parent.parts}]
    assert vague == []


def test_inner_packages_have_empty_inits() -> None:
    """Only the front door speaks: every other __init__ is empty."""
    speaking = [
        name(path)
        for path in SOURCE.rglob("__init__.py")
        if path.parent != SOURCE and path.read_text(encoding="utf-8").strip()
    ]
    assert speaking == []


def test_settings_alone_read_the_environment() -> None:
    """Environment variables are read in core/settings.py and nowhere else."""
    readers = []
    for path in python_files(SOURCE):
        if path == SOURCE / "core" / "settings.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = node.attr if isinstance(node, ast.Attribute) else getattr(node, "name", None)
            if named in READERS:
                readers.append(f"{name(path)}:{getattr(node, 'lineno', 0)}")
    assert readers == []


def test_nobody_imports_the_front_door_from_inside() -> None:
    """No part imports the package root, which stands above all; the kernels of cli/ do, as a user's would."""
    entrance = []
    for path in python_files(SOURCE):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import) and any(alias.name == "gyral" for alias in node.names):
                entrance.append(f"{name(path)}:{node.lineno}")
            if isinstance(node, ast.ImportFrom) and node.module == "gyral" and path != SOURCE / "__init__.py":
                entrance.append(f"{name(path)}:{node.lineno}")
    users = tuple(f"{name(path)}:" for path in (SOURCE / "cli").glob("*/kernels.py"))
    assert [place for place in entrance if not place.startswith(users)] == []


@pytest.mark.parametrize("path", python_files(TESTS), ids=name)
def test_every_test_says_what_it_shows(path: Path) -> None:
    """Each test has a docstring: one sentence that begins with a capital and ends with a full stop."""
    mute = []
    for function in functions(ast.parse(path.read_text(encoding="utf-8"))):
        if not function.name.startswith("test_"):
            continue
        sentence = (ast.get_docstring(function) or "").strip()
        if not sentence.endswith((".", "?", "!")):
            mute.append(f"{function.name}:{function.lineno}")
    assert mute == []


def test_tests_do_not_sleep() -> None:
    """Time is a parameter: no test sleeps; sleep(0) lets others run and takes none."""
    sleepers = [
        f"{name(path)}:{node.lineno}"
        for path in python_files(TESTS)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "attr", None) == "sleep" or getattr(node.func, "id", None) == "sleep")
        and not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
    ]
    assert sleepers == []
