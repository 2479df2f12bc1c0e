"""The IR's text form: what is printed is read back, and hostile text is refused with its line."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ir_programs import Maker, outcome

from gyral.compiler.ir.parser import parse_module
from gyral.compiler.ir.printer import print_attribute, print_module, print_type
from gyral.compiler.ir.types import MemType
from gyral.core.dtypes import ArrayType, StructType, Vec, bf16, f32, i64
from gyral.core.errors import UserError

KERNEL = """control.func {symbol = "k", kind = "kernel"} (%a: f32, %y: array<f32, 1>) {
  %0 = grid.global_id {axis = 0} : index
  BODY
  control.return
}
"""


def kernel(body: str) -> str:
    """A kernel's text with `body` in the middle."""
    return KERNEL.replace("BODY", body)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_printed_programs_read_back_alike(seed: int) -> None:
    """Printing, parsing and printing again gives the same text."""
    text = print_module(Maker(seed).program())
    assert print_module(parse_module(text)) == text


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32))
def test_parsed_programs_mean_the_same(seed: int) -> None:
    """A program that went through text leaves the same results."""
    module = Maker(seed).program()
    assert outcome(parse_module(print_module(module))) == outcome(module)


@pytest.mark.parametrize(
    ("t", "text"),
    [
        (f32, "f32"),
        (ArrayType(f32, 2), "array<f32, 2>"),
        (ArrayType(Vec(f32, 3), 1, readonly=True), "array<f32x3, 1, readonly>"),
        (MemType(bf16, (16, 16), "shared"), "shared<bf16, 16x16>"),
        (MemType(i64, (), "local"), "local<i64, scalar>"),
        (
            ArrayType(StructType("P", (("at", Vec(f32, 3)), ('é"', f32)))),
            'array<struct<"P", "at": f32x3, "\\u00e9\\"": f32>, 1>',
        ),
    ],
)
def test_types_are_spelled_and_read(t: object, text: str) -> None:
    """Each kind of type has one spelling, which reads back as the same type."""
    source = f'control.func {{symbol = "f", kind = "func"}} (%a: {text}) {{\n  control.return\n}}\n'
    (function,) = parse_module(source).functions.values()
    assert (print_type(t), function.regions[0].args[0].type) == (text, t)  # type: ignore[arg-type]


@given(st.floats(width=64))
def test_floats_keep_their_bits(value: float) -> None:
    """Every f64, NaN payloads included, comes back with its bits."""
    body = f"%c = arith.const {{value = {print_attribute(value)}}} : f64"
    op = parse_module(kernel(body)).kernel.regions[0].ops[1]
    assert print_attribute(op.attributes["value"]) == print_attribute(value)


@given(st.text())
def test_strings_are_quoted_whole(text: str) -> None:
    """No text of a user can end its string early."""
    module = parse_module(kernel(f"message.print {{parts = ({print_attribute(text)})}}"))
    assert module.kernel.regions[0].ops[1].attributes["parts"] == (text,)


@pytest.mark.parametrize(
    ("body", "line", "what"),
    [
        ("%1 = arith.fly %a : f32", 3, "no op has this name"),
        ("%1 = arith.neg %b : f32", 3, "%b is not defined here"),
        ("%a = arith.neg %a : f32", 3, "%a is defined twice"),
        ("%1 = arith.neg %a : f33", 3, "'f33' is no type"),
        ("%1 = arith.neg %a : f32, f32", 3, "1 results have 2 types"),
        ("%1 = arith.const {value = 1, value = 2} : i32", 3, "attribute 'value' stands here twice"),
        ('%1 = arith.const {value = "open} : i32', 3, "is no token"),
        ("%1 = arith.const {value = $} : i32", 3, "is no token"),
        ("%1 = memory.local : local<array<f32, 1>, 4>", 3, "memory cannot hold memory"),
        ("%1 = memory.local : local<f32, 4y>", 3, "is no token"),
        ("%1 = arith.const {value = 0x1p+99999} : f64", 3, "is no f64"),
        ("control.if %a {", 5, "should stand where the text ends"),
    ],
)
def test_faulty_text_is_refused_with_its_line(body: str, line: int, what: str) -> None:
    """A fault of the text is a UserError that names the line and the fault."""
    with pytest.raises(UserError) as caught:
        parse_module(kernel(body) if "control.if" not in body else kernel(body).rstrip("}\n") + "\n")
    assert (f"line {line}:" in str(caught.value), what in str(caught.value)) == (True, True)


def test_deep_nesting_is_refused() -> None:
    """Text nested without end is refused rather than overflowing the stack."""
    with pytest.raises(UserError, match="nested deeper"):
        parse_module(kernel("%c = arith.const {value = true} : bool\n" + "control.if %c {\n" * 5000))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_text_never_breaks_the_parser(data: st.DataObject) -> None:
    """Text with characters cut or replaced is either read or refused as the user's fault."""
    text = print_module(Maker(data.draw(st.integers(0, 30))).program())
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 8))
    damaged = text[:at] + data.draw(st.text(max_size=4)) + text[at + cut :]
    try:
        again = print_module(parse_module(damaged))
    except UserError:
        again = ""
    assert isinstance(again, str)
