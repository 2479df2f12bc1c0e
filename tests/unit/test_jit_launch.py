"""Launching kernels: what is accepted, what is refused, and that each launch does what it says."""

import gc
import math
import sys
import threading
from typing import Any

import numpy as np
import pytest

import gyral as gy
from gyral.core.errors import KernelFault, UserError
from gyral.core.events import Compiled, Event, listening


@gy.kernel
def saxpy(a: gy.f32, x: gy.In[gy.Array[gy.f32]], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i] = a * x[i] + y[i]


@gy.kernel
def add(x, y, out):
    i = gy.global_id()
    out[i] = x[i] + y


@gy.kernel
def transpose(a: gy.Array[gy.f32, 2], b: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    b[j, i] = a[i, j]


@gy.kernel
def ids(out: gy.Array[gy.i64, 3]):
    i, j, k = gy.global_ids(3)
    out[i, j, k] = i * 100 + j * 10 + k


@gy.kernel
def scaled(out: gy.Array[gy.f32], n: gy.Static[int], bias: gy.f32 = 0.5):
    total = bias
    for k in range(n):
        total += k
    out[gy.global_id()] = total


def pair(n: int = 8) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(n, dtype=np.float32), np.ones(n, np.float32)


def test_a_launch_runs_one_thread_per_element() -> None:
    """kernel[n](...) changes the n elements in place and no more."""
    x, y = pair(10)
    saxpy[7](2.0, x, y)
    np.testing.assert_array_equal(y, np.where(np.arange(10) < 7, 2 * x + 1, 1))


def test_the_second_launch_compiles_nothing() -> None:
    """A launch of known types takes the plan that is there."""
    x, y = pair()
    saxpy[8](2.0, x, y)
    events: list[Event] = []
    with listening(events.append):
        saxpy[8](3.0, x, y)
    assert events == []


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, np.int32, np.int64, np.float32, np.float64])
def test_a_generic_kernel_is_specialised(dtype: type) -> None:
    """Parameters without annotation take each dtype, with a weak Python number."""
    x, out = np.arange(5, dtype=dtype), np.zeros(5, dtype)
    add[5](x, 3, out)
    np.testing.assert_array_equal(out, x + 3)


def test_numpy_scalars_keep_their_type() -> None:
    """A NumPy scalar given to a bare parameter takes part in promotion."""
    x, out = np.arange(5, dtype=np.float32), np.zeros(5)
    add[5](x, np.float64(1e-9), out)
    np.testing.assert_array_equal(out, x.astype(np.float64) + 1e-9)


def test_axes_follow_numpy() -> None:
    """The last axis of the shape is the last index."""
    a = np.arange(12, dtype=np.float32).reshape(3, 4)
    b = np.zeros((4, 3), np.float32)
    transpose[3, 4](a, b)
    np.testing.assert_array_equal(b, a.T)


def test_three_axes() -> None:
    """A launch of rank 3 runs over all of it."""
    out = np.zeros((2, 3, 4), np.int64)
    ids[2, 3, 4](out)
    i, j, k = np.indices(out.shape)
    np.testing.assert_array_equal(out, i * 100 + j * 10 + k)


def test_static_parameters_and_defaults() -> None:
    """A Static value is compiled in, defaults and keywords work."""
    out = np.zeros(2, np.float32)
    scaled[2](out, 4)
    assert out.tolist() == [6.5, 6.5]
    scaled[2](out, n=3, bias=1)
    assert out.tolist() == [4.0, 4.0]


def test_two_ints_are_shape_and_block_at_rank_one() -> None:
    """kernel[n, block] at rank 1 and kernel[rows, columns] at rank 2 mean what the rank says."""

    @gy.kernel
    def where(out: gy.Array[gy.i32]):
        out[gy.global_id()] = gy.block_id() * 100 + gy.local_id()

    out = np.zeros(10, np.int32)
    where[10, 4](out)
    assert out.tolist() == [0, 1, 2, 3, 100, 101, 102, 103, 200, 201]
    where[(10,), 8](out)
    assert out.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 100, 101]
    where.launch(10, out, block=5)
    assert out.tolist() == [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]


def test_a_kernel_may_fix_its_block() -> None:
    """@kernel(block=) holds for every launch; another block is refused."""

    @gy.kernel(block=4)
    def where(out: gy.Array[gy.i32]):
        out[gy.global_id()] = gy.block_dim()

    out = np.zeros(6, np.int32)
    where[6](out)
    assert out.tolist() == [4] * 6
    where[6, 4](out)
    with pytest.raises(UserError, match="block=4"):
        where[6, 8](out)


