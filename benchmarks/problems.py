"""The benchmark's problems: their sizes, their data, and what each has to move and compute at least.

Every peer solves the same seven problems on the same float32 data, and repeats one small launch.
Bytes are the compulsory traffic (each array element read or written once a pass); operations count an
addition, multiplication, division, root, logarithm or exponential as one.
"""

import os
from dataclasses import dataclass

import numpy as np

LENGTH = 1 << 24  # elements of saxpy and sum
OPTIONS = 1 << 22
PIXELS = 1024  # the Mandelbrot image is square
MAX_ITERATIONS = 256
BODIES = 4096
GRID = 2048  # the stencil's grid is square
STEPS = 10
MATRIX = 512
SMALL = 1024  # elements of the small launch
LAUNCHES = 1000  # small launches in one timed run

SCALE = 2.0
RATE, VOLATILITY = 0.02, 0.30
SOFTENING, TIME_STEP = 1e-3, 0.01

Arrays = tuple[np.ndarray, ...]

# Where arrays on the host start, in bytes past a 64-byte boundary: 0 is how the libraries with arrays of
# their own allocate, 16 is how NumPy does for large ones.
OFFSET = int(os.environ.get("GYRAL_BENCH_OFFSET", "0"))


@dataclass(frozen=True, slots=True)
class Problem:
    """What one timed run of a problem moves (`bytes`) and computes (`operations`) at least.

    `pattern` is the memory limit it is held against, "triad" (two reads, one write), "copy" or "read", over
    a working set of `footprint` bytes; without one it is held against arithmetic alone.
    A run of the small launches makes `launches` of them; their time is told for one.
    """

    name: str
    title: str
    bytes: float
    operations: float
    pattern: str = ""
    footprint: int = 0
    launches: int = 1


def _random() -> np.random.Generator:
    return np.random.default_rng(42)


def _uniform(count: int, low: float, high: float, random: np.random.Generator) -> np.ndarray:
    return placed(random.uniform(low, high, count).astype(np.float32))


def placed(array: np.ndarray) -> np.ndarray:
    """A copy of `array` that starts OFFSET bytes past a 64-byte boundary, as every peer's does."""
    room = np.empty(array.nbytes + 128, np.uint8)
    first = -room.ctypes.data % 64 + OFFSET
    copy = room[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def saxpy_inputs(length: int = LENGTH) -> Arrays:
    """x and y, uniform in [0, 1)."""
    random = _random()
    return tuple(placed(random.random(length, dtype=np.float32)) for _ in range(2))


def black_scholes_inputs() -> Arrays:
    """Spot prices, strikes and years to expiry."""
    random = _random()
    return (
        _uniform(OPTIONS, 5, 30, random),
        _uniform(OPTIONS, 1, 100, random),
        _uniform(OPTIONS, 0.25, 10, random),
    )


def nbody_inputs() -> Arrays:
    """Positions x, y, z, velocities x, y, z (normal) and masses (uniform)."""
    random = _random()
    moving = tuple(placed(random.standard_normal(BODIES).astype(np.float32)) for _ in range(6))
    return (*moving, placed(random.random(BODIES, dtype=np.float32)))


def stencil_inputs() -> Arrays:
    """The grid, uniform in [0, 1)."""
    return (placed(_random().random((GRID, GRID), dtype=np.float32)),)


def sum_inputs() -> Arrays:
    """The vector to add up, uniform in [0, 1)."""
    return (placed(_random().random(LENGTH, dtype=np.float32)),)


def matmul_inputs() -> Arrays:
    """The two factors, uniform in [0, 1)."""
    random = _random()
    return tuple(placed(random.random((MATRIX, MATRIX), dtype=np.float32)) for _ in range(2))


# The image's total of iterations at these sizes; `references.mandelbrot` is where it comes from.
MANDELBROT_ITERATIONS = 72_782_448

PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem("saxpy", "saxpy 16 M", 12 * LENGTH, 2 * LENGTH, pattern="triad", footprint=8 * LENGTH),
        Problem(
            "black_scholes",
            "Black–Scholes 4 M",
            20 * OPTIONS,
            55 * OPTIONS,
            pattern="triad",
            footprint=20 * OPTIONS,
        ),
        Problem(
            "mandelbrot",
            "Mandelbrot 1024² × 256",
            4 * PIXELS**2,
            8 * MANDELBROT_ITERATIONS,
        ),
        Problem("nbody", "n-body 4096", 4 * 13 * BODIES, 19 * BODIES**2),
        Problem(
            "stencil",
            f"stencil 2048² × {STEPS}",
            8 * GRID**2 * STEPS,
            6 * (GRID - 2) ** 2 * STEPS,
            pattern="copy",
            footprint=8 * GRID**2,
        ),
        Problem("sum", "sum 16 M", 4 * LENGTH, LENGTH, pattern="read", footprint=4 * LENGTH),
        Problem("matmul", "naive matmul 512", 12 * MATRIX**2, 2 * MATRIX**3),
        Problem("launch", "launch 1024", 0, 0, launches=LAUNCHES),
        Problem("launch_method", "kernel.launch 1024", 0, 0, launches=LAUNCHES),
        Problem("launch_bound", "bound launch 1024", 0, 0, launches=LAUNCHES),
    )
}
KERNELS = tuple(problem.name for problem in PROBLEMS.values() if problem.launches == 1)
