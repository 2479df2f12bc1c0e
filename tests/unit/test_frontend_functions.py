"""Calls of functions, captured values, words and text."""

import contextlib
import io
import math
from typing import Any

import numpy as np
import pytest
from tests.frontend_programs import define, launch, lowered, ops

import gyral as gy
from gyral.compiler.frontend.lower import lower_function, lower_kernel
from gyral.compiler.ir.verify import verify
from gyral.compiler.words import INTRINSICS, WORDS
from gyral.core.dtypes import ArrayType, f32, f64, i32

SCALE = 3
TABLE = (1, 2.5, (4, True))


@gy.func
def scaled(x, by=2, *, plus=0):
    return x * by + plus


@gy.func
def filled(a, value: gy.f32):
    a[gy.global_id()] = value


@gy.func
def minmax(a, b):
    return min(a, b), max(a, b)


def call_names(module: Any) -> list[str]:
    """The functions of a module besides the kernel."""
    return [s for s, f in module.functions.items() if f.attributes["kind"] == "func"]


def test_defaults_and_keywords() -> None:
    """Functions take positions, keywords, defaults and keyword-only parameters."""

    def kernel(out):
        out[0] = scaled(5)
        out[1] = scaled(5, 3)
        out[2] = scaled(by=4, x=2)
        out[3] = scaled(5, plus=1.5)

    out = np.zeros(4, np.float32)
    launch(kernel, 1, out)
    assert out.tolist() == [10, 15, 8, 11.5]


def test_one_function_per_specialisation() -> None:
    """The same types make one function; other types, and other constants, make others."""

    def kernel(x, y, n):
        i = gy.global_id()
        x[i] = scaled(x[i]) + scaled(x[i])
        y[i] = scaled(y[i])
        n[i] = scaled(n[i], 5)

    module = lowered(kernel, ArrayType(f32), ArrayType(f64), ArrayType(i32))
    assert len(call_names(module)) == 3


def test_functions_change_arrays_and_return_tuples() -> None:
    """An array argument is passed by reference; several results come as a tuple."""

    def kernel(a, b):
        filled(a, 3)
        low, high = minmax(b[0], 7)
        b[0], b[1] = high, low

    a, b = np.zeros(3, np.float32), np.array([9, 0], np.int32)
    launch(kernel, 3, a, b)
    assert (a.tolist(), b.tolist()) == ([3, 3, 3], [9, 7])


def test_captured_numbers_tuples_and_types() -> None:
    """Module constants, closure constants, tuples of numbers, NumPy scalars and dtypes are captured."""
    local, kind, half = 7, gy.f64, np.float32(0.5)

    def kernel(out):
        out[0] = SCALE + local
        out[1] = TABLE[1] + TABLE[2][0]
        out[2] = kind(1) / 3
        out[3] = math.pi
        out[4] = half

    out = np.zeros(5)
    launch(kernel, 1, out)
    assert out.tolist() == [10, 6.5, 1 / 3, math.pi, 0.5]


def test_captured_values_are_frozen() -> None:
    """A later specialisation that would see another value of a captured number is refused."""
    fn = define("N = 3\ndef kernel(x):\n    x[0] = N\n", "kernel")
    frozen: dict[Any, Any] = {}
    lower_kernel(fn, [ArrayType(f32)], frozen=frozen)
    fn.__globals__["N"] = 4
    with pytest.raises(
        gy.CompileError, match="GY204: 'N' was 3 when this kernel was first compiled and is 4 now"
    ):
        lower_kernel(fn, [ArrayType(f64)], frozen=frozen)


def test_a_test_on_a_captured_number_freezes_it() -> None:
    """A branch chosen while compiling depends on the captured value as much as code that uses it."""
    fn = define("DEBUG = False\ndef kernel(x):\n    if DEBUG:\n        x[0] = 1\n", "kernel")
    frozen: dict[Any, Any] = {}
    lower_kernel(fn, [ArrayType(f32)], frozen=frozen)
    fn.__globals__["DEBUG"] = True
    with pytest.raises(gy.CompileError, match="GY204"):
        lower_kernel(fn, [ArrayType(f64)], frozen=frozen)


def test_generic_code_branches_on_types() -> None:
    """A test on an array's dtype is known when compiling."""

    def kernel(x):
        if x.dtype == gy.f64:
            x[0] = 64
        else:
            x[0] = 32

    a, b = np.zeros(1, np.float32), np.zeros(1)
    launch(kernel, 1, a)
    launch(kernel, 1, b)
    assert (a[0], b[0]) == (32, 64)


def test_libraries_of_plain_functions() -> None:
    """Plain functions lower by themselves, with those they call, for the standard library."""
    names = {name: word for name, word in WORDS.items() if name in ("fma", "abs")}
    text = "def inner(x):\n    return fma(x, 2, 1)\n\ndef outer(x: gy.f32):\n    return inner(abs(x))\n"
    module = lower_function(define(text, "outer", names), [f32], symbol="outer_f32")
    verify(module)
    assert sorted(f.attributes["returns"] for f in module.functions.values()) == [(f32,), (f32,)]
    assert "outer_f32" in module.functions


