"""Values that exist while compiling: constants, aggregates in conditions and in text."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from tests.frontend_programs import define, launch, lowered

import gyral as gy
from gyral.core.dtypes import ArrayType, DType


@gy.struct
class Pair:
    """Two numbers."""

    low: gy.f32
    high: gy.i32


@pytest.mark.parametrize(
    "expression",
    [
        "7 // 2 - 7 % 4 + 2**5", "-7 // 2", "1 if 3 > 2 else no_such", "True and 5",
        "0 or 8", "0 and no_such", "not 0",
        "~5 & 0xFF", "1 << 4 >> 2", "abs(-3)", "min(4, 2, 3)", "max((1, 5))", "round(2.5)",
        "int(-2.7)", "float(3)",
        "bool(2)", "pow(2, 10)", "len((1, 2, 3))", "(1, 2, 3)[-1]", "1 < 2 < 3 != 4",
        "3 > 5 > no_such", "+4", "True + 1",
    ],
)  # fmt: skip
def test_constants_fold_as_in_python(expression: str) -> None:
    """An expression over literals is one constant: Python's own value."""
    fn = define(f"def kernel(out):\n    out[0] = {expression}\n", "kernel")
    module = lowered(fn, ArrayType(gy.f64))
    (value,) = [op.attributes["value"] for op in module.walk() if op.name == "arith.const"][-1:]
    assert value == float(eval(expression))


@pytest.mark.parametrize(
    "value, expected",
    [
        ("(1, 2.5) if m > 0 else (3, m)", [1, 2.5]),
        ("gy.f32x2(1, 2) if m > 0 else gy.f32x2(3)", [1, 2]),
        ("((Pair(1, 2) if m > 0 else Pair(high=4, low=3)).low, 9)", [1, 9]),
        ("(m or 7, m and 7)", [1, 7]),
        ("(m > 0 or m < 5 and m == 3, m > 2 and m)", [1, 0]),
        ("(*(m, 4),)", [1, 4]),
        ("gy.Vec[gy.f32, 2]((m, 5))", [1, 5]),
        ("gy.clamp(gy.f32x2(-1, m), 0, 3)", [0, 1]),
        ("(gy.f32x3(1, m, 9).zy)", [9, 1]),
        ("(gy.lerp(1.0, 3.0, 0.5), gy.sign(-4))", [2, -1]),
        ("(-True + m, ~(m > 0))", [0, 0]),
        ("(min(m > 0, m < 0), abs(m > 0))", [0, 1]),
    ],
)
def test_aggregates_in_expressions(value: str, expected: list[float]) -> None:
    """Tuples, vectors and structs go through conditions, calls and unpacking."""
    fn = define(
        f"def kernel(n, out):\n    m = n[0]\n    out[0], out[1] = {value}\n", "kernel", {"Pair": Pair}
    )
    out = np.zeros(2, np.float32)
    launch(fn, 1, np.ones(1, np.int32), out)
    assert out.tolist() == expected


def test_print_shows_structs() -> None:
    """A struct prints its fields, constants with their format."""

    def kernel(n):
        print(Pair(n[0], 2), f"{1.5:.2f}{{}}")

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        launch(kernel, 1, np.ones(1, np.int32))
    assert out.getvalue() == "Pair(low=1.0, high=2) 1.50{}\n"


def test_a_loop_over_wide_literals_is_wide() -> None:
    """A range whose bounds do not fit 32 bits counts in 64."""

    def kernel(out):
        for k in range(2**40, 2**40 + 6, 2):
            out[0] = k
            if k > 2**40 + 1:
                break

    out: Any = np.zeros(1, np.int64)
    launch(kernel, 1, out)
    assert out[0] == 2**40 + 2


@pytest.mark.parametrize("dtype", [gy.i8, gy.u16, gy.i64, gy.f16])
def test_a_choice_of_literals_takes_the_type_it_meets(dtype: DType) -> None:
    """`1 if … else 2` is as weak as its literals: stored or added, it is of the other's type."""
    text = "def kernel(x):\n    v = x[0]\n    x[1] = 1 if v > 3 else 2\n    x[2] = v + (5 if v > 3 else 6)\n"
    x = np.array([4, 0, 0], dtype.code)
    launch(define(text, "kernel"), (1,), x)
    assert x.tolist() == [4, 1, 9]
