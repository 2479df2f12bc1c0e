"""The seven kernels as jobs for a device: data, launches, and how far a result is from the truth.

A job is the same for Gyral and for the kernels written by hand: the same arrays, numbers and launch shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]
SEED = 1


@dataclass(frozen=True, slots=True)
class Step:
    """One launch: the kernel of `gyral.cli.bench.kernels`, its shape, its arguments by name.

    `sizes` are what a kernel written by hand is told besides; `block` is one that the launch must name.
    """

    kernel: str
    shape: tuple[int, ...]
    arguments: tuple[str, ...]
    sizes: tuple[int, ...] = ()
    block: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One problem. `arrays` hold what is there before the first run; `error` is asked after exactly one.

    `bytes` and `operations` are the least that one run moves and computes.
    """

    name: str
    size: str
    arrays: Arrays
    numbers: Mapping[str, Any]
    steps: tuple[Step, ...]
    error: Callable[[Arrays], float]
    allowed: float
    bytes: int = 0
    operations: int = 0

    @property
    def footprint(self) -> int:
        """Bytes of its arrays."""
        return sum(array.nbytes for array in self.arrays.values())


def relative(ours: np.ndarray, truth: np.ndarray) -> float:
    """Largest difference over the largest magnitude of the truth."""
    return float(np.abs(ours.astype(np.float64) - truth).max() / (np.abs(truth).max() or 1.0))


def counted(n: int) -> str:
    """A number of elements, for people."""
    return f"{n >> 20} Mi" if n >= 1 << 20 else f"{n >> 10} Ki"


def uniform(low: float, high: float, *shape: int, seed: int = SEED) -> np.ndarray:
    """The same random values at every call."""
    return np.random.default_rng(seed).uniform(low, high, shape).astype(np.float32)


def saxpy(n: int) -> Job:
    """Two reads and a write."""
    x, y, a = uniform(0, 1, n), uniform(0, 1, n, seed=2), np.float32(0.5)
    step = Step("saxpy", (n,), ("a", "x", "y"), (n,))
    return Job(
        "saxpy", counted(n), {"x": x, "y": y}, {"a": a}, (step,),
        lambda got: relative(got["y"], x.astype(np.float64) * a + y), 1e-6, 12 * n, 2 * n,
    )  # fmt: skip


def black_scholes(n: int) -> Job:
    """Exponential, logarithm and square root on streams."""
    spot, strike, years = uniform(5, 30, n), uniform(1, 100, n, seed=2), uniform(0.25, 10, n, seed=3)
    rate, volatility = np.float32(0.02), np.float32(0.3)
    names = ("spot", "strike", "years", "call", "put")
    empty = np.zeros(n, np.float32)

    def error(got: Arrays) -> float:
        some = slice(0, None, max(1, n >> 16))
        s, k, t = (a[some].astype(np.float64) for a in (spot, strike, years))
        r, v = float(rate), float(volatility)
        root = v * np.sqrt(t)
        d1 = (np.log(s / k) + (r + 0.5 * v * v) * t) / root
        d2, discounted = d1 - root, k * np.exp(-r * t)
        call = s * normal_cdf(d1) - discounted * normal_cdf(d2)
        put = discounted * normal_cdf(-d2) - s * normal_cdf(-d1)
        return max(relative(got["call"][some], call), relative(got["put"][some], put))

    return Job(
        "black_scholes", counted(n), dict(zip(names, (spot, strike, years, empty, empty), strict=True)),
        {"rate": rate, "volatility": volatility},
        (Step("black_scholes", (n,), (*names, "rate", "volatility"), (n,)),), error, 1e-5, 20 * n, 55 * n,
    )  # fmt: skip


def normal_cdf(x: np.ndarray) -> np.ndarray:
    """Abramowitz and Stegun 26.2.17, as the kernels have it."""
    size = np.abs(x)
    k = 1 / (1 + 0.2316419 * size)
    series = 0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429)))
    upper = 1 - 0.39894228 * np.exp(-size * size * 0.5) * k * series
    return np.where(x < 0, 1 - upper, upper)


