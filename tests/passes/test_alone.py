"""What a block does together is what its one thread does."""

from __future__ import annotations

import pytest

from gyral.compiler import pipeline
from gyral.compiler.ir.graph import Module
from gyral.compiler.ir.parser import parse_module
from gyral.compiler.passes.alone import Alone
from gyral.compiler.passes.uniform import CheckUniform
from gyral.core.artifact import CompileOptions
from gyral.core.errors import CompileError

HEAD = 'control.func {symbol = "k", kind = "kernel"} (%v: f32, %n: i32, %b: bool, %y: array<f32, 1>) {'


def rewritten(lines: str, block: tuple[int, ...] = (1,)) -> Module:
    """A kernel of these lines after the pass."""
    module = parse_module(f"{HEAD}\n{lines}\ncontrol.return\n}}\n")
    Alone(block).run(module)
    pipeline.check(module, "alone")
    return module


def names(module: Module) -> list[str]:
    """The ops of the kernel in order."""
    return [op.name for op in module.kernel.walk()][1:-1]


STORE = "%i = grid.global_id {axis = 0} : index\nmemory.store %r, %y, %i"


@pytest.mark.parametrize(
    "word",
    [
        '%r = grid.block_reduce %v {kind = "max"} : f32',
        "%z = arith.const {value = 0} : index\n%r = grid.block_broadcast %v, %z : f32",
        '%r = subgroup.reduce %v {kind = "sum"} : f32',
        '%r = subgroup.shuffle %v, %n {mode = "xor"} : f32',
    ],
)
def test_sums_and_shuffles_are_the_own_value(word: str) -> None:
    """The word is gone, and its operand is stored."""
    module = rewritten(f"{word}\n{STORE}")
    store = module.kernel.regions[0].ops[-2]
    assert (store.operands[0], len(names(module)) - word.count("\n")) == (module.kernel.regions[0].args[0], 2)


@pytest.mark.parametrize("word", ["grid.block_scan", "subgroup.scan"])
def test_scans_are_zero(word: str) -> None:
    """No thread comes before."""
    module = rewritten(f"%r = {word} %v : f32\n{STORE}")
    assert names(module) == ["arith.const", "grid.global_id", "memory.store"]


def test_barriers_go_and_a_ballot_is_one_bit() -> None:
    """Nobody is waited for, and lane 0 speaks."""
    module = rewritten("grid.barrier\n%t = subgroup.ballot %b : u64\n%r = cast.convert %t : f32\n" + STORE)
    assert names(module) == ["cast.convert", "cast.convert", "grid.global_id", "memory.store"]


def test_larger_blocks_are_left_alone() -> None:
    """The pass is for one thread."""
    module = rewritten(f'grid.barrier\n%r = grid.block_reduce %v {{kind = "sum"}} : f32\n{STORE}', (2,))
    assert names(module)[:2] == ["grid.barrier", "grid.block_reduce"]


RESCUED = """
%i = grid.global_id {axis = 0} : index
%r = memory.load %y, %i : f32
%p = arith.cmp %r, %v {predicate = "lt"} : bool
control.if %p {
%s = message.rescue : u32
control.yield
} {
control.yield
}
"""


def test_everything_is_uniform_in_a_block_of_one() -> None:
    """A rescue may stand under any condition there."""
    module = rewritten(RESCUED)
    CheckUniform().run(module)
    assert "message.rescue" in names(module)


def test_a_rescue_needs_uniform_control_elsewhere() -> None:
    """Some threads of a block of two would never arrive."""
    with pytest.raises(CompileError, match="GY501"):
        CheckUniform().run(rewritten(RESCUED, (2,)))


def test_the_pipeline_does_it_for_every_kernel_whose_block_is_of_one() -> None:
    """Its options say the block."""
    lines = f'grid.barrier\n%r = grid.block_reduce %v {{kind = "sum"}} : f32\n{STORE}'
    module = parse_module(f"{HEAD}\n{lines}\ncontrol.return\n}}\n")
    pipeline.run(module, CompileOptions(block=(1,)), pipeline.CPU, verify=True)
    assert names(module) == ["grid.global_id", "memory.store"]