def test_print_formats() -> None:
    """print takes strings, f-strings, constants, vectors and tuples, with sep and end."""

    def kernel(x):
        i = gy.global_id()
        print("i =", i, f"{x[i]:.2f}|{SCALE:>3}", (1, i), gy.i32x2(4, 5), True, sep=" ", end=";\n")

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        launch(kernel, 2, np.array([1, 2.5], np.float32))
    assert out.getvalue() == "i = 0 1.00|  3 (1, 0) (4, 5) True;\ni = 1 2.50|  3 (1, 1) (4, 5) True;\n"


def test_assert_is_compiled_under_check_alone() -> None:
    """assert becomes a check with its message and values, or nothing."""
    fn = define(
        "def kernel(n):\n    i = gy.global_id()\n    assert n[i] < 5, f'n[{i}] is {n[i]}'\n    n[i] = 0\n",
        "kernel",
    )
    assert "message.require" not in ops(lowered(fn, ArrayType(i32)))
    with pytest.raises(gy.KernelFault, match=r"n\[1\] is 9"):
        launch(fn, 2, np.array([1, 9], np.int32), check=True)


@pytest.mark.parametrize("options, expected", [({}, 3), ({"rank": 3}, 3)])
def test_the_rank_follows_from_the_axes_named(options: Any, expected: int) -> None:
    """The rank of a launch is one more than the highest axis named, functions included."""

    @gy.func
    def column():
        return gy.global_id(2)

    def kernel(n):
        n[gy.global_id(1)] = column()

    assert lowered(kernel, ArrayType(i32), **options).kernel.attributes["rank"] == expected


def test_global_ids_sets_the_rank() -> None:
    """`global_ids(n)` says the rank."""

    def kernel(n):
        i, j = gy.global_ids(2)
        n[i] = j

    assert lowered(kernel, ArrayType(i32)).kernel.attributes["rank"] == 2


def test_a_word_outside_a_kernel_says_so() -> None:
    """Python itself cannot call a word."""
    with pytest.raises(gy.UserError, match=r"gy\.global_id was called outside a kernel"):
        gy.global_id()


def test_every_intrinsic_is_a_word() -> None:
    """Each row of the table is a word with the row's parameters."""
    assert [n for n in INTRINSICS if [p for p, _ in WORDS[n].parameters] != list(INTRINSICS[n].names)] == []


def test_functions_of_math() -> None:
    """`math.f` is known by identity, also when imported by name and for those made of others."""

    def kernel(x, out):
        v = x[0]
        out[0] = math.log(v, 2)
        out[1], out[2] = math.modf(v)
        out[3] = math.hypot(v, 3, 4)
        out[4] = math.ulp(v)
        out[5] = math.floor(-v) + math.trunc(v)
        out[6] = pow(v, 2) + divmod(v, 3)[1]

    x, out = np.array([2.5]), np.zeros(7)
    launch(kernel, 1, x, out)
    expected = [math.log(2.5) / math.log(2), 0.5, 2, math.hypot(2.5, 3, 4), math.ulp(2.5), -1, 6.25 + 2.5]
    assert out.tolist() == expected


def test_powers() -> None:
    """`**` multiplies for small exponents, loops among integers and calls pow otherwise."""

    def kernel(n, x, out):
        i = gy.global_id()
        out[i, 0] = n[i] ** 3
        out[i, 1] = 3 ** n[i]
        out[i, 2] = n[i] ** n[i]
        out[i, 3] = x[i] ** 2
        out[i, 4] = x[i] ** -1
        out[i, 5] = x[i] ** 2.5

    n, x = np.array([-1, 0, 4], np.int32), np.array([0.5, 2, 4])
    out = np.zeros((3, 6))
    launch(kernel, 3, n, x, out)
    assert out.tolist() == [
        [-1, 0, -1, 0.25, 2, 0.5**2.5],
        [0, 1, 1, 4, 0.5, 2**2.5],
        [64, 81, 256, 16, 0.25, 32],
    ]


def test_a_variable_step_of_zero_makes_no_turn() -> None:
    """range with a step that is 0 when running makes no turns."""

    def kernel(n, out):
        for k in range(0, 10, n[0]):
            out[0] += k + 1

    out = np.zeros(1, np.int32)
    launch(kernel, 1, np.zeros(1, np.int32), out)
    assert out[0] == 0


@pytest.mark.parametrize(
    "body, expected",
    [
        ("while True:\n    if v > 9:\n        break\n    v += 1", ["control.while"]),
        ("while v < 20:\n    if v > 9:\n        break\n    v += 1", ["control.while"]),
        ("while True:\n    v += 1\n    if v > 9:\n        break", ["control.while"]),
        ("for k in range(9):\n    if v > 9:\n        break\n    v += 1", ["control.while"]),
        ("for k in range(9):\n    if k == 3:\n        continue\n    v += 1", ["control.for", "control.if"]),
        ("if v > 3:\n    return\nn[1] = v", ["control.if"]),
        ("v = v + 1 if v > 3 else v", []),
        ("v = 1 if 0 < v and v < 9 or v == 30 else 2", []),
        ("v = 1 if v > 0 and n[v] > 2 else 2", ["control.if"]),
    ],
)
def test_leading_exits_become_tests(body: str, expected: list[str]) -> None:
    """Exits at the top stand in the loop's test, without flags; cheap sides make no branches."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    module = lowered(define(f"def kernel(n):\n    v = n[0]\n{lines}    n[0] = v\n", "kernel"), ArrayType(i32))
    control = [name for name in ops(module) if name in ("control.if", "control.for", "control.while")]
    assert control == expected