def test_strided_arrays_are_used_in_place() -> None:
    """Steps, negative steps and broadcasts need no copy."""
    base = np.zeros(20, np.float32)
    saxpy[10](1.0, np.arange(20, dtype=np.float32)[::-2], base[::2])
    np.testing.assert_array_equal(base[::2], np.arange(19, -1, -2))
    np.testing.assert_array_equal(base[1::2], 0)
    y = np.zeros(4, np.float32)
    saxpy[4](2.0, np.broadcast_to(np.float32(3), 4), y)
    assert y.tolist() == [6.0] * 4


def test_overlapping_arguments_are_right() -> None:
    """The same array twice, and shifted views of one, give what the threads compute."""
    x = np.arange(8, dtype=np.float32)
    saxpy[8](1.0, x, x)
    np.testing.assert_array_equal(x, 2 * np.arange(8))
    both = np.arange(40, dtype=np.float32)
    saxpy[20](1.0, both[20:], both[:20])
    np.testing.assert_array_equal(both[:20], np.arange(20) + np.arange(20, 40))


def test_reading_one_array_twice_is_no_overlap() -> None:
    """Arrays that are only read may be one, and the launch stays on the native path."""

    @gy.kernel
    def product(x: gy.Array[gy.f32], y: gy.Array[gy.f32], out: gy.Array[gy.f32]):
        i = gy.global_id()
        out[i] = x[i] * y[i]

    x, out = np.arange(8, dtype=np.float32), np.zeros(8, np.float32)
    product[8](x, x, out)
    np.testing.assert_array_equal(out, x * x)
    events: list[Event] = []
    with listening(events.append):
        product[8](x, np.ones(8, np.float32), out)
    assert events == []


def test_read_only_arrays_are_read() -> None:
    """A read-only array is taken where the kernel does not write it, refused where it does."""
    x, y = pair()
    x.flags.writeable = False
    saxpy[8](2.0, x, y)
    y.flags.writeable = False
    with pytest.raises(UserError, match=r"'y' is read-only"):
        saxpy[8](2.0, x, y)


def test_a_zero_shape_runs_nothing() -> None:
    """No threads, no effects, also with empty arrays."""
    x, y = pair()
    saxpy[0](2.0, x, y)
    assert y.tolist() == [1] * 8
    empty = np.zeros(0, np.float32)
    saxpy[0](2.0, empty, empty)


def test_nan_and_infinity_pass() -> None:
    """Special values of a scalar reach the kernel."""
    x, y = np.ones(1, np.float32), np.zeros(1, np.float32)
    saxpy[1](math.nan, x, y)
    assert math.isnan(y[0])
    y[0] = 0
    saxpy[1](-math.inf, x, y)
    assert y[0] == -math.inf


def test_bound_launches_run_again() -> None:
    """bind() checks once; each call runs on the arrays it was given."""
    x, y = pair()
    bound = saxpy.bind(8, 2.0, x, y=y)
    bound()
    bound()
    np.testing.assert_array_equal(y, 1 + 4 * x)
    out = np.zeros(2, np.float32)
    scaled.bind(2, out, 3)()
    assert out.tolist() == [3.5, 3.5]


def test_faults_name_array_thread_and_line() -> None:
    """A checked launch reports the lowest failing thread and the line."""

    @gy.kernel(check=True)
    def beyond(x: gy.Array[gy.f32]):
        x[gy.global_id() + 2] = 0.0

    with pytest.raises(KernelFault) as caught:
        beyond[8](np.zeros(8, np.float32))
    assert caught.value.thread == (6,)
    assert caught.value.span.file == __file__
    assert "'x'" in str(caught.value)


def test_options_switch_checks_on() -> None:
    """Inside options(check=True) every kernel is checked, outside it is not."""
    x, y = pair()
    with gy.options(check=True), pytest.raises(KernelFault):
        saxpy[9](2.0, x, y)
    saxpy[8](2.0, x, y)
    with pytest.raises(UserError, match="no option 'chekc'"):
        gy.options(chekc=True)


def test_prints_come_in_thread_order(capsys: pytest.CaptureFixture[str]) -> None:
    """print writes to sys.stdout, lowest thread first."""

    @gy.kernel
    def tell(x: gy.Array[gy.i32]):
        i = gy.global_id()
        print(f"x[{i}] =", x[i])

    tell[3](np.array([5, 6, 7], np.int32))
    assert capsys.readouterr().out == "x[0] = 5\nx[1] = 6\nx[2] = 7\n"


def test_lost_prints_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    """More prints than the buffer holds are counted and told."""

    @gy.kernel
    def tell():
        print(gy.global_id())

    tell[5000]()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4097
    assert "904 more prints" in lines[-1]


