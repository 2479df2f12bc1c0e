"""Step functions for simulations, and what NumPy says they do: the same functions, run on whole arrays."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import gyral as gy

MODES: dict[str, Any] = {"zero": "constant", "periodic": "wrap", "clamp": "edge"}


@gy.func
def diffuse(u, k):
    """Heat on a plate."""
    return u[0, 0] + k * (u[-1, 0] + u[1, 0] + u[0, -1] + u[0, 1] - 4.0 * u[0, 0])


@gy.func
def gray_scott(u, v, feed, kill):
    """Two substances that react and spread (Gray and Scott, 1984)."""
    made = u[0, 0] * v[0, 0] * v[0, 0]
    du = u[-1, 0] + u[1, 0] + u[0, -1] + u[0, 1] - 4.0 * u[0, 0]
    dv = v[-1, 0] + v[1, 0] + v[0, -1] + v[0, 1] - 4.0 * v[0, 0]
    return u[0, 0] + 0.16 * du - made + feed * (1.0 - u[0, 0]), v[0, 0] + 0.08 * dv + made - (
        feed + kill
    ) * v[0, 0]


@gy.func
def wave(p, p_before, speed):
    """Sound in a room whose air differs from place to place."""
    here = p[0, 0, 0]
    around = p[-1, 0, 0] + p[1, 0, 0] + p[0, -1, 0] + p[0, 1, 0] + p[0, 0, -1] + p[0, 0, 1]
    return 2.0 * here - p_before[0, 0, 0] + speed[0, 0, 0] * (around - 6.0 * here)


@gy.func
def corners(n, cell, step):
    """Integers that depend on all eight neighbours, on the place and on the time."""
    i, j = cell
    around = n[-1, -1] + n[-1, 1] * 2 + n[1, -1] * 3 + n[1, 1] * 5 + n[0, -1] * 7 + n[-1, 0] * 11
    return (around + n[0, 0] + i * 3 + j + gy.i32(step)) & 0xFFFF


@gy.func
def line(n):
    """A rule on a line that reads two cells to either side."""
    return (n[-2] + 3 * n[-1] + n[0] + 5 * n[1] + 7 * n[2]) & 0xFFF


class Shifted:
    """A field in NumPy as a step function sees it: subscripts are distances."""

    def __init__(self, values: np.ndarray, boundary: Sequence[str], reach: int) -> None:
        self.shape, self.reach, padded = values.shape, reach, values
        for axis, kind in enumerate(boundary):
            width = [(reach, reach) if a == axis else (0, 0) for a in range(values.ndim)]
            padded = np.pad(padded, width, mode=MODES[kind])
        self.padded = padded

    def __getitem__(self, away: Any) -> np.ndarray:
        away = away if isinstance(away, tuple) else (away,)
        starts = [self.reach + d for d in away]
        return self.padded[tuple(slice(s, s + n) for s, n in zip(starts, self.shape, strict=True))]


def expected(
    step: Any,
    fields: Mapping[str, np.ndarray],
    steps: int,
    boundary: Sequence[str],
    parameters: Mapping[str, Any] | None = None,
    reach: int = 1,
) -> dict[str, np.ndarray]:
    """The fields after so many steps, computed by NumPy; words of the kernel language are not run."""
    function, now = step.__gyral_func__, dict(fields)
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    earlier = dict(now)
    shape = next(iter(now.values())).shape
    for number in range(steps):
        given: dict[str, Any] = {}
        for name in names:
            if name in now:
                given[name] = Shifted(now[name], boundary, reach)
            elif name.removesuffix("_before") in earlier:
                given[name] = Shifted(earlier[name.removesuffix("_before")], boundary, reach)
            elif name == "cell":
                given[name] = tuple(np.indices(shape, np.int32))
            elif name == "step":
                given[name] = np.int32(number)
            else:
                value = (parameters or {})[name]
                given[name] = Shifted(value, boundary, reach) if np.ndim(value) else value
        made = function(**given)
        made = made if isinstance(made, tuple) else (made,)
        earlier = now
        now = {n: m.astype(now[n].dtype) for n, m in zip(now, made, strict=True)}
    return now
