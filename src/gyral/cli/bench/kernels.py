"""The benchmark's kernels, each as its user writes it: the natural one, nothing tuned by hand.

`gyral bench` times them alone, `benchmarks/` beside other libraries.
"""

import gyral as gy

Vector = gy.Array[gy.f32]
Matrix = gy.Array[gy.f32, 2]

fast = gy.kernel(fastmath=True)


@fast
def saxpy(a: gy.f32, x: Vector, y: Vector):
    """y = a x + y."""
    i = gy.global_id()
    y[i] = a * x[i] + y[i]


@gy.func
def normal_cdf(x: gy.f32):
    """Standard normal distribution; Abramowitz and Stegun 26.2.17, as the benchmark's peers have it."""
    size = abs(x)
    k = 1.0 / (1.0 + 0.2316419 * size)
    series = 0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429)))
    upper = 1.0 - 0.39894228 * gy.exp(-size * size * 0.5) * k * series
    return 1.0 - upper if x < 0.0 else upper


@fast
def black_scholes(
    spot: Vector, strike: Vector, years: Vector, call: Vector, put: Vector, rate: gy.f32, volatility: gy.f32
):
    """Prices of European options."""
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
    """Iterations until escape over -2 … 1 and -1 … 1."""
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
    """Acceleration of each body by all others, and its position after one step."""
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
    """One step of a five-point stencil on the inner points."""
    row, column = gy.global_ids(2)
    i, j = row + 1, column + 1
    around = source[i - 1, j] + source[i + 1, j] + source[i, j - 1] + source[i, j + 1]
    target[i, j] = 0.5 * source[i, j] + 0.125 * around


@fast
def total(x: Vector, result: Vector):
    """Sum of all elements."""
    partial = 0.0
    for k in gy.grid_range(x.size):
        partial += x[k]
    block = gy.block_sum(partial)
    if gy.local_id() == 0:
        gy.atomic_add(result, 0, block)


@fast
def matmul(left: Matrix, right: Matrix, product: Matrix):
    """One dot product per thread."""
    i, j = gy.global_ids(2)
    dot = 0.0
    for k in range(left.shape[1]):
        dot += left[i, k] * right[k, j]
    product[i, j] = dot
