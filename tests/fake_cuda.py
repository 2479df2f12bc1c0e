"""The stand-in for CUDA's driver: built once, and told by tests what to do."""

from __future__ import annotations

import ctypes
import functools
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import POINTER, c_char_p, c_long, c_size_t, c_ubyte, c_uint, c_void_p
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gyral.core.artifact import ArrayParameter, Artifact, CompileOptions, ScalarParameter, Signature
from gyral.core.dtypes import f32
from gyral.drivers.cuda.driver import CudaDriver, open_cuda

SOURCES = Path(__file__).parent / "fake_cuda"
CALLBACK = ctypes.CFUNCTYPE(None, c_void_p, c_size_t, POINTER(c_uint), POINTER(c_uint))


class _Launch(ctypes.Structure):
    _fields_ = [
        ("grid", c_uint * 3),
        ("block", c_uint * 3),
        ("shared", c_uint),
        ("stream", c_void_p),
        ("function", c_void_p),
        ("bytes", c_size_t),
        ("packed", c_ubyte * 2048),
    ]


@dataclass(frozen=True, slots=True)
class Launched:
    """A launch as the driver got it; `slots` are its 8-byte words."""

    grid: tuple[int, ...]
    block: tuple[int, ...]
    shared: int
    stream: int
    slots: tuple[int, ...]


@functools.cache
def path() -> str:
    """The built library. Skips the test where there is no C compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("building the stand-in for CUDA's driver takes a C compiler")
    built = Path(tempfile.mkdtemp(prefix="gyral-fake-cuda-"), "libcuda.so")
    flags = ["-shared", "-fPIC", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread"]
    sources = [str(source) for source in sorted(SOURCES.glob("*.c"))]
    subprocess.run([compiler, *flags, "-fvisibility=hidden", *sources, "-o", str(built)], check=True)
    return str(built)


class FakeCuda:
    """What a test may ask and tell the stand-in."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(path())
        self._library.fake_launch.restype = POINTER(_Launch)
        self._library.fake_heard.restype = c_char_p
        self._library.fake_calls.restype = self._library.fake_launches.restype = c_long
        self._library.fake_memory_used.restype = c_size_t
        self._kernel: Any = None
        self._library.fake_reset()

    def fail(self, function: str, code: int, *, skip: int = 0, times: int = -1) -> None:
        """Let a function give a code, from the call after `skip` on, so many times; -1: for ever."""
        self._library.fake_fail(function.encode(), code, skip, times)

    def lose(self, code: int) -> None:
        """Lose the device: every call gives a code until it is reset."""
        self._library.fake_break(code)

    def set(self, **values: int) -> None:
        """Set version, devices, linked, or what a function needs: registers, function_threads, ..."""
        for what, value in values.items():
            self._library.fake_set(what.encode(), value)

    def attribute(self, number: int, value: int) -> None:
        """Set an attribute of the devices."""
        self._library.fake_set_attribute(number, value)

    def memory(self, nbytes: int) -> None:
        """Let so much memory be left."""
        self._library.fake_set_memory(c_size_t(nbytes))

    @property
    def memory_used(self) -> int:
        """Bytes of device memory in use."""
        return self._library.fake_memory_used()

    def live(self, kind: str) -> int:
        """How many objects of a kind were made and not destroyed."""
        kinds = ["", "stream", "event", "pool", "module", "function", "graph", "executable", "context"]
        return self._library.fake_live(kinds.index(kind))

    def calls(self, function: str) -> int:
        """How often a function was called."""
        return self._library.fake_calls(function.encode())

    def listen(self) -> None:
        """Note what is done from now on."""
        self._library.fake_listen(1)

    def heard(self) -> list[str]:
        """What was done since `listen`, in order; listens on from here."""
        found = self._library.fake_heard().decode().splitlines()
        self.listen()
        return found

    def kernel(self, function: Any) -> None:
        """Call a function of (slots, grid, block) in place of kernels."""

        def run(packed: int, nbytes: int, grid: Any, block: Any) -> None:
            function(_words(ctypes.string_at(packed, nbytes)), tuple(grid[:3]), tuple(block[:3]))

        self._kernel = CALLBACK(run)
        self._library.fake_kernel(self._kernel)

    @property
    def launches(self) -> list[Launched]:
        """The launches so far, up to 64."""
        count = self._library.fake_launches()
        return [_launched(self._library.fake_launch(k).contents) for k in range(max(0, count - 64), count)]


def _launched(found: _Launch) -> Launched:
    slots = _words(bytes(found.packed[: found.bytes]))
    return Launched(tuple(found.grid), tuple(found.block), found.shared, found.stream or 0, slots)


def _words(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // 8}Q", packed)


def signature(
    arrays: int = 1, scalars: int = 0, *, rank: int = 1, item: tuple[int, int, int] = (1, 1, 256), **more: Any
) -> Signature:
    """A kernel over f32 arrays, the last of which it writes, and f32 scalars."""
    parameters = [
        *(ArrayParameter(f"x{k}", f32, 1, reads=True, writes=k == arrays - 1) for k in range(arrays)),
        *(ScalarParameter(f"s{k}", f32) for k in range(scalars)),
    ]
    options = CompileOptions(noalias=True, unit_stride=(True,) * arrays)
    return Signature("fill", rank, tuple(parameters), options, item, **more)


def artifact(made: Signature, **extra: str) -> Artifact:
    """Code that the stand-in loads."""
    return Artifact("cubin", b"stand-in", 0, made, {"entry": "gyral_kernel", **extra})


@contextmanager
def opened(index: int = 0) -> Iterator[CudaDriver]:
    """A driver of the stand-in's n-th device, closed in the end."""
    driver = open_cuda(index, path())
    try:
        yield driver
    finally:
        driver.close()
