"""`tile=`: how many gangs the CPU interleaves, said by the kernel."""

import numpy as np
import pytest

import gyral as gy


@gy.kernel(tile=(2, 3))
def product(left: gy.Array[gy.i32, 2], right: gy.Array[gy.i32, 2], out: gy.Array[gy.i32, 2]):
    i, j = gy.global_ids(2)
    total = 0
    for k in range(left.shape[1]):
        total += left[i, k] * right[k, j]
    out[i, j] = total


def test_a_tile_of_the_kernels_own_gives_the_same_results() -> None:
    """Rows and vectors asked for change no result, at shapes that they do not divide."""
    rng = np.random.default_rng(1)
    left, right = rng.integers(0, 99, (13, 9), np.int32), rng.integers(0, 99, (9, 131), np.int32)
    out = np.zeros((13, 131), np.int32)
    product[out.shape](left, right, out)
    assert np.array_equal(out, left @ right)


def test_a_tile_decides_the_work_item() -> None:
    """The compiled item is as many rows, and whole gangs along the last axis."""
    item = product.compile("cpu").signature.item
    assert (item[1], item[2] % 3) == (2, 0)


@pytest.mark.parametrize("tile", [(0, 1), (1, 17), (1,), "2x2"])
def test_a_tile_that_makes_no_sense_is_refused(tile: object) -> None:
    """Anything but two small numbers gets a sentence when the kernel is defined."""
    with pytest.raises(gy.UserError, match=r"tile is \(rows, vectors\)"):
        gy.kernel(tile=tile)(product.__gyral_kernel__)  # pyright: ignore[reportArgumentType]
