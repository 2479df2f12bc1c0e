"""Each pass on a small program: text before, text after."""

from __future__ import annotations

from typing import Any

import pytest

from gyral.compiler import pipeline
from gyral.compiler.intrinsics import INTRINSICS, Native
from gyral.compiler.ir.parser import parse_module
from gyral.compiler.ir.printer import print_module
from gyral.compiler.passes.canonical import Canonicalise
from gyral.compiler.passes.checks import InsertChecks
from gyral.compiler.passes.cse import ShareCommon
from gyral.compiler.passes.dce import RemoveDead
from gyral.compiler.passes.hoist import Hoist
from gyral.compiler.passes.inline import Inline
from gyral.compiler.passes.legalize import Legalise
from gyral.compiler.passes.promote import Promote
from gyral.compiler.passes.unroll import Unroll
from gyral.core.dtypes import f32

HEAD = (
    'control.func {symbol = "k", kind = "kernel"} '
    "(%c: bool, %i: index, %n: i32, %a: f32, %b: f32, %h: f16, "
    "%x: array<f32, 1, readonly>, %y: array<f32, 1>) {\n"
)
END = "  control.return\n}\n"
LEGALISE = Legalise(pipeline.CPU, pipeline.library())


def ran(one: Any, text: str) -> str:
    """The lines of a kernel after a pass."""
    module = parse_module(text, pipeline.check_intrinsic)
    one.run(module)
    pipeline.check(module, one.name)
    return print_module(module)


def body(text: str) -> str:
    """A kernel around the lines of `text`, indented as the printer does."""
    lines, depth = [], 1
    for line in filter(None, map(str.strip, text.splitlines())):
        depth -= line.startswith("}")
        lines.append("  " * depth + line)
        depth += line.endswith("{")
    return HEAD + "".join(line + "\n" for line in lines) + END


