"""Passes for other devices on small programs: what they write in place of what a device lacks."""

from __future__ import annotations

from typing import Any

from gyral.compiler import pipeline
from gyral.compiler.ir.graph import Module
from gyral.compiler.ir.parser import parse_module
from gyral.compiler.ir.printer import print_module
from gyral.compiler.passes.blocks import LowerBlocks
from gyral.compiler.passes.downcast import Downcast
from gyral.compiler.passes.gangs import LowerGangs
from gyral.compiler.passes.narrow import Narrow
from gyral.compiler.passes.onchip import WidenMemory
from gyral.compiler.passes.pairs import Pair
from gyral.compiler.passes.target import TargetSpec

NATIVE = TargetSpec("llvm", gangs="native")
SHARED = TargetSpec("llvm", gangs="shared")
PROVEN = TargetSpec("llvm", gangs="shared", uniform_load=True)
WORDS = TargetSpec("llvm", narrow=False, f16=False, bf16=False, gangs="shared")
HEAD = (
    'control.func {symbol = "k", kind = "kernel"} '
    "(%i: index, %v: f32, %y: array<f32, 1>, %b: array<i8, 1>, %n: array<i64, 1>, %d: array<f64, 1>) {\n"
)


def lowered(one: Any, lines: str) -> Module:
    """The kernel of these lines after a pass, well formed."""
    module = parse_module(f"{HEAD}{lines}\ncontrol.return\n}}\n", pipeline.check_intrinsic)
    one.run(module)
    pipeline.check(module, one.name)
    return module


def names(module: Module) -> list[str]:
    """The ops of the kernel that touch shared memory or other threads, in order."""
    shown = ("grid.", "subgroup.", "control.if", "memory.s", "memory.l")
    return [op.name for op in module.kernel.walk() if op.name.startswith(shown)]


REDUCE = '%r = grid.block_reduce %v {kind = "sum"} : f32\nmemory.store %r, %y, %i'


def test_a_small_block_is_summed_by_one_thread() -> None:
    """Store, barrier, one thread adds, barrier, all read; the result is known to be the block's."""
    found = names(lowered(LowerBlocks(SHARED, (2,)), REDUCE))
    assert found == [
        *("grid.active", "memory.shared", "memory.shared", "grid.local_id"),
        *("memory.store", "grid.barrier", "control.if", "memory.load", "memory.load", "memory.store"),
        *("grid.barrier", "memory.load", "grid.uniform", "memory.store"),
    ]


def test_subgroups_go_first_where_there_are_any() -> None:
    """One lane of each subgroup stores its sum; one barrier is enough outside of loops."""
    found = names(lowered(LowerBlocks(NATIVE, (64,)), REDUCE))
    assert found == [
        *("grid.active", "memory.shared", "grid.local_id", "subgroup.reduce"),
        *("control.if", "memory.store", "grid.barrier"),
        *("memory.load", "memory.load", "grid.uniform", "memory.store"),
    ]


def test_a_loop_waits_before_it_sums_again() -> None:
    """In a loop a second barrier keeps the next turn from writing what others still read."""
    loop = (
        "%z = arith.const {value = 0} : index\n%o = arith.const {value = 1} : index\n"
        f"control.for %z, %i, %o (%k: index) {{\n{REDUCE}\ncontrol.yield\n}}"
    )
    assert names(lowered(LowerBlocks(NATIVE, (64,)), loop)).count("grid.barrier") == 2


def test_a_word_of_a_single_subgroup_is_a_barrier_too() -> None:
    """Shared memory written before a block's word can be read behind it, in blocks of any size."""
    assert names(lowered(LowerBlocks(NATIVE, (32,)), REDUCE)).count("grid.barrier") == 1


def test_targets_that_ask_for_proof_get_a_broadcast() -> None:
    """Where uniform values must be loaded by a special word, the sum is broadcast."""
    found = names(lowered(LowerBlocks(PROVEN, (2,)), REDUCE))
    assert [n for n in found if n in ("grid.uniform", "grid.block_broadcast")] == ["grid.block_broadcast"]


def test_a_shuffle_reads_where_another_thread_stored() -> None:
    """Value and activity are stored, read between two barriers."""
    lines = (
        "%o = arith.const {value = 1} : i32\n"
        '%r = subgroup.shuffle %v, %o {mode = "up"} : f32\nmemory.store %r, %y, %i'
    )
    found = names(lowered(LowerGangs(SHARED, (8,)), lines))
    assert [n for n in found if not n.startswith(("memory.shared", "grid.local", "grid.active"))] == [
        *("memory.store", "memory.store", "grid.barrier"),
        *("memory.load", "memory.load", "grid.barrier", "memory.store"),
    ]


def body(module: Module) -> list[str]:
    """The lines of the kernel."""
    return [line.strip() for line in print_module(module).splitlines()[1:-2]]


def test_narrow_integers_are_wrapped_in_32_bits() -> None:
    """What an addition may leave outside of the range is brought back into it."""
    lines = "%a = memory.load %b, %i : i8\n%s = arith.add %a, %a : i8\nmemory.store %s, %b, %i"
    assert body(lowered(Narrow(WORDS, pipeline.library()), lines)) == [
        "%a = memory.load %b, %i : i8",
        "%a#1 = cast.convert %a : i32",
        "%0 = arith.add %a#1, %a#1 : i32",
        "%1 = arith.const {value = 24} : i32",
        "%2 = arith.shl %0, %1 : i32",
        "%s = arith.shr %2, %1 : i32",
        "%3 = cast.convert %s : i8",
        "memory.store %3, %b, %i",
    ]


def test_words_are_added_with_a_carry() -> None:
    """A 64-bit sum is two sums of words."""
    lines = "%a = memory.load %n, %i : i64\n%s = arith.add %a, %a : i64\nmemory.store %s, %n, %i"
    assert body(lowered(Pair(pipeline.library()), lines)) == [
        "%a = memory.load %n, %i : i64",
        "%a#1, %a#2 = cast.split %a : u32, u32",
        "%low = arith.add %a#1, %a#1 : u32",
        "%0 = arith.add %a#2, %a#2 : u32",
        '%1 = arith.cmp %low, %a#1 {predicate = "lt"} : bool',
        "%2 = cast.convert %1 : u32",
        "%s = arith.add %0, %2 : u32",
        "%3 = cast.join %low, %s : i64",
        "memory.store %3, %n, %i",
    ]


def test_f64_is_multiplied_in_f32() -> None:
    """Only the storage stays f64."""
    lines = "%a = memory.load %d, %i : f64\n%s = arith.mul %a, %a : f64\nmemory.store %s, %d, %i"
    module = lowered(Downcast(SHARED, pipeline.library()), lines)
    types = [op.results[0].type.name for op in module.kernel.walk() if op.name == "arith.mul"]
    assert types == ["f32"]


def test_flags_on_chip_are_words() -> None:
    """A shared bool is a u32 where memory has words alone, and comes back as a bool."""
    lines = (
        "%m = memory.shared : shared<bool, 8>\n%a = memory.load %m, %i : bool\n"
        "%c = arith.not %a : bool\nmemory.store %c, %m, %i"
    )
    assert body(lowered(WidenMemory(), lines)) == [
        "%m = memory.shared : shared<u32, 8>",
        "%a = memory.load %m, %i : u32",
        "%0 = arith.const {value = 0} : u32",
        '%1 = arith.cmp %a, %0 {predicate = "ne"} : bool',
        "%c = arith.not %1 : bool",
        "%2 = cast.convert %c : u32",
        "memory.store %2, %m, %i",
    ]
