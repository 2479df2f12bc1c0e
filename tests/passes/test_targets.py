"""What passes for other devices make of a program means the same: the interpreter runs both."""

from __future__ import annotations

import struct
from array import array
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ir_programs import EXTENT, THREADS, Maker
from tests.lowered import interpreted

from gyral.compiler import pipeline
from gyral.compiler.interp import launch
from gyral.compiler.ir.graph import Module
from gyral.compiler.ir.parser import parse_module
from gyral.compiler.passes.target import TargetSpec
from gyral.core.artifact import CompileOptions
from gyral.core.dtypes import DType, f16, i8, i64, u16, u64
from gyral.core.errors import CompileError, KernelFault
from gyral.testing import conformance
from gyral.testing.case import Case
from gyral.testing.compare import EXACT, Tolerance, difference
from gyral.testing.fuzz import seeded
from gyral.testing.program import Program
from gyral.testing.sample import numpy_type
from gyral.testing.source import define, forget

NATIVE = TargetSpec("llvm", gangs="native")
OPENCL = TargetSpec("llvm", gangs="shared", f16=False, bf16=False, float_atomics=())
WORDS = TargetSpec(
    "llvm",
    int64=False,
    narrow=False,
    narrow_memory=False,
    f16=False,
    bf16=False,
    gangs="shared",
    uniform_load=True,
)
SPECS = {"native": NATIVE, "opencl": OPENCL, "words": WORDS}
SUMS = Tolerance(relative=1e-5)
SAMPLE = conformance.kernels()[::17]


def disagreement(case: Case, spec: TargetSpec) -> list[str]:
    """How the arrays of a case differ once it is lowered."""
    expected, got = list(case.arguments()), list(case.arguments())
    interpreted(case.kernel, case.shape, case.block, expected)
    interpreted(case.kernel, case.shape, case.block, got, spec)
    pairs = zip(case.effects(expected), case.effects(got), strict=True)
    return [text for (name, a), (_, b) in pairs if (text := difference(name, a, b, case.tolerance))]


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("case", SAMPLE, ids=lambda case: case.id)
def test_a_row_of_the_language_keeps_its_meaning(case: Case, spec: TargetSpec) -> None:
    """A sample of the conformance suite leaves the same arrays."""
    assert disagreement(case, spec) == []


TOGETHER = [c for c in conformance.kernels() if c.row in ("block", "subgroups")]


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("case", TOGETHER[::3], ids=lambda case: case.id)
def test_words_of_blocks_and_subgroups_keep_their_meaning(case: Case, spec: TargetSpec) -> None:
    """Blocks of every size, threads missing, every type."""
    assert disagreement(case, spec) == []


BITS = [c for c in conformance.kernels() if c.row in ("bit operations", "casts")]


@pytest.mark.parametrize("case", BITS, ids=lambda case: case.id)
def test_bits_and_conversions_keep_their_meaning(case: Case) -> None:
    """Every type's bit work, and casts between all of them, in 32 bits."""
    assert disagreement(case, WORDS) == []


def fuzzed(program: Program, kernel: Any, spec: TargetSpec | None) -> tuple[str, list[np.ndarray]]:
    """The fault of a random program and what it leaves in its arrays."""
    arguments = program.arguments()
    fault = ""
    try:
        interpreted(kernel, program.shape, program.block, arguments, spec)
    except KernelFault as caught:
        fault = f"{caught.thread}: {caught}"
    return fault, [a for a in arguments if isinstance(a, np.ndarray)]


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
@pytest.mark.parametrize("seed", range(6))
def test_a_random_kernel_keeps_its_meaning(seed: int, spec: TargetSpec) -> None:
    """Arrays to the last bit but for sums of floats; under check the same thread fails in the same words."""
    program = seeded(seed + 5000)
    kernel = program.kernel()
    fault, expected = fuzzed(program, kernel, None)
    failed, got = fuzzed(program, kernel, spec)
    forget(kernel)
    assert failed == fault
    sums = "block_sum" in program.text or "exclusive_sum" in program.text
    if not (fault and "gy.shared" in program.text):  # what a failed thread did not write is undefined
        tolerance = SUMS if sums else EXACT
        differ = [difference("array", a, b, tolerance) for a, b in zip(expected, got, strict=True)]
        assert [text for text in differ if text] == []


