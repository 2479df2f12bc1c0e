"""Plans: what fits, how it is packed, and what is refused."""

from __future__ import annotations

import struct
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.native_kernels import ITEM, array, code, plan, saxpy_plan, scalar

from gyral import _native

FRAME_WORDS = 10


def _dump(*params: _native.Param, args: tuple[Any, ...] = (), shape: Any = 1, **options: Any) -> list[int]:
    """The words of the frame the kernel saw; the slots begin after the dump array's own three."""
    probe = plan("dump", array("i64"), *params, **options)
    out = np.zeros(FRAME_WORDS + probe.slots, np.int64)
    probe.run(shape, (out, *args))
    return out.tolist()


def _slots(*params: _native.Param, args: tuple[Any, ...]) -> list[int]:
    """The slots behind the dump array."""
    return _dump(*params, args=args)[FRAME_WORDS + 3 :]


def _scalar_bits(dtype: str, value: Any, accepts: str = "fib", types: tuple[type, ...] = ()) -> int:
    return _slots(scalar(dtype, accepts, types), args=(value,))[0] & 2**64 - 1


def test_run_runs_every_item() -> None:
    """The kernel's effect is on all elements, the last and shorter item's too."""
    x, y = np.arange(1000, dtype=np.float32), np.ones(1000, np.float32)
    saxpy_plan().run(1000, (2.0, x, y))
    np.testing.assert_array_equal(y, 2 * np.arange(1000, dtype=np.float32) + 1)


def test_the_frame_holds_shape_block_and_grid() -> None:
    """Extents are right-aligned, and the grid counts work items rounded up."""
    words = _dump(shape=(10, 100), rank=2, item=(1, 4, 32), block=(1, 2, 16))
    assert words[:9] == [1, 10, 100, 1, 2, 16, 1, 3, 4]


def test_an_array_is_packed_as_pointer_extents_strides() -> None:
    """Strides are in bytes and may be negative."""
    base = np.zeros((6, 8), np.float32)
    view = base[::-2, 1:5]
    slots = _slots(array("f32", rank=2), args=(view,))
    assert slots == [view.ctypes.data, 3, 4, -64, 4]


def test_an_array_of_rank_0_is_packed_as_a_pointer() -> None:
    """It has neither extents nor strides."""
    value = np.array(1.0)
    assert _slots(array("f64", rank=0), args=(value,)) == [value.ctypes.data]


def test_vector_elements_hide_their_axis() -> None:
    """The trailing axis of a Vec array is part of the element."""
    points = np.zeros((5, 3), np.float32)
    assert _slots(array("f32", inner=(3,), unit=True), args=(points,)) == [points.ctypes.data, 5, 12]


def test_many_arguments_are_packed() -> None:
    """Plans beyond the small call's room work the same."""
    arrays = tuple(np.zeros(n, np.float32) for n in range(1, 60))
    slots = _slots(*(array("f32") for _ in arrays), args=arrays)
    assert slots[1::3] == [each.size for each in arrays]


@pytest.mark.parametrize(
    "dtype, value, bits",
    [
        ("f32", 0.1, 0x3DCCCCCD),
        ("f32", 3, 0x40400000),
        ("f32", True, 0x3F800000),
        ("f32", float("inf"), 0x7F800000),
        ("f64", 0.1, 0x3FB999999999999A),
        ("f64", 2**53, 0x4340000000000000),
        ("f16", 0.1, 0x2E66),
        ("bf16", 0.1, 0x3DCD),
        ("i8", -128, 0x80),
        ("u8", 255, 0xFF),
        ("i16", -2, 0xFFFE),
        ("i32", -1, 0xFFFFFFFF),
        ("u32", 2**32 - 1, 0xFFFFFFFF),
        ("i64", -(2**63), 0x8000000000000000),
        ("u64", 2**64 - 1, 0xFFFFFFFFFFFFFFFF),
        ("i32", True, 1),
        ("bool", True, 1),
        ("bool", False, 0),
    ],
)
def test_a_scalar_is_packed_in_the_low_bytes(dtype: str, value: Any, bits: int) -> None:
    """Each dtype takes Python numbers as a store would, upper bytes zero."""
    assert _scalar_bits(dtype, value) == bits


