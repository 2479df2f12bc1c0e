"""Loops that do four turns at a time mean what loops that do one mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import gyral as gy
from gyral.compiler import pipeline
from gyral.compiler.interp.launch import run
from gyral.compiler.ir.graph import Module
from gyral.compiler.passes.target import TargetSpec
from gyral.core.artifact import ALIGNED, CompileOptions
from gyral.jit.compile import lowered

PLAIN = TargetSpec("llvm")
WIDE = TargetSpec("llvm", wide_loops=True)


@gy.kernel
def product(x: gy.Array[gy.f32, 2], y: gy.Array[gy.f32, 2], z: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    dot = 0.0
    for k in range(x.shape[1]):
        dot = dot * 0.5 + x[i, k] * y[k, j]
    z[i, j] = dot


@gy.kernel
def pairs(n: gy.Array[gy.i32], x: gy.Array[gy.f32], z: gy.Array[gy.f32]):
    i = gy.global_id()
    near, last = x[i], 0.0
    for k in range(n[0]):
        near, last = min(near, abs(x[k] - x[i])) + 1.0, last + x[k] * x[k]
    z[i] = near + last


@gy.kernel
def onto_itself(x: gy.Array[gy.f32], z: gy.Array[gy.f32]):
    i = gy.global_id()
    for k in range(x.size):
        z[i] = z[i] + x[k]


@gy.kernel
def recalled(x: gy.Array[gy.f32], z: gy.Array[gy.f32]):
    i = gy.global_id()
    total = x[i]
    for k in range(z.size):
        total += z[k]
    z[i] = total


@gy.kernel
def onward(x: gy.Array[gy.f32], z: gy.Array[gy.f32]):
    i = gy.global_id()
    total = 0.0
    for k in range(1, x.size):
        total += x[k]
    z[i] = total


@gy.kernel(block=4)
def together(x: gy.Array[gy.f32], z: gy.Array[gy.f32]):
    i = gy.global_id()
    total = 0.0
    for k in range(x.size):
        total += x[k]
    z[i] = gy.block_sum(total)


def passed(kernel: Any, spec: TargetSpec, **changes: Any) -> Module:
    """A kernel's module after the pipeline of a target, with aligned arrays promised."""
    request = kernel.request(())
    options: CompileOptions = replace(request.options, **{"features": (ALIGNED,), **changes})
    return pipeline.run(lowered(request), options, spec, verify=True)


def is_wide(module: Module) -> bool:
    """Whether a loop of the module reads by wide loads."""
    return "memory.load_wide" in {op.name for op in module.walk()}


def both(kernel: Any, shape: Sequence[int], *arguments: Any) -> tuple[list[Any], list[Any]]:
    """What the last argument holds after the plain kernel, and after the one with wide loops."""
    found = []
    for spec in (PLAIN, WIDE):
        given = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
        run(passed(kernel, spec), tuple(shape), None, given)
        found.append(given[-1].tolist())
    return found[0], found[1]


@pytest.mark.parametrize("turns", [0, 1, 3, 4, 5, 8, 11])
def test_turns_come_in_their_order(turns: int) -> None:
    """Fours of turns and the rest behind them carry on what the turn before left."""
    rng = np.random.default_rng(turns)
    x, y = rng.random((2, turns), np.float32), rng.random((turns, 3), np.float32)
    expected, got = both(product, (2, 3), x, y, np.zeros((2, 3), np.float32))
    assert (is_wide(passed(product, WIDE)), got) == (True, expected)


@pytest.mark.parametrize("turns", [-5, -1, 0, 6])
def test_a_loop_below_nothing_does_nothing(turns: int) -> None:
    """Counts from the arguments may be negative; a body may read an array at its own place too."""
    x = np.random.default_rng(1).random(8, np.float32)
    expected, got = both(pairs, (8,), np.array([turns], np.int32), x, np.zeros(8, np.float32))
    assert got == expected


@pytest.mark.parametrize("kernel", [onto_itself, recalled, onward, together], ids=lambda k: k.name)
def test_loops_that_write_or_begin_elsewhere_stay(kernel: Any) -> None:
    """Stores, arrays that the kernel writes, another first turn and barriers leave a loop as it is."""
    assert not is_wide(passed(kernel, WIDE))


@pytest.mark.parametrize("changes", [{"features": ()}, {"noalias": False}, {"check": "on"}])
def test_what_is_not_promised_is_not_used(changes: dict[str, Any]) -> None:
    """Without aligned and separate arrays, and under checks, a loop does one turn at a time."""
    assert not is_wide(passed(product, WIDE, **changes))