def outcome(module: Module) -> list[str]:
    """What a launch of random IR leaves behind, where an index has 32 bits."""
    x = array("f", [k * 0.75 - 4.0 for k in range(EXTENT)])
    n = array("i", [k * 1000003 % 257 - 100 for k in range(EXTENT)])
    out, whole = array("f", [0.0] * THREADS), array("q", [0] * THREADS)
    launch.run(module, (THREADS,), (4,), [1.5, -7, x, n, out, whole], index_bits=32, max_steps=400_000)
    return [*map(repr, (*n, *out, *whole))]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), spec=st.sampled_from([OPENCL, WORDS]))
def test_random_ir_keeps_its_meaning(seed: int, spec: TargetSpec) -> None:
    """Every type through every kind of control, after each pass well formed."""
    before = outcome(Maker(seed).program())
    module = pipeline.run(Maker(seed).program(), CompileOptions(block=(4,)), spec, verify=True)
    assert outcome(module) == before


MIXED = TargetSpec("llvm", int64=False, narrow=False, narrow_memory=False, bf16=False, gangs="native")
TOGETHER_TEXT = """
@gy.kernel(block=40)
def mixed(x: gy.Array[gy.{t}], y: gy.Array[gy.{t}, 2], n: gy.i64):
    i = gy.global_id()
    v = x[i]
    y[0, i] = gy.subgroup_shuffle_xor(v, 1)
    y[1, i] = gy.subgroup_shuffle_down(v, gy.i32(n))
    y[2, i] = gy.block_broadcast(v, 3)
    y[3, i] = gy.block_max(v)
    y[4, i] = gy.block_exclusive_sum(v)
    tile = gy.shared(40, gy.{t})
    tile[gy.local_id()] = v + v
    gy.barrier()
    y[5, i] = tile[0] if n > 4 else v
"""
SUBGROUP_TEXT = """
@gy.kernel(block=40)
def mixed(x: gy.Array[gy.{t}], y: gy.Array[gy.{t}, 2], n: gy.i64):
    i = gy.global_id()
    y[0, i] = gy.subgroup_sum(x[i])
    y[1, i] = gy.subgroup_exclusive_sum(x[i])
    y[2, i] = gy.subgroup_min(x[i])
"""


def mixed(text: str, dtype: DType, spec: TargetSpec | None) -> np.ndarray:
    """What a kernel on one type leaves when it is launched over 57 threads."""
    kernel = define(text.format(t=dtype), "mixed")
    y = np.zeros((6, 57), numpy_type(dtype))
    x = (np.arange(57) * 37 % 101).astype(numpy_type(dtype))
    interpreted(kernel, (57,), None, (x, y, 5), spec)
    forget(kernel)
    return y


@pytest.mark.parametrize("spec", [MIXED, WORDS], ids=["native", "shared"])
@pytest.mark.parametrize("dtype", [i8, u16, f16, i64, u64], ids=str)
def test_values_of_any_type_pass_between_threads(dtype: DType, spec: TargetSpec) -> None:
    """Shuffles, broadcasts, scans and shared memory on types that the target computes otherwise."""
    expected, got = mixed(TOGETHER_TEXT, dtype, None), mixed(TOGETHER_TEXT, dtype, spec)
    scans = Tolerance(relative=1e-2) if dtype is f16 else EXACT
    assert difference("y", expected, got, scans) == ""


@pytest.mark.parametrize("dtype", [i8, u16], ids=str)
def test_subgroups_wrap_narrow_sums(dtype: DType) -> None:
    """A subgroup that adds 32-bit values gives the sum of the narrow type."""
    assert difference("y", mixed(SUBGROUP_TEXT, dtype, None), mixed(SUBGROUP_TEXT, dtype, MIXED)) == ""


def test_subgroups_do_not_add_pairs() -> None:
    """A device's own subgroup operations cannot carry between words, which is said."""
    with pytest.raises(CompileError) as caught:
        mixed(SUBGROUP_TEXT, i64, MIXED)
    assert [d.message for d in caught.value.diagnostics] == [
        "a subgroup's sum of i64 is needed, on llvm",
        "a subgroup's exclusive sum of i64 is needed, on llvm",
        "a subgroup's min of i64 is needed, on llvm",
    ]


