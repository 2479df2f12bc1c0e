"""Gyral: each kernel as its user writes it, over NumPy arrays."""

import numpy as np

import gyral as gy
import problems
from peers.binding import Port, bind
from peers.case import Peer

Vector = gy.Array[gy.f32]
Matrix = gy.Array[gy.f32, 2]
SUM_THREADS, SUM_BLOCK = 1 << 14, 256

fast = gy.kernel(fastmath=True)


@fast
def saxpy(a: gy.f32, x: Vector, y: Vector):
    i = gy.global_id()
    y[i] = a * x[i] + y[i]


@gy.func
def normal_cdf(x: gy.f32):
    size = abs(x)
    k = 1.0 / (1.0 + 0.2316419 * size)
    series = 0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429)))
    upper = 1.0 - 0.39894228 * gy.exp(-size * size * 0.5) * k * series
    return 1.0 - upper if x < 0.0 else upper


@fast
def black_scholes(
    spot: Vector, strike: Vector, years: Vector, call: Vector, put: Vector, rate: gy.f32, volatility: gy.f32
):
    i = gy.global_id()
    root = volatility * gy.sqrt(years[i])
    d1 = (gy.log(spot[i] / strike[i]) + (rate + 0.5 * volatility * volatility) * years[i]) / root
    d2 = d1 - root
    discounted = strike[i] * gy.exp(-rate * years[i])
    price = spot[i]
    call[i] = price * normal_cdf(d1) - discounted * normal_cdf(d2)
    put[i] = discounted * normal_cdf(-d2) - price * normal_cdf(-d1)


@fast
def mandelbrot(counts: gy.Array[gy.i32, 2], max_iterations: gy.i32):
    row, column = gy.global_ids(2)
    cx = -2.0 + column * (3.0 / counts.shape[1])
    cy = -1.0 + row * (2.0 / counts.shape[0])
    zx, zy = cx, cy
    count = 0
    while count < max_iterations and zx * zx + zy * zy <= 4.0:
        zx, zy = cx + zx * zx - zy * zy, cy + 2.0 * zx * zy
        count += 1
    counts[row, column] = count


@fast
def nbody(
    x: Vector, y: Vector, z: Vector, vx: Vector, vy: Vector, vz: Vector, mass: Vector,
    ax: Vector, ay: Vector, az: Vector, px: Vector, py: Vector, pz: Vector, softening: gy.f32, step: gy.f32,
):  # fmt: skip
    i = gy.global_id()
    sx, sy, sz = 0.0, 0.0, 0.0
    xi, yi, zi = x[i], y[i], z[i]
    for j in range(x.size):
        dx, dy, dz = x[j] - xi, y[j] - yi, z[j] - zi
        inverse = gy.rsqrt(dx * dx + dy * dy + dz * dz + softening)
        weight = mass[j] * inverse * inverse * inverse
        sx += dx * weight
        sy += dy * weight
        sz += dz * weight
    ax[i], ay[i], az[i] = sx, sy, sz
    px[i] = xi + (vx[i] + sx * step) * step
    py[i] = yi + (vy[i] + sy * step) * step
    pz[i] = zi + (vz[i] + sz * step) * step


@fast
def stencil(source: Matrix, target: Matrix):
    row, column = gy.global_ids(2)
    i, j = row + 1, column + 1
    around = source[i - 1, j] + source[i + 1, j] + source[i, j - 1] + source[i, j + 1]
    target[i, j] = 0.5 * source[i, j] + 0.125 * around


@fast
def total(x: Vector, result: Vector):
    partial = 0.0
    for k in gy.grid_range(x.size):
        partial += x[k]
    block = gy.block_sum(partial)
    if gy.local_id() == 0:
        gy.atomic_add(result, 0, block)


@fast
def matmul(left: Matrix, right: Matrix, product: Matrix):
    i, j = gy.global_ids(2)
    dot = 0.0
    for k in range(left.shape[1]):
        dot += left[i, k] * right[k, j]
    product[i, j] = dot


def run_nbody(*arguments) -> None:
    nbody[problems.BODIES](*arguments)


def run_stencil(source: np.ndarray, target: np.ndarray) -> None:
    rows, columns = source.shape
    stencil[rows - 2, columns - 2](source, target)


def summed() -> object:
    """A function that adds up a vector, with the one-element result it needs."""
    result = np.zeros(1, np.float32)

    def run(x: np.ndarray) -> np.float32:
        result[0] = 0
        total[SUM_THREADS, SUM_BLOCK](x, result)
        return result[0]

    return run


def launch(a: float, x: np.ndarray, y: np.ndarray) -> None:
    for _ in range(problems.LAUNCHES):
        saxpy[problems.SMALL](a, x, y)


def launch_method(a: float, x: np.ndarray, y: np.ndarray) -> None:
    for _ in range(problems.LAUNCHES):
        saxpy.launch(problems.SMALL, a, x, y)


def launch_bound(a: float, x: np.ndarray, y: np.ndarray) -> None:
    bound = saxpy.bind(problems.SMALL, a, x, y)
    for _ in range(problems.LAUNCHES):
        bound()


def start(threads: int, variant: str) -> Peer:
    """The CPU device takes as many threads as the process may run on."""
    functions = {
        "saxpy": lambda a, x, y: saxpy[x.size](a, x, y),
        "black_scholes": lambda spot, *rest: black_scholes[spot.size](spot, *rest),
        "mandelbrot": lambda counts, limit: mandelbrot[counts.shape](counts, limit),
        "nbody": run_nbody,
        "stencil": run_stencil,
        "sum": summed(),
        "matmul": lambda left, right, product: matmul[product.shape](left, right, product),
        "launch": launch,
        "launch_method": launch_method,
        "launch_bound": launch_bound,
    }
    return bind(gy.__version__, Port(number=float), {"kernel": functions})
