"""Threads whose checks failed go on after the next rescue, and the rescue tells where they failed."""

from typing import Any

import numpy as np
import pytest
from tests.emitted import hosts
from tests.rescued import HANDLERS, LOOP, compiled, given, given_loop, interpreted, kernel, lowered, places

from gyral.compiler import pipeline
from gyral.compiler.emit.llvm.host import Host
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.ir.graph import Value
from gyral.compiler.ir.ops.arith import CmpOp, ConstOp
from gyral.compiler.ir.ops.atomic import AtomicRmwOp
from gyral.compiler.ir.parser import parse_module
from gyral.compiler.ir.printer import print_module
from gyral.compiler.passes.cse import ShareCommon
from gyral.core.artifact import CompileOptions
from gyral.core.dtypes import i32, index


def test_a_rescue_tells_the_lowest_site_of_the_block() -> None:
    """Threads fail at two lines, at one, and at none."""
    text = """
    @gy.kernel(block=4)
    def k(a: gy.Array[gy.i32], s: gy.Array[gy.u32]):
        i = gy.global_id()
        for n in range(3):
            assert i < 2 or n != 1, "late"
            assert a[i] != n, "no"
            s[n] = w.rescue()
    """
    values = [np.array([9, 0, 9, 1], np.int32), np.zeros(3, np.uint32)]
    (_, numbers), sites = interpreted(kernel(text), values, (4,), (4,))
    assert places(numbers, sites) == [("assert", 7), ("assert", 6), None]


@pytest.mark.parametrize("host", hosts(), ids=lambda host: f"{host.vector_bits}bits")
@pytest.mark.parametrize(("block", "threads"), [(1, 8), (4, 8), (8, 11), (3, 10), (40, 75)])
def test_code_rescues_as_the_interpreter_does(host: Host, block: int, threads: int) -> None:
    """Failing asserts, divisions, indices and loops of some threads, turn after turn."""
    k, values = kernel(HANDLERS.format(block)), given(block, threads)
    wanted, known = interpreted(k, values, (threads,), (block,))
    got, sites = compiled(k, values, (threads,), (block,), host)
    expected = [wanted[0].tolist(), wanted[1].tolist(), places(wanted[2], known)]
    assert [got[0].tolist(), got[1].tolist(), places(got[2], sites)] == expected


@pytest.mark.parametrize("host", hosts(), ids=lambda host: f"{host.vector_bits}bits")
@pytest.mark.parametrize(("block", "blocks"), [(1, 9), (8, 3), (33, 2)])
def test_a_loop_runs_handlers_as_the_interpreter_does(host: Host, block: int, blocks: int) -> None:
    """Message after message, with barriers in handlers and behind the rescue, whoever failed before."""
    k, values, shape = kernel(LOOP.format(block)), given_loop(block, blocks), (block * blocks,)
    wanted, known = interpreted(k, values, shape, (block,))
    got, sites = compiled(k, values, shape, (block,), host)
    expected = [wanted[1].tolist(), places(wanted[2], known)]
    assert [got[1].tolist(), places(got[2], sites)] == expected


@pytest.mark.parametrize("block", [1, 8])
def test_a_kernel_without_checks_has_none_to_rescue(block: int) -> None:
    """The word gives the number of no site."""
    values = given(block, 8)
    got, _ = compiled(kernel(HANDLERS.format(block)), values, (8,), (block,), hosts()[-1], check=False)
    assert set(got[2].tolist()) == {0xFFFFFFFF}


def turns_left(f: Frame) -> Value:
    """Stub of a poll: whether the first element of `o`, counted down, is still above zero."""
    array: Any = f.names["o"][0]
    one, zero = f.emit(ConstOp, type=i32, value=1), f.emit(ConstOp, type=index, value=0)
    left = f.emit(AtomicRmwOp, one, array.value, zero, kind="sub")
    return f.emit(CmpOp, left, f.emit(ConstOp, type=i32, value=0), predicate="gt")


ENDLESS = """
@gy.func
def handler(a: gy.Array[gy.i32], o: gy.Array[gy.i32]):
    while a[0] > 0:
        a[1] += 1
    a[1] = 0
@gy.func
def counted(a: gy.Array[gy.i32], o: gy.Array[gy.i32]):
    for j in range(1000000000):
        a[2] += 1
        if a[0] == 0:
            break
    a[2] = 0
@gy.kernel(block=1)
def k(a: gy.Array[gy.i32], o: gy.Array[gy.i32], s: gy.Array[gy.u32]):
    for n in range(2):
        handler(a, o)
        s[n] = w.rescue()
        o[0] = 3
        counted(a, o)
        s[2 + n] = w.rescue()
        o[0] = 4
"""


def test_loops_of_handlers_end_when_they_are_told_to() -> None:
    """Each turn asks; the one told no is the last, the line is the loop's, and the rest does not happen."""
    values = [np.array([1, 0, 0], np.int32), np.array([2], np.int32), np.zeros(4, np.uint32)]
    (a, o, s), sites = interpreted(kernel(ENDLESS), values, (1,), (1,), poll=turns_left)
    lines = [("abort", 4)] * 2 + [("abort", 9)] * 2
    assert (a.tolist(), o.tolist(), places(s, sites)) == ([1, 8, 8], [4], lines)


