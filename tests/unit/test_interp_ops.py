"""The meaning of single ops: one thread computes, one number is compared."""

from __future__ import annotations

import math
from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gyral.compiler.interp.launch import run
from gyral.compiler.ir.parser import parse_module
from gyral.core.dtypes import BY_NAME, DType, f16, f32, i32, u8

CODES = {
    "bool": "B",
    "i8": "b",
    "u8": "B",
    "i32": "i",
    "u32": "I",
    "i64": "q",
    "u64": "Q",
    "f32": "f",
    "f64": "d",
}
INF, NAN = math.inf, math.nan


def computed(text: str, result: str, index_bits: int = 64, **given: tuple[str, float]) -> float:
    """What one thread stores: `text` defines %r from scalars given as name=(type, value)."""
    head = "".join(f"%{name}: {t}, " for name, (t, _) in given.items())
    module = parse_module(
        f'control.func {{symbol = "k", kind = "kernel"}} ({head}%out: array<{result}, 1>) {{\n'
        f"{text}\n%zero = arith.const {{value = 0}} : index\nmemory.store %r, %out, %zero\n"
        "control.return\n}\n"
    )
    out = array(CODES[result], [0])
    run(module, (1,), None, [*(value for _, value in given.values()), out], index_bits=index_bits)
    return bool(out[0]) if result == "bool" else out[0]


def binary(op: str, t: str, a: float, b: float) -> float:
    """a op b at one type."""
    return computed(f"%r = arith.{op} %a, %b : {t}", t, a=(t, a), b=(t, b))


@pytest.mark.parametrize(
    ("op", "t", "a", "b", "result"),
    [
        ("add", "i32", 2**31 - 1, 1, -(2**31)),
        ("sub", "u8", 0, 1, 255),
        ("mul", "u64", 2**63, 2, 0),
        ("mul", "i8", 100, 3, 44),
        ("floordiv", "i32", -7, 2, -4),
        ("floordiv", "i32", 7, 0, 0),
        ("floordiv", "i8", -128, -1, -128),
        ("mod", "i32", -7, 3, 2),
        ("mod", "i32", 7, -3, -2),
        ("mod", "i32", 7, 0, 7),
        ("shl", "i32", 1, 33, 2),
        ("shl", "i8", 1, 7, -128),
        ("shr", "i32", -8, 1, -4),
        ("shr", "u8", 128, 9, 64),
        ("min", "f64", 1.0, NAN, 1.0),
        ("min", "f64", NAN, 1.0, NAN),
        ("max", "f64", NAN, 1.0, NAN),
        ("min", "f64", 0.0, -0.0, 0.0),
        ("div", "f64", 1.0, -0.0, -INF),
        ("div", "f64", 0.0, 0.0, NAN),
        ("add", "f32", 2.0**24, 1.0, 2.0**24),
        ("mul", "f32", 3e38, 3e38, INF),
        ("mod", "f64", -1.0, INF, INF),
        ("mod", "f64", 5.5, -2.0, -0.5),
        ("mod", "f64", 1.0, 0.0, NAN),
        ("floordiv", "f64", -7.0, 2.0, -4.0),
        ("floordiv", "f64", -1.0, 0.0, -INF),
    ],
)
def test_arithmetic(op: str, t: str, a: float, b: float, result: float) -> None:
    """Integers wrap, floats round, division is defined everywhere."""
    assert repr(binary(op, t, a, b)) == repr(result)


@given(st.floats(width=32), st.floats(width=32))
def test_float_division_down_is_numpys(a: float, b: float) -> None:
    """// and % on f32 give NumPy's bits."""
    with np.errstate(all="ignore"):
        wanted = np.float32(a) // np.float32(b), np.float32(a) % np.float32(b)
    got = binary("floordiv", "f32", a, b), binary("mod", "f32", a, b)
    assert [repr(float(v)) for v in got] == [repr(float(v)) for v in wanted]


@pytest.mark.parametrize(
    ("source", "target", "value", "result"),
    [
        ("f32", "i32", 3e9, 2**31 - 1),
        ("f32", "u8", -5.0, 0),
        ("f64", "i64", NAN, 0),
        ("f64", "i32", -2.9, -2),
        ("i32", "u8", -1, 255),
        ("u32", "i32", 2**32 - 1, -1),
        ("i64", "f32", 2**53 + 2**29 + 1, 2.0**53 + 2.0**30),
        ("f64", "bool", NAN, True),
        ("bool", "f32", True, 1.0),
        ("f64", "f32", 1e-46, 0.0),
    ],
)
def test_conversions(source: str, target: str, value: float, result: float) -> None:
    """Floats saturate to integers, integers wrap, integers round once to floats."""
    assert computed(f"%r = cast.convert %a : {target}", target, a=(source, value)) == result


