"""Cases for peers whose kernels write into arrays they are given, which is all but JAX and NumPy.

The functions of such a peer have these signatures, over the peer's own arrays:

    saxpy(a, x, y)                                          y = a x + y
    black_scholes(spot, strike, years, call, put, rate, volatility)
    mandelbrot(counts, max_iterations)                      int32, square
    nbody(x, y, z, vx, vy, vz, mass, ax, ay, az, px, py, pz, softening, step)
    stencil(source, target)                                 one step, the border is left alone
    sum(x) -> number
    matmul(left, right, product)
    launch(a, x, y)                                         saxpy, LAUNCHES times from Python; so are
    launch_method, launch_bound                             the same through other ways to launch
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import problems
from peers.case import Case, Peer

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Port:
    """How a peer holds arrays and numbers; the defaults are those of a peer that works on NumPy in place."""

    put: Callable[[np.ndarray], Any] = problems.placed
    get: Callable[[Any], np.ndarray] = np.copy
    write: Callable[[Any, np.ndarray], None] = np.copyto
    wait: Callable[[], object] | None = None
    number: Callable[[float], Any] = np.float32

    def finished(self, run: Callable[[], object]) -> Callable[[], object]:
        """`run`, then wait until its work is done."""
        if self.wait is None:
            return run
        wait = self.wait

        def run_and_wait() -> None:
            run()
            wait()

        return run_and_wait


def bind(version: str, port: Port, forms: Mapping[str, Mapping[str, Function]]) -> Peer:
    """A peer from its functions: `forms` maps the name of a form to its functions by kernel."""

    def cases(kernel: str) -> list[Case]:
        return [
            _BINDERS[kernel](form, functions[kernel], port)
            for form, functions in forms.items()
            if kernel in functions
        ]

    kernels = dict.fromkeys(kernel for functions in forms.values() for kernel in functions)
    return Peer(version, {kernel: (lambda kernel=kernel: cases(kernel)) for kernel in kernels})


def _case(form: str, port: Port, run: Callable[[], object], outputs: tuple[Any, ...]) -> Case:
    timed = port.finished(run)

    def results() -> tuple[np.ndarray, ...]:
        timed()
        return tuple(port.get(array) for array in outputs)

    return Case(form, timed, results)


def _saxpy(form: str, function: Function, port: Port) -> Case:
    x, y = problems.saxpy_inputs()
    device_x, device_y, scale = port.put(x), port.put(y), port.number(problems.SCALE)
    run = port.finished(lambda: function(scale, device_x, device_y))

    def results() -> tuple[np.ndarray, ...]:
        port.write(device_y, y)
        run()
        return (port.get(device_y),)

    return Case(form, run, results)


def _black_scholes(form: str, function: Function, port: Port) -> Case:
    inputs = problems.black_scholes_inputs()
    spot, strike, years = (port.put(array) for array in inputs)
    call, put = (port.put(np.zeros_like(inputs[0])) for _ in range(2))
    rate, volatility = port.number(problems.RATE), port.number(problems.VOLATILITY)
    return _case(form, port, lambda: function(spot, strike, years, call, put, rate, volatility), (call, put))


def _mandelbrot(form: str, function: Function, port: Port) -> Case:
    counts = port.put(np.zeros((problems.PIXELS, problems.PIXELS), np.int32))
    return _case(form, port, lambda: function(counts, problems.MAX_ITERATIONS), (counts,))


def _nbody(form: str, function: Function, port: Port) -> Case:
    inputs = [port.put(array) for array in problems.nbody_inputs()]
    outputs = tuple(port.put(np.zeros(problems.BODIES, np.float32)) for _ in range(6))
    softening, step = port.number(problems.SOFTENING), port.number(problems.TIME_STEP)
    return _case(form, port, lambda: function(*inputs, *outputs, softening, step), outputs)


def _stencil(form: str, function: Function, port: Port) -> Case:
    (grid,) = problems.stencil_inputs()
    first, second = port.put(grid), port.put(grid)

    def steps() -> None:
        source, target = first, second
        for _ in range(problems.STEPS):
            function(source, target)
            source, target = target, source

    run = port.finished(steps)

    def results() -> tuple[np.ndarray, ...]:
        port.write(first, grid)
        port.write(second, grid)
        run()
        return (port.get(first if problems.STEPS % 2 == 0 else second),)

    return Case(form, run, results)


def _sum(form: str, function: Function, port: Port) -> Case:
    (vector,) = (port.put(array) for array in problems.sum_inputs())
    return Case(form, lambda: function(vector), lambda: (np.array([float(function(vector))]),))


def _matmul(form: str, function: Function, port: Port) -> Case:
    left, right = (port.put(array) for array in problems.matmul_inputs())
    product = port.put(np.zeros((problems.MATRIX, problems.MATRIX), np.float32))
    return _case(form, port, lambda: function(left, right, product), (product,))


def _launch(form: str, function: Function, port: Port) -> Case:
    x, y = problems.saxpy_inputs(problems.SMALL)
    device_x, device_y, scale = port.put(x), port.put(y), port.number(problems.SCALE)

    def results() -> tuple[np.ndarray, ...]:
        port.write(device_y, y)
        function(scale, device_x, device_y)
        return (port.get(device_y),)

    return Case(form, lambda: function(scale, device_x, device_y), results)


_BINDERS: dict[str, Callable[[str, Function, Port], Case]] = {
    "saxpy": _saxpy,
    "black_scholes": _black_scholes,
    "mandelbrot": _mandelbrot,
    "nbody": _nbody,
    "stencil": _stencil,
    "sum": _sum,
    "matmul": _matmul,
    "launch": _launch,
    "launch_method": _launch,
    "launch_bound": _launch,
}
