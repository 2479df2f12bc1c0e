"""Where a kernel orders its accesses, what it only reads may be written by others meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gyral.compiler import pipeline
from gyral.compiler.emit.llvm.program import emit
from gyral.core.artifact import CompileOptions
from gyral.core.dtypes import ArrayType, i32
from gyral.jit import blocks, machine, targets
from gyral.jit.compile import lowered
from gyral.jit.request import Request
from gyral.testing.source import define

ORDERS = pytest.mark.parametrize(("order", "steady"), [("relaxed", True), ("acquire", False)])
OPTIONS = CompileOptions(noalias=True, block=(32,), unit_stride=(True, True, True))


def waiting(order: str) -> Request:
    """A loop that turns until a flag meets a value, both of which the kernel only reads."""
    text = f"""
    @gy.kernel
    def k(f: gy.Array[gy.i32], x: gy.Array[gy.i32], y: gy.Array[gy.i32]):
        while gy.atomic_load(f, 0, order="{order}") != x[0]:
            y[gy.global_id()] += 1
    """
    k = define(text, "k")
    return Request(k.__gyral_kernel__, (ArrayType(i32),) * 3, OPTIONS, 1)


@ORDERS
def test_loads_stay_in_a_loop_with_what_orders_them(order: str, steady: bool) -> None:
    """A load moves out of the loop where nothing says that others may write."""
    module = pipeline.run(lowered(waiting(order)), OPTIONS, pipeline.CPU)
    outside = [op.name for op in module.kernel.regions[0].ops]
    assert ("memory.load" in outside) == steady


@ORDERS
def test_code_for_the_cpu_does_not_call_such_loads_invariant(order: str, steady: bool) -> None:
    """LLVM may read once what is invariant."""
    module = pipeline.run(lowered(waiting(order)), OPTIONS, pipeline.CPU)
    assert ("invariant.load" in emit(module, OPTIONS, machine.host()).text) == steady


@ORDERS
@pytest.mark.parametrize("kind", ["cuda", "metal"])
def test_other_devices_do_not_read_such_arrays_as_constants(kind: str, order: str, steady: bool) -> None:
    """A pointer to constants may be read through a cache that sees no writes."""
    request = waiting(order)
    request = replace(request, options=replace(OPTIONS, features=("msl_3.2",) if kind == "metal" else ()))
    text = blocks.emit(targets.target(kind), request).text
    assert any("const i32 *" in line and "a1" in line for line in text.splitlines()) == steady