@settings(deadline=None)
@given(st.floats(width=64))
def test_f16_scalars_round_as_numpy_does(value: float) -> None:
    """Halves are rounded once, to nearest even, from the double; only a new infinity is refused."""
    with np.errstate(over="ignore"):
        expected = np.float64(value).astype(np.float16)
    if np.isinf(expected) and np.isfinite(value):
        with pytest.raises(TypeError, match="out of range"):
            _scalar_bits("f16", value)
    elif np.isnan(expected):
        assert np.isnan(np.uint16(_scalar_bits("f16", value)).view(np.float16))
    else:
        assert _scalar_bits("f16", value) == int(expected.view(np.uint16))


@settings(deadline=None)
@given(st.floats(width=32, allow_nan=False, allow_infinity=False, max_value=2.0**127, min_value=-(2.0**127)))
def test_bf16_scalars_round_to_nearest_even(value: float) -> None:
    """A bf16 scalar agrees with ml_dtypes wherever the input is an f32."""
    expected = np.float32(value).astype(ml_dtypes.bfloat16).view(np.uint16)
    assert _scalar_bits("bf16", value) == int(expected)


@pytest.mark.parametrize(
    "dtype, value, bits",
    [
        ("f32", np.float32(0.1), 0x3DCCCCCD),
        ("f32", np.int16(-1), 0xBF800000),
        ("i32", np.int64(-1), 0xFFFFFFFF),
        ("u64", np.uint64(2**64 - 1), 2**64 - 1),
        ("bool", np.bool_(True), 1),
    ],
)
def test_numpy_scalars_of_the_plans_types_are_taken(dtype: str, value: Any, bits: int) -> None:
    """A scalar parameter may name further types, converted exactly."""
    assert _scalar_bits(dtype, value, "", (type(value),)) == bits


@pytest.mark.parametrize(
    "dtype, value, accepts, reason",
    [
        ("f32", 1e39, "fib", "out of range"),
        ("f32", 2**53 + 1, "fib", "out of range"),
        ("f32", 1, "f", "its type"),
        ("f32", 1.0, "i", "its type"),
        ("f32", True, "fi", "its type"),
        ("f32", np.float32(1), "fib", "its type"),
        ("f32", "1", "fib", "its type"),
        ("i32", 1.0, "fib", "its type"),
        ("i32", 2**31, "fib", "out of range"),
        ("i32", -(2**31) - 1, "fib", "out of range"),
        ("u32", -1, "fib", "out of range"),
        ("u64", -1, "fib", "out of range"),
        ("u64", 2**64, "fib", "out of range"),
        ("i64", 2**63, "fib", "out of range"),
        ("i64", -(2**63) - 1, "fib", "out of range"),
        ("bool", 1, "fib", "its type"),
    ],
)
def test_a_scalar_that_does_not_fit_is_refused(dtype: str, value: Any, accepts: str, reason: str) -> None:
    """Other types and values out of range are named by index."""
    with pytest.raises(TypeError, match=f"argument 1 does not fit the plan: .*{reason}"):
        _scalar_bits(dtype, value, accepts)


def test_a_numpy_scalar_of_a_wrong_kind_is_refused() -> None:
    """A float never becomes an integer, whatever types the plan names."""
    with pytest.raises(TypeError, match="out of range"):
        _scalar_bits("i32", np.float32(1), "", (np.float32,))


ALIGNED = np.zeros(65, np.uint8)
READONLY = np.zeros(8, np.float32)
READONLY.flags.writeable = False


