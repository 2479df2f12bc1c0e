"""What the walk of the C family prints, told from the text: guards, loops, constants, names."""

from __future__ import annotations

import math
import re
import struct
from typing import Any

import pytest
from tests.emitted import Trial, ints, ramp, request_of, trial

from gyral.compiler import pipeline
from gyral.compiler.emit import cuda, opencl
from gyral.compiler.emit.cfamily import literals
from gyral.compiler.emit.cuda import Cuda
from gyral.compiler.passes.target import spec_of
from gyral.core.artifact import FOLDED, CompileOptions
from gyral.core.dtypes import f32, f64, i8, i32, i64, u64
from gyral.jit.blocks import with_block
from gyral.jit.compile import lowered

SAXPY = """
@gy.kernel
def k(factor: gy.f32, first: gy.Array[gy.f32], second: gy.Array[gy.f32]):
    own = gy.global_id()
    second[own] = factor * first[own] + second[own]
"""
BARRIER = """
@gy.kernel(block=32)
def k(x: gy.Array[gy.i32], n: gy.Array[gy.i32], y: gy.Array[gy.i32]):
    i = gy.global_id()
    tile = gy.shared(32, gy.i32)
    for turn in range(n[0]):
        tile[gy.local_id()] = x[i] + turn
        gy.barrier()
        y[i] += tile[31 - gy.local_id()]
        gy.barrier()
"""
EMITTERS = {"cuda": cuda.emit, "opencl": opencl.emit}


def text_of(given: Trial, column: str, **more: Any) -> str:
    """The trial's text in a language."""
    request = request_of(given, given.kernel.take(given.arguments, {}), **more)
    module = lowered(request)
    options = with_block(request.options, module.kernel.attributes["rank"])
    spec = spec_of(column, options.features)
    return EMITTERS[column](pipeline.run(module, options, spec), options, spec).text


def barriers(**more: Any) -> Trial:
    """The kernel with barriers."""
    return trial(BARRIER, 40, ramp(40), ints(1), ints(40), **more)


@pytest.mark.parametrize("column", EMITTERS)
def test_nothing_of_the_users_text_is_in_the_program(column: str) -> None:
    """Names of a kernel, its parameters and its variables stay out of the generated text."""
    text = text_of(trial(SAXPY, 8, 2.0, ramp(8).astype("f4"), ramp(8).astype("f4")), column)
    found = set(re.findall(r"\b\w+\b", text)) & {"k", "factor", "first", "second", "own"}
    assert found == set()


def test_threads_beyond_the_shape_leave_where_nobody_waits() -> None:
    """A kernel without barriers returns at once for threads that are none of the launch's."""
    text = text_of(trial(SAXPY, 8, 2.0, ramp(8).astype("f4"), ramp(8).astype("f4")), "cuda")
    assert "alive" not in text
    assert text.count("return;") == 1


def test_threads_beyond_the_shape_stay_where_others_wait() -> None:
    """A kernel with barriers has no early exit; what threads do on their own is guarded."""
    text = text_of(barriers(), "opencl")
    assert "return;" not in text
    assert "if (alive) {" in text


def test_control_round_barriers_is_computed_by_all_threads() -> None:
    """The load that decides how often all come to a barrier stands under no guard."""
    lines = text_of(barriers(), "opencl").splitlines()
    load = next(line for line in lines if re.search(r"= a1\[0\];", line))
    assert load.startswith("  const i32")


def test_whole_blocks_run_a_body_without_guards() -> None:
    """Before the guarded body stands one for blocks with all their threads, which asks nothing."""
    text = text_of(barriers(), "cuda")
    whole, _, last = text.partition("} else {\n    const bool alive")
    assert "alive" not in whole
    assert "if (alive) {" in last


def test_checks_leave_only_the_guarded_body() -> None:
    """Where threads can fail there is no body without guards."""
    text = text_of(barriers(check=True), "cuda")
    assert text.count("__syncthreads();") == 2
    assert "sound" in text


def test_a_step_of_one_is_a_plain_loop() -> None:
    """range(n) becomes a loop that compilers count at sight."""
    text = text_of(barriers(), "opencl")
    assert re.search(r"for \(i32 (j\d+) = 0; \1 < v\d+; \+\+\1\) \{", text)