def mandelbrot(side: int, most: int) -> Job:
    """A loop that every thread leaves when it likes."""
    stride = max(1, side // 64)

    def error(got: Arrays) -> float:
        """Share of sampled points that differ: rounding decides on the border."""
        rows, columns = np.mgrid[0:side:stride, 0:side:stride]
        c = (-2 + columns * 3 / side) + 1j * (-1 + rows * 2 / side)
        z, truth = c.copy(), np.zeros(c.shape, np.int32)
        for _ in range(most):
            inside = z.real**2 + z.imag**2 <= 4
            z = np.where(inside, z * z + c, z)
            truth += inside
        return float((got["counts"][::stride, ::stride] != truth).mean())

    step = Step("mandelbrot", (side, side), ("counts", "most"), (side, side))
    return Job(
        "mandelbrot", f"{side}² × {most}", {"counts": np.zeros((side, side), np.int32)},
        {"most": np.int32(most)}, (step,), error, 0.02,
    )  # fmt: skip


def nbody(n: int) -> Job:
    """All pairs."""
    places = [uniform(-1, 1, n, seed=k) for k in (1, 2, 3)]
    speeds = [uniform(-0.1, 0.1, n, seed=k) for k in (4, 5, 6)]
    mass, softening, step = uniform(0, 1, n, seed=7), np.float32(1e-2), np.float32(1e-2)
    names = ("x", "y", "z", "vx", "vy", "vz", "mass", "ax", "ay", "az", "px", "py", "pz")
    empty = np.zeros(n, np.float32)

    def error(got: Arrays) -> float:
        some = slice(0, 32)
        away = [p[None, :].astype(np.float64) - p[some, None] for p in places]
        weight = mass * (sum(d * d for d in away) + float(softening)) ** -1.5
        truth = np.stack([(d * weight).sum(1) for d in away])
        moved = np.stack([p[some] for p in places]) + (
            np.stack([v[some] for v in speeds]) + truth * float(step)
        ) * float(step)
        ours = (np.stack([got[name][some] for name in group]) for group in (names[7:10], names[10:]))
        return max(relative(a, b) for a, b in zip(ours, (truth, moved), strict=True))

    held = dict(zip(names, (*places, *speeds, mass, *[empty] * 6), strict=True))
    launch = Step("nbody", (n,), (*names, "softening", "step"), (n,))
    return Job(
        "nbody", f"{n:,}", held, {"softening": softening, "step": step}, (launch,), error, 1e-4,
        52 * n, 19 * n * n,
    )  # fmt: skip


def stencil(side: int, steps: int) -> Job:
    """Neighbours in two dimensions, back and forth between two arrays."""
    start = uniform(0, 1, side, side)

    def error(got: Arrays) -> float:
        truth = start.astype(np.float64)
        for _ in range(steps):
            inner = 0.5 * truth[1:-1, 1:-1] + 0.125 * (
                truth[:-2, 1:-1] + truth[2:, 1:-1] + truth[1:-1, :-2] + truth[1:-1, 2:]
            )
            truth = truth.copy()
            truth[1:-1, 1:-1] = inner
        return relative(got["one" if steps % 2 == 0 else "two"], truth)

    turns = (("one", "two"), ("two", "one"))
    launches = tuple(Step("stencil", (side - 2, side - 2), turns[k % 2], (side, side)) for k in range(steps))
    points = side * side * steps
    return Job(
        "stencil", f"{side}² × {steps}", {"one": start, "two": start.copy()}, {}, launches, error, 1e-5,
        8 * points, 6 * points,
    )  # fmt: skip


def total(n: int, threads: int) -> Job:
    """A reduction over the whole grid; later runs add to the first one's result."""
    x = uniform(0, 1, n)
    return Job(
        "sum", counted(n), {"x": x, "result": np.zeros(1, np.float32)}, {},
        (Step("total", (threads,), ("x", "result"), (n,), 256),),
        lambda got: relative(got["result"], x.sum(dtype=np.float64, keepdims=True)), 1e-4, 4 * n, n,
    )  # fmt: skip


def matmul(side: int) -> Job:
    """One dot product per thread: reuse that only caches see."""
    left, right = uniform(0, 1, side, side), uniform(-0.5, 0.5, side, side, seed=2)
    some = slice(0, None, max(1, side // 32))

    def error(got: Arrays) -> float:
        return relative(got["product"][some], left[some].astype(np.float64) @ right)

    return Job(
        "matmul", f"{side}²",
        {"left": left, "right": right, "product": np.zeros((side, side), np.float32)}, {},
        (Step("matmul", (side, side), ("left", "right", "product"), (side,)),), error, 1e-4,
        12 * side * side, 2 * side**3,
    )  # fmt: skip


LARGE: dict[str, Callable[[], Job]] = {
    "saxpy": lambda: saxpy(1 << 26),
    "black_scholes": lambda: black_scholes(1 << 25),
    "mandelbrot": lambda: mandelbrot(4096, 256),
    "nbody": lambda: nbody(1 << 16),
    "stencil": lambda: stencil(8192, 10),
    "sum": lambda: total(1 << 26, 1 << 19),
    "matmul": lambda: matmul(2048),
}
"""For GPUs."""

SMALL: dict[str, Callable[[], Job]] = {
    "saxpy": lambda: saxpy(1 << 22),
    "black_scholes": lambda: black_scholes(1 << 19),
    "mandelbrot": lambda: mandelbrot(512, 256),
    "nbody": lambda: nbody(1 << 11),
    "stencil": lambda: stencil(1024, 4),
    "sum": lambda: total(1 << 22, 1 << 14),
    "matmul": lambda: matmul(256),
}
"""For devices that a processor plays."""
