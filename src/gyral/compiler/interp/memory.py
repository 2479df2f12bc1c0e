"""Memory as the interpreter sees it: a window of bytes, extents, strides in bytes."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from gyral.compiler.ir.types import MemType
from gyral.core.dtypes import ArrayType, DType, ElementType, Vec, leaves
from gyral.core.errors import UserError

# How the leaves of a type are kept in a memoryview; 16-bit floats as their bits.
VIEW_CODES = {"f16": "H", "bf16": "H"}


def view_code(dtype: DType) -> str:
    """The memoryview format of this type's values."""
    return VIEW_CODES.get(dtype.name, dtype.code or "q")


@dataclass(slots=True)
class Memory:
    """Elements of one type over a writable window of bytes; `base` is the byte offset of element 0."""

    window: memoryview
    base: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def leaf(self, dtype: DType) -> tuple[Any, int, tuple[int, ...]]:
        """A typed view for leaves of `dtype`; the place of element 0 and the strides in its units."""
        size = dtype.itemsize
        uneven = self.base % size or any(s % size for s in self.strides)
        if uneven:
            raise UserError(f"an array of {dtype} is not aligned to {size} bytes. Pass an aligned copy.")
        usable = len(self.window) // size * size
        code: Any = view_code(dtype)
        view = self.window[:usable].cast(code)
        return view, self.base // size, tuple(s // size for s in self.strides)


def allocate(t: MemType) -> Memory:
    """Fresh on-chip memory; every byte is 0xFF, so that a read before a write shows (NaN, -1)."""
    strides, step = [0] * t.rank, t.elem.itemsize
    for axis in reversed(range(t.rank)):
        strides[axis] = step
        step *= t.shape[axis]
    return Memory(memoryview(bytearray(b"\xff" * step)), 0, t.shape, tuple(strides))


def adapt(value: Any, t: ArrayType) -> Memory:
    """Memory over an array argument: a `Memory`, an object with `__array_interface__`, or a buffer.

    A vector element takes one more, trailing axis of the argument. UserError when rank or size do not fit.
    """
    if isinstance(value, Memory):
        return value
    interface = getattr(value, "__array_interface__", None)
    if interface is None:
        return _over_buffer(memoryview(value), t)
    shape = tuple(interface["shape"])
    itemsize = int(interface["typestr"][2:])
    strides = tuple(interface.get("strides") or _packed(shape, itemsize))
    shape, strides = _elements(shape, strides, itemsize, t)
    if 0 in shape:
        return Memory(memoryview(bytearray()), 0, shape, strides)
    low = sum(min(0, s * (n - 1)) for n, s in zip(shape, strides, strict=True))
    high = sum(max(0, s * (n - 1)) for n, s in zip(shape, strides, strict=True)) + t.elem.itemsize
    address = interface["data"][0] + low
    window = memoryview((ctypes.c_char * (high - low)).from_address(address)).cast("B")
    return Memory(window, -low, shape, strides)


def _over_buffer(view: memoryview, t: ArrayType) -> Memory:
    if not view.c_contiguous:
        raise UserError("a strided buffer must have `__array_interface__`, as NumPy's arrays do.")
    shape, strides = tuple(view.shape or ()), tuple(view.strides or ())
    if view.format in ("B", "b", "c") and t.elem.itemsize != view.itemsize and t.rank == 1:
        shape, strides = (view.nbytes // t.elem.itemsize,), (t.elem.itemsize,)
    else:
        shape, strides = _elements(shape, strides, view.itemsize, t)
    if view.nbytes == 0:
        return Memory(memoryview(bytearray()), 0, shape, strides)
    return Memory(view.cast("B"), 0, shape, strides)


def _packed(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    strides, step = [0] * len(shape), itemsize
    for axis in reversed(range(len(shape))):
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)


def _elements(
    shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int, t: ArrayType
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Extents and strides of the elements, a vector's trailing axis taken off."""
    if isinstance(t.elem, Vec) and len(shape) == t.rank + 1:
        if shape[-1] != t.elem.size or strides[-1] != t.elem.elem.itemsize:
            raise UserError(f"an array of {t.elem} needs a packed last axis of {t.elem.size}.")
        return shape[:-1], strides[:-1]
    if len(shape) != t.rank:
        raise UserError(f"an array of rank {t.rank} is taken where one of rank {len(shape)} was passed.")
    if itemsize != t.elem.itemsize:
        raise UserError(f"an array of {t.elem} has elements of {t.elem.itemsize} bytes, not {itemsize}.")
    return shape, strides


def leaf_place(elem: ElementType, leaf: int) -> tuple[DType, int]:
    """Type of an element's leaf and its offset in units of that type."""
    found = leaves(elem)[leaf]
    return found.dtype, found.offset // found.dtype.itemsize
