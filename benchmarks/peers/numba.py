"""Numba: njit loops, parallel and serial."""

import math

import numba
import numpy as np
from numba import njit, prange

import problems
from peers.binding import Port, bind
from peers.case import Peer

one, two, four, half, eighth = (np.float32(value) for value in (1, 2, 4, 0.5, 0.125))
C0, C1, C2, C3, C4, C5, C6 = (
    np.float32(value)
    for value in (0.2316419, 0.39894228, 0.31938153, -0.356563782, 1.781477937, -1.821255978, 1.330274429)
)


@njit(fastmath=True)
def normal_cdf(x):
    size = abs(x)
    k = one / (one + C0 * size)
    upper = one - C1 * math.exp(-size * size * half) * k * (C2 + k * (C3 + k * (C4 + k * (C5 + k * C6))))
    return one - upper if x < 0 else upper


def saxpy(a, x, y):
    for i in prange(x.size):
        y[i] = a * x[i] + y[i]


def black_scholes(spot, strike, years, call, put, rate, volatility):
    for i in prange(spot.size):
        root = volatility * math.sqrt(years[i])
        d1 = (math.log(spot[i] / strike[i]) + (rate + half * volatility * volatility) * years[i]) / root
        d2 = d1 - root
        discounted = strike[i] * math.exp(-rate * years[i])
        call[i] = spot[i] * normal_cdf(d1) - discounted * normal_cdf(d2)
        put[i] = discounted * normal_cdf(-d2) - spot[i] * normal_cdf(-d1)


def mandelbrot(counts, max_iterations):
    height, width = counts.shape
    step_x, step_y = np.float32(3.0 / width), np.float32(2.0 / height)
    for row in prange(height):
        for column in range(width):
            cx = np.float32(-2) + np.float32(column) * step_x
            cy = np.float32(-1) + np.float32(row) * step_y
            zx, zy = cx, cy
            count = 0
            while count < max_iterations and zx * zx + zy * zy <= four:
                zx, zy = cx + zx * zx - zy * zy, cy + two * zx * zy
                count += 1
            counts[row, column] = count


def nbody(x, y, z, vx, vy, vz, mass, ax, ay, az, px, py, pz, softening, step):
    for i in prange(x.size):
        sx = sy = sz = np.float32(0)
        xi, yi, zi = x[i], y[i], z[i]
        for j in range(x.size):
            dx, dy, dz = x[j] - xi, y[j] - yi, z[j] - zi
            inverse = one / math.sqrt(dx * dx + dy * dy + dz * dz + softening)
            weight = mass[j] * inverse * inverse * inverse
            sx += dx * weight
            sy += dy * weight
            sz += dz * weight
        ax[i], ay[i], az[i] = sx, sy, sz
        px[i] = xi + (vx[i] + sx * step) * step
        py[i] = yi + (vy[i] + sy * step) * step
        pz[i] = zi + (vz[i] + sz * step) * step


def stencil(source, target):
    rows, columns = source.shape
    for i in prange(1, rows - 1):
        for j in range(1, columns - 1):
            around = source[i - 1, j] + source[i + 1, j] + source[i, j - 1] + source[i, j + 1]
            target[i, j] = half * source[i, j] + eighth * around


def total(x):
    result = np.float32(0)
    for i in prange(x.size):
        result += x[i]
    return result


def matmul(left, right, product):
    rows, columns = product.shape
    for i in prange(rows):
        for j in range(columns):
            dot = np.float32(0)
            for k in range(left.shape[1]):
                dot += left[i, k] * right[k, j]
            product[i, j] = dot


def compiled(**options):
    """The kernels under one set of Numba's options."""
    jit = njit(fastmath=True, **options)
    small = jit(saxpy)

    def launch(a, x, y):
        for _ in range(problems.LAUNCHES):
            small(a, x, y)

    return {
        "saxpy": small,
        "black_scholes": jit(black_scholes),
        "mandelbrot": jit(mandelbrot),
        "nbody": jit(nbody),
        "stencil": jit(stencil),
        "sum": jit(total),
        "matmul": jit(matmul),
        "launch": launch,
    }


def start(threads: int, variant: str) -> Peer:
    """The thread count comes from NUMBA_NUM_THREADS, which is read at import."""
    return bind(numba.__version__, Port(), {"parallel": compiled(parallel=True), "serial": compiled()})