def test_code_ends_loops_as_the_interpreter_does() -> None:
    """The same turns are made, and the same lines are told."""
    values = [np.array([1, 0, 0], np.int32), np.array([2], np.int32), np.zeros(4, np.uint32)]
    wanted, known = interpreted(kernel(ENDLESS), values, (1,), (1,), poll=turns_left)
    got, sites = compiled(kernel(ENDLESS), values, (1,), (1,), hosts()[-1], poll=turns_left)
    expected = [*(value.tolist() for value in wanted[:2]), places(wanted[2], known)]
    assert [*(value.tolist() for value in got[:2]), places(got[2], sites)] == expected


def test_loops_of_the_kernel_itself_are_not_watched() -> None:
    """Only the two loops of the handlers ask."""
    values = [np.zeros(3, np.int32), np.zeros(1, np.int32), np.zeros(4, np.uint32)]
    module = lowered(kernel(ENDLESS), values, (1,), True, turns_left)
    checks = [op.attributes["text"] for op in module.walk() if op.name == "message.require"]
    assert checks == ["while a[0] > 0:", "for j in range(1000000000):"]


def test_functions_of_the_library_are_not_checked() -> None:
    """In a resident loop the user's handler is checked; the kernel and the library's functions are not."""
    library = kernel(
        """
        @gy.func
        def own(a: gy.Array[gy.i32], j: gy.i32):
            assert j > 0
            while a[0] > j:
                a[j] += 1
        @gy.kernel
        def k(a: gy.Array[gy.i32]):
            own(a, 1)
        """,
        __name__="gyral.compiler.stdlib.stub",
    )
    own = library.__gyral_kernel__.__globals__["own"]
    text = """
    @gy.func
    def handler(a: gy.Array[gy.i32], o: gy.Array[gy.i32]):
        own(a, 2)
        o[3] = 1
    @gy.kernel(block=1)
    def k(a: gy.Array[gy.i32], o: gy.Array[gy.i32]):
        handler(a, o)
        o[0] = a[5]
    """
    values = [np.zeros(1, np.int32), np.zeros(1, np.int32)]
    module = lowered(kernel(text, own=own), values, (1,), True, turns_left)
    pipeline.run(module, CompileOptions(check="on", block=(1,)), pipeline.CPU, verify=True)
    checks = [(op.attributes["check"], op.span.line) for op in module.walk() if op.name == "message.require"]
    assert checks == [("bounds", 5)]


def test_the_op_is_read_back_as_it_is_printed() -> None:
    """Text of a module with a rescue gives the same text."""
    values = given(4, 8)
    text = print_module(lowered(kernel(HANDLERS.format(4)), values, (4,), True, None))
    assert print_module(parse_module(text)) == text


def test_checks_are_merged_up_to_the_next_rescue() -> None:
    """A condition that held is checked once; after a rescue, and in loops with one, it is checked again."""
    module = parse_module("""
control.func {symbol = "k", kind = "kernel", block = (4)} (%c: bool, %n: i32) {
message.require %c {check = "assert"}
message.require %c {check = "assert"}
%s = message.rescue : u32
message.require %c {check = "assert"}
message.require %c {check = "assert"}
%z = arith.const {value = 0} : i32
%o = arith.const {value = 1} : i32
control.for %z, %n, %o (%k: i32) {
message.require %c {check = "assert"}
%t = message.rescue : u32
control.yield
}
message.require %c {check = "assert"}
control.return
}
""")
    ShareCommon().run(module)
    ops = [op.name.split(".")[1] for op in module.kernel.walk() if op.name.startswith("message.")]
    assert ops == ["require", "rescue", "require", "require", "rescue", "require"]


@pytest.mark.parametrize("host", hosts(), ids=lambda host: f"{host.vector_bits}bits")
@pytest.mark.parametrize("block", [1, 4])
def test_what_was_computed_before_a_failure_stands_after_the_rescue(host: Host, block: int) -> None:
    """A value that is shared by what stands before a check that fails and behind the rescue."""
    text = f"""
    @gy.kernel(block={block})
    def k(a: gy.Array[gy.i32], o: gy.Array[gy.i32], s: gy.Array[gy.u32]):
        i = gy.global_id()
        o[i] = a[i] * 3 + 5
        assert a[i] != 2, "two"
        o[i] += 100 // (a[i] - 3)
        s[i // {block}] = w.rescue()
        o[i] += (a[i] * 3 + 5) * 1000
    """
    k = kernel(text)
    values = [np.array([1, 2, 3, 4], np.int32), np.zeros(4, np.int32), np.zeros(4, np.uint32)]
    (_, expected, _), _ = interpreted(k, values, (4,), (block,))
    (_, found, _), _ = compiled(k, values, (4,), (block,), host)
    assert found.tolist() == expected.tolist() == [8008 - 50, 11011, 14014, 17117]