def types_in(module: Module) -> set[DType]:
    """The scalar types that ops compute with: those of storage aside."""
    kept = ("memory.", "atomic.", "message.", "cast.", "control.func", "arith.const")
    values = [
        v
        for op in module.walk()
        if not op.name.startswith(kept)
        for v in (*op.operands, *op.results, *(a for r in op.regions for a in r.args))
    ]
    return {v.type for v in values if isinstance(v.type, DType)}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_no_op_computes_with_what_the_target_lacks(seed: int) -> None:
    """What remains of narrow and 64-bit types passes between memory and conversions alone."""
    module = pipeline.run(Maker(seed).program(), CompileOptions(block=(4,)), WORDS)
    assert {t.name for t in types_in(module)} <= {"bool", "i32", "u32", "f32", "f64", "index"}


F32 = TargetSpec("llvm", f64=False, gangs="shared", int64_atomics=False, float_atomics=())


@pytest.mark.parametrize("spec", [F32, TargetSpec("llvm", f64=False, int64=False, gangs="shared")])
def test_f64_is_computed_in_f32_where_that_is_allowed(spec: TargetSpec) -> None:
    """Results are those of f32, stored as f64; what only passes through is not what f32 cannot hold."""
    cases = [c for c in conformance.kernels() if c.id == "E-generics-f64"]
    assert cases
    for case in cases:
        expected, got = list(case.arguments()), list(case.arguments())
        interpreted(case.kernel, case.shape, case.block, expected)
        interpreted(case.kernel, case.shape, case.block, got, spec, downcast=True)
        close = Tolerance(relative=1e-6)
        pairs = zip(case.effects(expected), case.effects(got), strict=True)
        assert [text for (n, a), (_, b) in pairs if (text := difference(n, a, b, close))] == []


def test_the_bits_of_f64_are_those_of_storage() -> None:
    """Read as an integer, and made of one, a downcast value shows the bits of its f64."""
    text = (
        'control.func {symbol = "k", kind = "kernel", block = (4)} (%y: array<f64, 1>, %n: array<i64, 1>) {\n'
        "%i = arith.const {value = 0} : index\n%v = memory.load %y, %i : f64\n%w = arith.add %v, %v : f64\n"
        "%b = cast.bits %w : i64\nmemory.store %b, %n, %i\n%h = arith.const {value = 0x1.0p-1} : f64\n"
        "%f = cast.bits %b : f64\n%g = arith.add %f, %h : f64\nmemory.store %g, %y, %i\ncontrol.return\n}\n"
    )
    spec = TargetSpec("llvm", f64=False, int64=False, gangs="shared", downcast=True)
    module = pipeline.run(parse_module(text), CompileOptions(block=(4,)), spec, verify=True)
    y, n = array("d", [1.25]), array("q", [0])
    launch.run(module, (1,), (4,), [y, n], index_bits=32)
    assert (y[0], struct.pack("<q", n[0])) == (3.0, struct.pack("<d", 2.5))


def test_lost_precision_is_told_by_line() -> None:
    """Each line that computes in f64 is one GY602."""
    text = (
        'control.func {symbol = "k", kind = "kernel", block = (4)} (%y: array<f64, 1>) {\n'
        "%i = grid.global_id {axis = 0} : index\n%v = memory.load %y, %i : f64\n"
        "%w = arith.mul %v, %v : f64\nmemory.store %w, %y, %i\ncontrol.return\n}\n"
    )
    told: list[Any] = []
    options = CompileOptions(block=(4,), downcast=True)
    pipeline.run(parse_module(text), options, F32, warn=told.append)
    assert [(d.code, d.message) for d in told] == [("GY602", "f64 is computed in f32 here, on llvm")]


