"""What makes arrays: of a shape, from what NumPy reads, in pinned memory, over other libraries' memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from gyral.core.driver import HostMemory
from gyral.core.dtypes import Vec
from gyral.core.errors import UserError
from gyral.runtime.array import DeviceArray, element, empty, extents_of
from gyral.runtime.device import Device, current_device
from gyral.runtime.device import device as device_of
from gyral.runtime.elements import element_of, numpy_of
from gyral.runtime.exchange import Placed, cuda_device, take_cuda, take_dlpack


def zeros(shape: int | Sequence[int], dtype: Any, *, device: Device | str | None = None) -> DeviceArray:
    """An array of zeros."""
    return full(shape, np.zeros((), numpy_of(element(dtype)))[()], dtype, device=device)


def full(
    shape: int | Sequence[int], value: Any, dtype: Any, *, device: Device | str | None = None
) -> DeviceArray:
    """An array of one value."""
    return empty(shape, dtype, device=device).fill(value)


def array(source: Any, dtype: Any = None, *, device: Device | str | None = None) -> DeviceArray:
    """A copy of anything NumPy can read, on a device. UserError for dtypes that kernels do not have."""
    if isinstance(source, DeviceArray):
        return source.to(source.device if device is None else device_of(device), copy=True)
    if dtype is None and hasattr(source, "__cuda_array_interface__"):
        home = cuda_device()
        return from_cuda_array(source, device=home if device is None else device, copy=True)
    host = np.asarray(source)
    elem = element_of(host.dtype) if dtype is None else element(dtype)
    if elem is None:
        raise UserError(f"kernels have no element type for dtype {host.dtype}; give dtype=, such as gy.f32")
    shape = host.shape
    if isinstance(elem, Vec) and host.dtype.subdtype is None:
        if shape[-1:] != (elem.size,):
            raise UserError(f"an array of {elem} is made from one whose last axis has {elem.size} elements")
        shape = shape[:-1]
        host = np.ascontiguousarray(host, dtype=numpy_of(elem.elem))
    else:
        host = np.ascontiguousarray(host, dtype=numpy_of(elem)).reshape(shape)
    made = empty(shape, elem, device=device)
    made._write(host)
    return made


def empty_pinned(
    shape: int | Sequence[int], dtype: Any, *, device: Device | str | None = None
) -> np.ndarray[Any, Any]:
    """A NumPy array with undefined contents in memory that the device copies from and to by itself.

    Copies from and to it (`copy_to`, `copy_from` with a stream) overlap with other work. It is scarce: the
    system cannot page it out. Ordinary memory where a device has no such memory, or needs none.
    """
    there = current_device() if device is None else device_of(device)
    extents, kind = extents_of(shape), numpy_of(element(dtype))
    nbytes = math.prod(extents) * kind.itemsize
    if not isinstance(there.driver, HostMemory) or not nbytes:
        return np.empty(extents, kind)
    return (
        np.frombuffer(there.driver.pinned(nbytes), np.uint8, nbytes)
        .view(kind.base)
        .reshape((*extents, *kind.shape))
    )


def from_dlpack(source: Any, *, device: Device | str | None = None, copy: bool | None = None) -> DeviceArray:
    """Another library's array, its memory used in place. UserError names a dtype that kernels do not have.

    `source` speaks DLPack or is a DLPack capsule. With a device other than its own, or copy=True, the
    elements are copied; copy=False forbids that.
    """
    return _ours(take_dlpack(source), device, copy)


def from_cuda_array(
    source: Any, *, device: Device | str | None = None, copy: bool | None = None
) -> DeviceArray:
    """The array behind `__cuda_array_interface__`, its memory used in place; else as `from_dlpack`.

    The interface does not say which device the memory is on: it is taken to be the current CUDA device, or
    the first.
    """
    if not hasattr(source, "__cuda_array_interface__"):
        raise UserError(f"a {type(source).__name__} has no __cuda_array_interface__")
    return _ours(take_cuda(source, cuda_device()), device, copy)


def _ours(placed: Placed, wanted: Device | str | None, copy: bool | None) -> DeviceArray:
    made = DeviceArray(
        placed.device, placed.buffer, placed.dtype, placed.shape, placed.strides, placed.buffer.address
    )
    there = placed.device if wanted is None else device_of(wanted)
    if there is not placed.device and copy is False:
        raise UserError(
            f"the array lives on {placed.device.name}, and copy=False forbids to copy it elsewhere"
        )
    return made.to(there, copy=bool(copy))
