"""Values shared between the gangs of a tile, loaded where not every gang is active."""

import numpy as np

import gyral as gy


@gy.kernel
def chosen_rows(
    chosen: gy.Array[gy.i32],
    left: gy.Array[gy.i32, 2],
    right: gy.Array[gy.i32, 2],
    row: gy.Array[gy.i32],
    out: gy.Array[gy.i32, 2],
):
    i, j = gy.global_ids(2)
    total = 0
    for k in range(left.shape[1]):
        total += left[i, k] * right[k, j]
    if chosen[i] == 1:
        total += row[j]
        for _ in range(2):
            out[i, j] += 1
    out[i, j] += total


def test_a_row_is_loaded_for_gangs_below_an_inactive_first_one() -> None:
    """A load that all rows of a tile share takes the lanes that any of them wants."""
    rng = np.random.default_rng(0)
    chosen = (np.arange(24) % 3 == 2).astype(np.int32)
    left = rng.integers(0, 9, (24, 7), np.int32)
    right = rng.integers(0, 9, (7, 70), np.int32)
    row = rng.integers(1, 9, 70, np.int32)
    out = np.zeros((24, 70), np.int32)
    chosen_rows[out.shape](chosen, left, right, row, out)
    assert np.array_equal(out, left @ right + chosen[:, None] * (row + 2))


@gy.kernel
def from_the_end(marks: gy.Array[gy.i32], first: gy.i64, last: gy.i64):
    count = 0
    for _ in range(gy.global_id() + first, last, gy.global_size()):
        count += 1
    marks[gy.global_id()] = count


def test_a_counter_near_the_end_of_its_range_stops() -> None:
    """Lanes that would count past 2**31 - 1 take no turn."""
    marks = np.zeros(16, np.int32)
    from_the_end[16](marks, 2**31 - 9, 2**31 - 1)
    assert marks.tolist() == [1] * 8 + [0] * 8
