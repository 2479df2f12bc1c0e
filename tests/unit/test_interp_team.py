"""The interpreter on programs for whole blocks: every thread runs, active or not."""

from __future__ import annotations

import struct
from array import array

import pytest

from gyral.compiler.interp.launch import run
from gyral.compiler.ir.parser import parse_module
from gyral.core.errors import KernelFault

HEAD = 'control.func {symbol = "k", kind = "kernel", block = (4)}'
EXCHANGE = """
%i = grid.global_id {axis = 0} : index
%l = grid.local_id {axis = 0} : index
%m = memory.shared : shared<i32, 4>
%a = grid.active : bool
%n = cast.convert %a : i32
memory.store %n, %m, %l {whole = true}
grid.barrier
%three = arith.const {value = 3} : index
%o = arith.sub %three, %l : index
%v = memory.load %m, %o {whole = true} : i32
memory.store %v, %y, %i
control.return
"""


def launched(lines: str, shape: int, size: int) -> array[int]:
    """What a kernel over one i32 array leaves there."""
    y = array("i", [-1] * size)
    run(parse_module(f"{HEAD} (%y: array<i32, 1>) {{{lines}}}\n"), (shape,), (4,), [y])
    return y


def test_threads_beyond_the_shape_make_whole_accesses_alone() -> None:
    """They say through shared memory that they are not active, and store nothing to the array."""
    assert launched(EXCHANGE, 6, 8).tolist() == [1, 1, 1, 1, 0, 0, -1, -1]


def test_a_failed_thread_goes_on_without_effects() -> None:
    """It is reported, and the others see that it is not active."""
    check = EXCHANGE.replace(
        "%a = grid.active",
        "%two = arith.const {value = 2} : index\n"
        '%c = arith.cmp %i, %two {predicate = "ne"} : bool\n'
        'message.require %c {check = "assert", text = "not two"}\n%a = grid.active',
    )
    y = array("i", [-1] * 4)
    module = parse_module(f"{HEAD} (%y: array<i32, 1>) {{{check}}}\n")
    with pytest.raises(KernelFault) as caught:
        run(module, (4,), (4,), [y])
    assert (caught.value.thread, y.tolist()) == ((2,), [1, 0, -1, 1])


def test_a_thread_without_effects_leaves_loops() -> None:
    """A loop that waits for what an inactive thread cannot load ends for it at once."""
    loop = """
%i = grid.global_id {axis = 0} : index
%a = grid.active : bool
%zero = arith.const {value = 0} : i32
%r = control.while %zero : i32 (%k: i32) {
%v = memory.load %y, %i : i32
%go = arith.cmp %v, %k {predicate = "gt"} : bool
control.test %go, %k
} (%p: i32) {
%one = arith.const {value = 1} : i32
%q = arith.add %p, %one : i32
control.yield %q
}
memory.store %r, %y, %i
control.return
"""
    y = array("i", [3, 0, 7])
    run(parse_module(f"{HEAD} (%y: array<i32, 1>) {{{loop}}}\n"), (3,), (4,), [y], max_steps=100)
    assert y.tolist() == [3, 0, 7]


def test_inactive_threads_bring_nothing_to_a_subgroup() -> None:
    """Unless the sum is a whole one, which counts every thread."""
    lines = """
%i = grid.global_id {axis = 0} : index
%a = grid.active : bool
%one = arith.const {value = 1} : i32
%s = subgroup.reduce %one {kind = "sum"} : i32
%t = subgroup.reduce %one {kind = "sum", whole = true} : i32
%ten = arith.const {value = 10} : i32
%u = arith.mul %t, %ten : i32
%r = arith.add %s, %u : i32
memory.store %r, %y, %i
control.return
"""
    assert launched(lines, 3, 3).tolist() == [43, 43, 43]


@pytest.mark.parametrize(
    ("name", "code", "value"), [("i64", "q", -5), ("u64", "Q", 1 << 63), ("f64", "d", -0.1)]
)
def test_words_are_those_of_the_bits(name: str, code: str, value: float) -> None:
    """Low word and high word; joined again they are the value."""
    text = (
        f"{HEAD} (%v: {name}, %y: array<u32, 1>, %z: array<{name}, 1>) {{\n"
        "%i = arith.const {value = 0} : index\n%j = arith.const {value = 1} : index\n"
        "%a, %b = cast.split %v : u32, u32\nmemory.store %a, %y, %i\nmemory.store %b, %y, %j\n"
        f"%w = cast.join %a, %b : {name}\nmemory.store %w, %z, %i\ncontrol.return\n}}\n"
    )
    words, whole = array("I", [0, 0]), array(code, [0])
    run(parse_module(text), (1,), (4,), [value, words, whole])
    assert (tuple(words), whole[0]) == (struct.unpack("<II", struct.pack("<" + code, value)), value)
