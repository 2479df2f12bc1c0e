"""Kernels written by hand in OpenCL C, through pyopencl alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyopencl as cl

from gyral.drivers.opencl.platforms import pick
from jobs import Step
from rivals import HERE, Launch

OPTIONS = ["-cl-std=CL1.2", "-cl-mad-enable", "-cl-fast-relaxed-math", "-cl-denorms-are-zero"]
GROUPS = {1: (256,), 2: (32, 8)}
"""Work groups by rank, first axis fastest: those that Gyral takes when nobody chooses."""


class OpenCl:
    """One context and one queue on the device that Gyral calls opencl:`index`."""

    def __init__(self, index: int, clock: Callable[[], float]) -> None:
        self.name = "OpenCL C by hand"
        device = pick(index)
        self.context = cl.Context([device])
        self.queue = cl.CommandQueue(self.context)
        program = cl.Program(self.context, (HERE / "kernels.cl").read_text()).build(OPTIONS)
        self.kernels = {kernel.function_name: kernel for kernel in program.all_kernels()}
        self.versions = {
            "device": device.name.strip(),
            "driver": f"{device.platform.name} {device.driver_version}".strip(),
            "pyopencl": cl.VERSION_TEXT,
        }
        self._clock = clock

    def put(self, array: np.ndarray) -> cl.Buffer:
        flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
        return cl.Buffer(self.context, flags, hostbuf=array)

    def get(self, held: cl.Buffer, like: np.ndarray) -> np.ndarray:
        found = np.empty_like(like)
        cl.enqueue_copy(self.queue, found, held)
        return found

    def launch(self, step: Step, held: Mapping[str, Any], numbers: Mapping[str, Any]) -> Launch:
        # A kernel object of its own keeps its arguments, so that a launch is one call.
        kernel = cl.Kernel(self.kernels[step.kernel].program, step.kernel)
        given = [held[name] if name in held else numbers[name] for name in step.arguments]
        kernel.set_args(*given, *map(np.int32, step.sizes))
        group = (step.block,) if step.block else GROUPS[len(step.shape)]
        shape = tuple(-(-n // g) * g for n, g in zip(reversed(step.shape), group, strict=True))
        return lambda: cl.enqueue_nd_range_kernel(self.queue, kernel, shape, group) and None

    def seconds(self, launches: Sequence[Launch]) -> float:
        began = self._clock()
        for launch in launches:
            launch()
        self.queue.finish()
        return self._clock() - began
