"""Kernels written by hand in CUDA C++: compiled by nvcc, else by NVRTC, run through the driver's C interface.

Both compilers contract multiplications with additions and divide as fast maths does, as Gyral's code for
these kernels may.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gyral.drivers.cuda.library import NAME, Library
from jobs import Step
from rivals import HERE, Launch, Missing

BLOCKS = {1: (256, 1, 1), 2: (32, 8, 1)}
MAJOR, MINOR, L2_BYTES, UNITS = 75, 76, 38, 16  # CUdevice_attribute
FLAGS = ("--fmad=true", "--prec-div=false")


def compiled(architecture: str) -> tuple[bytes, str]:
    """The cubin of the kernels, and which compiler made it."""
    source = HERE / "kernels.cu"
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        return by_nvrtc(source.read_text(), architecture)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "kernels.cubin"
        command = [nvcc, "-O3", "-cubin", f"-arch={architecture}", *FLAGS, "-o", str(out), str(source)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        told = subprocess.run([nvcc, "--version"], check=True, capture_output=True, text=True).stdout
        return out.read_bytes(), told.strip().splitlines()[-1]


def by_nvrtc(text: str, architecture: str) -> tuple[bytes, str]:
    """The same by the runtime compiler.

    Raises:
        Missing: neither nvcc nor NVRTC is installed.
    """
    try:
        from cuda.bindings import nvrtc
    except ImportError as error:
        raise Missing(f"neither nvcc nor NVRTC is here ({error}): pip install gyral[cuda]") from error

    def checked(result: tuple[Any, ...]) -> Any:
        if int(result[0]):
            raise RuntimeError(str(result[0]))
        return result[1] if len(result) > 1 else None

    program = checked(nvrtc.nvrtcCreateProgram(text.encode(), b"kernels.cu", 0, None, None))
    options = [option.encode() for option in (f"--gpu-architecture={architecture}", "--std=c++17", *FLAGS)]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    if int(status):
        log = b" " * checked(nvrtc.nvrtcGetProgramLogSize(program))
        checked(nvrtc.nvrtcGetProgramLog(program, log))
        raise RuntimeError(log.decode())
    code = b" " * checked(nvrtc.nvrtcGetCUBINSize(program))
    checked(nvrtc.nvrtcGetCUBIN(program, code))
    return code, "NVRTC {}.{}".format(*nvrtc.nvrtcVersion()[1:])


class Cuda:
    """The primary context of a GPU, which Gyral uses too, a stream of its own and the built kernels."""

    def __init__(self, index: int, path: str = NAME) -> None:
        self.name = "CUDA C++ by hand"
        self.driver = Library(path)
        self.call("cuInit", 0)
        self.device = self.out(ctypes.c_int, "cuDeviceGet", index)
        self.context = self.out(ctypes.c_void_p, "cuDevicePrimaryCtxRetain", self.device)
        self.call("cuCtxSetCurrent", self.context)
        self.stream = self.out(ctypes.c_void_p, "cuStreamCreate", 1)
        self.l2_bytes = self.attribute(L2_BYTES)
        architecture = f"sm_{self.attribute(MAJOR)}{self.attribute(MINOR)}"
        code, compiler = compiled(architecture)
        self.module = self.out(ctypes.c_void_p, "cuModuleLoadData", code)
        name = ctypes.create_string_buffer(256)
        self.call("cuDeviceGetName", name, 256, self.device)
        version = self.driver.version
        self.versions = {
            "device": name.value.decode(),
            "architecture": architecture,
            "driver": f"CUDA {version // 1000}.{version % 1000 // 10}",
            "compiler": compiler,
        }
        self._events = [self.out(ctypes.c_void_p, "cuEventCreate", 0) for _ in range(2)]

    def call(self, name: str, *arguments: Any) -> None:
        """A function of the driver; RuntimeError with its words when it fails."""
        status = self.driver[name](*arguments)
        if status:
            raise RuntimeError(f"{name}: {' '.join(self.driver.describe(status))}")

    def out(self, kind: Any, name: str, *arguments: Any) -> Any:
        """What a function gives through its first argument."""
        found = kind()
        self.call(name, ctypes.byref(found), *arguments)
        return found.value

    def attribute(self, which: int) -> int:
        """A number that the device tells of itself."""
        return self.out(ctypes.c_int, "cuDeviceGetAttribute", which, self.device)

    def put(self, array: np.ndarray) -> int:
        address = self.out(ctypes.c_uint64, "cuMemAlloc_v2", max(1, array.nbytes))
        source = np.ascontiguousarray(array)
        self.call("cuMemcpyHtoDAsync_v2", address, source.ctypes.data, source.nbytes, self.stream)
        self.finish()
        return address

    def get(self, held: int, like: np.ndarray) -> np.ndarray:
        found = np.empty_like(like)
        self.call("cuMemcpyDtoHAsync_v2", found.ctypes.data, held, found.nbytes, self.stream)
        self.finish()
        return found

    def free(self, held: int) -> None:
        """Give memory back."""
        self.call("cuMemFree_v2", held)

    def launch(self, step: Step, held: Mapping[str, Any], numbers: Mapping[str, Any]) -> Launch:
        function = self.out(ctypes.c_void_p, "cuModuleGetFunction", self.module, step.kernel.encode())
        values = [_word(held[n]) if n in held else _word(numbers[n]) for n in step.arguments]
        values += [ctypes.c_int32(n) for n in step.sizes]
        packed = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
        block = BLOCKS[len(step.shape)]
        counts = [-(-n // b) for n, b in zip(reversed(step.shape), block, strict=False)]
        grid = (*counts, 1, 1)[:3]
        enqueue, stream = self.driver["cuLaunchKernel"], self.stream

        def launch(values: Any = values) -> None:  # which keeps what `packed` points to
            status = enqueue(function, *grid, *block, 0, stream, packed, None)
            if status:
                raise RuntimeError(f"cuLaunchKernel: {' '.join(self.driver.describe(status))}")

        return launch

    def seconds(self, launches: Sequence[Launch]) -> float:
        return self.timed(lambda: [launch() for launch in launches])

    def timed(self, work: Callable[[], Any]) -> float:
        """Seconds between two events around what is put on the stream."""
        first, second = self._events
        self.call("cuEventRecord", first, self.stream)
        work()
        self.call("cuEventRecord", second, self.stream)
        self.finish()
        return self.out(ctypes.c_float, "cuEventElapsedTime", first, second) / 1e3

    def finish(self) -> None:
        """Wait for everything on the device."""
        self.call("cuCtxSynchronize")

    def copy_bandwidth(self, nbytes: int = 1 << 28, times: int = 20) -> float:
        """Bytes read and written per second by copies on the device."""
        one, two = (self.out(ctypes.c_uint64, "cuMemAlloc_v2", nbytes) for _ in range(2))
        copies = lambda: [  # noqa: E731
            self.call("cuMemcpyDtoDAsync_v2", two, one, nbytes, self.stream) for _ in range(times)
        ]
        self.timed(copies)
        best = min(self.timed(copies) for _ in range(5))
        self.free(one)
        self.free(two)
        return 2 * nbytes * times / best


def _word(value: Any) -> Any:
    """An argument as the driver reads it: a device address, a float or an int of 32 bits."""
    if isinstance(value, int):
        return ctypes.c_uint64(value)
    return ctypes.c_float(value) if isinstance(value, np.floating) else ctypes.c_int32(value)
