"""Types of values: weak literals, promotions, joins of names, stores."""

from typing import Any

import numpy as np
import pytest
from tests.frontend_programs import define, launch, lowered, refused, result_type

import gyral as gy
from gyral.compiler.frontend.annotations import WEAK_FLOAT
from gyral.core.dtypes import (
    ArrayType,
    bf16,
    bool_,
    f16,
    f32,
    f64,
    i8,
    i16,
    i32,
    i64,
    index,
    u8,
    u16,
    u32,
    u64,
)

PROMOTED = [
    (i8, u8, i16), (i16, u16, i32), (i32, u32, i64), (i8, i32, i32), (u8, u32, u32), (u8, i64, i64),
    (i64, u64, None), (i8, u64, None), (f16, bf16, f32), (f16, f32, f32), (f32, f64, f64), (i32, f32, f32),
    (i64, f32, f32), (i64, f16, f16), (u8, bf16, bf16),
    (bool_, bool_, u8), (bool_, i8, i16), (bool_, f32, f32),
    (index, i32, index), (index, i64, i64), (index, u8, index), (index, u32, i64), (index, u64, None),
    (index, f32, f32), (u64, u64, u64),
]  # fmt: skip


def binary(op: str, left: Any, right: Any) -> Any:
    """The type of `a op b`; an operand may be `index`, made of a thread's id."""
    names = ["gy.global_id()" if t is index else f"p{k}" for k, t in enumerate((left, right))]
    fn = define(f"def kernel(p0, p1):\n    print({names[0]} {op} {names[1]})\n", "kernel")
    module = lowered(fn, *(i32 if t is index else t for t in (left, right)))
    return next(o for o in module.walk() if o.name == "message.print").operands[0].type


@pytest.mark.parametrize("left, right, expected", PROMOTED, ids=str)
def test_operands_promote(left: Any, right: Any, expected: Any) -> None:
    """Two typed operands meet in the type the language says, in either order."""
    if expected is None:
        with pytest.raises(gy.CompileError, match="GY301"):
            binary("+", left, right)
    else:
        assert (binary("+", left, right), binary("*", right, left)) == (expected, expected)


@pytest.mark.parametrize(
    "left, right, expected",
    [
        (i32, i32, f32),
        (i64, i32, f64),
        (u8, i16, f32),
        (index, index, f32),
        (f16, i32, f16),
        (u32, index, f32),
    ],
    ids=str,
)
def test_division_gives_floats(left: Any, right: Any, expected: Any) -> None:
    """`/` on integers gives f32, and f64 when either is 64 bits wide."""
    assert binary("/", left, right) is expected


@pytest.mark.parametrize("left, right", [(u8, i64), (i64, u8), (i32, i64), (u32, index)], ids=str)
def test_shifts_keep_the_left_type(left: Any, right: Any) -> None:
    """The type of a shift is its left operand's."""
    assert binary("<<", left, right) is left


@pytest.mark.parametrize(
    "expression, given, expected",
    [
        ("p0 + 1", u8, u8), ("p0 * 2", f16, f16), ("p0 + 1.5", f64, f64), ("p0 + 1.5", i32, f32),
        ("p0 + 1.5", i64, f64), ("p0 + 1.5", u8, f32), ("1 - p0", i64, i64), ("p0 ** 2", f32, f32),
        ("p0 ** 2", i16, i16), ("2 ** p0", i32, i32), ("p0 / 2", i32, f32), ("p0 // 2", f32, f32),
        ("p0 + True", i8, i16), ("p0 == 1", u64, bool_), ("p0 & 1", u16, u16),
        ("-p0", u8, u8), ("abs(p0)", i8, i8),
        ("min(p0, 1)", f32, f32), ("max(p0, 1.5)", i32, f32),
        ("gy.sin(p0)", i32, f32), ("gy.sin(p0)", i64, f64),
        ("gy.floor(p0)", i32, i32), ("round(p0)", f64, f64), ("int(p0)", f32, i32), ("int(p0)", f64, i64),
        ("int(p0)", u8, u8), ("float(p0)", i32, f32), ("float(p0)", i64, f64), ("bool(p0)", i32, bool_),
        ("gy.global_id() * 4", i32, index), ("gy.global_id() * 2**40", i32, i64),
        ("p0 if p0 > 0 else 0", i8, i8),
        ("1 << p0", u8, u8), ("p0 and 1", i8, i8), ("not p0", f32, bool_), ("gy.clamp(p0, 0, 1)", i16, i16),
        ("gy.popcount(p0)", u64, u64), ("gy.rotl(p0, 3)", u8, u8), ("gy.isnan(p0)", f16, bool_),
        ("gy.random_u32(p0, 1)", i32, u32), ("gy.bitcast(p0, gy.u32)", f32, u32),
        ("gy.ldexp(p0, 3)", f64, f64),
    ],
    ids=str,
)  # fmt: skip
def test_literals_and_functions_take_the_type_they_meet(expression: str, given: Any, expected: Any) -> None:
    """An expression over one typed operand has the type the language says."""
    fn = define(f"def f(p0):\n    return {expression}\n", "f")
    assert result_type(fn, given) == [expected]


