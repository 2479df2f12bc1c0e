"""What the Metal emitter prints where Metal is not like the rest of the family."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import gyral as gy
from gyral.core.errors import CompileError
from gyral.jit.targets import print_source


@gy.kernel(block=32)
def ordered(x: gy.Array[gy.i32], tally: gy.Array[gy.i32]):
    hidden_name = gy.global_id()
    gy.atomic_add(tally, 0, x[hidden_name], order="acq_rel")
    gy.fence("device")


@gy.kernel(block=32)
def timed(x: gy.Array[gy.u64]):
    x[gy.global_id()] = gy.clock()


@gy.kernel(block=32)
def counted(x: gy.Array[gy.u64]):
    gy.atomic_add(x, 0, 1)


@gy.kernel(block=32)
def plain(x: gy.Array[gy.f32]):
    i = gy.global_id()
    x[i] = gy.sqrt(x[i] * x[i] + x[i] / x[0]) * 1.1


@gy.kernel(block=32, fastmath=True)
def quick(x: gy.Array[gy.f32]):
    i = gy.global_id()
    x[i] = gy.sqrt(x[i] * x[i] + x[i] / x[0]) * 1.1


@gy.kernel(block=64)
def gathered(x: gy.Array[gy.i32]):
    x[gy.global_id()] = gy.subgroup_sum(x[gy.global_id()])


def text(kernel: Any, *types: Any, features: tuple[str, ...] = ()) -> str:
    """A kernel in MSL for a device with these features, the words in order."""
    request = kernel.asked(kernel.declared(types, "metal"))
    return print_source("msl", replace(request, options=replace(request.options, features=features)))


def test_no_word_of_the_user_is_in_the_text() -> None:
    """Names are ours, so that generated text cannot be steered by what a user wrote."""
    found = text(ordered, gy.Array[gy.i32], gy.Array[gy.i32], features=("msl_3.2",))
    assert not any(word in found for word in ("hidden_name", "tally", "ordered"))


def test_fences_need_a_newer_metal() -> None:
    """MSL 2.4 has no fences: the refusal names each line."""
    with pytest.raises(CompileError, match="Metal has no fences and no atomics with an order") as caught:
        text(ordered, gy.Array[gy.i32], gy.Array[gy.i32])
    lines = [d.source_line.strip() for d in caught.value.diagnostics]
    assert caught.value.code == "GY601"
    assert lines == ['gy.atomic_add(tally, 0, x[hidden_name], order="acq_rel")', 'gy.fence("device")']


def test_fences_between_blocks_make_arrays_coherent() -> None:
    """Plain stores reach other blocks through a fence only where arrays are declared so."""
    found = text(ordered, gy.Array[gy.i32], gy.Array[gy.i32], features=("msl_3.2",))
    assert found.count("memory_order_seq_cst, thread_scope_device);") == 3
    assert "coherent(device) device i32 *const a1" in found


@pytest.mark.parametrize("kernel, lacking", [(timed, "the clock"), (counted, "atomic")])
def test_what_metal_lacks_is_refused_by_line(kernel: Any, lacking: str) -> None:
    """Clocks and 64-bit atomics are refused."""
    with pytest.raises(CompileError, match=lacking) as caught:
        text(kernel, gy.Array[gy.u64])
    assert caught.value.code == "GY601"


def test_arithmetic_is_compiled_as_written() -> None:
    """Without fastmath nothing is contracted, and roots and quotients are rounded correctly."""
    found = text(plain, gy.Array[gy.f32])
    assert "#pragma METAL fp math_mode(safe)\n#pragma METAL fp contract(off)\n" in found
    assert "precise::sqrt(" in found
    assert not any(word in found for word in ("fma(", "fast::"))


def test_fastmath_is_written_out() -> None:
    """Under fastmath the text itself contracts and takes the quick functions."""
    found = text(quick, gy.Array[gy.f32])
    assert [word in found for word in ("fma(", "fast::divide(", "fast::sqrt(", "precise::")] == [True] * 3 + [
        False
    ]


def test_float_constants_are_decimal_and_exact() -> None:
    """Metal's C++ has no hexadecimal floats; nine digits say every f32."""
    value = np.float32(re.findall(r"\* (\d\.\d+)f\)", text(plain, gy.Array[gy.f32]))[0])
    assert value == np.float32(1.1)


def test_simdgroups_are_used_where_their_lanes_are_known() -> None:
    """The feature makes a reduction one word; without it subgroups go through shared memory."""
    assert "simd_sum(" in text(gathered, gy.Array[gy.i32], features=("subgroups:32",))
    assert "simd_" not in text(gathered, gy.Array[gy.i32])
