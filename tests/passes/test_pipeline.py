"""The pipeline as a whole: its stages, its limits, and the gaps it reports."""

from __future__ import annotations

import pytest

from gyral.compiler import pipeline
from gyral.compiler.ir.graph import Module
from gyral.compiler.ir.parser import parse_module
from gyral.compiler.ir.printer import print_module
from gyral.compiler.passes import inline
from gyral.compiler.passes.legalize import Legalise
from gyral.core.artifact import CompileOptions
from gyral.core.errors import CompileError, UserError


def kernel(body: str, before: str = "") -> Module:
    """A kernel over (%c: bool, %i: index, %a: f32, %y: array<f32, 1>)."""
    head = 'control.func {symbol = "k", kind = "kernel"} (%c: bool, %i: index, %a: f32, %y: array<f32, 1>)'
    return parse_module(f"{before}{head} {{\n{body}\ncontrol.return\n}}\n")


def test_every_stage_can_be_dumped() -> None:
    """The dump is called with each stage's name, in order."""
    seen: list[str] = []
    pipeline.run(
        kernel("memory.store %a, %y, %i"), CompileOptions(), dump=lambda name, module: seen.append(name)
    )
    assert tuple(seen) == pipeline.STAGES


def test_checks_are_inserted_when_asked_for_and_once() -> None:
    """Two accesses at one index are checked by one requirement; without check there is none."""
    body = "%v = memory.load %y, %i : f32\n%w = arith.add %v, %a : f32\nmemory.store %w, %y, %i"
    counts = [
        print_module(pipeline.run(kernel(body), CompileOptions(check=check))).count("message.require")
        for check in ("off", "on")
    ]
    assert counts == [0, 1]


def test_a_barrier_under_varying_control_is_refused() -> None:
    """The pipeline holds the uniformity check."""
    body = (
        "%g = grid.global_id {axis = 0} : index\n"
        '%some = arith.cmp %g, %i {predicate = "lt"} : bool\n'
        "control.if %some {\ngrid.barrier\ncontrol.yield\n} {\ncontrol.yield\n}"
    )
    with pytest.raises(CompileError) as caught:
        pipeline.run(kernel(body), CompileOptions(block=(8,)))
    assert caught.value.code == "GY501"


def test_all_gaps_are_reported_at_once() -> None:
    """Two functions that the target lacks are two findings of one error."""
    module = kernel('%v = math.call %a {fn = "sin"} : f32\n%w = math.call %v {fn = "cos"} : f32')
    with pytest.raises(CompileError) as caught:
        Legalise(pipeline.CPU, pipeline.Library("")).run(module)
    assert sorted(d.message for d in caught.value.diagnostics) == [
        "cos has no body for f32, on llvm",
        "sin has no body for f32, on llvm",
    ]


def test_a_program_that_doubles_at_every_call_is_refused() -> None:
    """A few lines that would grow to millions of operations end in an error, soon."""
    functions = (
        'control.func {symbol = "f0", kind = "func", returns = (f32)} (%v: f32) {\n'
        "%w = arith.mul %v, %v : f32\ncontrol.return %w\n}\n"
    )
    for k in range(1, 30):
        functions += (
            f'control.func {{symbol = "f{k}", kind = "func", returns = (f32)}} (%v: f32) {{\n'
            f'%w = control.call %v {{callee = "f{k - 1}"}} : f32\n'
            f'%u = control.call %w {{callee = "f{k - 1}"}} : f32\ncontrol.return %u\n}}\n'
        )
    module = kernel('%w = control.call %a {callee = "f29"} : f32\nmemory.store %w, %y, %i', functions)
    with pytest.raises(UserError, match=f"grows over {inline.MAX_SIZE} operations"):
        pipeline.run(module, CompileOptions())


def test_deep_nesting_is_refused() -> None:
    """Branches inside one another without end are refused before anything recurses on them."""
    module = kernel("memory.store %a, %y, %i")
    inner = "control.if %c {\n" * 60 + "control.yield\n" + "} {\ncontrol.yield\n}\ncontrol.yield\n" * 59
    half = kernel(inner + "} {\ncontrol.yield\n}")
    assert half is not module
    with pytest.raises(UserError, match="nested deeper"):
        pipeline.run(_nested(half, half), CompileOptions())


def _nested(outer: Module, inner: Module) -> Module:
    """The kernel of `outer` with that of `inner` moved into its innermost branch."""
    block = outer.kernel.regions[0]
    moved = parse_module(print_module(inner)).kernel.regions[0].ops[:-1]
    while block.ops[0].regions:
        block = block.ops[0].regions[0]
    for op in reversed(moved):
        op.parent = block
        block.ops.insert(0, op)
    return outer


def test_the_library_inlines_what_its_bodies_call() -> None:
    """A body that calls another is handed out whole."""
    text = (
        'control.func {symbol = "half_f32", kind = "func", returns = (f32)} (%v: f32) {\n'
        "  control.return %v\n}\n"
        'control.func {symbol = "whole_f32", kind = "func", returns = (f32)} (%v: f32) {\n'
        '  %w = control.call %v {callee = "half_f32"} : f32\n  control.return %w\n}\n'
    )
    found = pipeline.Library(text).get("whole_f32")
    assert [op.name for op in found.regions[0].ops] == ["control.return"]  # type: ignore[union-attr]
