"""Loadable images of the kernels in `native_kernels.c`, and plans for them."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from gyral import _native

SOURCE = Path(__file__).with_suffix(".c")
ITEM = (1, 1, 1)


@functools.cache
def _object() -> tuple[bytes, dict[str, int]]:
    """The text section of the compiled kernels and the offset of each."""
    with tempfile.TemporaryDirectory() as folder:
        built, text = Path(folder, "kernels.o"), Path(folder, "kernels.bin")
        flags = ["-std=c11", "-O2", "-fPIC", "-fno-asynchronous-unwind-tables", "-fno-stack-protector"]
        subprocess.run([_tool("cc"), *flags, "-fno-builtin", "-c", SOURCE, "-o", built], check=True)
        subprocess.run([_tool("objcopy"), "-O", "binary", "-j", ".text", built, text], check=True)
        symbols = subprocess.run([_tool("nm"), built], check=True, capture_output=True, text=True).stdout
        rows = [line.split() for line in symbols.splitlines()]
        return text.read_bytes(), {name: int(offset, 16) for offset, kind, name in rows if kind == "T"}


def _tool(name: str) -> str:
    return shutil.which(name) or name


def code(name: str) -> _native.Code:
    """The kernel `name`, loaded."""
    image, entries = _object()
    return _native.load(image, entries[name])


def array(
    element: str = "i64",
    *,
    size: int | None = None,
    rank: int = 1,
    inner: tuple[int, ...] = (),
    unit: bool | None = None,
    align: int | None = None,
    writes: bool = True,
) -> _native.ArrayParam:
    """An array parameter; sizes follow the element's name."""
    size = size or (1 if element == "bool" else int(element.lstrip("abfiu")) // 8)
    return ("array", element, size, rank, inner, unit, align or size, writes)


def scalar(dtype: str = "f32", accepts: str = "fib", types: tuple[type, ...] = ()) -> _native.ScalarParam:
    """A scalar parameter."""
    return ("scalar", dtype, accepts, types)


def plan(name: str, *params: _native.Param, rank: int = 1, item: Any = ITEM, **options: Any) -> _native.Plan:
    """A plan that runs the kernel `name`."""
    return _native.Plan(code(name), params, rank, item, **options)


def saxpy_plan(**options: Any) -> _native.Plan:
    """saxpy over contiguous arrays that do not overlap, with 32-bit indices."""
    options = {"index_bits": 32, "noalias": True, "cost_ns": 20.0} | options
    params = scalar("f32"), array("f32", unit=True, writes=False), array("f32", unit=True)
    return plan("saxpy", *params, item=(1, 1, 256), **options)


class Kernel(_native.Dispatcher):
    """A dispatcher that notes what reaches Python."""

    def __init__(self, rank: int = 1, *plans: _native.Plan) -> None:
        self.rank = rank
        self.missed: list[tuple[Any, ...]] = []
        for each in plans:
            self.add_plan(each)

    def _miss(self, *call: Any) -> str:
        self.missed.append(call)
        return "missed"

    def _run_recorded(self, *call: Any) -> tuple[Any, ...]:
        return ("recorded", *call)

    def _shape_error(self, key: Any) -> Any:
        raise ValueError(f"no shape: {key!r}")


_native.register_array_type(np.ndarray)