def test_index_is_exact_until_it_is_converted() -> None:
    """A product of ids may pass 64 bits on the way."""
    text = (
        "%i = cast.convert %a : index\n%p = arith.mul %i, %i : index\n%q = arith.mul %p, %i : index\n"
        "%d = arith.floordiv %q, %p : index\n%r = cast.convert %d : i64"
    )
    assert computed(text, "i64", a=("i64", 2**40)) == 2**40


def test_a_float_saturates_to_the_width_of_index() -> None:
    """Where index has 32 bits, conversions to it stop at 32 bits."""
    text = "%i = cast.convert %a : index\n%r = cast.convert %i : i64"
    assert computed(text, "i64", index_bits=32, a=("f64", 1e18)) == 2**31 - 1


@given(st.floats(width=16), st.floats(width=16))
def test_f16_computes_in_f32_and_rounds(a: float, b: float) -> None:
    """An f16 product is the f32 product rounded to f16."""
    text = "%x = cast.convert %a : f16\n%y = cast.convert %b : f16\n%p = arith.mul %x, %y : f16\n"
    got = computed(text + "%r = cast.convert %p : f32", "f32", a=("f32", a), b=("f32", b))
    assert repr(got) == repr(f16(f32(a * b)))


def test_bits_are_read_as_another_type() -> None:
    """The bits of 1.0f are its IEEE pattern."""
    assert computed("%r = cast.bits %a : u32", "u32", a=("f32", 1.0)) == 0x3F800000


@pytest.mark.parametrize("trips", [0, 1, 5])
def test_a_loop_carries_its_values(trips: int) -> None:
    """A for without turns gives its initial value, else what the last turn yields."""
    text = (
        "%zero0 = arith.const {value = 0} : i32\n%one = arith.const {value = 1} : i32\n"
        "%r = control.for %zero0, %n, %one, %one : i32 (%k: i32, %acc: i32) {\n"
        "%next = arith.add %acc, %k : i32\ncontrol.yield %next\n}"
    )
    assert computed(text, "i32", n=("i32", trips)) == 1 + sum(range(trips))


def test_a_step_of_zero_gives_no_turns() -> None:
    """A for whose step is 0 is skipped."""
    text = "%r = control.for %n, %n, %n, %n : i32 (%k: i32, %acc: i32) {\ncontrol.yield %k\n}"
    assert computed(text, "i32", n=("i32", 0)) == 0


def test_a_while_may_leave_in_the_middle() -> None:
    """What the test passes is the result when it says stop."""
    text = (
        "%two = arith.const {value = 2} : i32\n%stop = arith.const {value = 100} : i32\n"
        "%r = control.while %n : i32 (%v: i32) {\n%d = arith.mul %v, %two : i32\n"
        '%go = arith.cmp %d, %stop {predicate = "lt"} : bool\ncontrol.test %go, %d\n} (%w: i32) {\n'
        "control.yield %w\n}"
    )
    assert computed(text, "i32", n=("i32", 3)) == 192


def test_regions_may_nest_deeper_than_python_allows() -> None:
    """Forty loops inside one another run, each once."""
    depth = 40
    text = "%r0 = arith.const {value = 0} : i32\n%one = arith.const {value = 1} : i32\n"
    for k in range(depth):
        given = "%one" if k == 0 else f"%c{k - 1}"
        text += f"%q{k} = control.for %r0, %one, %one, {given} : i32 (%k{k}: i32, %c{k}: i32) {{\n"
    text += f"%s = arith.add %c{depth - 1}, %one : i32\ncontrol.yield %s\n}}\n"
    text += "".join(f"control.yield %q{k}\n}}\n" for k in range(depth - 1, 0, -1))
    assert computed(text + "%r = arith.add %q0, %one : i32", "i32") == 3


def test_ninety_branches_may_nest() -> None:
    """Branches nested to the compiler's limit run."""
    depth = 90
    text = "%t = arith.const {value = true} : bool\n%one = arith.const {value = 1} : i32\n"
    text += "".join(f"%q{k} = control.if %t : i32 {{\n" for k in range(depth))
    text += "control.yield %n\n} {\ncontrol.yield %one\n}\n"
    text += "".join(f"control.yield %q{k}\n}} {{\ncontrol.yield %one\n}}\n" for k in range(depth - 1, 0, -1))
    assert computed(text + "%r = arith.add %q0, %one : i32", "i32", n=("i32", 41)) == 42


@pytest.mark.parametrize("t", [f32, i32, u8], ids=str)
def test_arguments_are_converted_to_their_parameters(t: DType) -> None:
    """A Python number becomes a value of the parameter's type."""
    assert computed(f"%r = arith.neg %a : {t}", t.name, a=(t.name, 300.1)) == t(-BY_NAME[t.name](300.1))
