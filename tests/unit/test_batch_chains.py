"""Random batches against the same launches one by one: order, fusion and aliasing change no bit."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.chains import KERNELS, VIEWS, Call, N, apart, fill, fresh, launch, linear, neighbour, sweep, swept

import gyral as gy

CALLS = st.lists(
    st.builds(
        Call,
        st.integers(0, len(KERNELS) - 1),
        st.integers(0, len(VIEWS) - 1),
        st.integers(0, len(VIEWS) - 1),
        st.integers(-5, 5),
        st.sampled_from([N, N, N, N // 2]),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize("fuse", [False, True])
@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CALLS)
def test_a_batch_gives_what_its_launches_give(fuse: bool, calls: list[Call]) -> None:
    """Two replays of a batch are its launches, twice, one after another."""
    expected, found = fresh(), fresh()
    batch = gy.Batch(fuse=fuse)
    for call in calls:
        kernel, n, *arguments = launch(call, found)
        batch.add(kernel, n, *arguments)
    batch()
    batch()
    for call in calls * 2:
        kernel, n, *arguments = launch(call, expected)
        kernel[n](*arguments)
    assert found.tolist() == expected.tolist()


def test_neighbours_in_a_batch_are_fused() -> None:
    """What goes together runs as one kernel; what reads a neighbour's element begins another."""
    pool = fresh()
    a, b, c = pool[:N], pool[N : 2 * N], pool[2 * N : 3 * N]
    batch = gy.Batch(fuse=True)
    batch.add(linear, N, a, b, 2).add(apart, N, b, c, 3).add(neighbour, N, c, a, 1).add(linear, N, a, b, 5)
    assert batch.launches == ("linear+apart", "neighbour+linear")


def test_launches_without_a_common_array_are_not_fused() -> None:
    """There is nothing to gain, and they may overlap."""
    pool = fresh()
    a, b, c, d = (pool[view] for view in VIEWS[:4])
    assert gy.Batch(fuse=True).add(linear, N, a, b, 2).add(linear, N, c, d, 2).launches == (
        "linear",
        "linear",
    )


def test_loops_over_the_grid_are_fused() -> None:
    """Kernels that each loop over the same range by the same array's extent become one loop."""
    pool = fresh()
    a, b, c = pool[:N], pool[N : 2 * N], pool[2 * N : 3 * N]
    total = (a.astype(np.int64) * 2 - 1).sum()
    batch = gy.Batch(fuse=True).add(sweep, 16, a, b, 2).add(sweep, 16, a, b, 2).add(swept, 16, b, c, 0)
    batch()
    assert batch.launches == ("sweep+sweep", "swept")
    assert c[3] == fresh()[2 * N + 3] + total


def test_temporaries_of_a_fused_batch_reach_no_memory() -> None:
    """An array of the batch's own that all its users share in one kernel is left as it was."""
    pool = fresh()
    batch = gy.Batch(fuse=True)
    t = batch.temporary(N, gy.i32)
    t.fill(-1)
    batch.add(linear, N, pool[:N], t, 2).add(linear, N, t, pool[N : 2 * N], 3)
    batch()
    assert batch.launches == ("linear+linear",)
    np.testing.assert_array_equal(pool[N : 2 * N], (pool[:N] * 2 + 7) * 3 + 7)
    assert t.numpy().tolist() == [-1] * N


def test_temporaries_that_cannot_be_dropped_are_kept() -> None:
    """One that is asked for its extent, or used by another kernel too, is an ordinary array."""
    pool = fresh()
    batch = gy.Batch(fuse=True)
    t = batch.temporary(N, gy.i32)
    batch.add(linear, N, pool[:N], t, 2).add(neighbour, N, t, pool[N : 2 * N], 3)
    batch()
    assert batch.launches == ("linear", "neighbour")
    np.testing.assert_array_equal(pool[N : 2 * N], np.roll(pool[:N] * 2 + 7, -1) - 3)


@gy.kernel
def sized(x: gy.Array[gy.i32], y: gy.Array[gy.i32]):
    i = gy.global_id()
    y[i] = x[i] * x.size


def test_a_temporary_that_is_asked_for_its_extent_is_kept() -> None:
    """The kernels are one all the same, and the array is written."""
    pool = fresh()
    batch = gy.Batch(fuse=True)
    t = batch.temporary(N, gy.i32)
    batch.add(linear, N, pool[:N], t, 2).add(sized, N, t, pool[N : 2 * N])
    for _ in range(2):
        batch.set(0, c=3)
        batch()
    assert batch.launches == ("linear+sized",)
    np.testing.assert_array_equal(t.numpy(), pool[:N] * 3 + 7)
    np.testing.assert_array_equal(pool[N : 2 * N], t.numpy() * N)


def test_what_could_not_be_fused_is_not_tried_again() -> None:
    """New numbers lead to the same kernels as before."""
    pool = fresh()
    a, b, c = pool[:N], pool[N : 2 * N], pool[2 * N : 3 * N]
    batch = gy.Batch(fuse=True).add(linear, N, a, b, 2).add(neighbour, N, b, c, 3)
    batch()
    batch.set(1, c=4)
    batch()
    assert batch.launches == ("linear", "neighbour")
    np.testing.assert_array_equal(c, np.roll(a * 2 + 7, -1) - 4)


def test_kernels_with_unlike_options_are_not_fused() -> None:
    """What fuse() refuses for its members' sake leaves the launches as they are."""
    pool = fresh()
    other = gy.kernel(downcast=True)(linear.__gyral_kernel__)
    batch = gy.Batch(fuse=True).add(linear, N, pool[:N], pool[N : 2 * N], 2)
    batch.add(other, N, pool[N : 2 * N], pool[2 * N : 3 * N], 3)
    assert batch.launches == ("linear", "linear")


def test_arguments_of_a_fused_batch_can_change() -> None:
    """Numbers and arrays are replaced, and what may be fused is found anew."""
    pool = fresh()
    a, b, c = pool[:N], pool[N : 2 * N], pool[2 * N : 3 * N]
    batch = gy.Batch(fuse=True).add(fill, N, a, 1).add(linear, N, a, b, 2)
    batch()
    batch.set(1, c=5).set(0, c=2)
    batch()
    np.testing.assert_array_equal(b, (np.arange(N) * 2 + 1) * 5 + 7)
    batch.set(1, x=c)
    c[:] = 1
    assert batch.launches == ("fill", "linear")
    batch()
    assert b.tolist() == [12] * N


def test_a_failing_check_keeps_launches_apart() -> None:
    """Kernels that report are not fused, so that those behind a failure do not run."""
    a, b = np.zeros(4, np.int32), np.zeros(3, np.int32)
    with gy.options(check=True):
        batch = gy.Batch(fuse=True).add(fill, 4, a, 1).add(linear, 4, a, b, 2)
    assert batch.launches == ("fill", "linear")
