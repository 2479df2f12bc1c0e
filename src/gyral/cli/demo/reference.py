"""What the demo's kernels compute, written with NumPy as one would without Gyral."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Element types are left open: NumPy's stubs widen f32 beside Python numbers, NumPy itself does not.
Plane = NDArray[Any]


def luma(photo: Plane) -> Plane:
    """Brightness of an image of shape (height, width, 3)."""
    return photo @ np.array([0.2126, 0.7152, 0.0722], np.float32)


def blur(image: Plane, weights: Plane) -> Plane:
    """Separable blur, borders repeated."""
    radius = len(weights) // 2
    height, width = image.shape
    padded = np.pad(image, ((0, 0), (radius, radius)), "edge")
    rows = sum(weight * padded[:, k : k + width] for k, weight in enumerate(weights))
    padded = np.pad(rows, ((radius, radius), (0, 0)), "edge")
    return sum(weight * padded[k : k + height] for k, weight in enumerate(weights))  # pyright: ignore


def edges(image: Plane) -> Plane:
    """Length of the Sobel gradient, borders repeated."""
    p = np.pad(image, 1, "edge")
    across = (p[:-2, 2:] - p[:-2, :-2]) + 2 * (p[1:-1, 2:] - p[1:-1, :-2]) + (p[2:, 2:] - p[2:, :-2])
    down = (p[2:, :-2] - p[:-2, :-2]) + 2 * (p[2:, 1:-1] - p[:-2, 1:-1]) + (p[2:, 2:] - p[:-2, 2:])
    return np.sqrt(across * across + down * down)


def develop(photo: Plane, grey: Plane, blurred: Plane, amount: float) -> Plane:
    """Unsharp mask and an S-shaped tone curve."""
    t = np.clip(photo + (np.float32(amount) * (grey - blurred))[..., None], 0, 1)
    return t * t * (3 - 2 * t)


def advect(across: Plane, down: Plane, field: Plane) -> Plane:
    """Semi-Lagrangian step of `field`, bilinear."""
    height, width = field.shape
    rows, columns = np.indices(field.shape, dtype=np.float32)
    y = np.clip(rows - down, 0, height - 1)
    x = np.clip(columns - across, 0, width - 1)
    top = np.minimum(y.astype(np.int32), height - 2)
    left = np.minimum(x.astype(np.int32), width - 2)
    dy = y - top.astype(np.float32)
    dx = x - left.astype(np.float32)
    above = field[top, left] + dx * (field[top, left + 1] - field[top, left])
    below = field[top + 1, left] + dx * (field[top + 1, left + 1] - field[top + 1, left])
    return above + dy * (below - above)


def divergence(across: Plane, down: Plane) -> Plane:
    """Central differences, borders repeated."""
    u = np.pad(across, 1, "edge")
    v = np.pad(down, 1, "edge")
    return np.float32(0.5) * (u[1:-1, 2:] - u[1:-1, :-2] + v[2:, 1:-1] - v[:-2, 1:-1])


def relax(pressure: Plane, source: Plane) -> Plane:
    """One Jacobi step of the pressure equation."""
    p = np.pad(pressure, 1, "edge")
    return np.float32(0.25) * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:] - source)


def project(pressure: Plane, across: Plane, down: Plane) -> tuple[Plane, Plane]:
    """The flow less the gradient of the pressure."""
    p = np.pad(pressure, 1, "edge")
    half = np.float32(0.5)
    return across - half * (p[1:-1, 2:] - p[1:-1, :-2]), down - half * (p[2:, 1:-1] - p[:-2, 1:-1])


def normal(x: Plane) -> Plane:
    """Standard normal distribution; Abramowitz and Stegun 26.2.17, error below 7.5e-8 (NumPy has no erf)."""
    t = 1 / (1 + np.float32(0.2316419) * np.abs(x))
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail = np.float32(0.3989422804) * np.exp(-0.5 * x * x) * series
    return np.where(x < 0, tail, 1 - tail)


def black_scholes(
    spot: Plane, strike: Plane, years: Plane, rate: float, volatility: float
) -> tuple[Plane, Plane]:
    """Call and put prices."""
    spread = volatility * np.sqrt(years)
    upper = (np.log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / spread
    lower = upper - spread
    discounted = strike * np.exp(-rate * years)
    call = spot * normal(upper) - discounted * normal(lower)
    put = discounted * normal(-lower) - spot * normal(-upper)
    return call, put


def delays(hour: Plane, delay: Plane, hours: int) -> tuple[Plane, Plane]:
    """Minutes of delay and number of flights for each hour, NaN left out."""
    flown = ~np.isnan(delay)
    minutes = np.bincount(hour[flown], weights=delay[flown], minlength=hours)
    return minutes.astype(np.int32), np.bincount(hour[flown], minlength=hours).astype(np.int32)
