"""PoCL: OpenCL on the CPU, through pyopencl. Its thread count comes from POCL_MAX_PTHREAD_COUNT."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyopencl as cl

import problems
from peers.binding import Port, bind
from peers.case import Missing, Peer

SOURCE = Path(__file__).parent / "native" / "kernels.cl"
GROUPS = 256  # work groups of the sum


def platform() -> cl.Platform:
    """The first PoCL platform.

    Raises:
        Missing: no PoCL driver is installed.
    """
    try:
        found = [candidate for candidate in cl.get_platforms() if "Portable" in candidate.name]
    except cl.LogicError as error:
        raise Missing("no OpenCL driver is installed") from error
    if not found:
        raise Missing("PoCL's OpenCL driver is not installed")
    return found[0]


class Session:
    """One device, one queue and the built kernels."""

    def __init__(self) -> None:
        self.platform = platform()
        self.context = cl.Context(self.platform.get_devices()[:1])
        self.queue = cl.CommandQueue(self.context)
        options = ["-cl-fast-relaxed-math", "-cl-mad-enable"]
        program = cl.Program(self.context, SOURCE.read_text()).build(options)
        self.kernels = {kernel.function_name: kernel for kernel in program.all_kernels()}
        flags = cl.mem_flags
        self.partial = cl.Buffer(self.context, flags.READ_WRITE, 4 * GROUPS)
        self.host_partial = np.empty(GROUPS, np.float32)

    def put(self, array: np.ndarray) -> cl.Buffer:
        flags = cl.mem_flags
        held = cl.Buffer(self.context, flags.READ_WRITE | flags.COPY_HOST_PTR, hostbuf=array)
        held.dtype = array.dtype
        return held

    def get(self, held: cl.Buffer) -> np.ndarray:
        array = np.empty(held.size // held.dtype.itemsize, held.dtype)
        cl.enqueue_copy(self.queue, array, held)
        return array

    def write(self, held: cl.Buffer, array: np.ndarray) -> None:
        cl.enqueue_copy(self.queue, held, array)

    def launcher(self, name: str, shape: tuple[int, ...], group: tuple[int, ...]) -> Callable[..., None]:
        kernel = self.kernels[name]

        def run(*arguments: object) -> None:
            kernel(self.queue, shape, group, *arguments)

        return run

    def stencil(self, source: cl.Buffer, target: cl.Buffer) -> None:
        self.kernels["stencil"](self.queue, (problems.GRID, problems.GRID), (256, 1), source, target)

    def total(self, x: cl.Buffer) -> float:
        per_item = np.int32(problems.LENGTH // 256 // GROUPS)
        self.kernels["total"](self.queue, (GROUPS * 256,), (256,), x, self.partial, per_item)
        cl.enqueue_copy(self.queue, self.host_partial, self.partial)
        return self.host_partial.sum(dtype=np.float64)

    def mandelbrot(self, counts: cl.Buffer, max_iterations: int) -> None:
        shape = (problems.PIXELS, problems.PIXELS)
        self.kernels["mandelbrot"](self.queue, shape, (64, 1), counts, np.int32(max_iterations))

    def launch(self, a: np.float32, x: cl.Buffer, y: cl.Buffer) -> None:
        kernel, queue = self.kernels["saxpy"], self.queue
        for _ in range(problems.LAUNCHES):
            kernel(queue, (problems.SMALL,), (64,), a, x, y)
            queue.finish()


def start(threads: int, variant: str) -> Peer:
    """Build the kernels on the CPU device."""
    session = Session()
    port = Port(put=session.put, get=session.get, write=session.write, wait=session.queue.finish)
    square = (problems.MATRIX, problems.MATRIX)
    functions = {
        "saxpy": session.launcher("saxpy", (problems.LENGTH,), (1024,)),
        "black_scholes": session.launcher("black_scholes", (problems.OPTIONS,), (256,)),
        "mandelbrot": session.mandelbrot,
        "nbody": session.launcher("nbody", (problems.BODIES,), (64,)),
        "stencil": session.stencil,
        "sum": session.total,
        "matmul": session.launcher("matmul", square, (64, 1)),
        "launch": session.launch,
    }
    return bind(session.platform.version, port, {"kernel": functions})
