"""Calls into a native library with the signatures of kernels.cpp, over NumPy arrays."""

import ctypes
from collections.abc import Callable

import numpy as np

import problems

Function = Callable[..., object]
Float, Int, Long = ctypes.c_float, ctypes.c_int, ctypes.c_long


def at(array: np.ndarray) -> ctypes.c_void_p:
    """The address of `array`'s first element."""
    return ctypes.c_void_p(array.ctypes.data)


def functions(library: ctypes.CDLL, nbody: str = "nbody") -> dict[str, Function]:
    """The kernels of `library` by name; `nbody` says under which name it has the n-body step."""
    library.total.restype = Float
    step = getattr(library, nbody)

    def saxpy(a: float, x: np.ndarray, y: np.ndarray) -> None:
        library.saxpy(Float(a), at(x), at(y), Long(x.size))

    def black_scholes(*arguments: np.ndarray | float) -> None:
        arrays, (rate, volatility) = arguments[:5], arguments[5:]
        library.black_scholes(*map(at, arrays), Float(rate), Float(volatility), Long(arrays[0].size))

    def mandelbrot(counts: np.ndarray, max_iterations: int) -> None:
        height, width = counts.shape
        library.mandelbrot(at(counts), Int(width), Int(height), Int(max_iterations))

    def nbody_step(*arguments: np.ndarray | float) -> None:
        arrays, (softening, time_step) = arguments[:13], arguments[13:]
        step(*map(at, arrays), Float(softening), Float(time_step), Int(arrays[0].size))

    def launch(a: float, x: np.ndarray, y: np.ndarray) -> None:
        call, scale, first, second, size = library.saxpy_serial, Float(a), at(x), at(y), Long(x.size)
        for _ in range(problems.LAUNCHES):
            call(scale, first, second, size)

    return {
        "saxpy": saxpy,
        "black_scholes": black_scholes,
        "mandelbrot": mandelbrot,
        "nbody": nbody_step,
        "stencil": lambda source, target: library.stencil(at(source), at(target), Int(source.shape[0])),
        "sum": lambda x: library.total(at(x), Long(x.size)),
        "matmul": lambda left, right, product: library.matmul(
            at(left), at(right), at(product), Int(left.shape[0])
        ),
        "launch": launch,
    }