CASES = {
    "an integer plus zero is itself": (
        Canonicalise(),
        """
        %0 = arith.const {value = 0} : i32
        %1 = arith.add %0, %n : i32
        %2 = cast.convert %1 : f32
        memory.store %2, %y, %i
        """,
        """
        %0 = cast.convert %n : f32
        memory.store %0, %y, %i
        """,
    ),
    "a float plus zero stays, for -0.0 + 0.0 is 0.0": (
        Canonicalise(),
        """
        %0 = arith.const {value = 0x0.0p+0} : f32
        %1 = arith.add %a, %0 : f32
        memory.store %1, %y, %i
        """,
        None,
    ),
    "a division by a power of two is a product": (
        Canonicalise(),
        """
        %0 = arith.const {value = 0x1.0000000000000p+2} : f32
        %1 = arith.div %a, %0 : f32
        memory.store %1, %y, %i
        """,
        """
        %0 = arith.const {value = 0x1.0000000000000p-2} : f32
        %1 = arith.mul %a, %0 : f32
        memory.store %1, %y, %i
        """,
    ),
    "a division by three stays": (
        Canonicalise(),
        """
        %0 = arith.const {value = 0x1.8000000000000p+1} : f32
        %1 = arith.div %a, %0 : f32
        memory.store %1, %y, %i
        """,
        None,
    ),
    "integer // and % by a power of two are a shift and a mask": (
        Canonicalise(),
        """
        %0 = arith.const {value = 8} : i32
        %1 = arith.floordiv %n, %0 : i32
        %2 = arith.mod %n, %0 : i32
        %3 = arith.add %1, %2 : i32
        %4 = cast.convert %3 : f32
        memory.store %4, %y, %i
        """,
        """
        %0 = arith.const {value = 3} : i32
        %1 = arith.shr %n, %0 : i32
        %2 = arith.const {value = 7} : i32
        %3 = arith.and %n, %2 : i32
        %4 = arith.add %1, %3 : i32
        %5 = cast.convert %4 : f32
        memory.store %5, %y, %i
        """,
    ),
    "a cheap branch becomes a select": (
        Canonicalise(),
        """
        %0 = control.if %c : f32 {
        %1 = arith.add %a, %b : f32
        control.yield %1
        } {
        control.yield %b
        }
        memory.store %0, %y, %i
        """,
        """
        %0 = arith.add %a, %b : f32
        %1 = arith.select %c, %0, %b : f32
        memory.store %1, %y, %i
        """,
    ),
    "a load is not taken out of its branch": (
        Canonicalise(),
        """
        %0 = control.if %c : f32 {
        %1 = memory.load %x, %i : f32
        control.yield %1
        } {
        control.yield %b
        }
        memory.store %0, %y, %i
        """,
        None,
    ),
    "a loop of one turn is its body": (
        Canonicalise(),
        """
        %0 = arith.const {value = 0} : index
        %1 = arith.const {value = 1} : index
        %2 = control.for %0, %1, %1, %a : f32 (%3: index, %4: f32) {
        %5 = arith.mul %4, %b : f32
        control.yield %5
        }
        memory.store %2, %y, %i
        """,
        """
        %0 = arith.mul %a, %b : f32
        memory.store %0, %y, %i
        """,
    ),
    "equal sums are one, and a stored value is not loaded again": (
        ShareCommon(),
        """
        %0 = arith.add %a, %b : f32
        %1 = arith.add %b, %a : f32
        %2 = arith.mul %0, %1 : f32
        memory.store %2, %y, %i
        %3 = memory.load %y, %i : f32
        %4 = arith.add %3, %a : f32
        memory.store %4, %y, %i
        """,
        """
        %0 = arith.add %a, %b : f32
        %1 = arith.mul %0, %0 : f32
        memory.store %1, %y, %i
        %2 = arith.add %1, %a : f32
        memory.store %2, %y, %i
        """,
    ),
    "a load after a store to an array that may overlap stays": (
        ShareCommon(),
        """
        %0 = memory.load %x, %i : f32
        memory.store %a, %y, %i
        %1 = memory.load %x, %i : f32
        %2 = arith.add %0, %1 : f32
        memory.store %2, %y, %i
        """,
        None,
    ),
    "a load after a store to another array goes under noalias": (
        ShareCommon(noalias=True),
        """
        %0 = memory.load %x, %i : f32
        memory.store %a, %y, %i
        %1 = memory.load %x, %i : f32
        %2 = arith.add %0, %1 : f32
        memory.store %2, %y, %i
        """,
        """
        %0 = memory.load %x, %i : f32
        memory.store %a, %y, %i
        %1 = arith.add %0, %0 : f32
        memory.store %1, %y, %i
        """,
    ),
    "a counter that counts for nobody goes": (
        RemoveDead(),
        """
        %0 = arith.const {value = 0} : index
        %1 = arith.const {value = 1} : index
        %2, %3 = control.for %0, %i, %1, %n, %a : i32, f32 (%4: index, %5: i32, %6: f32) {
        %7 = arith.add %5, %n : i32
        %8 = arith.mul %6, %b : f32
        control.yield %7, %8
        }
        memory.store %3, %y, %i
        """,
        """
        %0 = arith.const {value = 0} : index
        %1 = arith.const {value = 1} : index
        %2 = control.for %0, %i, %1, %a : f32 (%3: index, %4: f32) {
        %5 = arith.mul %4, %b : f32
        control.yield %5
        }
        memory.store %2, %y, %i
        """,
    ),
    "a product of outer values leaves the loop, a load that may not run stays": (
        Hoist(noalias=True),
        """
        %0 = arith.const {value = 0} : index
        %1 = arith.const {value = 1} : index
        %2 = control.for %0, %i, %1, %a : f32 (%3: index, %4: f32) {
        %5 = arith.mul %a, %b : f32
        %6 = memory.load %x, %0 : f32
        %7 = arith.add %4, %5 : f32
        %8 = arith.add %7, %6 : f32
        control.yield %8
        }
        memory.store %2, %y, %i
        """,
        """
        %0 = arith.const {value = 0} : index
        %1 = arith.const {value = 1} : index
        %2 = arith.mul %a, %b : f32
        %3 = control.for %0, %i, %1, %a : f32 (%4: index, %5: f32) {
        %6 = memory.load %x, %0 : f32
        %7 = arith.add %5, %2 : f32
        %8 = arith.add %7, %6 : f32
        control.yield %8
        }
        memory.store %3, %y, %i
        """,
    ),
    "local memory at constant indices is a value the loop carries": (
        Promote(),
        """
        %0 = arith.const {value = 0} : index
        %1 = arith.const {value = 1} : index
        %2 = memory.local : local<f32, 2>
        memory.store %a, %2, %0
        control.for %0, %i, %1 (%3: index) {
        %4 = memory.load %2, %0 : f32
        %5 = arith.add %4, %b : f32
        memory.store %5, %2, %0
        control.yield
        }
        %6 = memory.load %2, %0 : f32
        memory.store %6, %y, %i
        """,
        """
        %0 = arith.const {value = 0} : index
        %1 = arith.const {value = 1} : index
        %2 = control.for %0, %i, %1, %a : f32 (%3: index, %4: f32) {
        %5 = arith.add %4, %b : f32
        control.yield %5
        }
        memory.store %2, %y, %i
        """,
    ),
    "a short loop is written out": (
        Unroll(),
        """
        %0 = arith.const {value = 0} : index
        %1 = arith.const {value = 1} : index
        %2 = arith.const {value = 2} : index
        %3 = control.for %0, %2, %1, %a : f32 (%4: index, %5: f32) {
        %6 = memory.load %x, %4 : f32
        %7 = arith.add %5, %6 : f32
        control.yield %7
        }
        memory.store %3, %y, %i
        """,
        """
        %0 = arith.const {value = 0} : index
        %1 = arith.const {value = 1} : index
        %2 = arith.const {value = 2} : index
        %3 = arith.const {value = 0} : index
        %4 = memory.load %x, %3 : f32
        %5 = arith.add %a, %4 : f32
        %6 = arith.const {value = 1} : index
        %7 = memory.load %x, %6 : f32
        %8 = arith.add %5, %7 : f32
        memory.store %8, %y, %i
        """,
    ),
    "an access is checked against its extent": (
        InsertChecks(),
        """
        memory.store %a, %y, %i
        """,
        """
        %0 = arith.const {value = 0} : index
        %1 = memory.dim %y {axis = 0} : index
        %2 = arith.cmp %i, %0 {predicate = "ge"} : bool
        %3 = arith.cmp %i, %1 {predicate = "lt"} : bool
        %4 = arith.and %2, %3 : bool
        message.require %4, %i, %1 {check = "bounds", text = "y", axis = 0}
        memory.store %a, %y, %i
        """,
    ),
    "arithmetic on f16 is done in f32": (
        LEGALISE,
        """
        %0 = arith.mul %h, %h : f16
        %1 = cast.convert %0 : f32
        memory.store %1, %y, %i
        """,
        """
        %0 = cast.convert %h : f32
        %1 = cast.convert %h : f32
        %2 = arith.mul %0, %1 : f32
        %3 = cast.convert %2 : f16
        %4 = cast.convert %3 : f32
        memory.store %4, %y, %i
        """,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_pass_writes_what_it_says(name: str) -> None:
    """The pass turns the text before into the text after; None says that it changes nothing."""
    one, before, after = CASES[name]
    assert ran(one, body(before)) == body(before if after is None else after)


def test_functions_are_put_where_they_are_called() -> None:
    """A call becomes the callee's ops and the callee goes."""
    square = (
        'control.func {symbol = "square", kind = "func", returns = (f32)} (%v: f32) {\n'
        "  %w = arith.mul %v, %v : f32\n  control.return %w\n}\n"
    )
    call = body('%0 = control.call %a {callee = "square"} : f32\nmemory.store %0, %y, %i')
    assert ran(Inline(), square + call) == body("%w = arith.mul %a, %a : f32\nmemory.store %w, %y, %i")


def test_bodies_are_put_where_maths_is_called() -> None:
    """No call of a function with a body is left, and what is left is native."""
    text = ran(LEGALISE, body('%0 = math.call %a {fn = "sin"} : f32\nmemory.store %0, %y, %i'))
    called = {rest.partition('"')[0] for rest in text.split('fn = "')[1:]}
    assert [fn for fn in called if not isinstance(INTRINSICS[fn].spell["llvm"], Native)] == []


def test_bodies_stay_strict_under_fastmath() -> None:
    """A fastmath kernel carries its maths bodies as they are written."""
    text = body('%0 = math.call %a {fn = "exp"} : f32\nmemory.store %0, %y, %i')
    module = parse_module(text.replace('kind = "kernel"', 'kind = "kernel", fastmath = true'))
    LEGALISE.run(module)
    sums = [op for op in module.kernel.walk() if op.name in ("arith.add", "arith.sub", "arith.mul")]
    floats = [op for op in sums if op.results[0].type is f32]
    assert [op.attributes.get("strict") for op in floats] == [True] * len(floats)
