"""JAX: jitted expressions on its CPU backend."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

import problems
from peers.case import Case, Peer


@jax.jit
def saxpy(a, x, y):
    return a * x + y


saxpy_donating = jax.jit(lambda a, x, y: a * x + y, donate_argnums=2)


def normal_cdf(x):
    size = jnp.abs(x)
    k = 1 / (1 + 0.2316419 * size)
    series = 0.31938153 + k * (-0.356563782 + k * (1.781477937 + k * (-1.821255978 + k * 1.330274429)))
    upper = 1 - 0.39894228 * jnp.exp(-size * size * 0.5) * k * series
    return jnp.where(x < 0, 1 - upper, upper)


@jax.jit
def black_scholes(spot, strike, years, rate, volatility):
    root = volatility * jnp.sqrt(years)
    d1 = (jnp.log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / root
    d2 = d1 - root
    discounted = strike * jnp.exp(-rate * years)
    call = spot * normal_cdf(d1) - discounted * normal_cdf(d2)
    put = discounted * normal_cdf(-d2) - spot * normal_cdf(-d1)
    return call, put


def plane() -> tuple[jax.Array, jax.Array]:
    """The real parts of the columns and the imaginary parts of the rows."""
    steps = jnp.arange(problems.PIXELS, dtype=jnp.float32)
    return -2 + steps * (3.0 / problems.PIXELS), -1 + steps * (2.0 / problems.PIXELS)


@jax.jit
def mandelbrot_image():
    """All pixels step together, MAX_ITERATIONS times."""
    columns, rows = plane()
    cx, cy = jnp.broadcast_arrays(columns[None, :], rows[:, None])

    def step(_, state):
        zx, zy, counts = state
        inside = zx * zx + zy * zy <= 4
        moved_x = jnp.where(inside, cx + zx * zx - zy * zy, zx)
        moved_y = jnp.where(inside, cy + 2 * zx * zy, zy)
        return moved_x, moved_y, counts + inside.astype(jnp.int32)

    start = (cx, cy, jnp.zeros(cx.shape, jnp.int32))
    return (lax.fori_loop(0, problems.MAX_ITERATIONS, step, start)[2],)


@jax.jit
def mandelbrot_rows():
    """Row after row, until every pixel of the row has left."""
    columns, rows = plane()

    def pixel(cx, cy):
        def inside(state):
            zx, zy, count = state
            return (count < problems.MAX_ITERATIONS) & (zx * zx + zy * zy <= 4)

        def step(state):
            zx, zy, count = state
            return cx + zx * zx - zy * zy, cy + 2 * zx * zy, count + 1

        return lax.while_loop(inside, step, (cx, cy, 0))[2]

    return (lax.map(lambda cy: jax.vmap(lambda cx: pixel(cx, cy))(columns), rows),)


@jax.jit
def nbody(x, y, z, vx, vy, vz, mass, softening, step):
    dx, dy, dz = (axis[None, :] - axis[:, None] for axis in (x, y, z))
    inverse = lax.rsqrt(dx * dx + dy * dy + dz * dz + softening)
    weight = mass[None, :] * inverse * inverse * inverse
    ax, ay, az = ((away * weight).sum(1) for away in (dx, dy, dz))
    return (
        ax, ay, az,
        x + (vx + ax * step) * step, y + (vy + ay * step) * step, z + (vz + az * step) * step,
    )  # fmt: skip


@jax.jit
def stencil(grid):
    def step(_, source):
        around = source[:-2, 1:-1] + source[2:, 1:-1] + source[1:-1, :-2] + source[1:-1, 2:]
        return source.at[1:-1, 1:-1].set(0.5 * source[1:-1, 1:-1] + 0.125 * around)

    return (lax.fori_loop(0, problems.STEPS, step, grid),)


@jax.jit
def matmul(left, right):
    """One dot product per element, which XLA recognises and hands to its library's matrix product."""
    return ((left[:, :, None] * right[None, :, :]).sum(1),)


def case(form: str, function: Callable, *arguments: np.ndarray | float, library: bool = False) -> list[Case]:
    """One form of a kernel that returns its results."""
    held = [jnp.asarray(value) if isinstance(value, np.ndarray) else value for value in arguments]
    return [
        Case(
            form,
            lambda: jax.block_until_ready(function(*held)),
            lambda: tuple(np.asarray(result) for result in function(*held)),
            library,
        )
    ]


def donating(form: str, launches: int, length: int) -> Case:
    """saxpy that gives y's memory to its result, `launches` times."""
    x, start = (jnp.asarray(array) for array in problems.saxpy_inputs(length))
    state = [jnp.copy(start)]

    def run() -> None:
        y = state[0]
        for _ in range(launches):
            y = jax.block_until_ready(saxpy_donating(problems.SCALE, x, y))
        state[0] = y

    def results() -> tuple[np.ndarray, ...]:
        state[0] = jnp.copy(start)
        run()
        return (np.array(state[0]),)

    return Case(form, run, results)


def launching() -> Case:
    """saxpy that allocates its result, from Python."""
    x, start = (jnp.asarray(array) for array in problems.saxpy_inputs(problems.SMALL))

    def run() -> jax.Array:
        y = start
        for _ in range(problems.LAUNCHES):
            y = jax.block_until_ready(saxpy(problems.SCALE, x, y))
        return y

    return Case("allocating", run, lambda: (np.asarray(run()),))


def start(threads: int, variant: str) -> Peer:
    """The CPU backend sizes its thread pool by the process's affinity."""
    saxpy_inputs = problems.saxpy_inputs
    return Peer(
        jax.__version__,
        {
            "saxpy": lambda: [
                *case("allocating", lambda a, x, y: (saxpy(a, x, y),), problems.SCALE, *saxpy_inputs()),
                donating("donating", 1, problems.LENGTH),
            ],
            "black_scholes": lambda: case(
                "expression",
                black_scholes,
                *problems.black_scholes_inputs(),
                problems.RATE,
                problems.VOLATILITY,
            ),
            "mandelbrot": lambda: case("fori_loop", mandelbrot_image) + case("map of vmap", mandelbrot_rows),
            "nbody": lambda: case(
                "broadcast", nbody, *problems.nbody_inputs(), problems.SOFTENING, problems.TIME_STEP
            ),
            "stencil": lambda: case("fori_loop", stencil, *problems.stencil_inputs()),
            "sum": lambda: case("jnp.sum", jax.jit(lambda x: (x.sum(),)), *problems.sum_inputs()),
            "matmul": lambda: case("library gemm", matmul, *problems.matmul_inputs(), library=True),
            "launch": lambda: [launching(), donating("donating", problems.LAUNCHES, problems.SMALL)],
        },
    )
