"""Taichi: kernels over its own arrays, on its CPU backend."""

import numpy as np
import taichi as ti

import problems
from peers.binding import Port, bind
from peers.case import Peer

Vector = ti.types.ndarray(dtype=ti.f32, ndim=1)
Matrix = ti.types.ndarray(dtype=ti.f32, ndim=2)
Counts = ti.types.ndarray(dtype=ti.i32, ndim=2)


@ti.func
def normal_cdf(x):
    size = ti.abs(x)
    k = 1.0 / (1.0 + 0.2316419 * size)
    series = 0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429)))
    upper = 1.0 - 0.39894228 * ti.exp(-size * size * 0.5) * k * series
    return ti.select(x < 0, 1.0 - upper, upper)


def make_kernels():
    """The kernels, made after ti.init."""

    @ti.kernel
    def saxpy(a: ti.f32, x: Vector, y: Vector):
        for i in x:
            y[i] = a * x[i] + y[i]

    @ti.kernel
    def black_scholes(
        spot: Vector,
        strike: Vector,
        years: Vector,
        call: Vector,
        put: Vector,
        rate: ti.f32,
        volatility: ti.f32,
    ):
        for i in spot:
            root = volatility * ti.sqrt(years[i])
            d1 = (ti.log(spot[i] / strike[i]) + (rate + 0.5 * volatility * volatility) * years[i]) / root
            d2 = d1 - root
            discounted = strike[i] * ti.exp(-rate * years[i])
            call[i] = spot[i] * normal_cdf(d1) - discounted * normal_cdf(d2)
            put[i] = discounted * normal_cdf(-d2) - spot[i] * normal_cdf(-d1)

    @ti.kernel
    def mandelbrot(counts: Counts, max_iterations: ti.i32):
        for row, column in counts:
            cx = -2.0 + column * (3.0 / counts.shape[1])
            cy = -1.0 + row * (2.0 / counts.shape[0])
            zx, zy, count = cx, cy, 0
            while count < max_iterations and zx * zx + zy * zy <= 4.0:
                zx, zy = cx + zx * zx - zy * zy, cy + 2.0 * zx * zy
                count += 1
            counts[row, column] = count

    @ti.kernel
    def nbody(
        x: Vector, y: Vector, z: Vector, vx: Vector, vy: Vector, vz: Vector, mass: Vector,
        ax: Vector, ay: Vector, az: Vector, px: Vector, py: Vector, pz: Vector,
        softening: ti.f32, step: ti.f32,
    ):  # fmt: skip
        for i in x:
            sx, sy, sz = 0.0, 0.0, 0.0
            xi, yi, zi = x[i], y[i], z[i]
            for j in range(x.shape[0]):
                dx, dy, dz = x[j] - xi, y[j] - yi, z[j] - zi
                inverse = ti.rsqrt(dx * dx + dy * dy + dz * dz + softening)
                weight = mass[j] * inverse * inverse * inverse
                sx += dx * weight
                sy += dy * weight
                sz += dz * weight
            ax[i], ay[i], az[i] = sx, sy, sz
            px[i] = xi + (vx[i] + sx * step) * step
            py[i] = yi + (vy[i] + sy * step) * step
            pz[i] = zi + (vz[i] + sz * step) * step

    @ti.kernel
    def stencil(source: Matrix, target: Matrix):
        for i, j in ti.ndrange((1, source.shape[0] - 1), (1, source.shape[1] - 1)):
            around = source[i - 1, j] + source[i + 1, j] + source[i, j - 1] + source[i, j + 1]
            target[i, j] = 0.5 * source[i, j] + 0.125 * around

    @ti.kernel
    def stencil_nested(source: Matrix, target: Matrix):
        for i in range(1, source.shape[0] - 1):
            for j in range(1, source.shape[1] - 1):
                around = source[i - 1, j] + source[i + 1, j] + source[i, j - 1] + source[i, j + 1]
                target[i, j] = 0.5 * source[i, j] + 0.125 * around

    @ti.kernel
    def total(x: Vector) -> ti.f32:
        result = 0.0
        for i in x:
            result += x[i]
        return result

    @ti.kernel
    def matmul(left: Matrix, right: Matrix, product: Matrix):
        for i, j in product:
            dot = 0.0
            for k in range(left.shape[1]):
                dot += left[i, k] * right[k, j]
            product[i, j] = dot

    def launch(a, x, y):
        for _ in range(problems.LAUNCHES):
            saxpy(a, x, y)

    flat = {
        "saxpy": saxpy,
        "black_scholes": black_scholes,
        "mandelbrot": mandelbrot,
        "nbody": nbody,
        "stencil": stencil,
        "sum": total,
        "matmul": matmul,
        "launch": launch,
    }
    return {"struct-for": flat, "nested": {"stencil": stencil_nested}}


def put(array: np.ndarray) -> ti.Ndarray:
    """A copy of `array` in Taichi's memory."""
    held = ti.ndarray(ti.i32 if array.dtype == np.int32 else ti.f32, array.shape)
    held.from_numpy(array)
    return held


def start(threads: int, variant: str) -> Peer:
    """Initialise Taichi's CPU backend with `threads` threads."""
    ti.init(arch=ti.cpu, cpu_max_num_threads=threads, fast_math=True, offline_cache=False, log_level=ti.ERROR)
    port = Port(
        put=put,
        get=lambda held: held.to_numpy(),
        write=lambda held, array: held.from_numpy(array),
        wait=ti.sync,
        number=float,
    )
    return bind(".".join(map(str, ti.__version__)), port, make_kernels())
