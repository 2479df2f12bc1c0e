"""Identities of single ops that canonicalisation knows, each on a kernel that returns what is left."""

from __future__ import annotations

import pytest

from gyral.compiler import pipeline
from gyral.compiler.ir.parser import parse_module
from gyral.compiler.ir.printer import print_module
from gyral.compiler.passes.canonical import Canonicalise
from gyral.compiler.passes.dce import RemoveDead

HEAD = (
    'control.func {symbol = "k", kind = "kernel"FAST} '
    "(%c: bool, %d: bool, %i: index, %n: i32, %m: i64, %a: f32, %b: f32, %w: f64, "
    "%x: array<f32, 1>, %y: array<bool, 1>, %z: array<i32, 1>, %v: array<f64, 1>, %q: array<i64, 1>) {\n"
)


def simplified(lines: str, *, fast: bool = False) -> list[str]:
    """The ops that are left of a kernel whose last line stores a result."""
    head = HEAD.replace("FAST", ", fastmath = true" if fast else "")
    text = head + lines + "\n  control.return\n}\n"
    module = parse_module(text, pipeline.check_intrinsic)
    for one in (Canonicalise(), RemoveDead()):
        one.run(module)
        pipeline.check(module, one.name)
    return [line.strip() for line in print_module(module).splitlines()[1:-2]]


BOOLS = [
    ("a double negation is nothing", "%0 = arith.not %c : bool\n%1 = arith.not %0 : bool", "%c"),
    ("equality with true is nothing", '%0 = arith.const {value = true} : bool\n'
     '%1 = arith.cmp %c, %0 {predicate = "eq"} : bool', "%c"),
    ("a choice between true and false is its condition", "%0 = arith.const {value = true} : bool\n"
     "%2 = arith.const {value = false} : bool\n%1 = arith.select %c, %0, %2 : bool", "%c"),
    ("a choice of one value is that value", "%1 = arith.select %c, %d, %d : bool", "%d"),
    ("a choice that is known is one side", "%0 = arith.const {value = false} : bool\n"
     "%1 = arith.select %0, %c, %d : bool", "%d"),
]  # fmt: skip


@pytest.mark.parametrize("what, lines, left", BOOLS, ids=[row[0] for row in BOOLS])
def test_a_bool_is_what_it_comes_from(what: str, lines: str, left: str) -> None:
    """An op on bools that changes nothing is replaced by its operand."""
    assert simplified(f"{lines}\nmemory.store %1, %y, %i") == [f"memory.store {left}, %y, %i"]


NEGATED = [
    ("inequality with true is a negation", "%0 = arith.const {value = true} : bool\n"
     '%1 = arith.cmp %c, %0 {predicate = "ne"} : bool', "arith.not %c : bool"),
    ("a choice between false and true is a negation", "%0 = arith.const {value = false} : bool\n"
     "%2 = arith.const {value = true} : bool\n%1 = arith.select %c, %0, %2 : bool", "arith.not %c : bool"),
    ("a negated condition turns a choice round", "%0 = arith.not %c : bool\n%2 = arith.not %d : bool\n"
     '%3 = arith.cmp %n, %n {predicate = "lt"} : bool\n%1 = arith.select %0, %d, %3 : bool',
     "arith.select %c, %0, %d : bool"),
    ("a negated comparison of integers is the other comparison", '%0 = arith.cmp %n, %n {predicate = "lt"}'
     " : bool\n%1 = arith.not %0 : bool", "arith.const {value = true} : bool"),
    ("a negated order of floats stays", '%0 = arith.cmp %a, %b {predicate = "lt"} : bool\n'
     "%1 = arith.not %0 : bool", "arith.not %0 : bool"),
    ("a negated equality of floats turns", '%0 = arith.cmp %a, %b {predicate = "eq"} : bool\n'
     "%1 = arith.not %0 : bool", 'arith.cmp %a, %b {predicate = "ne"} : bool'),
]  # fmt: skip


@pytest.mark.parametrize("what, lines, last", NEGATED, ids=[row[0] for row in NEGATED])
def test_negations_are_taken_in(what: str, lines: str, last: str) -> None:
    """A bool's last op is the one with the negation taken into it."""
    *_, op, _store = simplified(f"{lines}\nmemory.store %1, %y, %i")
    assert op.partition(" = ")[2] == last


ROUND_TRIPS = [
    ("i32", "%n", "i64", "%z", True),
    ("i32", "%n", "i16", "%z", False),
    ("i32", "%n", "index", "%z", True),
    ("f32", "%a", "f64", "%x", True),
    ("f32", "%a", "f16", "%x", False),
    ("f32", "%a", "i64", "%x", False),
    ("i32", "%n", "u64", "%z", False),
    ("f64", "%w", "f32", "%v", False),
    ("bool", "%c", "i32", "%y", True),
]


@pytest.mark.parametrize("narrow, value, wide, array, gone", ROUND_TRIPS, ids=str)
def test_a_round_trip_through_a_wider_type_is_nothing(
    narrow: str, value: str, wide: str, array: str, gone: bool
) -> None:
    """A conversion there and back goes where the type between holds every value, and only there."""
    lines = f"%0 = cast.convert {value} : {wide}\n%1 = cast.convert %0 : {narrow}\n"
    left = simplified(f"{lines}memory.store %1, {array}, %i")
    assert (len(left) == 1, left[-1].startswith(f"memory.store {value},")) == (gone, gone)


