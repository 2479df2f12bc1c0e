"""NumPy: whole-array expressions, and its library matmul."""

import numpy as np

import problems
from peers.case import Case, Peer

f32 = np.float32


def normal_cdf(x: np.ndarray) -> np.ndarray:
    size = np.abs(x)
    k = f32(1) / (f32(1) + f32(0.2316419) * size)
    series = f32(1.781477937) + k * (f32(-1.821255978) + k * f32(1.330274429))
    series = f32(0.31938153) + k * (f32(-0.356563782) + k * series)
    upper = f32(1) - f32(0.39894228) * np.exp(-size * size * f32(0.5)) * k * series
    return np.where(x < 0, f32(1) - upper, upper)


def saxpy() -> list[Case]:
    x, start = problems.saxpy_inputs()
    y, scaled, scale = problems.placed(start), problems.placed(x), f32(problems.SCALE)

    def run() -> None:
        np.multiply(x, scale, out=scaled)
        np.add(scaled, y, out=y)

    def results() -> tuple[np.ndarray, ...]:
        y[:] = start
        run()
        return (y,)

    return [Case("two passes", run, results)]


def black_scholes() -> list[Case]:
    spot, strike, years = problems.black_scholes_inputs()
    rate, volatility = f32(problems.RATE), f32(problems.VOLATILITY)

    def run() -> tuple[np.ndarray, ...]:
        root = volatility * np.sqrt(years)
        d1 = (np.log(spot / strike) + (rate + f32(0.5) * volatility * volatility) * years) / root
        d2 = d1 - root
        discounted = strike * np.exp(-rate * years)
        first, second = normal_cdf(d1), normal_cdf(d2)
        return (
            spot * first - discounted * second,
            discounted * (f32(1) - second) - spot * (f32(1) - first),
        )

    return [Case("expression", run, run)]


def stencil() -> list[Case]:
    (grid,) = problems.stencil_inputs()
    first, second = problems.placed(grid), problems.placed(grid)

    def run() -> np.ndarray:
        source, target = first, second
        for _ in range(problems.STEPS):
            around = source[:-2, 1:-1] + source[2:, 1:-1] + source[1:-1, :-2] + source[1:-1, 2:]
            target[1:-1, 1:-1] = f32(0.5) * source[1:-1, 1:-1] + f32(0.125) * around
            source, target = target, source
        return source

    def results() -> tuple[np.ndarray, ...]:
        first[:], second[:] = grid, grid
        return (run(),)

    return [Case("slices", run, results)]


def total() -> list[Case]:
    (vector,) = problems.sum_inputs()
    return [Case("ndarray.sum", vector.sum, lambda: (np.array([vector.sum()]),))]


def matmul() -> list[Case]:
    left, right = problems.matmul_inputs()
    product = problems.placed(left)
    return [
        Case(
            "library gemm",
            lambda: np.matmul(left, right, out=product),
            lambda: (np.matmul(left, right),),
            library=True,
        )
    ]


def launch() -> list[Case]:
    x, start = problems.saxpy_inputs(problems.SMALL)
    y, scaled, scale = problems.placed(start), problems.placed(x), f32(problems.SCALE)

    def run() -> None:
        for _ in range(problems.LAUNCHES):
            np.multiply(x, scale, out=scaled)
            np.add(scaled, y, out=y)

    def results() -> tuple[np.ndarray, ...]:
        y[:] = start
        run()
        return (y,)

    return [Case("two calls", run, results)]


def start(threads: int, variant: str) -> Peer:
    """NumPy runs these on one thread, except the library matmul."""
    return Peer(
        np.__version__,
        {
            "saxpy": saxpy,
            "black_scholes": black_scholes,
            "stencil": stencil,
            "sum": total,
            "matmul": matmul,
            "launch": launch,
        },
    )
