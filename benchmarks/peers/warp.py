"""Warp: kernels on its CPU device, which runs a launch on one thread whatever the machine has."""

import tempfile

import numpy as np
import warp as wp

import problems
from peers.binding import Port, bind
from peers.case import Missing, Peer

Vector = wp.array(dtype=wp.float32)
Matrix = wp.array2d(dtype=wp.float32)
Counts = wp.array2d(dtype=wp.int32)
DEVICE = "cpu"
RUN = 4096  # elements one thread of the sum adds up

wp.set_module_options({"fast_math": True})


@wp.func
def normal_cdf(x: wp.float32):
    size = wp.abs(x)
    k = 1.0 / (1.0 + 0.2316419 * size)
    series = 0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429)))
    upper = 1.0 - 0.39894228 * wp.exp(-size * size * 0.5) * k * series
    return wp.where(x < 0.0, 1.0 - upper, upper)


@wp.kernel
def saxpy(a: wp.float32, x: Vector, y: Vector):
    i = wp.tid()
    y[i] = a * x[i] + y[i]


@wp.kernel
def black_scholes(
    spot: Vector,
    strike: Vector,
    years: Vector,
    call: Vector,
    put: Vector,
    rate: wp.float32,
    volatility: wp.float32,
):
    i = wp.tid()
    root = volatility * wp.sqrt(years[i])
    d1 = (wp.log(spot[i] / strike[i]) + (rate + 0.5 * volatility * volatility) * years[i]) / root
    d2 = d1 - root
    discounted = strike[i] * wp.exp(-rate * years[i])
    call[i] = spot[i] * normal_cdf(d1) - discounted * normal_cdf(d2)
    put[i] = discounted * normal_cdf(-d2) - spot[i] * normal_cdf(-d1)


@wp.kernel
def mandelbrot(counts: Counts, max_iterations: int):
    row, column = wp.tid()
    cx = -2.0 + float(column) * (3.0 / float(counts.shape[1]))
    cy = -1.0 + float(row) * (2.0 / float(counts.shape[0]))
    zx = float(cx)
    zy = float(cy)
    count = int(0)
    while count < max_iterations and zx * zx + zy * zy <= 4.0:
        following = cx + zx * zx - zy * zy
        zy = cy + 2.0 * zx * zy
        zx = following
        count = count + 1
    counts[row, column] = count


@wp.kernel
def nbody(
    x: Vector, y: Vector, z: Vector, vx: Vector, vy: Vector, vz: Vector, mass: Vector,
    ax: Vector, ay: Vector, az: Vector, px: Vector, py: Vector, pz: Vector,
    softening: wp.float32, step: wp.float32,
):  # fmt: skip
    i = wp.tid()
    sx = float(0.0)
    sy = float(0.0)
    sz = float(0.0)
    xi = x[i]
    yi = y[i]
    zi = z[i]
    for j in range(x.shape[0]):
        dx = x[j] - xi
        dy = y[j] - yi
        dz = z[j] - zi
        inverse = 1.0 / wp.sqrt(dx * dx + dy * dy + dz * dz + softening)
        weight = mass[j] * inverse * inverse * inverse
        sx += dx * weight
        sy += dy * weight
        sz += dz * weight
    ax[i] = sx
    ay[i] = sy
    az[i] = sz
    px[i] = xi + (vx[i] + sx * step) * step
    py[i] = yi + (vy[i] + sy * step) * step
    pz[i] = zi + (vz[i] + sz * step) * step


@wp.kernel
def stencil(source: Matrix, target: Matrix):
    row, column = wp.tid()
    i = row + 1
    j = column + 1
    around = source[i - 1, j] + source[i + 1, j] + source[i, j - 1] + source[i, j + 1]
    target[i, j] = 0.5 * source[i, j] + 0.125 * around


@wp.kernel
def total(x: Vector, result: Vector):
    first = wp.tid() * RUN
    partial = float(0.0)
    for k in range(RUN):
        partial += x[first + k]
    wp.atomic_add(result, 0, partial)


@wp.kernel
def matmul(left: Matrix, right: Matrix, product: Matrix):
    i, j = wp.tid()
    dot = float(0.0)
    for k in range(left.shape[1]):
        dot += left[i, k] * right[k, j]
    product[i, j] = dot


def launcher(kernel, shape):
    """A function that launches `kernel` over `shape(*arguments)`."""

    def run(*arguments):
        wp.launch(kernel, dim=shape(*arguments), inputs=list(arguments), device=DEVICE)

    return run


def sum_into(result: wp.array):
    """A function that adds up a vector by way of `result`, one element."""

    def run(x):
        result.zero_()
        wp.launch(total, dim=x.shape[0] // RUN, inputs=[x, result], device=DEVICE)
        return result.numpy()[0]

    return run


def launch(a, x, y):
    for _ in range(problems.LAUNCHES):
        wp.launch(saxpy, dim=problems.SMALL, inputs=[a, x, y], device=DEVICE)


def start(threads: int, variant: str) -> Peer:
    """Compile the module into a folder of this process.

    Raises:
        Missing: for more than one thread, which Warp's CPU device does not have.
    """
    if threads > 1:
        raise Missing("Warp's CPU device runs a launch on one thread")
    wp.config.quiet = True
    wp.config.kernel_cache_dir = tempfile.mkdtemp(prefix="warp-")
    wp.init()
    port = Port(
        put=lambda array: wp.array(
            array, dtype=wp.int32 if array.dtype == np.int32 else wp.float32, device=DEVICE, copy=True
        ),
        get=lambda held: held.numpy().copy(),
        write=lambda held, array: held.assign(array),
        number=float,
    )
    functions = {
        "saxpy": launcher(saxpy, lambda a, x, y: x.shape),
        "black_scholes": launcher(black_scholes, lambda spot, *rest: spot.shape),
        "mandelbrot": launcher(mandelbrot, lambda counts, limit: counts.shape),
        "nbody": launcher(nbody, lambda x, *rest: x.shape),
        "stencil": launcher(stencil, lambda source, target: (source.shape[0] - 2, source.shape[1] - 2)),
        "sum": sum_into(wp.zeros(1, dtype=wp.float32, device=DEVICE)),
        "matmul": launcher(matmul, lambda left, right, product: product.shape),
        "launch": launch,
    }
    return bind(wp.config.version, port, {"kernel": functions})