def test_an_unknown_step_inside_a_loop_takes_no_division() -> None:
    """An inner loop whose step only the launch knows counts down the distance that is left."""
    text = text_of(
        trial(
            """
            @gy.kernel
            def k(x: gy.Array[gy.i32], step: gy.i32):
                i = gy.global_id()
                for a in range(x[i]):
                    for b in range(a, 9, step):
                        x[i] += b
            """,
            8, ints(8), 2,
        ),
        "cuda",
    )  # fmt: skip
    assert "trips" not in text


def test_arrays_that_overlap_are_promised_nothing() -> None:
    """Without the no-alias promise pointers are not restricted, and their types may alias one another."""
    text = text_of(trial(SAXPY, 8, 2.0, ramp(8).astype("f4"), ramp(8).astype("f4")), "cuda", noalias=False)
    assert "__restrict__" not in text
    assert "any_f32 *a2" in text


def test_much_shared_memory_comes_from_the_launch() -> None:
    """Above what a kernel may declare itself, on-chip memory is one dynamic array, and its size is told."""
    given = trial(
        """
        @gy.kernel(block=32)
        def k(x: gy.Array[gy.f64]):
            tile = gy.shared((32, 256), gy.f64)
            i = gy.global_id()
            tile[gy.local_id(), 0] = x[i]
            gy.barrier()
            x[i] = tile[31 - gy.local_id(), 0]
        """,
        32, ramp(32).astype("f8"),
    )  # fmt: skip
    text = text_of(given, "cuda", features=("sm_90",))
    assert "extern __shared__" in text
    assert "__shared__ f64" not in text


def test_fastmath_leaves_bodies_of_maths_functions_as_written() -> None:
    """Under fastmath CUDA's compiler may contract what a user wrote, and not what makes sin right."""
    text = text_of(
        trial(
            """
            @gy.kernel(fastmath=True)
            def k(x: gy.Array[gy.f32]):
                i = gy.global_id()
                x[i] = gy.sin(x[i]) * 2.0 + 1.0
            """,
            8, ramp(8).astype("f4"),
        ),
        "cuda",
    )  # fmt: skip
    assert "__fmul_rn(" in text
    assert re.search(r"\(v\d+ \* 2\.0f\)", text)


STRICTLY = """
@gy.kernel(fastmath=True)
def k(x: gy.Array[gy.f32]):
    i = gy.global_id()
    x[i] = gy.sin(x[i]) * x[i] + 1.25
"""
FAST_SAXPY = SAXPY.replace("@gy.kernel", "@gy.kernel(fastmath=True)")


def test_opencl_contracts_where_the_device_says_it_is_quick() -> None:
    """Under fastmath a * b + c is one operation, where there is an instruction for it."""
    given = trial(STRICTLY, 8, ramp(8).astype("f4"))
    texts = [text_of(given, "opencl", features=words, fastmath=True) for words in ((), ("fma",))]
    assert [bool(re.search(r"= fma\(v\d+, v\d+, 1\.25f\)", text)) for text in texts] == [False, True]


def test_opencl_leaves_contraction_to_a_compiler_that_may_do_all() -> None:
    """Where nothing stays as written, it sees a * b + c whole, and the driver lets it re-associate."""
    given = trial(FAST_SAXPY, 8, 2.0, ramp(8).astype("f4"), ramp(8).astype("f4"))
    text = text_of(given, "opencl", features=("fma",), fastmath=True)
    assert ("fma(" in text, "FP_CONTRACT ON" in text) == (False, True)
    assert re.search(r"= \(a0 \* v\d+ \+ v\d+\);", text)
    artifacts = {name: given_.kernel.compile("opencl") for name, given_ in fast_kernels().items()}
    assert {name: each.extra.get("relaxed", "") for name, each in artifacts.items()} == {
        "saxpy": "yes",
        "strict": "",
        "exact": "",
    }


ESCAPE = """
@gy.kernel
def k(x: gy.Array[gy.f32], n: gy.i32):
    i = gy.global_id()
    value, turn = x[i], 0
    while turn < n and value * value < 4.0:
        value = value * value + 0.25
        turn += 1
    x[i] = value + turn
"""


