"""The benchmark's jobs: data, launch, what they move and compute, and how their results are checked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gyral.cli.bench import kernels

SEED = 1


@dataclass(frozen=True, slots=True)
class Case:
    """One job. `launch` runs it once; `error`, asked after the first launch, is how far its result is
    from the truth, relative, and `allowed` is how far it may be.

    `bytes` and `flops` are what one launch has to move and compute: the least, whatever the machine does.
    """

    name: str
    size: str
    launch: Callable[[], None]
    error: Callable[[], float]
    allowed: float
    bytes: int = 0
    flops: int = 0


def relative(ours: NDArray[Any], truth: NDArray[Any]) -> float:
    """Largest difference over the largest magnitude of the truth."""
    scale = float(np.abs(truth).max()) or 1.0
    return float(np.abs(ours.astype(np.float64) - truth).max()) / scale


def uniform(low: float, high: float, *shape: int) -> NDArray[np.float32]:
    """The same random values at every call."""
    return np.random.default_rng(SEED).uniform(low, high, shape).astype(np.float32)


def saxpy(n: int) -> Case:
    """A stream of two reads and a write."""
    x, y, a = uniform(0, 1, n), np.zeros(n, np.float32), 1e-3

    def launch() -> None:
        kernels.saxpy[n](a, x, y)

    return Case(
        "saxpy", f"{n >> 20} Mi", launch, lambda: relative(y, x.astype(np.float64) * a), 1e-6, 12 * n, 2 * n
    )


def black_scholes(n: int) -> Case:
    """Exponential, logarithm and square root on streams."""
    spot, strike, years = uniform(5, 30, n), uniform(1, 100, n), uniform(0.25, 10, n)
    call, put = np.empty(n, np.float32), np.empty(n, np.float32)
    rate, volatility = 0.02, 0.3

    def error() -> float:
        # Put-call parity holds whatever the distribution's error: C − P = S − K exp(−rT).
        parity = spot - strike.astype(np.float64) * np.exp(-rate * years.astype(np.float64))
        return relative(call.astype(np.float64) - put, parity)

    def launch() -> None:
        kernels.black_scholes[n](spot, strike, years, call, put, rate, volatility)

    return Case("black_scholes", f"{n >> 20} Mi", launch, error, 1e-5, 20 * n)


def mandelbrot(side: int, limit: int) -> Case:
    """A loop that every thread leaves when it likes."""
    counts = np.zeros((side, side), np.int32)
    stride = max(1, side // 64)

    def error() -> float:
        """Share of sampled points whose count differs: rounding moves the points of the border."""
        rows, columns = np.mgrid[0:side:stride, 0:side:stride]
        c = (-2 + columns * 3 / side) + 1j * (-1 + rows * 2 / side)
        z, truth = c.copy(), np.zeros(c.shape, np.int32)
        for _ in range(limit):
            inside = z.real**2 + z.imag**2 <= 4
            z = np.where(inside, z * z + c, z)
            truth += inside
        return float((counts[::stride, ::stride] != truth).mean())

    return Case(
        "mandelbrot", f"{side}² × {limit}", lambda: kernels.mandelbrot[side, side](counts, limit), error, 0.02
    )


def nbody(n: int) -> Case:
    """All pairs."""
    x, y, z = np.split(uniform(-1, 1, 3 * n), 3)
    mass, softening, step = uniform(0, 1, n), 0.01, 0.01
    still = np.zeros(n, np.float32)
    ax, ay, az, px, py, pz = (np.empty(n, np.float32) for _ in range(6))

    def error() -> float:
        some = slice(0, 64)
        deltas = [np.subtract.outer(p[some], p).astype(np.float64) * -1 for p in (x, y, z)]
        weight = mass * (sum(d * d for d in deltas) + softening) ** -1.5
        truth = np.stack([(d * weight).sum(1) for d in deltas])
        moved = np.stack([p[some] for p in (x, y, z)]) + truth * step * step
        return max(
            relative(np.stack([ax[some], ay[some], az[some]]), truth),
            relative(np.stack([px[some], py[some], pz[some]]), moved),
        )

    def launch() -> None:
        kernels.nbody[n](
            x, y, z, still, still, still, mass, ax, ay, az, px, py, pz, softening, step
        )

    return Case("nbody", f"{n:,}", launch, error, 1e-4, flops=20 * n * n)


def stencil(side: int, steps: int) -> Case:
    """Neighbours in two dimensions, back and forth between two arrays."""
    start = uniform(0, 1, side, side)
    planes = [start.copy(), start.copy()]

    def launch() -> None:
        for step in range(steps):
            kernels.stencil[side - 2, side - 2](planes[step % 2], planes[1 - step % 2])

    def error() -> float:
        truth = start.astype(np.float64)
        for _ in range(steps):
            around = truth[:-2, 1:-1] + truth[2:, 1:-1] + truth[1:-1, :-2] + truth[1:-1, 2:]
            inner = 0.5 * truth[1:-1, 1:-1] + 0.125 * around
            truth = truth.copy()
            truth[1:-1, 1:-1] = inner
        return relative(planes[steps % 2], truth)

    points = side * side * steps
    return Case("stencil", f"{side}² × {steps}", launch, error, 1e-5, 8 * points, 6 * points)


def total(n: int) -> Case:
    """A reduction over the whole grid."""
    x, result = uniform(0, 1, n), np.zeros(1, np.float32)

    def launch() -> None:
        result[0] = 0
        kernels.total[1 << 14, 256](x, result)

    return Case(
        "sum",
        f"{n >> 20} Mi",
        launch,
        lambda: relative(result, x.sum(dtype=np.float64, keepdims=True)),
        1e-4,
        4 * n,
        n,
    )


def matmul(side: int) -> Case:
    """Reuse that only shows across threads."""
    left, right = uniform(0, 1, side, side), uniform(0, 1, side, side) - np.float32(0.5)
    product = np.empty((side, side), np.float32)

    def launch() -> None:
        kernels.matmul[side, side](left, right, product)

    def error() -> float:
        return relative(product, left.astype(np.float64) @ right)

    return Case("matmul", f"{side}²", launch, error, 1e-4, flops=2 * side**3)


def small(n: int) -> Case:
    """One small launch from Python: what calling costs."""
    x, y = uniform(0, 1, n), np.zeros(n, np.float32)
    kernel = kernels.saxpy

    def launch() -> None:
        kernel[n](1.0, x, y)

    return Case("launch", f"{n:,}", launch, lambda: relative(y, x), 1e-6)


MAKERS: dict[str, Callable[[], Case]] = {
    "saxpy": lambda: saxpy(1 << 24),
    "black_scholes": lambda: black_scholes(1 << 22),
    "mandelbrot": lambda: mandelbrot(1024, 256),
    "nbody": lambda: nbody(4096),
    "stencil": lambda: stencil(2048, 10),
    "sum": lambda: total(1 << 24),
    "matmul": lambda: matmul(512),
    "launch": lambda: small(1024),
}
