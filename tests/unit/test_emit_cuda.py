"""CUDA C++ as the emitter prints it: NVRTC takes it, for every generation of devices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest

import gyral as gy
from gyral.compiler import pipeline
from gyral.compiler.emit.base import Emitted
from gyral.compiler.emit.cuda import emit
from gyral.compiler.passes.target import spec_of
from gyral.core.errors import UnsupportedError
from gyral.drivers.cuda import codegen
from gyral.jit.blocks import with_block
from gyral.jit.compile import lowered
from gyral.jit.request import Request
from gyral.jit.specialise import Terms, specialise
from gyral.testing import conformance
from gyral.testing.case import Case


def has_nvrtc() -> bool:
    """Whether CUDA's compiler is here; it needs no device."""
    try:
        codegen.intermediate('extern "C" __global__ void k() {}', ("sm_80",))
    except UnsupportedError:
        return False
    return True


pytestmark = pytest.mark.skipif(
    not has_nvrtc(), reason="no NVRTC: pip install nvidia-cuda-nvrtc cuda-bindings"
)
# Every row of the language once, by its last case: the rows differ in what they use, their cases in types.
ROWS = list({(case.group, case.row): case for case in conformance.kernels()}.values())


def emitted(case: Case, features: Sequence[str], check: Any = "off") -> Emitted:
    """A case's kernel in CUDA C++."""
    kernel = case.kernel
    given = kernel.take(list(case.arguments()), {})
    block = kernel.block_for(case.block, len(case.shape))
    terms = Terms("cuda", block, check, kernel.fastmath, tuple(features))
    spec = specialise(given, case.shape, terms)
    module = lowered(Request(kernel.__gyral_kernel__, spec.kinds, spec.options, len(case.shape)))
    options = with_block(spec.options, module.kernel.attributes["rank"])
    target = spec_of("cuda", options.features)
    return emit(pipeline.run(module, options, target), options, target)


@pytest.mark.parametrize(
    ("features", "check"), [(("sm_75",), "off"), (("sm_90",), "on"), (("sm_100",), "off")], ids=str
)
@pytest.mark.parametrize("case", ROWS[::3], ids=lambda case: case.id)
def test_cudas_compiler_takes_the_text(case: Case, features: tuple[str, ...], check: str) -> None:
    """A kernel becomes machine code of an architecture, with and without checks."""
    if "4_GiB" in case.id:
        pytest.skip("needs arrays of more memory than tests should take")
    found = emitted(case, features, check)
    made = codegen.assemble(
        found.text, features, fastmath=found.signature.options.fastmath, entry="gyral_kernel"
    )
    assert made.architecture == features[0]


@gy.kernel
def look(x: gy.Array[gy.i32], y: gy.Array[gy.i32]):
    y[gy.global_id()] = gy.atomic_load(x, 0)


def test_an_array_that_is_only_loaded_atomically_compiles() -> None:
    """An atomic load goes through a pointer that is not to constants."""
    arguments = partial(list, [np.zeros(4, np.int32), np.zeros(4, np.int32)])
    found = emitted(Case("C", "atomics", "load alone", look, arguments, (4,)), ("sm_90",))
    assert codegen.assemble(found.text, ("sm_90",), entry="gyral_kernel").architecture == "sm_90"


def test_a_small_kernel_takes_few_registers() -> None:
    """Fixed parts of a kernel, such as unfolding of grids, do not fill the register file."""
    case = next(case for case in conformance.kernels() if case.row == "aliasing")
    made = codegen.assemble(emitted(case, ("sm_90",)).text, ("sm_90",), entry="gyral_kernel")
    assert (made.resources["registers"] <= 24, made.resources["stack_bytes"]) == (True, 0)
