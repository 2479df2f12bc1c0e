"""Measures the maths library on the CPU device, as kernels see it, against `reference.c`.

    python -m benchmarks.accuracy.sweep                 every function, every 61st float
    python -m benchmarks.accuracy.sweep --stride 1 exp  all 2**32 floats through exp
    python -m benchmarks.accuracy.sweep --fast sin cos  the forms used under fastmath, on their stated range

Prints the largest error beside the stated bound; the exit status is 1 when a bound is exceeded.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.accuracy.reference import Reference, Worst

import gyral as gy
from gyral.compiler.stdlib.bounds import ABSOLUTE, RANGE, ULP

CHUNK = 1 << 24
PAIRS = 1 << 20
TWO_ARGUMENTS = frozenset({"pow", "atan2", "hypot", "fmod", "remainder"})
Apply = Callable[..., np.ndarray]


def apply_of(name: str, fast: bool) -> Apply:
    """A function on arrays that launches the kernel of this maths function."""
    word = getattr(gy, name)

    @gy.kernel(fastmath=fast)
    def one(x: gy.Array, out: gy.Array):
        i = gy.global_id()
        out[i] = word(x[i])

    @gy.kernel(fastmath=fast)
    def two(x: gy.Array, y: gy.Array, out: gy.Array):
        i = gy.global_id()
        out[i] = word(x[i], y[i])

    launched = two if name in TWO_ARGUMENTS else one

    def apply(*arguments: np.ndarray) -> np.ndarray:
        out = np.empty_like(arguments[0])
        launched[out.size](*arguments, out)
        return out

    return apply


def sweep_all(reference: Reference, name: str, apply: Apply, stride: int) -> Worst:
    """Every `stride`-th of all 2**32 floats."""
    worst = Worst(-1.0, ())
    allowed = ABSOLUTE.get(f"{name}_f32", 0.0)
    for start in range(0, 1 << 32, CHUNK * stride):
        count = min(CHUNK, ((1 << 32) - start + stride - 1) // stride)
        bits = np.arange(start, start + count * stride, stride, dtype=np.uint64).astype(np.uint32)
        found = reference.sweep(name, start, stride, apply(bits.view(np.float32)), allowed)
        worst = max(worst, found, key=lambda w: w.ulp)
    return worst


def binades(rng: np.random.Generator, dtype: np.dtype[Any], count: int) -> np.ndarray:
    """Random bit patterns: every binade, subnormals, infinities and NaN alike."""
    size = dtype.itemsize
    return rng.integers(0, 1 << (8 * size), count, dtype=f"u{size}").view(dtype)


def sample(reference: Reference, name: str, apply: Apply, dtype: np.dtype[Any]) -> Worst:
    """Random arguments over every binade, then over (-20, 20) and (1/2, 2)."""
    rng = np.random.default_rng(7)
    arity = 2 if name in TWO_ARGUMENTS else 1
    draws = [
        [binades(rng, dtype, PAIRS) for _ in range(arity)],
        [rng.uniform(-20.0, 20.0, PAIRS).astype(dtype) for _ in range(arity)],
        [rng.uniform(0.5, 2.0, PAIRS).astype(dtype) for _ in range(arity)],
    ]
    allowed = ABSOLUTE.get(f"{name}_f{8 * dtype.itemsize}", 0.0)
    return max((reference.compare(name, apply(*d), *d, absolute=allowed) for d in draws), key=lambda w: w.ulp)


def sample_range(reference: Reference, name: str, apply: Apply) -> Worst:
    """Random arguments on the range that is stated for the fast form."""
    rng = np.random.default_rng(8)
    draw = [rng.uniform(a, b, 16 * PAIRS).astype(np.float32) for a, b in RANGE[f"{name}_f32_fast"]]
    allowed = ABSOLUTE.get(f"{name}_f32_fast", 0.0)
    return reference.compare(name, apply(*draw), *draw, absolute=allowed)


def rows(names: list[str], fast: bool) -> list[tuple[str, str, str]]:
    """(key in ULP, function, dtype) of what is to be measured."""
    found = []
    for key in ULP:
        name, dtype, *rest = key.split("_")
        if (rest == ["fast"]) == fast and (not names or name in names):
            found.append((key, name, dtype))
    return found


def main(arguments: list[str]) -> int:
    """Measure, print a table, and say by the exit status whether every bound holds."""
    parser = argparse.ArgumentParser(description="Measure the maths library's errors.")
    parser.add_argument("names", nargs="*", help="functions, all without any")
    parser.add_argument("--stride", type=int, default=61, help="take every n-th float (1: all)")
    parser.add_argument("--fast", action="store_true", help="measure the forms used under fastmath")
    given = parser.parse_args(arguments)
    exceeded = False
    with tempfile.TemporaryDirectory() as folder:
        reference = Reference(Path(folder))
        for key, name, dtype in rows(given.names, given.fast):
            apply = apply_of(name, given.fast)
            if given.fast:
                worst = sample_range(reference, name, apply)
            elif dtype == "f32" and name not in TWO_ARGUMENTS:
                worst = sweep_all(reference, name, apply, given.stride)
            else:
                worst = sample(reference, name, apply, np.dtype("f4" if dtype == "f32" else "f8"))
            exceeded |= worst.ulp > ULP[key]
            print(f"{key:20} {worst.ulp:10.4f} ulp, stated {ULP[key]:4}, at {worst.arguments}", flush=True)
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