@pytest.mark.parametrize(
    "param, value, reason",
    [
        (array("f32"), [1.0], "its type"),
        (array("f32"), memoryview(bytes(4)).cast("f"), "its type"),
        (array("f32"), np.zeros(4, np.float64), "element type"),
        (array("f32"), np.zeros(4, np.int32), "element type"),
        (array("i32"), np.zeros(4, np.uint32), "element type"),
        (array("f32"), np.zeros(4, ">f4"), "element type"),
        (array("f64"), np.zeros(4, np.complex64), "element type"),
        (array("bool"), np.zeros(4, np.uint8), "element type"),
        (array("f32"), np.zeros((4, 4), np.float32), "number of axes"),
        (array("f32", inner=(3,)), np.zeros((4, 4), np.float32), "trailing axes"),
        (array("f32", inner=(3,)), np.zeros((4, 6), np.float32)[:, ::2], "trailing axes"),
        (array("f32"), READONLY, "read-only"),
        (array("f32", unit=True), np.zeros(8, np.float32)[::2], "stride of its last axis"),
        (array("f32", unit=False), np.zeros(8, np.float32), "stride of its last axis"),
        (array("f32"), ALIGNED[1:].view(np.float32), "not aligned|element type"),
        (array("i32", align=64), np.zeros(200, np.int32)[1:], "not aligned"),
        (array("bf16"), np.zeros(4, ml_dtypes.bfloat16), "export a buffer"),
    ],
)
def test_an_array_that_does_not_fit_is_refused(param: Any, value: Any, reason: str) -> None:
    """Each requirement on an array is checked and named."""
    with pytest.raises(TypeError, match=f"argument 1 does not fit the plan: .*({reason})"):
        _slots(param, args=(value,))


@pytest.mark.parametrize(
    "param, value",
    [
        (array("f32", writes=False), READONLY),
        (array("f32", unit=True), np.zeros(8, np.float32)[:1:2]),
        (array("f32", unit=False), np.zeros(1, np.float32)),
        (array("f32", unit=True), np.zeros((0, 3), np.float32)[:, 0]),
        (array("i64"), np.zeros(4, np.longlong)),
        (array("f16"), np.zeros(4, np.float16)),
        (array("T{f:x:f:y:}", size=8, align=4), np.zeros(4, [("x", "f4"), ("y", "f4")])),
    ],
)
def test_an_array_that_fits_is_taken(param: Any, value: Any) -> None:
    """Read-only arrays that are only read, axes too short to have a stride, other names of a type."""
    assert _slots(param, args=(value,))[0] == value.ctypes.data


def test_struct_elements_must_have_the_same_layout() -> None:
    """A struct array of other fields is another type."""
    with pytest.raises(TypeError, match="element type"):
        _slots(array("T{f:x:f:y:}", size=8), args=(np.zeros(4, [("x", "f4"), ("z", "f4")]),))


def test_written_arrays_may_not_overlap_under_noalias() -> None:
    """Code that assumes no overlap never sees one."""
    data = np.zeros(20, np.float32)
    with pytest.raises(TypeError, match="argument 2 overlaps another array"):
        saxpy_plan().run(10, (1.0, data[:10], data[9:19]))


@pytest.mark.parametrize("first, second", [(slice(0, 10), slice(10, 20)), (slice(5, 5), slice(0, 20))])
def test_neighbouring_and_empty_arrays_do_not_overlap(first: slice, second: slice) -> None:
    """Only shared bytes count."""
    data = np.ones(20, np.float32)
    saxpy_plan().run(0, (1.0, data[first], data[second]))


def test_arrays_read_twice_do_not_overlap() -> None:
    """Sharing matters only where one side is written."""
    x, y = np.ones(8, np.float32), np.zeros(8, np.float32)
    params = array("f32", writes=False), array("f32", writes=False), array("f32")
    plan("fault", *params, noalias=True).run(0, (x, x, y))


def test_a_plan_for_overlap_refuses_separate_arrays() -> None:
    """The faster plan is not shadowed by the careful one."""
    with pytest.raises(TypeError, match="is for overlapping arrays"):
        saxpy_plan(noalias=False).run(4, (1.0, np.ones(4, np.float32), np.ones(4, np.float32)))


