"""The verifier: each kind of malformed graph is named."""

from __future__ import annotations

import pytest

from gyral.compiler.ir.graph import Block, Module
from gyral.compiler.ir.ops.arith import AddOp, ConstOp
from gyral.compiler.ir.ops.control import FuncOp, ReturnOp
from gyral.compiler.ir.parser import parse_module
from gyral.compiler.ir.verify import verify
from gyral.compiler.pipeline import check_intrinsic
from gyral.core.dtypes import f32, i32
from gyral.core.errors import InternalError, UserError

HEAD = 'control.func {symbol = "k", kind = "kernel"} (%c: bool, %i: index, %a: f32, %y: array<f32, 1>) {\n'


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("%0 = arith.add %a, %i : f32", "'rhs' is index, but 'lhs' is f32"),
        ("%0 = arith.add %a : f32", "operand 'rhs' is missing"),
        ("%0 = arith.neg %a, %a : f32", "1 operands too many"),
        ("%0 = arith.neg %c : bool", "'value' is bool, not number"),
        ('%0 = arith.cmp %a, %a {predicate = "lt"} : i32', "result 'out' is i32, not bool"),
        ('%0 = arith.cmp %a, %a {predicate = "near"} : bool', "attribute 'predicate' is 'near'"),
        ("%0 = arith.cmp %a, %a : bool", "attribute 'predicate' is missing"),
        ("%0 = arith.neg %a {fast = true} : f32", "has no attribute 'fast'"),
        ("%0 = arith.const {value = 300} : u8", "300 is not a value of u8"),
        ("%0 = memory.load %y, %i, %i : f32", "2 indices into memory of rank 1"),
        ("%0 = memory.load %y, %i {leaf = 1} : f32", "leaf 1 of an element with 1 leaves"),
        ("%0 = memory.dim %y {axis = 1} : index", "the array has no such axis"),
        ("%0 = memory.shared : local<f32, 4>", "not shared memory"),
        ("%0 = memory.local : local<f32, 0>", "on-chip memory has no empty axis"),
        ("%0 = grid.global_id {axis = 7} : index", "axis 7 does not exist"),
        ("control.if %c {\ncontrol.yield\n}", "has 1 regions, not 2"),
        ("control.if %c {\ncontrol.yield %a\n} {\ncontrol.yield\n}", "a side yields (f32), not ()"),
        ("control.if %c {\ncontrol.return\n} {\ncontrol.yield\n}", "does not end in control.yield"),
        ("control.for %i, %i, %i (%k: f32) {\ncontrol.yield\n}", "the body takes (f32), not (index)"),
        (
            "control.while %a (%q: f32) {\ncontrol.test %c, %q\n} (%q#1: f32) {\ncontrol.yield\n}",
            "results are (), not (f32)",
        ),
        ('control.call {callee = "nobody"}', "no function 'nobody'"),
        ('control.call {callee = "k"}', "a kernel cannot be called"),
        ('message.print %a {parts = ("a",)}', "parts do not alternate"),
        ('%0 = math.call %a {fn = "sine"} : f32', "no intrinsic is named 'sine'"),
        ('%0 = math.call %i {fn = "sin"} : index', "operand 1 is index"),
        ('%0 = math.call %a {fn = "sin"} : f64', "sin gives f32, not f64"),
    ],
)
def test_a_malformed_program_is_named(body: str, what: str) -> None:
    """The fault is told in words that name the part."""
    text = body.replace('("a",)', '("a", "")')
    with pytest.raises(UserError) as caught:
        parse_module(f"{HEAD}{text}\ncontrol.return\n}}\n", check_intrinsic)
    assert what in str(caught.value)


def test_functions_must_not_call_in_a_circle() -> None:
    """Recursion, even through others, is no program."""
    function = (
        'control.func {symbol = "F", kind = "func"} {\ncontrol.call {callee = "G"}\ncontrol.return\n}\n'
    )
    text = function + function.replace("F", "H").replace("G", "F").replace("H", "G")
    with pytest.raises(UserError, match="in a circle: F, G"):
        parse_module(text)


def test_a_value_is_used_only_where_it_is_defined() -> None:
    """A use before the definition is found, and the pass that made it is named."""
    body = Block([f32])
    number = ConstOp.make(types=(f32,), value=1.0)
    body.append(AddOp.make(body.args[0], number.result))
    body.append(number)
    body.append(ReturnOp.make())
    module = Module([FuncOp.make(regions=[body], symbol="k", kind="kernel")])
    with pytest.raises(InternalError, match=r"after canonical: arith\.add .* used where it is not defined"):
        verify(module, after="canonical")


def test_uses_are_kept_with_the_values() -> None:
    """An operand that does not know its use shows a pass that went around the graph."""
    body = Block([i32])
    op = body.append(AddOp.make(body.args[0], body.args[0]))
    body.append(ReturnOp.make())
    body.args[0].uses.pop((op, 1))
    module = Module([FuncOp.make(regions=[body], symbol="k", kind="kernel")])
    with pytest.raises(InternalError, match="operand 1 does not know this use"):
        verify(module)
