"""Threads whose checks failed are rescued alike on every device that runs whole blocks."""

from typing import Any

import numpy as np
import pytest
from tests.agreement import needs_device
from tests.cudashim import device as cuda_shim
from tests.emitted import Trial, request_of
from tests.msl import device as metal_shim
from tests.msl import shim
from tests.rescued import HANDLERS, LOOP, given, given_loop, interpreted, kernel, places

import gyral as gy
from gyral.jit import blocks, targets

LAUNCHES = [(1, 8), (8, 11), (40, 75)]
needs_compiler = pytest.mark.skipif(
    shim.compiler() is None, reason="no C++ compiler with _Float16: install g++ 12"
)
KINDS = [
    pytest.param("opencl", marks=needs_device("opencl", "pocl-opencl-icd")),
    pytest.param("webgpu", marks=needs_device("webgpu", "mesa-vulkan-drivers")),
    pytest.param("metal-shim", marks=needs_compiler),
    pytest.param("metal-baseline", marks=needs_compiler),
    pytest.param("cuda-shim", marks=needs_compiler),
]


def prepared(kind: str) -> str:
    """A kind of device, known by now."""
    if kind == cuda_shim.KIND:
        cuda_shim.device()
    elif kind in metal_shim.KINDS:
        metal_shim.device(kind)
    return kind


def told(text: str, kind: str, values: list[np.ndarray], block: int) -> tuple[Any, Any]:
    """The effects and the lines told by the interpreter, and by a device."""
    k = kernel(text.format(block).replace("(block", "(check=True, block"))
    threads = len(values[0])
    wanted, known = interpreted(k, values, (threads,), (block,))
    got = [value.copy() for value in values]
    with gy.device(prepared(kind)):
        k[threads](*got)
    sites = sites_of(k, kind, values, block)
    expected = [wanted[0].tolist(), wanted[1].tolist(), places(wanted[2], known)]
    return expected, [got[0].tolist(), got[1].tolist(), places(got[2], sites)]


def sites_of(k: Any, kind: str, values: list[np.ndarray], block: int) -> Any:
    """The table of sites of the code that a device runs."""
    request = request_of(Trial(k, values[0].shape, values, (block,), check=True), k.take(values, {}))
    return blocks.emit(targets.target(kind), request).signature.sites


@pytest.mark.parametrize(("block", "threads"), LAUNCHES)
@pytest.mark.parametrize("kind", KINDS)
def test_devices_rescue_as_the_interpreter_does(kind: str, block: int, threads: int) -> None:
    """The same lines are told, the same effects are had, and the launch itself reports nothing."""
    expected, found = told(HANDLERS, kind, given(block, threads), block)
    assert found == expected


@pytest.mark.parametrize(("block", "blocks"), [(1, 9), (8, 3), (33, 2)])
@pytest.mark.parametrize("kind", KINDS)
def test_devices_run_loops_of_handlers(kind: str, block: int, blocks: int) -> None:
    """Message after message, with barriers in handlers and behind the rescue, whoever failed before."""
    expected, found = told(LOOP, kind, given_loop(block, blocks), block)
    assert found == expected