def test_captured_numbers_are_frozen() -> None:
    """A later specialisation that would see another value is refused."""
    scale = 2.0

    @gy.kernel
    def scaled_copy(x: gy.Array, out: gy.Array):
        i = gy.global_id()
        out[i] = x[i] * scale

    def run(dtype: type) -> list[float]:
        out = np.zeros(1, dtype)
        scaled_copy[1](np.ones(1, dtype), out)
        return out.tolist()

    assert run(np.float32) == [2.0]
    scale = 3.0
    assert run(np.float32) == [2.0]
    with pytest.raises(gy.CompileError, match=r"GY204: 'scale' was 2.0 .* and is 3.0 now") as caught:
        run(np.float64)
    (finding,) = caught.value.diagnostics
    span = finding.span
    assert finding.source_line[span.column : span.end_column] == "scale"


def test_looking_inside_freezes_what_is_captured() -> None:
    """A value that the IR was shown with is the one that launches and the interpreter must see."""
    scale = 2.0

    @gy.kernel
    def doubled(x: gy.Array[gy.f32]):
        x[gy.global_id()] *= scale

    doubled.ir()
    scale = 3.0
    x = np.ones(1, np.float32)
    for launch in (doubled[1], doubled.interpret[1]):
        with pytest.raises(gy.CompileError, match="GY204"):
            launch(x)
    assert x.tolist() == [1.0]


def test_a_kernel_that_failed_fails_again() -> None:
    """The second launch of a kernel that cannot be compiled gives the same error and runs nothing."""

    @gy.kernel
    def bad(x: gy.Array[gy.f32]):
        x[gy.global_id()] = unknown_name  # type: ignore[name-defined]  # noqa: F821

    errors = []
    for _ in range(2):
        with pytest.raises(gy.CompileError) as caught:
            bad[1](np.zeros(1, np.float32))
        errors.append(str(caught.value))
    assert errors[0] == errors[1]
    assert "unknown_name" in errors[0]


def test_bf16_arrays_run() -> None:
    """Arrays of bf16, which the buffer protocol cannot name, are launched all the same."""

    @gy.kernel
    def twice(x: gy.Array[gy.bf16]):
        i = gy.global_id()
        x[i] = x[i] + x[i]

    x = gy.array([1.5, 2.5], gy.bf16).numpy()
    twice[2](x)
    assert x.astype(np.float32).tolist() == [3.0, 5.0]


def test_many_threads_may_launch() -> None:
    """Launches from several Python threads, compiling at once, are all right."""

    @gy.kernel
    def bump(x: gy.Array):
        i = gy.global_id()
        x[i] += 1

    arrays = [np.zeros(1000, dtype) for dtype in (np.float32, np.float64, np.int32, np.int64)]
    failures: list[BaseException] = []

    def work(array: np.ndarray) -> None:
        try:
            for _ in range(50):
                bump[1000](array)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(array,)) for array in arrays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [a.tolist() == [50] * 1000 for a in arrays] == [True] * 4


def test_compiling_is_told() -> None:
    """Each specialisation emits one event with the kernel's name."""

    @gy.kernel
    def fresh(x: gy.Array[gy.f32]):
        x[gy.global_id()] = 12.25

    events: list[Event] = []
    with listening(events.append):
        fresh[1](np.zeros(1, np.float32))
    assert [(e.kernel, e.device) for e in events if isinstance(e, Compiled)] == [("fresh", "cpu")]


@pytest.mark.parametrize("scope", [gy.options(check=True), gy.options(fastmath=True), gy.device("cpu")])
def test_launches_in_a_scope_compile_once(scope: Any) -> None:
    """Inside a scope the second launch compiles nothing, keywords or not, and its plan stays inside."""
    x, y = pair()
    with scope:
        saxpy[8](2.0, x, y)
        events: list[Event] = []
        with listening(events.append):
            saxpy[8](2.0, x, y=y)
            saxpy[8](2.0, x, y)
    assert events == []
    np.testing.assert_array_equal(y, 1 + 6 * x)


def test_launching_leaks_nothing() -> None:
    """Arguments are released after native launches, misses and failures alike."""
    x, y = pair()
    before = [sys.getrefcount(x), sys.getrefcount(y)]
    for _ in range(200):
        saxpy[8](2.0, x, y)
        saxpy[8](2.0, x, y=y)
        with pytest.raises(UserError):
            saxpy[8](2.0, x)
    gc.collect()
    assert [sys.getrefcount(x), sys.getrefcount(y)] == before


def test_numpy_s_rarer_scalars_do_not_pile_up_plans() -> None:
    """A scalar type that only Python converts works each time and adds its plan once."""
    x, y = pair()
    saxpy.clear_plans()
    for _ in range(5):
        saxpy[8](np.float16(1), x, y)
    assert len(saxpy.plans) == 1
    np.testing.assert_array_equal(y, 1 + 5 * x)
