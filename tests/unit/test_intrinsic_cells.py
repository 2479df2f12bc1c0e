"""Every cell of the table of intrinsics says something that its language, or the library, can make good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gyral.compiler.emit.cfamily.dialect import Dialect
from gyral.compiler.emit.cuda import Cuda
from gyral.compiler.emit.metal import Metal
from gyral.compiler.emit.opencl import OpenCl
from gyral.compiler.emit.wgsl.dialect import Wgsl
from gyral.compiler.intrinsics import COLUMNS, INTRINSICS, Body, Expand, Native, Unsupported
from gyral.compiler.passes.expand import EXPANSIONS
from gyral.compiler.passes.target import TargetSpec, spec_of
from gyral.compiler.pipeline import library
from gyral.core.artifact import CompileOptions
from gyral.core.dtypes import SCALARS, DType, f32, f64

DIALECTS: dict[str, Callable[[CompileOptions, TargetSpec], Dialect]] = {
    "cuda": Cuda,
    "opencl": OpenCl,
    "msl": Metal,
    "wgsl": lambda options, spec: Wgsl(options, spec, {}, set()),
}
CELLS = [(row, column) for row in INTRINSICS for column in COLUMNS]


@pytest.mark.parametrize(("fn", "column"), CELLS)
def test_every_cell_is_filled(fn: str, column: str) -> None:
    """A cell is a word of the language, a body in the library, an expansion, or a reason."""
    match INTRINSICS[fn].spell[column]:
        case Native(name):
            assert name != ""
        case Body():
            names = [fn] if fn.startswith("random_") else [f"{fn}_f32", f"{fn}_f64"]
            assert [name for name in names if library().get(name) is None] == []
        case Expand():
            assert fn in EXPANSIONS
        case Unsupported(why):
            assert why != ""


def types_of(fn: str, column: str) -> list[DType]:
    """The types in which a word of a language is asked for: what was legalised has no others."""
    spec = spec_of(column, ("f64",) if column == "opencl" else ())
    signature = INTRINSICS[fn].signature
    floats = [f32, f64] if spec.f64 else [f32]
    whole = [t for t in SCALARS if t.is_integer and (spec.narrow or t.bits >= 32)]
    whole = [t for t in whole if spec.int64 or t.bits < 64]
    return [t for t in (floats if signature.over == "float" else whole) if signature.admits(t)]


@pytest.mark.parametrize(
    ("fn", "column"),
    [(f, c) for f, c in CELLS if c in DIALECTS and isinstance(INTRINSICS[f].spell[c], Native)],
)
def test_every_word_can_be_spelled(fn: str, column: str) -> None:
    """A language spells its own words on every type that comes to it, with the helpers they call."""
    row = INTRINSICS[fn]
    word: Any = row.spell[column]
    for t in types_of(fn, column):
        dialect = DIALECTS[column](CompileOptions(block=(32,)), spec_of(column))
        names = ["a", "b", "c"][: len(row.signature.operands)]
        text = dialect.native(word.name, t, names, True)
        assert all(name in text for name in names)
        assert all(key and body for key, body in dialect.helpers.items())