JOINED = [
    ("acc = 0.0\nfor k in range(3):\n    acc += p", f64, f64),
    ("acc = 0.0\nfor k in range(3):\n    acc += p", f32, f32),
    ("acc = 0\nfor k in range(3):\n    acc += p", u8, i32),
    ("acc = 0\nfor k in range(3):\n    acc += p", i16, i32),
    ("acc = 0\nfor k in range(3):\n    acc += p", i64, i64),
    ("acc = 0\nfor k in range(3):\n    acc += p", f16, f16),
    ("acc = 0\nfor k in range(3):\n    acc += 1", f64, i32),
    ("acc = 0\nfor k in range(3):\n    acc += 0.5", f64, f32),
    ("acc = 0\nif p > 0:\n    acc = gy.global_id()", i32, index),
    ("acc = gy.i32(0)\nif p > 0:\n    acc = gy.global_id()", i32, index),
    ("acc = 1\nacc = acc * 0.5 + p", f32, f32),
    ("acc = 0.0\nb = 0.0\nfor k in range(3):\n    acc += b\n    b += p", f64, f64),
    ("acc: gy.f64 = 0.0\nfor k in range(3):\n    acc += p", f32, f64),
    ("acc = 2\nif p > 0:\n    acc = 3", f32, i32),
    ("acc = p\nacc = gy.i32(acc)\nacc += 1", f32, i32),
    ("acc = False\nif p > 0:\n    acc = p > 2", f32, bool_),
]


@pytest.mark.parametrize("body, given, expected", JOINED, ids=str)
def test_names_join_their_assignments(body: str, given: Any, expected: Any) -> None:
    """A name that is assigned several times has the type that joins them all."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    fn = define(f"def f(p):\n{lines}    return acc\n", "f")
    assert result_type(fn, given) == [expected]


def test_a_join_is_known_from_the_start() -> None:
    """A sum that ends in f64 never passes through f32."""

    def kernel(x, out):
        acc = 0.1
        for k in range(len(x)):
            acc += x[k]
        out[0] = acc

    x = np.full(3, 0.1)
    out = np.zeros(1)
    launch(kernel, 1, x, out)
    assert out[0] == 0.1 + 0.1 + 0.1 + 0.1


def test_a_name_assigned_once_stays_weak() -> None:
    """A literal kept in a name, and a function of literals, fold as Python does and take f64 whole."""

    def third(n):
        return n / 3

    called = gy.func(third)

    def kernel(x, out):
        third_ = 1 / 3
        out[0] = third_ * x[0]
        out[1] = called(1) * x[0]

    out = np.zeros(2)
    launch(kernel, 1, np.ones(1), out)
    assert out.tolist() == [1 / 3, 1 / 3]


def test_shadowing_starts_a_new_name() -> None:
    """A statement that dominates all later uses may give a name another type."""

    def kernel(x, out):
        v = x[0]
        v = gy.i32(v * 10)
        v = v // 3
        out[0] = v

    out = np.zeros(1, np.int32)
    launch(kernel, 1, np.full(1, 2.5, np.float32), out)
    assert out[0] == 8


def test_a_weak_argument_takes_what_it_meets() -> None:
    """A Python float given to a bare parameter keeps its f64 digits where it meets f64."""

    def kernel(a, x, y):
        x[0] = a * x[0]
        y[0] = a * y[0]

    module = lowered(kernel, WEAK_FLOAT, ArrayType(f32), ArrayType(f64))
    muls = [op.results[0].type for op in module.walk() if op.name == "arith.mul"]
    assert (module.kernel.regions[0].args[0].type, muls) == (f64, [f32, f64])


@pytest.mark.parametrize(
    "body, code",
    [
        ("v = s\nif m > 0:\n    v = gy.f64(1)\nx[i] = v", "GY206"),
        ("v = m\nfor k in range(m):\n    v = v + gy.i64(1)\nx[i] = v", "GY206"),
        ("v = m\nif m > 0:\n    v = m > 1\nx[i] = v", "GY206"),
        ("v = 0\nif m > 0:\n    v = m > 1\nx[i] = v", "GY206"),
        ("v = (1, s)\nif m > 0:\n    v = (1, 2, 3)\nx[i] = v[0]", "GY309"),
    ],
)
def test_a_rebinding_at_another_type_is_refused(body: str, code: str) -> None:
    """Assignments that reach one use must join; the finding says which do not."""
    assert [d.code for d in refused(body)] == [code]


def test_a_refused_rebinding_shows_both_lines() -> None:
    """The finding names both places and both types."""
    (found,) = refused("v = s\nif m > 0:\n    v = gy.f64(1)\nx[i] = v")
    assert (found.message, found.source_line.strip(), found.notes[0][2].strip()) == (
        "'v' is f64 here but f32 elsewhere, and both may reach the same use",
        "v = gy.f64(1)",
        "v = s",
    )


def test_promotions_to_f64_are_listed() -> None:
    """Every conversion to f64 that nobody wrote stands in the list, and no other."""

    def kernel(x, y, n):
        y[0] = x[0] * y[0]
        x[0] = x[0] * 2.5
        y[1] = gy.f64(x[1]) + y[0]
        n[0] = n[0] + gy.i64(1)

    module = lowered(kernel, ArrayType(f32), ArrayType(f64), ArrayType(i32))
    found = [(p.kind, p.source, p.target) for p in module.promotions]
    assert found == [("promotes", f32, f64), ("wraps", i64, i32)]


@pytest.mark.parametrize("source, target, given, expected", [
    (np.int64, np.int8, 300, 44), (np.int32, np.uint8, -1, 255),
    (np.float64, np.float32, 0.1, np.float32(0.1)),
    (np.int32, np.float32, 7, 7.0), (np.bool_, np.int32, True, 1), (np.bool_, np.float32, True, 1.0),
])  # fmt: skip
def test_stores_convert_within_a_kind(source: Any, target: Any, given: Any, expected: Any) -> None:
    """A store wraps integers, rounds floats and takes integers into floats."""

    def kernel(a, b):
        b[0] = a[0]

    b = np.zeros(1, target)
    launch(kernel, 1, np.array([given], source), b)
    assert b[0] == expected
