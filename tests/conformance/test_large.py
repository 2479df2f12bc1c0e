"""Launches large enough to be shared out over the cores agree with NumPy."""

from typing import Any

import numpy as np
import pytest

from gyral.testing import language as gy
from gyral.testing.cases.programs import grid_stride_total, grid_total, histogram, histogram_reference
from gyral.testing.cases.simulations import heat, heat_reference, heat_tiled, mandelbrot, matmul, tiled_matmul


@gy.kernel
def saxpy(a: gy.f32, x: gy.Array[gy.f32], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i] = a * x[i] + y[i]


@gy.kernel
def label(out: gy.Array[gy.i32, 3]):
    i, j, k = gy.global_ids(3)
    out[i, j, k] = (i * 1000 + j) * 1000 + k


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).uniform(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize("count", [1 << 20, 3_000_001])
def test_saxpy_over_millions(count: int) -> None:
    """Each of millions of elements is computed once."""
    x, y = values(count), values(count)[::-1].copy()
    expected = np.float32(2.5) * x + y
    saxpy[count](2.5, x, y)
    assert np.array_equal(y, expected)


@pytest.mark.parametrize("shape", [(130, 67, 41), (3, 700, 129), (2000, 3, 11)])
def test_three_axes_are_shared_out(shape: tuple[int, ...]) -> None:
    """Every thread of a large three-dimensional launch writes its own ids."""
    out = np.zeros(shape, np.int32)
    label[shape](out)
    i, j, k = np.indices(shape)
    assert np.array_equal(out, (i * 1000 + j) * 1000 + k)


@pytest.mark.parametrize("kernel", [grid_total, grid_stride_total], ids=["grid_range", "grid_stride"])
@pytest.mark.parametrize("threads", [32, 4096, 100_000])
def test_sums_over_millions(kernel: Any, threads: int) -> None:
    """A grid reduction over millions of elements agrees to rounding, whatever the number of threads."""
    x, total = values(2_000_003), np.zeros(1, np.float32)
    kernel[threads](x, total)
    assert total[0] == pytest.approx(x.sum(dtype=np.float64), rel=1e-4)


def test_histogram_of_a_million() -> None:
    """Atomics from all cores lose nothing."""
    x = np.random.default_rng(1).integers(0, 256, 1_000_003).astype(np.uint8)
    bins, expected = np.zeros(16, np.uint32), np.zeros(16, np.uint32)
    histogram[x.size](x, bins)
    histogram_reference(x, expected)
    assert bins.tolist() == expected.tolist()


@pytest.mark.parametrize("kernel", [matmul, tiled_matmul], ids=["plain", "tiled"])
def test_products_of_hundreds(kernel: Any) -> None:
    """Matrix products of odd sizes agree with double precision."""
    a, b, c = values(201, 150), values(150, 333), np.zeros((201, 333), np.float32)
    kernel[c.shape](a, b, c)
    assert np.allclose(c, a.astype(np.float64) @ b.astype(np.float64), rtol=1e-5)


@pytest.mark.parametrize("kernel", [heat, heat_tiled], ids=["plain", "tiled"])
def test_stencils_of_a_million_points(kernel: Any) -> None:
    """A heat step over an odd grid agrees bit for bit."""
    u = values(1021, 997)
    out, expected = np.zeros_like(u), np.zeros_like(u)
    kernel[u.shape](u, out, 0.2)
    heat_reference(u, expected, 0.2)
    assert np.array_equal(out, expected)


def test_mandelbrot_with_divergence() -> None:
    """Threads whose loops end at very different times each count their own steps."""
    out = np.zeros((200, 333), np.int32)
    mandelbrot[out.shape](out, 100)
    f = np.float32
    i, j = np.indices(out.shape).astype(f)
    c_re = f(-2) + f(3) * j / f(out.shape[1])
    c_im = f(-1.25) + f(2.5) * i / f(out.shape[0])
    re, im, count = np.zeros_like(c_re), np.zeros_like(c_re), np.zeros_like(out)
    for _ in range(100):
        live = re * re + im * im <= f(4)
        count += live
        new = re * re - im * im + c_re
        im, re = np.where(live, f(2) * re * im + c_im, im), np.where(live, new, re)
    assert np.array_equal(out, count)