@pytest.mark.parametrize("bits, shape", [(32, 2**31), (64, 10)])
def test_index_width_is_part_of_the_fit(bits: Any, shape: int) -> None:
    """A 32-bit plan refuses large launches, a 64-bit plan leaves small ones to the other."""
    with pytest.raises(TypeError, match=f"plan of {bits}-bit indices"):
        plan("fault", index_bits=bits, item=(1, 1, 2**40)).run(shape, ())


@pytest.mark.parametrize("elements", [2**29, 2**31])
def test_large_arrays_need_64_bits(elements: int) -> None:
    """A span of 2**31 bytes is beyond 32-bit offsets, whatever the launch."""
    huge = np.lib.stride_tricks.as_strided(np.zeros(1, np.float32), (elements,), (4,))
    with pytest.raises(TypeError, match="32-bit indices"):
        plan("fault", array("f32"), index_bits=32).run(0, (huge,))


def test_a_shape_of_zero_runs_nothing() -> None:
    """No thread means no call of the kernel, in any axis."""
    seen = np.zeros(4, np.int64)
    plan("count", array(), rank=2).run((4, 0), (seen,))
    assert seen.tolist() == [0, 0, 0, 0]


def test_more_items_than_a_count_holds_are_refused() -> None:
    """The number of work items must fit 63 bits."""
    with pytest.raises(OverflowError, match="more work items"):
        plan("fault", rank=2).run((2**62, 4), ())


def test_a_shape_of_another_rank_is_refused() -> None:
    """The plan's rank is fixed."""
    with pytest.raises(ValueError, match=r"shapes of rank 1, not \(2, 3\)"):
        plan("fault").run((2, 3), ())


def test_a_wrong_number_of_arguments_is_refused() -> None:
    """The message says how many the plan takes."""
    with pytest.raises(TypeError, match="takes 3 arguments"):
        saxpy_plan().run(4, (1.0,))


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_must_be_positive(threads: int) -> None:
    """No launch runs on no thread."""
    with pytest.raises(ValueError, match="threads must be positive"):
        plan("fault").run(0, (), threads=threads)


def test_packed_slots_reach_the_kernel() -> None:
    """run_packed takes the slots as they are."""
    out = np.zeros(FRAME_WORDS + 4, np.int64)
    slots = struct.pack("<QQqq", out.ctypes.data, out.size, 8, 1234)
    plan("dump", array("i64"), scalar("i64")).run_packed(1, slots)
    assert out.tolist()[-3:] == [out.size, 8, 1234]


def test_packed_slots_must_be_complete() -> None:
    """Their number is checked."""
    with pytest.raises(TypeError, match="takes 3 slots of 8 bytes, not 16 bytes"):
        plan("count", array()).run_packed(1, bytes(16))


def test_a_record_buffer_reaches_the_kernel() -> None:
    """Kernels that check write to the buffer they are given."""
    record = np.zeros(10, np.int64)
    plan("fault", record=True).run(1, (), record)
    assert record.tolist()[1:3] == [7, 3]


@pytest.mark.parametrize(
    "needed, record, reason",
    [
        (True, None, "needs a record buffer"),
        (False, np.zeros(10, np.int64), "writes no records"),
        (True, np.zeros(9, np.int64), "at least 10 words"),
        (True, np.array([0] * 7 + [3, 0, 4] + [0] * 11), "shorter than its print capacity"),
        (True, np.array([0] * 7 + [-1, 0, 4]), "shorter than its print capacity"),
        (True, np.zeros(81, np.uint8)[1:], "aligned to 8 bytes"),
    ],
)
def test_a_record_buffer_that_does_not_fit_is_refused(needed: bool, record: Any, reason: str) -> None:
    """A kernel never writes records past their buffer."""
    with pytest.raises(ValueError, match=reason):
        plan("fault", record=needed).run(1, (), record)


