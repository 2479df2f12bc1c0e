"""The pages made from the compiler's tables."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from gyral.compiler.intrinsics import INTRINSICS
from gyral.compiler.ir.define import Operation

SCRIPT = Path(__file__).parents[2] / "docs" / "generate.py"


@pytest.fixture
def generator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """docs/generate.py, writing to a folder of the test's."""
    spec = importlib.util.spec_from_file_location("docs_generate", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PAGES", tmp_path / "generated")
    return module


def test_every_entry_has_its_place(generator: ModuleType) -> None:
    """The pages hold every error code, every intrinsic and every op."""
    generator.main()
    pages = {path.stem: path.read_text(encoding="utf-8") for path in generator.PAGES.iterdir()}
    assert sorted(pages) == ["errors", "intrinsics", "ops"]
    assert [code for code in generator.CODES if f"## {code}: " not in pages["errors"]] == []
    assert [name for name in INTRINSICS if f"| `{name}(" not in pages["intrinsics"]] == []
    assert [name for name in Operation.registry if f"| `{name}` |" not in pages["ops"]] == []


def test_a_code_without_advice_stops_the_build(
    generator: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table entry with nothing to print fails the documentation and is named; no page is written."""
    code, row = next(iter(generator.CODES.items()))
    monkeypatch.setitem(generator.CODES, code, replace(row, advice=""))
    with pytest.raises(SystemExit, match=f"code {code} has no advice"):
        generator.main()
    assert not generator.PAGES.exists()


def test_a_body_without_a_bound_stops_the_build(
    generator: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A maths function whose error nobody states fails the documentation and is named."""
    monkeypatch.delitem(generator.ULP, "exp_f32")
    with pytest.raises(SystemExit, match="states no bound for exp_f32"):
        generator.main()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{name} is unknown", "`name` is unknown."),
        ("`{loop} … else` is out", "`loop … else` is out."),
        ("write it down.", "write it down."),
    ],
)
def test_placeholders_become_code(generator: ModuleType, text: str, shown: str) -> None:
    """What a message fills in is shown as code, once, and sentences end."""
    assert generator.sentence(text) == shown
