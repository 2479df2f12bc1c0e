"""Gyral: the kernels of `gyral bench`, over NumPy arrays."""

import numpy as np

import gyral as gy
import problems
from gyral.cli.bench import kernels
from peers.binding import Port, bind
from peers.case import Peer

SUM_THREADS, SUM_BLOCK = 1 << 14, 256


def run_nbody(*arguments) -> None:
    kernels.nbody[problems.BODIES](*arguments)


def run_stencil(source: np.ndarray, target: np.ndarray) -> None:
    rows, columns = source.shape
    kernels.stencil[rows - 2, columns - 2](source, target)


def summed() -> object:
    """A function that adds up a vector, with the one-element result it needs."""
    result = np.zeros(1, np.float32)

    def run(x: np.ndarray) -> np.float32:
        result[0] = 0
        kernels.total[SUM_THREADS, SUM_BLOCK](x, result)
        return result[0]

    return run


def launch(a: float, x: np.ndarray, y: np.ndarray) -> None:
    for _ in range(problems.LAUNCHES):
        kernels.saxpy[problems.SMALL](a, x, y)


def launch_method(a: float, x: np.ndarray, y: np.ndarray) -> None:
    for _ in range(problems.LAUNCHES):
        kernels.saxpy.launch(problems.SMALL, a, x, y)


def launch_bound(a: float, x: np.ndarray, y: np.ndarray) -> None:
    bound = kernels.saxpy.bind(problems.SMALL, a, x, y)
    for _ in range(problems.LAUNCHES):
        bound()


def start(threads: int, variant: str) -> Peer:
    """The CPU device takes as many threads as the process may run on."""
    functions = {
        "saxpy": lambda a, x, y: kernels.saxpy[x.size](a, x, y),
        "black_scholes": lambda spot, *rest: kernels.black_scholes[spot.size](spot, *rest),
        "mandelbrot": lambda counts, limit: kernels.mandelbrot[counts.shape](counts, limit),
        "nbody": run_nbody,
        "stencil": run_stencil,
        "sum": summed(),
        "matmul": lambda left, right, product: kernels.matmul[product.shape](left, right, product),
        "launch": launch,
        "launch_method": launch_method,
        "launch_bound": launch_bound,
    }
    return bind(gy.__version__, Port(number=float), {"kernel": functions})
