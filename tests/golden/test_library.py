"""The printed maths library is what its sources compile to, and every row that needs a body finds one."""

from __future__ import annotations

import pytest
from scripts.build_library import LIBRARY, build

from gyral.compiler.intrinsics import INTRINSICS, Body
from gyral.compiler.ir.parser import parse_module
from gyral.compiler.pipeline import check, library


def test_the_printed_library_is_up_to_date() -> None:
    """Compiling the bodies again gives the file that is shipped, byte for byte."""
    assert LIBRARY.read_text("ascii") == build()


def test_the_printed_library_is_well_formed() -> None:
    """The whole text parses and passes the verifier."""
    module = parse_module(LIBRARY.read_text("ascii"))
    check(module)
    assert tuple(module.functions) == library().names


@pytest.mark.parametrize(
    "row", [r for r in INTRINSICS.values() if r.spell["llvm"] == Body()], ids=lambda r: r.name
)
def test_every_row_with_a_body_has_one(row: object) -> None:
    """A row spelled by its body has it for f32 and f64, or under its own name."""
    name = row.name  # type: ignore[attr-defined]
    names = [name] if name.startswith("random_") else [f"{name}_f32", f"{name}_f64"]
    assert [n for n in names if library().get(n) is None] == []
