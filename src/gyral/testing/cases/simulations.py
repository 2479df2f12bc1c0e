"""Group F: whole kernels of numerical work: matmul, stencils, n-body, options, fractals, waves."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gyral.testing import language as gy
from gyral.testing.case import Case
from gyral.testing.compare import EXACT, Tolerance

CLOSE = Tolerance(relative=2e-6)


@gy.kernel
def matmul(a: gy.Array[gy.f32, 2], b: gy.Array[gy.f32, 2], c: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    s = 0.0
    for k in range(a.shape[1]):
        s += a[i, k] * b[k, j]
    c[i, j] = s


@gy.kernel(block=(8, 8))
def tiled_matmul(a: gy.Array[gy.f32, 2], b: gy.Array[gy.f32, 2], c: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    y = gy.local_id(0)
    x = gy.local_id(1)
    left = gy.shared((8, 8), gy.f32)
    right = gy.shared((8, 8), gy.f32)
    row = gy.block_id(0) * 8 + y
    column = gy.block_id(1) * 8 + x
    depth = a.shape[1]
    h, w = c.shape
    s = 0.0
    for base in range(0, depth, 8):
        for yy in range(y, 8, min(8, h - gy.block_id(0) * 8)):
            for xx in range(x, 8, min(8, w - gy.block_id(1) * 8)):
                m = gy.block_id(0) * 8 + yy
                n = gy.block_id(1) * 8 + xx
                left[yy, xx] = a[m, base + xx] if m < h and base + xx < depth else 0
                right[yy, xx] = b[base + yy, n] if n < w and base + yy < depth else 0
        gy.barrier()
        for k in range(8):
            s += left[y, k] * right[k, x]
        gy.barrier()
    if row < h and column < w:
        c[i, j] = s


def matmul_reference(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    c[:] = a.astype(np.float64) @ b.astype(np.float64)


@gy.kernel
def heat(u: gy.Array[gy.f32, 2], out: gy.Array[gy.f32, 2], rate: gy.f32):
    i, j = gy.global_ids(2)
    h, w = u.shape
    if i == 0 or j == 0 or i == h - 1 or j == w - 1:
        out[i, j] = u[i, j]
        return
    around = u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1]
    out[i, j] = u[i, j] + rate * (around - 4 * u[i, j])


def heat_reference(u: np.ndarray, out: np.ndarray, rate: float) -> None:
    f = np.float32
    out[:] = u
    around = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
    out[1:-1, 1:-1] = u[1:-1, 1:-1] + f(rate) * (around - f(4) * u[1:-1, 1:-1])


@gy.kernel(block=(4, 8))
def heat_tiled(u: gy.Array[gy.f32, 2], out: gy.Array[gy.f32, 2], rate: gy.f32):
    i, j = gy.global_ids(2)
    h, w = u.shape
    tile = gy.shared((6, 10), gy.f32)
    top = gy.block_id(0) * 4 - 1
    left = gy.block_id(1) * 8 - 1
    for k in gy.block_range(60):
        row = min(max(top + k // 10, 0), h - 1)
        column = min(max(left + k % 10, 0), w - 1)
        tile[k // 10, k % 10] = u[row, column]
    gy.barrier()
    y = gy.local_id(0) + 1
    x = gy.local_id(1) + 1
    here = tile[y, x]
    around = tile[y - 1, x] + tile[y + 1, x] + tile[y, x - 1] + tile[y, x + 1]
    edge = i == 0 or j == 0 or i == h - 1 or j == w - 1
    out[i, j] = here if edge else here + rate * (around - 4 * here)


@gy.kernel
def stencil_3d(u: gy.Array[gy.f32, 3], out: gy.Array[gy.f32, 3]):
    i, j, k = gy.global_ids(3)
    d, h, w = u.shape
    if 0 < i < d - 1 and 0 < j < h - 1 and 0 < k < w - 1:
        s = 0.0
        for a in range(-1, 2):
            for b in range(-1, 2):
                for c in range(-1, 2):
                    weight = 1.0 / (1 + abs(a) + abs(b) + abs(c))
                    s += weight * u[i + a, j + b, k + c]
        out[i, j, k] = s
    else:
        out[i, j, k] = u[i, j, k] * 2


def stencil_3d_reference(u: np.ndarray, out: np.ndarray) -> None:
    f, offsets = np.float32, (-1, 0, 1)
    out[:] = u * f(2)
    s = np.zeros([n - 2 for n in u.shape], f)
    for a in offsets:
        for b in offsets:
            for c in offsets:
                part = u[1 + a : u.shape[0] - 1 + a, 1 + b : u.shape[1] - 1 + b, 1 + c : u.shape[2] - 1 + c]
                s = s + f(1) / f(1 + abs(a) + abs(b) + abs(c)) * part
    out[1:-1, 1:-1, 1:-1] = s


@gy.kernel
def n_body(pos: gy.Array[gy.f32x3], mass: gy.Array[gy.f32], force: gy.Array[gy.f32x3]):
    i = gy.global_id()
    here = pos[i]
    total = gy.f32x3(0, 0, 0)
    for k in range(len(mass)):
        d = pos[k] - here
        r2 = gy.dot(d, d) + 0.01
        total = total + d * (mass[k] / (r2 * math.sqrt(r2)))
    force[i] = total


def n_body_reference(pos: np.ndarray, mass: np.ndarray, force: np.ndarray) -> None:
    d = (pos[None] - pos[:, None]).astype(np.float64)
    r2 = (d * d).sum(axis=2) + 0.01
    force[:] = (d * (mass / (r2 * np.sqrt(r2)))[..., None]).sum(axis=1)


@gy.func
def normal_cdf(x: gy.f32) -> gy.f32:
    return 0.5 * math.erfc(-x * 0.7071067811865476)


@gy.kernel
def black_scholes(s: gy.Array[gy.f32], k: gy.Array[gy.f32], t: gy.Array[gy.f32], out: gy.Array[gy.f32, 2]):
    i = gy.global_id()
    rate = 0.02
    volatility = 0.3
    root = volatility * math.sqrt(t[i])
    d1 = (math.log(s[i] / k[i]) + (rate + 0.5 * volatility**2) * t[i]) / root
    d2 = d1 - root
    discounted = k[i] * math.exp(-rate * t[i])
    call = s[i] * normal_cdf(d1) - discounted * normal_cdf(d2)
    out[0, i] = call
    out[1, i] = call + discounted - s[i]


def black_scholes_reference(s: np.ndarray, k: np.ndarray, t: np.ndarray, out: np.ndarray) -> None:
    cdf = np.vectorize(lambda v: 0.5 * math.erfc(-v * math.sqrt(0.5)))
    s, k, t = s.astype(np.float64), k.astype(np.float64), t.astype(np.float64)
    root = 0.3 * np.sqrt(t)
    d1 = (np.log(s / k) + (0.02 + 0.045) * t) / root
    discounted = k * np.exp(-0.02 * t)
    call = s * cdf(d1) - discounted * cdf(d1 - root)
    out[0], out[1] = call, call + discounted - s


@gy.kernel
def mandelbrot(out: gy.Array[gy.i32, 2], limit: gy.i32):
    i, j = gy.global_ids(2)
    h, w = out.shape
    c_re = -2 + 3 * j / w
    c_im = -1.25 + 2.5 * i / h
    re = 0.0
    im = 0.0
    n = 0
    while n < limit and re * re + im * im <= 4:
        re, im = re * re - im * im + c_re, 2 * re * im + c_im
        n += 1
    out[i, j] = n


def mandelbrot_reference(out: np.ndarray, limit: int) -> None:
    f = np.float32
    h, w = out.shape
    for i in range(h):
        for j in range(w):
            c_re, c_im = f(-2) + f(3 * j) / f(w), f(-1.25) + f(2.5) * f(i) / f(h)
            re = im = f(0)
            while out[i, j] < limit and re * re + im * im <= f(4):
                re, im = re * re - im * im + c_re, f(2) * re * im + c_im
                out[i, j] += 1


@gy.kernel
def convolve(x: gy.Array[gy.f32, 2], weights: gy.Array[gy.f32, 2], out: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    s = 0.0
    for a in range(weights.shape[0]):
        for b in range(weights.shape[1]):
            y = i + a - weights.shape[0] // 2
            z = j + b - weights.shape[1] // 2
            if y < 0 or y >= x.shape[0] or z < 0 or z >= x.shape[1]:
                continue
            s += x[y, z] * weights[a, b]
    out[i, j] = s


def convolve_reference(x: np.ndarray, weights: np.ndarray, out: np.ndarray) -> None:
    h, w = weights.shape
    padded = np.pad(x, ((h // 2, h // 2), (w // 2, w // 2)))
    out[:] = 0
    for a in range(h):
        for b in range(w):
            out += padded[a : a + x.shape[0], b : b + x.shape[1]] * weights[a, b]


@gy.kernel
def life(cells: gy.Array[gy.bool_, 2], out: gy.Array[gy.bool_, 2]):
    i, j = gy.global_ids(2)
    h, w = cells.shape
    alive = 0
    for a in range(-1, 2):
        for b in range(-1, 2):
            if a != 0 or b != 0:
                alive += cells[(i + a) % h, (j + b) % w]
    out[i, j] = alive == 3 or (alive == 2 and cells[i, j])


def life_reference(cells: np.ndarray, out: np.ndarray) -> None:
    alive = sum(np.roll(cells, (a, b), (0, 1)).astype(int) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b)
    out[:] = (alive == 3) | ((alive == 2) & cells)


@gy.kernel
def magnetic(ez: gy.Array[gy.f32, 2], hx: gy.Array[gy.f32, 2], hy: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    h, w = ez.shape
    if j + 1 < w:
        hx[i, j] -= 0.5 * (ez[i, j + 1] - ez[i, j])
    if i + 1 < h:
        hy[i, j] += 0.5 * (ez[i + 1, j] - ez[i, j])


def magnetic_reference(ez: np.ndarray, hx: np.ndarray, hy: np.ndarray) -> None:
    half = np.float32(0.5)
    hx[:, :-1] -= half * (ez[:, 1:] - ez[:, :-1])
    hy[:-1] += half * (ez[1:] - ez[:-1])


@gy.kernel
def electric(ez: gy.Array[gy.f32, 2], hx: gy.Array[gy.f32, 2], hy: gy.Array[gy.f32, 2], source: gy.f32):
    i, j = gy.global_ids(2)
    h, w = ez.shape
    if i > 0 and j > 0 and i < h - 1 and j < w - 1:
        ez[i, j] += 0.5 * (hy[i, j] - hy[i - 1, j] - hx[i, j] + hx[i, j - 1])
    if i == h // 2 and j == w // 2:
        ez[i, j] += source


def electric_reference(ez: np.ndarray, hx: np.ndarray, hy: np.ndarray, source: float) -> None:
    half, inner = np.float32(0.5), (slice(1, -1), slice(1, -1))
    ez[inner] += half * (hy[inner] - hy[:-2, 1:-1] - hx[inner] + hx[1:-1, :-2])
    ez[ez.shape[0] // 2, ez.shape[1] // 2] += np.float32(source)


def noise(*shape: int, seed: int = 1) -> np.ndarray:
    """Random f32 values in [-1, 1)."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def blank(*shape: int) -> np.ndarray:
    """An f32 output."""
    return np.zeros(shape, np.float32)


