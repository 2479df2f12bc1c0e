"""What the problems' answers are, in float64, and how far a float32 answer may be from them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

import problems
from problems import Arrays

FORMAT = 1  # raise it when a reference or its data changes, so that stored ones are left aside


class WrongResult(Exception):
    """A peer's result differs from the reference by more than float32 arithmetic explains."""


def _normal_cdf(x: np.ndarray) -> np.ndarray:
    """The polynomial of Abramowitz and Stegun 26.2.17, which every peer evaluates in float32."""
    size = np.abs(x)
    k = 1 / (1 + 0.2316419 * size)
    series = 0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429)))
    upper = 1 - 0.39894228 * np.exp(-size * size / 2) * k * series
    return np.where(x < 0, 1 - upper, upper)


def saxpy(length: int = problems.LENGTH, steps: int = 1) -> Arrays:
    """y after `steps` of y = a x + y."""
    x, y = (array.astype(np.float64) for array in problems.saxpy_inputs(length))
    return (steps * problems.SCALE * x + y,)


def black_scholes() -> Arrays:
    """Call and put prices."""
    spot, strike, years = (array.astype(np.float64) for array in problems.black_scholes_inputs())
    rate, volatility = float(np.float32(problems.RATE)), float(np.float32(problems.VOLATILITY))
    root = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / root
    d2 = d1 - root
    discounted = strike * np.exp(-rate * years)
    call = spot * _normal_cdf(d1) - discounted * _normal_cdf(d2)
    put = discounted * _normal_cdf(-d2) - spot * _normal_cdf(-d1)
    return call, put


def mandelbrot() -> Arrays:
    """Iterations until |z| > 2, per pixel."""
    width = problems.PIXELS
    real = -2 + np.arange(width) * (3 / width)
    imaginary = -1 + np.arange(width) * (2 / width)
    c = (real[None, :] + 1j * imaginary[:, None]).ravel()
    count = np.zeros(width * width, np.int32)
    alive = np.arange(width * width)
    z = c.copy()
    for _ in range(problems.MAX_ITERATIONS):
        inside = z.real**2 + z.imag**2 <= 4
        alive, z = alive[inside], z[inside]
        count[alive] += 1
        z = z * z + c[alive]
    return (count.reshape(width, width),)


def nbody() -> Arrays:
    """Accelerations, then positions after one step."""
    x, y, z, vx, vy, vz, mass = (array.astype(np.float64) for array in problems.nbody_inputs())
    softening, step = float(np.float32(problems.SOFTENING)), float(np.float32(problems.TIME_STEP))
    accelerations = [np.empty_like(x) for _ in range(3)]
    for start in range(0, x.size, 256):
        rows = slice(start, start + 256)
        away = [axis[None, :] - axis[rows, None] for axis in (x, y, z)]
        squared = sum(component * component for component in away) + softening
        weight = mass[None, :] / (squared * np.sqrt(squared))
        for total, component in zip(accelerations, away, strict=True):
            total[rows] = (component * weight).sum(1)
    moved = [
        position + step * (velocity + step * acceleration)
        for position, velocity, acceleration in zip((x, y, z), (vx, vy, vz), accelerations, strict=True)
    ]
    return (*accelerations, *moved)


def stencil() -> Arrays:
    """The grid after all steps; its border stays."""
    (grid,) = (array.astype(np.float64) for array in problems.stencil_inputs())
    for _ in range(problems.STEPS):
        following = grid.copy()
        following[1:-1, 1:-1] = 0.5 * grid[1:-1, 1:-1] + 0.125 * (
            grid[:-2, 1:-1] + grid[2:, 1:-1] + grid[1:-1, :-2] + grid[1:-1, 2:]
        )
        grid = following
    return (grid,)


def total() -> Arrays:
    """The sum of the vector."""
    return (np.array([problems.sum_inputs()[0].sum(dtype=np.float64)]),)


def matmul() -> Arrays:
    """The product."""
    left, right = (array.astype(np.float64) for array in problems.matmul_inputs())
    return (left @ right,)


_REFERENCES: dict[str, Callable[[], Arrays]] = {
    "saxpy": saxpy,
    "black_scholes": black_scholes,
    "mandelbrot": mandelbrot,
    "nbody": nbody,
    "stencil": stencil,
    "sum": total,
    "matmul": matmul,
    "launch": lambda: saxpy(problems.SMALL, problems.LAUNCHES),
}
_SAME = {"launch_method": "launch", "launch_bound": "launch"}  # problems with another's answer

# Largest error allowed, relative to the largest magnitude of the reference array.
_TOLERANCES = {
    "saxpy": 3e-7,
    "black_scholes": 2e-5,
    "nbody": 2e-4,
    "stencil": 2e-6,
    "sum": 1e-4,
    "matmul": 1e-5,
    "launch": 1e-4,
}
_MANDELBROT_PIXELS = 0.01  # share of pixels that may differ: on the set's rim rounding decides the count


def reference(kernel: str, folder: Path) -> Arrays:
    """The float64 answer to `kernel`; computed once, then kept in `folder`."""
    kernel = _SAME.get(kernel, kernel)
    stored = folder / f"{kernel}-{FORMAT}.npz"
    if not stored.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = stored.with_suffix(".partial.npz")
        np.savez(partial, *_REFERENCES[kernel]())
        partial.replace(stored)
    with np.load(stored) as arrays:
        return tuple(arrays[name] for name in arrays.files)


def error(kernel: str, results: Arrays, expected: Arrays) -> float:
    """Compare `results` with the reference and return the error, in the unit of its tolerance.

    Raises:
        WrongResult: a shape differs, a value is not finite, or the error exceeds the tolerance.
    """
    if len(results) != len(expected):
        raise WrongResult(f"{kernel} gave {len(results)} results instead of {len(expected)}")
    worst = max(_array_error(kernel, got, want) for got, want in zip(results, expected, strict=True))
    allowed = _MANDELBROT_PIXELS if kernel == "mandelbrot" else _TOLERANCES[_SAME.get(kernel, kernel)]
    if not worst <= allowed:
        raise WrongResult(f"{kernel} is off by {worst:.2e}; {allowed:.0e} is allowed")
    return worst


def _array_error(kernel: str, got: np.ndarray, want: np.ndarray) -> float:
    got = np.asarray(got)
    if got.size != want.size:
        raise WrongResult(f"{kernel} gave {got.size} elements instead of {want.size}")
    got = got.reshape(want.shape)
    if kernel == "mandelbrot":
        return float((got != want).mean())
    return float(np.abs(got.astype(np.float64) - want).max() / np.abs(want).max())