def test_a_bitcast_there_and_back_is_nothing() -> None:
    """Bits that are read as another type and back are the value itself."""
    lines = "%0 = cast.bits %a : u32\n%1 = cast.bits %0 : f32\nmemory.store %1, %x, %i"
    assert simplified(lines) == ["memory.store %a, %x, %i"]


POWERS = [
    ("0x0.0p+0", ["%0 = arith.const {value = 0x1.0000000000000p+0} : f32", "memory.store %0, %x, %i"]),
    ("0x1.0p+0", ["memory.store %a, %x, %i"]),
    ("0x1.0p+1", ["%0 = arith.mul %a, %a : f32", "memory.store %0, %x, %i"]),
]


@pytest.mark.parametrize("exponent, left", POWERS, ids=["0", "1", "2"])
def test_small_powers_are_written_out(exponent: str, left: list[str]) -> None:
    """pow with exponent 0, 1 or 2 is one, the base or a product."""
    lines = f'%0 = arith.const {{value = {exponent}}} : f32\n%1 = math.call %a, %0 {{fn = "pow"}} : f32'
    assert simplified(f"{lines}\nmemory.store %1, %x, %i") == left


@pytest.mark.parametrize(
    "divisor, fast, op",
    [
        ("0x1.8000000000000p+1", False, "arith.div"),
        ("0x1.8000000000000p+1", True, "arith.mul"),
        ("0x0.0p+0", True, "arith.div"),
        ("0x1.8000000000000p+126", True, "arith.div"),
        ("0x1.0000000000000p-149", False, "arith.div"),
        ("0x1.0000000000000p+127", False, "arith.div"),
    ],
)
def test_a_division_is_a_product_where_the_reciprocal_serves(divisor: str, fast: bool, op: str) -> None:
    """Three only under fastmath; zero and what has an infinite or subnormal reciprocal never."""
    lines = f"%0 = arith.const {{value = {divisor}}} : f32\n%1 = arith.div %a, %0 : f32"
    assert op in simplified(f"{lines}\nmemory.store %1, %x, %i", fast=fast)[-2]


@pytest.mark.parametrize(
    "kind, first, second, left",
    [
        ("i32", 1, 2, "3"),
        ("i32", 2**31 - 1, 1, str(-(2**31))),
    ],
)
def test_added_constants_are_one(kind: str, first: int, second: int, left: str) -> None:
    """Constants added one after the other are added once, modulo the type's width."""
    lines = (
        f"%0 = arith.const {{value = {first}}} : {kind}\n%1 = arith.add %n, %0 : {kind}\n"
        f"%2 = arith.const {{value = {second}}} : {kind}\n%3 = arith.add %1, %2 : {kind}"
    )
    assert f"{{value = {left}}}" in simplified(f"{lines}\nmemory.store %3, %z, %i")[0]


@pytest.mark.parametrize("kind, value", [("i32", "%n"), ("index", "%i")])
def test_what_is_added_and_taken_away_again_is_nothing(kind: str, value: str) -> None:
    """A constant added and subtracted leaves the value itself."""
    lines = (
        f"%0 = arith.const {{value = 1}} : {kind}\n%1 = arith.add {value}, %0 : {kind}\n"
        f"%2 = arith.sub %1, %0 : {kind}\n%3 = cast.convert %2 : i32"
    )
    left = simplified(f"{lines}\nmemory.store %3, %z, %i")
    assert not any("arith.add" in line or "arith.sub" in line for line in left)


@pytest.mark.parametrize("inner", ["neg", "abs"])
def test_a_magnitude_has_no_use_for_a_sign(inner: str) -> None:
    """The magnitude of a negated value, or of a magnitude, is the value's own."""
    lines = f"%0 = arith.{inner} %a : f32\n%1 = arith.abs %0 : f32\nmemory.store %1, %x, %i"
    assert simplified(lines) == ["%0 = arith.abs %a : f32", "memory.store %0, %x, %i"]


def test_the_negative_of_an_unsigned_value_keeps_its_own_magnitude() -> None:
    """abs(-x) stays where it is not abs(x)."""
    lines = "%0 = cast.convert %n : u32\n%1 = arith.neg %0 : u32\n%2 = arith.abs %1 : u32\n"
    left = simplified(f"{lines}%3 = cast.convert %2 : i64\nmemory.store %a, %x, %i\nmemory.store %3, %q, %i")
    assert any("arith.neg" in line for line in left)


def test_indices_are_not_gathered_beyond_32_bits() -> None:
    """Two offsets of an index whose sum leaves 32 bits stay two, for code with narrow indices."""
    constant = f"arith.const {{value = {2**31 - 1}}} : index"
    lines = f"%0 = {constant}\n%1 = arith.add %i, %0 : index\n%2 = {constant}\n%3 = arith.add %1, %2 : index"
    assert sum("arith.add" in line for line in simplified(f"{lines}\nmemory.store %a, %x, %3")) == 2
