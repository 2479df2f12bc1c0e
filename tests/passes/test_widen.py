"""Threads that do four neighbouring elements mean what threads that do one mean."""

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
from gyral.compiler.passes.widen import FACTOR
from gyral.core.artifact import ALIGNED, CompileOptions
from gyral.jit.compile import lowered

PLAIN = TargetSpec("llvm")
WIDE = TargetSpec("llvm", wide=96)


@gy.kernel
def mixed(a: gy.f32, x: gy.Array[gy.f32], z: gy.Array[gy.f64], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i] = a * x[i] + y[i] + gy.f32(z[i]) + x[2]


@gy.kernel
def blend(x: gy.Array[gy.f32, 2], small: gy.Array[gy.i16, 2], y: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    y[i, j] = x[i, j] * 0.5 + small[i, j] + x[i, 0]


@gy.kernel
def shifted(x: gy.Array[gy.f32], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i] = x[i + 1] + y[i]


@gy.kernel
def onward(x: gy.Array[gy.f32], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i + 1] = x[i] + y[i]


@gy.kernel
def looped(n: gy.i32, x: gy.Array[gy.f32], y: gy.Array[gy.f32]):
    i = gy.global_id()
    for _ in range(n):
        y[i] += x[i]


def passed(kernel: Any, spec: TargetSpec, **changes: Any) -> Module:
    """A kernel's module after the pipeline of a target, with aligned arrays promised."""
    request = kernel.request(())
    options: CompileOptions = replace(request.options, **{"features": (ALIGNED,), **changes})
    return pipeline.run(lowered(request), options, spec, verify=True)


def arguments(kernel: Any, shape: Sequence[int]) -> list[Any]:
    """Arguments for one of the kernels above."""
    generator = np.random.default_rng(3)

    def array(*extents: int, dtype: str = "f4") -> np.ndarray:
        return (generator.random(extents) * 100).astype(dtype)

    if kernel is mixed:
        return [1.5, array(max(3, *shape)), array(*shape, dtype="f8"), array(*shape)]
    if kernel is blend:
        return [array(*shape), array(*shape, dtype="i2"), array(*shape)]
    return [array(shape[0] + 1), array(shape[0] + 1)]


@pytest.mark.parametrize("shape", [(1,), (3,), (4,), (5,), (16,), (39,)])
@pytest.mark.parametrize("kernel", [mixed, shifted], ids=lambda k: k.name)
def test_a_widened_kernel_does_what_it_did(kernel: Any, shape: tuple[int, ...]) -> None:
    """Whole groups of four, the rest behind them, and launches smaller than a group come out the same."""
    module = passed(kernel, WIDE)
    assert module.kernel.attributes["coarse"] == FACTOR
    expected, got = arguments(kernel, shape), arguments(kernel, shape)
    run(passed(kernel, PLAIN), shape, None, expected)
    run(module, shape, None, got)
    assert got[-1].tolist() == expected[-1].tolist()


@pytest.mark.parametrize("shape", [(3, 8), (2, 7), (1, 1)])
def test_rows_are_widened_along_the_last_axis(shape: tuple[int, int]) -> None:
    """In two axes each row has its groups of four, and elements too small for wide accesses go along."""
    module = passed(blend, WIDE)
    assert "memory.load_wide" in {op.name for op in module.walk()}
    expected, got = arguments(blend, shape), arguments(blend, shape)
    run(passed(blend, PLAIN), shape, None, expected)
    run(module, shape, None, got)
    assert got[-1].tolist() == expected[-1].tolist()


@pytest.mark.parametrize("kernel", [onward, looped], ids=lambda k: k.name)
def test_kernels_that_touch_other_elements_or_loop_stay(kernel: Any) -> None:
    """A written array that is touched elsewhere, or a loop, leaves one element to a thread."""
    assert passed(kernel, WIDE).kernel.attributes.get("coarse", 1) == 1


@pytest.mark.parametrize(
    "changes", [{"features": ()}, {"noalias": False}, {"unit_stride": (True, False, True)}]
)
def test_what_is_not_promised_is_not_used(changes: dict[str, Any]) -> None:
    """Without aligned, separate, contiguous arrays a thread does one element."""
    assert passed(mixed, WIDE, **changes).kernel.attributes.get("coarse", 1) == 1