def test_what_is_lacking_is_refused_by_name() -> None:
    """Every gap of a kernel is in one error, with its reason."""
    text = (
        'control.func {symbol = "k", kind = "kernel", block = (4)}\n'
        " (%n: array<i64, 1>, %y: array<f64, 1>, %v: i64, %a: f64) {\n"
        '%i = arith.const {value = 0} : index\n%m = atomic.rmw %v, %n, %i {kind = "max"} : i64\n'
        '%o = atomic.rmw %v, %n, %i {kind = "add"} : i64\nmemory.store %o, %n, %i\n'
        '%b = atomic.rmw %a, %y, %i {kind = "add"} : f64\n%c = arith.mul %b, %a : f64\n'
        "%t = grid.clock : u64\n"
        "memory.store %c, %y, %i\ncontrol.return\n}\n"
    )
    lacking = TargetSpec(
        "llvm", f64=False, gangs="shared", int64_atomics=False, float_atomics=(), clock=False
    )
    with pytest.raises(CompileError) as caught:
        pipeline.run(parse_module(text), CompileOptions(block=(4,)), lacking)
    assert sorted(d.message for d in caught.value.diagnostics) == [
        "an atomic add, whose old value is used, on i64 is needed, on llvm",
        "an atomic max on i64 is needed, on llvm",
        "an atomic on f64 is needed, on llvm",
        "the clock is needed, on llvm",
        "there is no f64, on llvm",
    ]


def test_counting_atomics_on_two_words_need_no_wide_ones() -> None:
    """An add or subtraction whose old value nobody asks for is an addition of words."""
    text = (
        'control.func {symbol = "k", kind = "kernel", block = (4)} (%n: array<i64, 1>, %v: i64) {\n'
        "%i = arith.const {value = 0} : index\n"
        '%a = atomic.rmw %v, %n, %i {kind = "sub"} : i64\ncontrol.return\n}\n'
    )
    lacking = TargetSpec("llvm", int64=False, int64_atomics=False, gangs="shared")
    module = pipeline.run(parse_module(text), CompileOptions(block=(4,)), lacking, verify=True)
    cells = array("q", [1 << 40])
    launch.run(module, (3,), (4,), [cells, (1 << 33) + 5], index_bits=32)
    kinds = [op.attributes["kind"] for op in module.walk() if op.name == "atomic.rmw"]
    assert (kinds, cells[0]) == (["add"], (1 << 40) - 3 * ((1 << 33) + 5))


def test_an_index_of_64_bits_needs_64_bit_integers() -> None:
    """Such a launch is refused once, not once per access."""
    text = (
        'control.func {symbol = "k", kind = "kernel", block = (4)} (%y: array<f32, 1>, %v: f32) {\n'
        "%i = grid.global_id {axis = 0} : index\nmemory.store %v, %y, %i\ncontrol.return\n}\n"
    )
    with pytest.raises(CompileError) as caught:
        pipeline.run(parse_module(text), CompileOptions(index_bits=64, block=(4,)), WORDS)
    assert [d.message for d in caught.value.diagnostics] == ["an index beyond 31 bits is needed, on llvm"]


LOOP = """control.func {symbol = "k", kind = "kernel", block = (4)}
 (%n: array<i64, 1>, %lower: i64, %upper: i64, %step: i64) {
%i = arith.const {value = 0} : index
%one = arith.const {value = 1} : i64
%zero = arith.const {value = 0} : i64
%count, %last = control.for %lower, %upper, %step, %zero, %zero : i64, i64 (%k: i64, %c: i64, %p: i64) {
%d = arith.add %c, %one : i64
control.yield %d, %k
}
memory.store %count, %n, %i
%j = arith.const {value = 1} : index
memory.store %last, %n, %j
control.return
}
"""
TOP = (1 << 63) - 1


@pytest.mark.parametrize(
    "bounds",
    [
        *((0, 5, 1), (0, 5, 2), (5, 0, -2), (3, 3, 1), (0, 9, 0), (4, 1, 1), (0, 3, -1)),
        *((TOP - 3, TOP, 2), (-TOP - 1, -TOP + 4, 3), (TOP, -TOP, -TOP), ((1 << 32) - 2, (1 << 32) + 2, 1)),
    ],
)
def test_a_loop_over_64_bits_takes_the_turns_of_range(bounds: tuple[int, int, int]) -> None:
    """Also at the ends of the type, where the counter must not pass them."""
    module = pipeline.run(parse_module(LOOP), CompileOptions(block=(4,)), WORDS, verify=True)
    cells = array("q", [0, 0])
    launch.run(module, (1,), (4,), [cells, *bounds], index_bits=32, max_steps=1000)
    turns = range(*bounds) if bounds[2] else ()
    assert cells.tolist() == [len(turns), turns[-1] if turns else 0]
