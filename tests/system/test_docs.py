"""The documentation runs: every Python example of every page, in order, and of the README."""

import contextlib
import io
import linecache
import re
from pathlib import Path

import numpy as np
import pytest

from gyral.core import errors

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "pages").glob("*.md"))
EXAMPLE = re.compile(
    r"(?:<!-- raises (?P<raises>\w+) -->\n)?"
    r"```python\n(?P<code>.*?)```\n(?:\n```output\n(?P<output>.*?)```)?",
    re.DOTALL,
)


def run(code: str, name: str, namespace: dict[str, object]) -> str:
    """Run one example as a notebook cell would be; what it printed."""
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), np.printoptions(legacy=False, precision=8, linewidth=75):
        exec(compile(code, name, "exec"), namespace)
    return printed.getvalue()


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_examples_run_and_print_what_they_say(page: Path) -> None:
    """Examples of a page run in order, print what stands below them and raise what stands above them."""
    namespace: dict[str, object] = {"__name__": f"docs_{page.stem.replace('-', '_')}"}
    for number, example in enumerate(EXAMPLE.finditer(page.read_text(encoding="utf-8")), 1):
        name = f"<{page.name} example {number}>"
        if example["raises"]:
            with pytest.raises(getattr(errors, example["raises"])):
                run(example["code"], name, namespace)
            continue
        printed = run(example["code"], name, namespace)
        if example["output"] is not None:
            assert printed == example["output"]


def test_every_example_is_found() -> None:
    """No example of the documentation escapes the pattern that runs them."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert len(list(EXAMPLE.finditer(text))) == text.count("```python"), page.name
