"""What differs between threads, and the refusal of barriers that not all of them reach."""

from typing import Any

import pytest

from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.ops.memory import StoreOp
from gyral.compiler.ir.parser import parse_module
from gyral.compiler.passes.uniform import CheckUniform, analyse, block_seed, written_parameters
from gyral.core.errors import CompileError
from gyral.testing.source import define


def lowered(text: str) -> Any:
    """The IR of a kernel `k` in a text."""
    return parse_module(define(text, "k").ir(block=32))


def stored(body: str) -> list[bool]:
    """Of each store to `o`, in order: whether its value may differ within a block."""
    head = "@gy.kernel\ndef k(a: gy.Array[gy.i32], o: gy.Array[gy.i32], n: gy.i32):\n    i = gy.global_id()\n"
    function: Op = lowered(head + "".join(f"    {line}\n" for line in body.splitlines())).kernel
    found = analyse(function, block_seed(function))
    values: list[Value] = [op.value for op in function.walk() if isinstance(op, StoreOp)]
    return [bool(found.get(value, 0)) for value in values]


@pytest.mark.parametrize(
    ("body", "differs"),
    [
        ("o[i] = n + 1", [False]),
        ("o[i] = gy.i32(i)", [True]),
        ("o[i] = gy.i32(gy.block_id()) + gy.i32(gy.block_dim())", [False]),
        ("o[i] = a[n]", [False]),
        ("o[i] = a[i]", [True]),
        ("o[i] = o[n]", [True]),
        ("o[i] = gy.block_sum(a[i])", [False]),
        ("o[i] = gy.block_exclusive_sum(a[i])", [True]),
        ("o[i] = gy.atomic_add(o, 0, 1)", [True]),
        ("o[i] = gy.i32(gy.lane_id())", [True]),
        ("s = gy.shared(4, gy.i32)\no[i] = s[0]", [True]),
        ("o[i] = 1 if n > 2 else 3", [False]),
        ("o[i] = 1 if a[i] > 2 else 3", [True]),
    ],
)
def test_where_values_come_from(body: str, differs: list[bool]) -> None:
    """Ids, loads, words of the block and choices are uniform or not as the language says."""
    assert stored(body) == differs


LOOP = """x = 1
for k in range({0}):
    x = x * {1}
    o[k] = x
o[i] = x"""


@pytest.mark.parametrize(
    ("turns", "factor", "inside", "after"),
    [("n", "2", False, False), ("a[i]", "2", False, True), ("n", "a[i]", True, True)],
)
def test_values_carried_round_a_loop(turns: str, factor: str, inside: bool, after: bool) -> None:
    """A carried value that active threads share is uniform in the loop; after it, if they leave together."""
    assert stored(LOOP.format(turns, factor)) == [inside, after]


WHILE = """x = 1
q = 0
while {0}:
    x = x * 2
    q += 1
    o[q] = x
o[i] = x"""


@pytest.mark.parametrize(("test", "after"), [("q < n", False), ("q < a[i]", True)])
def test_values_carried_round_a_while(test: str, after: bool) -> None:
    """A while that threads leave at different turns makes different what it carried."""
    assert stored(WHILE.format(test)) == [False, after]


def test_difference_reaches_back_round_the_loop() -> None:
    """A value that becomes different late in a turn is different at the start of the next."""
    body = "x = 1\ny = 1\nfor k in range(n):\n    o[k] = y\n    y = x\n    x = a[i]\no[i] = 0"
    assert stored(body) == [True, False]


def test_atomics_and_stores_write() -> None:
    """Arrays that are stored to or changed by atomics are written; those only read are not."""
    text = """
        @gy.kernel
        def k(a: gy.Array[gy.i32], b: gy.Array[gy.i32], c: gy.Array[gy.i32], d: gy.Array[gy.i32]):
            i = gy.global_id()
            b[i] = a[i]
            gy.atomic_add(c, 0, 1)
            gy.atomic_store(d, 0, 1)
    """
    assert {value.hint for value in written_parameters(lowered(text).kernel)} == {"b", "c", "d"}


@pytest.mark.parametrize(
    "control",
    ["if a[i] > 0:", "if i < 3:", "for k in range(a[i]):", "while o[0] > 0:", "for k in gy.block_range(n):"],
)
def test_barriers_under_control_that_differs_are_refused(control: str) -> None:
    """A barrier that some threads of a block may not reach is refused with its code."""
    head = "@gy.kernel\ndef k(a: gy.Array[gy.i32], o: gy.Array[gy.i32], n: gy.i32):\n    i = gy.global_id()\n"
    module = lowered(head + f"    o[i] = n\n    {control}\n        gy.barrier()\n")
    with pytest.raises(CompileError, match="GY501"):
        CheckUniform().run(module)


@pytest.mark.parametrize(
    "control",
    ["if a[0] > 0:", "for k in range(n):", "while gy.block_any(a[i] > n):", "if gy.block_id() > 0:"],
)
def test_barriers_under_common_control_are_accepted(control: str) -> None:
    """A barrier under control that a block shares passes."""
    head = "@gy.kernel\ndef k(a: gy.Array[gy.i32], o: gy.Array[gy.i32], n: gy.i32):\n    i = gy.global_id()\n"
    module = lowered(head + f"    o[i] = n\n    {control}\n        gy.barrier()\n        n -= 1\n")
    assert CheckUniform().run(module) is None
