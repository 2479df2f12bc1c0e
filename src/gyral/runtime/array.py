"""Arrays in device memory: what `gy.array` and its like make, and what slicing them gives."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from gyral.core.driver import Pointer
from gyral.core.dtypes import DType, ElementType, StructType, Vec
from gyral.core.errors import UnsupportedError, UserError
from gyral.core.native import DeviceArrayBase
from gyral.runtime.buffer import Buffer
from gyral.runtime.device import Device, current_device, device
from gyral.runtime.elements import element_of, numpy_of
from gyral.runtime.exchange import import_dlpack

Index = int | slice | tuple[int | slice, ...]


class DeviceArray(DeviceArrayBase):
    """An array in a device's memory. Slices are views of the same memory; the last reference frees it.

    Work on it is queued where the device has streams; everything that reads it on the host waits.
    """

    __slots__ = ("__weakref__", "_host")

    device: Device
    buffer: Buffer
    dtype: ElementType
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    address: int

    def __init__(
        self,
        on: Device,
        buffer: Buffer,
        dtype: ElementType,
        shape: tuple[int, ...],
        strides: tuple[int, ...] | None = None,
        address: int | None = None,
    ) -> None:
        strides = strides if strides is not None else contiguous_strides(shape, dtype.itemsize)
        super().__init__(on, buffer, dtype, shape, strides, buffer.address if address is None else address)
        self._host: np.ndarray[Any, Any] | None = None

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        return self.size * self.dtype.itemsize

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The NumPy dtype of the elements."""
        return numpy_of(self.dtype)

    @property
    def contiguous(self) -> bool:
        """Whether the elements stand without gaps, last axis fastest."""
        plain = contiguous_strides(self.shape, self.dtype.itemsize)
        return 0 in self.shape or all(
            s == p for s, p, n in zip(self.strides, plain, self.shape, strict=True) if n > 1
        )

    def wait(self) -> None:
        """Wait for all work that uses the memory; raises what it raised."""
        marks, self.buffer.marks = self.buffer.marks, {}
        for mark in marks.values():
            self.device.driver.wait(mark)

    def numpy(self) -> np.ndarray[Any, Any]:
        """The elements as a NumPy array: the memory itself on the CPU, a copy elsewhere. Waits."""
        if self.device.capabilities.unified:
            self.buffer.exposed = True
            return self.host()
        self.wait()
        if not self.contiguous:
            raise UnsupportedError(
                "only contiguous arrays can be read from this device; read the whole and slice it"
            )
        target = np.empty(self.shape, self.numpy_dtype)
        self.device.driver.copy_out(None, _bytes(target), self.address)
        return target

    def host(self) -> np.ndarray[Any, Any]:
        """Host memory as NumPy sees it, for use within one call. Waits, and leaves later work queued."""
        self._require_host("a launch in place")
        self.wait()
        if self._host is None:
            self._host = self._host_view()
        return self._host

    def fill(self, value: Any) -> DeviceArray:
        """Set every element; returns the array."""
        if self.device.capabilities.unified:
            self.host()[...] = value
        else:
            self._write(np.full(self.shape, value, self.numpy_dtype))
        return self

    def copy(self) -> DeviceArray:
        """A contiguous copy on the same device."""
        return self.to(self.device, copy=True)

    def to(self, target: Device | str, *, copy: bool = False) -> DeviceArray:
        """The array on a device: itself when it is there already and no copy is asked for."""
        there = device(target)
        if there is self.device and not copy:
            return self
        source = self.host() if self.device.capabilities.unified else self.numpy()
        made = empty(self.shape, self.dtype, device=there)
        made._write(np.ascontiguousarray(source))
        return made

    def __getitem__(self, index: Index) -> DeviceArray:
        """A view: ints drop an axis, slices keep it. There is no reading of single elements."""
        address, shape, strides = self.address, [], []
        given = index if isinstance(index, tuple) else (index,)
        if len(given) > self.ndim:
            raise UserError(f"{len(given)} indices for an array of {self.ndim} axes")
        for axis, part in enumerate((*given, *[slice(None)] * (self.ndim - len(given)))):
            extent, stride = self.shape[axis], self.strides[axis]
            if isinstance(part, slice):
                start, stop, step = part.indices(extent)
                count = len(range(start, stop, step))
                address += start * stride if count else 0
                shape.append(count)
                strides.append(stride * step)
                continue
            at = part.__index__()
            if not -extent <= at < extent:
                raise UserError(f"index {at} is out of bounds for axis {axis} of extent {extent}")
            address += (at % extent) * stride
        return DeviceArray(self.device, self.buffer, self.dtype, tuple(shape), tuple(strides), address)

    def __len__(self) -> int:
        if not self.shape:
            raise UserError("an array without axes has no length")
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if copy is False and not self.device.capabilities.unified:
            raise ValueError("the host cannot reach this memory, so it is copied, and copy=False forbids it")
        found = self.numpy()
        if copy is False and (dtype is not None and np.dtype(dtype) != found.dtype):
            raise ValueError("the elements must be converted, and copy=False forbids it")
        return np.array(found, dtype=dtype) if copy else np.asarray(found, dtype=dtype)

    @property
    def __array_interface__(self) -> dict[str, Any]:
        # An AttributeError, so that NumPy goes on to __array__ and its copy.
        if not self.device.capabilities.unified:
            raise AttributeError("the host cannot reach this memory; use .numpy(), which copies")
        return self.numpy().__array_interface__

    def __dlpack__(self, **options: Any) -> Any:
        self._require_host("DLPack")
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        self._require_host("DLPack")
        return (1, 0)

    def __buffer__(self, flags: int) -> memoryview:
        self._require_host("memoryview")
        return self.numpy().data

    def __repr__(self) -> str:
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype}, device={self.device.name!r})"

    def pointer(self) -> Pointer:
        """The array as an argument of a launch."""
        return Pointer(self.address, self.shape, self.strides)

    def _host_view(self) -> np.ndarray[Any, Any]:
        return np.asarray(_HostView(self)).view(self.numpy_dtype) if self.size else self._empty_view()

    def _empty_view(self) -> np.ndarray[Any, Any]:
        return np.empty(self.shape, self.numpy_dtype)

    def _write(self, source: np.ndarray[Any, Any]) -> None:
        self.wait()
        if self.device.capabilities.unified:
            self.host()[...] = source
        elif not self.contiguous:
            raise UnsupportedError("only contiguous arrays can be written on this device")
        else:
            self.device.driver.copy_in(None, self.address, _bytes(source))

    def _require_host(self, what: str) -> None:
        if not self.device.capabilities.unified:
            raise UnsupportedError(f"{what} needs memory that the host can reach; use .numpy(), which copies")


