"""Where the text of a kernel comes from, and how it is pointed at."""

import importlib.util
import linecache
from pathlib import Path
from types import ModuleType

import pytest
from tests.frontend_programs import define

import gyral as gy
from gyral.compiler.frontend.annotations import signature_of
from gyral.compiler.frontend.lower import lower_kernel
from gyral.compiler.frontend.source import source_of
from gyral.core.dtypes import ArrayType, f32


def imported(path: Path) -> ModuleType:
    """A module loaded from a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TEXT = """import math
def first(x):
    x[0] = math.sqrt(x[1])

def second(x):  # one with a string that looks
    '''like an end
def of(it): pass
    '''
    x[0] = (
1.0 +
        2.0)
    # a comment at the end


class Holder:
    def third(self, x):
        x[0] = 1

def fourth(x): x[0] = 4
"""


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    """A module in a file of its own."""
    path = tmp_path / "kernels_here.py"
    path.write_text(TEXT)
    return imported(path)


@pytest.mark.parametrize("name, lines", [("first", (2, 3)), ("second", (5, 11)), ("fourth", (19, 19))])
def test_a_function_is_found_in_its_file(module: ModuleType, name: str, lines: tuple[int, int]) -> None:
    """Each definition is cut out whole, with the file's own line numbers."""
    tree = source_of(getattr(module, name)).tree
    assert (tree.lineno, tree.end_lineno) == lines


def test_nested_and_decorated_functions_are_found() -> None:
    """Indentation, decorators and closures do not hide a function's text."""
    outside = 3

    @gy.func
    def inner(x):
        return x + outside

    source = source_of(inner.__gyral_func__)
    assert (source.tree.name, source.tree.col_offset) == ("inner", 4)


def test_a_changed_file_is_refused(module: ModuleType) -> None:
    """Text that no longer compiles to what Python runs is not compiled instead of it."""
    path = Path(module.__file__ or "")
    path.write_text(TEXT.replace("x[1]", "x[2]"))
    linecache.cache.pop(module.__file__, None)
    with pytest.raises(
        gy.CompileError, match=r"GY102: the text of first in .* is not what Python is running"
    ):
        lower_kernel(module.first, [ArrayType(f32)])


def test_a_change_above_is_seen_too(module: ModuleType) -> None:
    """Lines that moved since the import are not mistaken for the function."""
    Path(module.__file__ or "").write_text("\n\n" + TEXT)
    linecache.cache.pop(module.__file__, None)
    with pytest.raises(gy.CompileError, match="GY102"):
        source_of(module.first)


def test_a_method_is_refused(module: ModuleType) -> None:
    """A method has no place for `self` on a device."""
    with pytest.raises(gy.CompileError, match=r"GY103: the method Holder\.third cannot be a kernel"):
        source_of(module.Holder.third)


@pytest.mark.parametrize("file, why", [
    ("<stdin>", "the interactive prompt of this Python keeps no text"),
    ("<string>", "it was made by exec or eval"),
    ("/nowhere/at/all.py", "cannot be read"),
])  # fmt: skip
def test_missing_source_says_why(file: str, why: str) -> None:
    """Where the text cannot be had, the error says why and what to do."""
    space: dict[str, object] = {}
    exec(compile("def k(x): pass", file, "exec"), space)
    with pytest.raises(gy.CompileError, match=f"GY101: the source of k cannot be read: .*{why}"):
        source_of(space["k"])  # type: ignore[arg-type]


def test_a_lambda_is_refused() -> None:
    """A lambda has no statements to compile."""
    with pytest.raises(gy.CompileError, match="GY103: a lambda cannot be a kernel"):
        source_of(lambda x: x)


def test_something_else_is_refused() -> None:
    """Only plain functions have a source."""
    with pytest.raises(gy.CompileError, match="GY103"):
        source_of(print)


def test_carets_count_characters() -> None:
    """A caret stands under the expression, also after letters of several bytes."""
    fn = define("def kernel(x):\n    größe = 1.0; x[0] = nothing\n", "kernel")
    with pytest.raises(gy.CompileError) as caught:
        lower_kernel(fn, [ArrayType(f32)])
    line, caret = caught.value.diagnostics[0].render().splitlines()[2:4]
    assert line[caret.index("^") :][: caret.count("^")] == "nothing"


def test_independent_findings_come_together() -> None:
    """Two mistakes that have nothing to do with each other are told at once; what follows from one is not."""
    fn = define("def kernel(x):\n    a = unknown\n    b = a + 1\n    x[0] = b\n    x[-1] = 2\n", "kernel")
    with pytest.raises(gy.CompileError) as caught:
        lower_kernel(fn, [ArrayType(f32)])
    assert [d.code for d in caught.value.diagnostics] == ["GY201", "GY403"]


def test_text_annotations_are_evaluated() -> None:
    """`from __future__ import annotations` changes nothing."""
    text = "from __future__ import annotations\ndef f(a: gy.Array[gy.f32, 2], b: int): pass\n"
    found = [spec.annotation for spec in signature_of(define(text, "f"))]
    assert found == [ArrayType(f32, 2), gy.i32]