def test_a_record_buffer_must_be_writable() -> None:
    """Bytes cannot take records."""
    with pytest.raises(BufferError, match="not writable"):
        plan("fault", record=True).run(1, (), bytes(80))


@pytest.mark.parametrize(
    "params, options, error, reason",
    [
        (("array",), {}, TypeError, "described by a tuple"),
        ((("vector",),), {}, ValueError, "'array', 'scalar' or 'device', not 'vector'"),
        ((array("f32", size=8),), {}, ValueError, "itemsize 8 does not fit"),
        ((("array", "f8", 8, 1, (), None, 8, True),), {}, ValueError, "neither a dtype name nor a struct"),
        ((array("f32", align=3),), {}, ValueError, "power of two, not 3"),
        ((array("f32", rank=9),), {}, ValueError, "between 0 and 8, not 9"),
        ((array("f32", inner=(1, 1, 1, 1, 1)),), {}, ValueError, "at most 4 inner axes"),
        ((array("f32", inner=(0,)),), {}, ValueError, "inner extent"),
        ((("scalar", "f8", "f", ()),), {}, ValueError, "'f8' is not the name"),
        ((scalar("f32", "x"),), {}, ValueError, "'f', 'i' and 'b', not 'x'"),
        ((scalar("f32", "f", (int,) * 5),), {}, ValueError, "at most 4 scalar types"),
        ((("scalar", "f32", "f", (1,)),), {}, TypeError, "scalar types must be types"),
        ((), {"rank": 4}, ValueError, "rank must be 1 to 3"),
        ((), {"item": (0, 1, 1)}, ValueError, "item must be positive, not 0"),
        ((), {"item": (1, 1)}, TypeError, "item must be a tuple of three ints"),
        ((), {"block": (1, 1, -1)}, ValueError, "block must be positive"),
        ((), {"requested": (1, 0, 1)}, ValueError, "requested must be positive"),
        ((), {"index_bits": 16}, ValueError, "32, 64 or None"),
        ((), {"scratch_bytes": -1}, ValueError, "not negative"),
        ((), {"cost_ns": -1.0}, ValueError, "not negative"),
        ((), {"cost_ns": float("nan")}, ValueError, "not negative"),
        ((scalar(),) * 4097, {}, ValueError, "at most 4096 parameters"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(params: Any, options: Any, error: Any, reason: str) -> None:
    """Each part of a plan's description is checked when it is made."""
    options = {"rank": 1, "item": ITEM} | options
    with pytest.raises(error, match=reason):
        _native.Plan(code("fault"), params, **options)


def test_a_plan_needs_loaded_code() -> None:
    """Bytes are not code."""
    with pytest.raises(TypeError):
        _native.Plan(b"\xc3", (), 1, ITEM)


def test_a_plan_for_some_thread_counts_takes_only_those() -> None:
    """`counts` bounds the threads of a launch, both ends included."""
    x, y = np.ones((4, 300), np.float32), np.zeros((4, 300), np.float32)
    params = scalar("f32"), array("f32", rank=2, writes=False), array("f32", rank=2)
    few = plan("saxpy", *params, rank=2, counts=(64, 127))
    for shape in ((1, 63), (2, 64), (0, 5)):
        with pytest.raises(TypeError, match="another number of threads"):
            few.run(shape, (2.0, x, y))
    few.bind((1, 64), (2.0, x, y))
    few.bind((3, 42), (2.0, x, y))
    plan("saxpy", *params, rank=2, counts=(0, 0)).bind((0, 5), (2.0, x, y))


@pytest.mark.parametrize("counts", [(3,), (-1, 4), (5, 4), 7])
def test_a_range_of_thread_counts_makes_sense(counts: Any) -> None:
    """Anything but two numbers in order is refused."""
    with pytest.raises((ValueError, TypeError)):
        saxpy_plan(counts=counts)