class _HostView:
    """What NumPy asks for to see host memory; it keeps the buffer alive behind the array."""

    __slots__ = ("__array_interface__", "buffer")

    def __init__(self, array: DeviceArray) -> None:
        self.buffer = array.buffer
        self.__array_interface__ = {
            "version": 3,
            "data": (array.address, False),
            "shape": array.shape,
            "strides": array.strides,
            "typestr": f"|V{array.dtype.itemsize}",
        }


def contiguous_strides(shape: Sequence[int], itemsize: int) -> tuple[int, ...]:
    """Strides in bytes without gaps, last axis fastest."""
    strides, step = [], itemsize
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))


def empty(shape: int | Sequence[int], dtype: Any, *, device: Device | str | None = None) -> DeviceArray:
    """An array with undefined contents."""
    there = current_device() if device is None else _device(device)
    extents = _extents(shape)
    elem = _element(dtype)
    return DeviceArray(there, there.buffer(max(1, math.prod(extents) * elem.itemsize)), elem, extents)


def zeros(shape: int | Sequence[int], dtype: Any, *, device: Device | str | None = None) -> DeviceArray:
    """An array of zeros."""
    return full(shape, np.zeros((), numpy_of(_element(dtype)))[()], dtype, device=device)


def full(
    shape: int | Sequence[int], value: Any, dtype: Any, *, device: Device | str | None = None
) -> DeviceArray:
    """An array of one value."""
    return empty(shape, dtype, device=device).fill(value)


def array(source: Any, dtype: Any = None, *, device: Device | str | None = None) -> DeviceArray:
    """A copy of anything NumPy can read, on a device. UserError for dtypes that kernels do not have."""
    if isinstance(source, DeviceArray):
        return source.to(source.device if device is None else _device(device), copy=True)
    host = np.asarray(source)
    elem = element_of(host.dtype) if dtype is None else _element(dtype)
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


def from_dlpack(source: Any) -> DeviceArray:
    """Another library's array, its memory used in place. UserError names a dtype that kernels do not have."""
    host = import_dlpack(source)
    elem = element_of(host.dtype)
    if elem is None:
        raise UserError(f"kernels have no element type for dtype {host.dtype}")
    address = host.__array_interface__["data"][0]
    # The release keeps `host`, and with it the other library's memory, until the buffer is dropped.
    buffer = Buffer(host, address, host.nbytes, lambda memory, nbytes: None)
    buffer.exposed = True
    return DeviceArray(_device("cpu"), buffer, elem, host.shape, host.strides)


_device = device


def _element(dtype: Any) -> ElementType:
    if isinstance(dtype, (DType, Vec, StructType)):
        return dtype
    found = element_of(np.dtype(dtype))
    if found is None:
        raise UserError(f"kernels have no element type for dtype {dtype!r}")
    return found


def _extents(shape: int | Sequence[int]) -> tuple[int, ...]:
    extents = tuple(operator.index(e) for e in (shape if isinstance(shape, Sequence) else (shape,)))
    if any(e < 0 for e in extents):
        raise UserError(f"the shape {extents} has a negative extent")
    if any(e >> 63 for e in extents):
        raise UserError("the shape has an extent that 64 bits do not hold")
    return extents


def _bytes(host: np.ndarray[Any, Any]) -> memoryview:
    return host.reshape(-1).view(np.uint8).data