def options(count: int) -> tuple[np.ndarray, ...]:
    """Spot, strike and time of options, and room for calls and puts."""
    s, k, t = (np.abs(noise(count, seed=n)) for n in (1, 2, 3))
    return s * 100 + 10, k * 80 + 20, t * 2 + np.float32(0.05), blank(2, count)


def products() -> Iterator[Case]:
    """Matrix products, plain and tiled."""
    for m, n, depth in ((16, 16, 16), (13, 11, 19), (5, 40, 8)):
        launch = (lambda m=m, n=n, d=depth: (noise(m, d), noise(d, n, seed=2), blank(m, n)), (m, n))
        name = f"{m}x{depth} by {depth}x{n}"
        yield Case("F", "matmul", f"plain {name}", matmul, *launch, None, matmul_reference, EXACT, CLOSE)
        yield Case(
            "F", "matmul", f"tiled {name}", tiled_matmul, *launch, None, matmul_reference, EXACT, CLOSE
        )


def stencils() -> Iterator[Case]:
    """Grids whose points look at their neighbours."""
    for shape in ((12, 16), (9, 21)):
        launch: Any = (lambda s=shape: (noise(*s), blank(*s), 0.2), shape)
        size = "x".join(map(str, shape))
        yield Case("F", "stencil", f"2-D {size}", heat, *launch, None, heat_reference)
        yield Case("F", "stencil", f"2-D with halo {size}", heat_tiled, *launch, None, heat_reference)
        launch = (lambda s=shape: (noise(*s), noise(3, 5, seed=2), blank(*s)), shape)
        yield Case("F", "convolution", size, convolve, *launch, None, convolve_reference, EXACT, CLOSE)
        cells = (lambda s=shape: (noise(*s) > 0.3, np.zeros(s, bool)), shape)
        yield Case("F", "Game of Life", size, life, *cells, None, life_reference)
        fields = (lambda s=shape: (noise(*s), noise(*s, seed=2), noise(*s, seed=3)), shape)
        yield Case("F", "FDTD", f"magnetic {size}", magnetic, *fields, None, magnetic_reference)
        driven = (lambda s=shape: (noise(*s), noise(*s, seed=2), noise(*s, seed=3), 0.25), shape)
        yield Case("F", "FDTD", f"electric {size}", electric, *driven, None, electric_reference)
    for shape, block in (((6, 7, 9), None), ((6, 7, 9), (2, 2, 8)), ((4, 4, 16), (2, 4, 8))):
        launch = (lambda s=shape: (noise(*s), blank(*s)), shape, block)
        name = f"3-D {shape} {block or ''}"
        yield Case("F", "stencil", name, stencil_3d, *launch, stencil_3d_reference, EXACT, CLOSE)


def cases() -> Iterator[Case]:
    """The rows of this file."""
    yield from products()
    yield from stencils()
    bodies = (lambda: (noise(45, 3), np.abs(noise(45, seed=2)), blank(45, 3)), (45,))
    yield Case(
        "F", "n-body", "forces", n_body, *bodies, None, n_body_reference, EXACT, Tolerance(relative=1e-5)
    )
    prices = (lambda: options(90), (90,))
    rounding = Tolerance(relative=2e-6)
    yield Case(
        "F",
        "Black-Scholes",
        "calls and puts",
        black_scholes,
        *prices,
        None,
        black_scholes_reference,
        rounding,
        rounding,
    )
    for shape in ((16, 32), (11, 37)):
        launch = (lambda s=shape: (np.zeros(s, np.int32), 60), shape)
        yield Case(
            "F", "Mandelbrot", f"{shape[0]}x{shape[1]}", mandelbrot, *launch, None, mandelbrot_reference
        )