@pytest.mark.parametrize("column, exits", [("cuda", 1), ("opencl", 2)])
def test_opencl_leaves_a_loop_by_the_first_condition_that_fails(column: str, exits: int) -> None:
    """The second one is computed behind the first exit there; other devices decide by both at once."""
    text = text_of(trial(ESCAPE, 8, ramp(8).astype("f4"), 5), column)
    loop = text[text.index("for (;;)") :]
    assert loop.count("break;") == exits
    assert (loop.index("break;") < loop.index(" * ")) == (exits == 2)


TRANSPOSE = """
@gy.kernel
def k(x: gy.Array[gy.f32, 2], y: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    y[j, i] = x[i, j]
"""


def test_opencl_computes_subscripts_as_wide_as_addresses() -> None:
    """Compilers for processors find rows then; strides of 32 bits come from slots of 64."""
    given = trial(TRANSPOSE, (4, 4), ramp(16).astype("f4").reshape(4, 4), ramp(16).astype("f4").reshape(4, 4))
    text = text_of(given, "opencl")
    assert "const i32 a0s0x4 = (i32)(p.a0s0 / 4);" in text
    assert "a0[(i64)g1 * a0s0x4 + g2]" in text
    assert "a0[g1 * a0s0x4 + g2]" in text_of(given, "cuda")


def fast_kernels() -> dict[str, Trial]:
    """A kernel under fast maths, one with a function that stays as written, one without fast maths."""
    pair = ramp(8).astype("f4"), ramp(8).astype("f4")
    return {
        "saxpy": trial(FAST_SAXPY, 8, 2.0, *pair),
        "strict": trial(STRICTLY, 8, pair[0]),
        "exact": trial(SAXPY, 8, 2.0, *pair),
    }


@pytest.mark.parametrize("column", EMITTERS)
@pytest.mark.parametrize("features, unfolds", [((), False), ((FOLDED,), True)])
def test_only_code_for_folded_grids_unfolds_them(
    column: str, features: tuple[str, ...], unfolds: bool
) -> None:
    """A block's place follows from its number by arithmetic there, and is the device's own elsewhere."""
    given = trial(SAXPY, 8, 2.0, ramp(8).astype("f4"), ramp(8).astype("f4"))
    text = text_of(given, column, features=features)
    assert (" bn2 " in text, "here" in text) == (unfolds, unfolds)


@pytest.mark.parametrize(
    "value", [0.1, 1.0, -2.5, 5e-324, 1.7976931348623157e308, 3.0e-45, 1e22, 123456789.25]
)
def test_float_constants_keep_their_value(value: float) -> None:
    """A constant's text, decimal or hexadecimal, is the number itself."""
    text = literals.finite(value)
    assert (float.fromhex(text) if "x" in text else float(text)) == value


@pytest.mark.parametrize(
    ("dtype", "value", "text"),
    [
        (f32, math.inf, "__uint_as_float(0x7f800000u)"),
        (f64, -math.inf, "__longlong_as_double((i64)0xfff0000000000000uLL)"),
        (f32, -1.5, "(-1.5f)"),
        (f32, -0.0, "(-0.0f)"),
        (i32, -(2**31), "(-2147483647 - 1)"),
        (i64, -(2**63), "(-9223372036854775807LL - 1)"),
        (i64, 5, "5LL"),
        (u64, 2**64 - 1, "18446744073709551615uLL"),
        (i8, -3, "((i8)-3)"),
    ],
)
def test_constants_are_operands(dtype: Any, value: float, text: str) -> None:
    """A constant is spelled so that it has its type and can stand anywhere."""
    dialect = Cuda(CompileOptions(block=(32,)), spec_of("cuda"))
    assert dialect.literal(dtype, value) == text


def test_nan_constants_keep_their_bits() -> None:
    """A NaN goes into the text by its bits, sign included."""
    negative = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000000))[0]
    dialect = Cuda(CompileOptions(block=(32,)), spec_of("cuda"))
    assert dialect.literal(f64, negative) == "__longlong_as_double((i64)0xfff8000000000000uLL)"
