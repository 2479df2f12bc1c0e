"""Arrays in device memory: what `gy.array` and its like make, and what slicing them gives."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from gyral.core.driver import Pointer, Prefetch
from gyral.core.dtypes import DType, ElementType, StructType, Vec
from gyral.core.errors import UnsupportedError, UserError
from gyral.core.native import DeviceArrayBase
from gyral.runtime import transfer
from gyral.runtime.buffer import Buffer
from gyral.runtime.device import Device, current_device, device
from gyral.runtime.elements import element_of, numpy_of
from gyral.runtime.exchange import (
    cuda_interface,
    dlpack_device,
    give_dlpack,
)
from gyral.runtime.stream import Stream

_PATTERNS = ("sequential", "random", "read_mostly", "normal")
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
        target = np.empty(self.shape, self.numpy_dtype)
        if transfer.sparse(self, self.dtype.itemsize):
            packed = self._empty_like()
            if transfer.packs(packed, self):
                return packed.numpy()
        self.wait()
        transfer.read(self, target, self.dtype.itemsize)
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
            return self
        one = np.full((), value, self.numpy_dtype)
        if self.contiguous and transfer.fills(self.device.current_stream().queue, self, one.tobytes()):
            return self
        if not self.contiguous and transfer.many(self, self.dtype.itemsize):
            # Every element of the source is its only one.
            single = DeviceArray(
                self.device,
                self.device.buffer(self.dtype.itemsize),
                self.dtype,
                self.shape,
                (0,) * self.ndim,
            )
            self.device.driver.copy_in(None, single.address, bytes_of(one))
            if transfer.packs(self, single):
                return self
        self._write(np.full(self.shape, value, self.numpy_dtype))
        return self

    def copy(self) -> DeviceArray:
        """A contiguous copy on the same device, made there where the device can."""
        return self.to(self.device, copy=True)

    def to(self, target: Device | str, *, copy: bool = False) -> DeviceArray:
        """The array on a device: itself when it is there already and no copy is asked for.

        Between devices that reach each other the elements do not pass through the host.
        """
        there = device(target)
        if there is self.device and not copy:
            return self
        made = empty(self.shape, self.dtype, device=there)
        if made._take(self):
            return made
        source = self.host() if self.device.capabilities.unified else self.numpy()
        made._write(np.ascontiguousarray(source))
        return made

    def copy_to(self, target: np.ndarray[Any, Any], *, stream: Stream | None = None) -> None:
        """Copy the elements to a NumPy array of the same shape and dtype.

        With a stream of the device the copy is queued there, and `target` holds the elements once the stream
        got so far; it overlaps with other work best when `target` was made by `gy.empty_pinned`. Where memory
        has gaps, and on the CPU, the copy is made before this returns, with a stream too.
        """
        self._check_host(target, "copy_to")
        if not target.flags.writeable:
            raise UserError("copy_to was given a read-only array")
        if stream is None or self.device.capabilities.unified or not self._plain(target):
            target[...] = self.host() if self.device.capabilities.unified else self.numpy()
            return
        with transfer.Turn(self._own(stream), self):
            self.device.driver.copy_out(stream.queue, bytes_of(target), self.address)

    def copy_from(
        self, source: np.ndarray[Any, Any] | DeviceArray, *, stream: Stream | None = None
    ) -> DeviceArray:
        """Set the elements from an array, NumPy's or a device's, of the same shape and dtype; returns self.

        With a stream of the device the copy is queued there, and `source` stays as it is until the stream got
        so far. See `copy_to` for when it overlaps with other work.
        """
        if isinstance(source, DeviceArray):
            if source.shape != self.shape or source.dtype != self.dtype:
                raise UserError(
                    f"copy_from needs {self.dtype} of shape {self.shape}, "
                    f"not {source.dtype} of {source.shape}"
                )
            if not self._take(source, stream):
                there = source.device.capabilities.unified
                self._write(np.ascontiguousarray(source.host() if there else source.numpy()))
            return self
        self._check_host(source, "copy_from")
        if stream is None or self.device.capabilities.unified or not self._plain(source):
            self._write(np.ascontiguousarray(source))
            return self
        with transfer.Turn(self._own(stream), self):
            self.device.driver.copy_in(stream.queue, self.address, bytes_of(source))
        return self

    def prefetch(self, *, stream: Stream | None = None) -> None:
        """Bring the elements close to the device ahead of their use: a hint, which it may have no use for."""
        driver = self.device.driver
        if isinstance(driver, Prefetch) and self.size:
            low, high = transfer.span(self, self.dtype.itemsize)
            driver.prefetch(self._own(stream or self.device.current_stream()), low, high - low)

    def advise(self, pattern: str) -> None:
        """Say how the elements will be used: "sequential", "random", "read_mostly" or "normal".

        A hint: a device that has no use for it does nothing. UserError for other words.
        """
        if pattern not in _PATTERNS:
            raise UserError(f"there is no advice {pattern!r}; there is {', '.join(_PATTERNS)}")
        if isinstance(self.device.driver, Prefetch) and self.size:
            low, high = transfer.span(self, self.dtype.itemsize)
            self.device.driver.advise(low, high - low, pattern)

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

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return cuda_interface(self)

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        return give_dlpack(self, stream, max_version, dl_device, copy)

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack_device(self.device)

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

    def _empty_like(self) -> DeviceArray:
        return DeviceArray(self.device, self.device.buffer(max(1, self.nbytes)), self.dtype, self.shape)

    def _write(self, source: np.ndarray[Any, Any]) -> None:
        if self.device.capabilities.unified:
            self.host()[...] = source
            return
        if transfer.many(self, self.dtype.itemsize):
            packed = self._empty_like()
            packed._write(source)
            if transfer.packs(self, packed):
                return
        self.wait()
        transfer.write(self, source, self.dtype.itemsize)

    def _take(self, source: DeviceArray, stream: Stream | None = None) -> bool:
        """Copy from an array of the same shape and type without the host; False where there is no way."""
        if self.device.capabilities.unified or source.device.capabilities.unified:
            return False
        if not self.size:
            return True
        queue = self._own(stream or self.device.current_stream())
        if transfer.overlap(self, source, self.dtype.itemsize):
            with stream or nullcontext():
                source = source.copy()
        if self.contiguous and source.contiguous:
            return transfer.moves(queue, self, source)
        if self.device is source.device:
            with stream or nullcontext():
                return transfer.packs(self, source)
        return self.contiguous and transfer.moves(queue, self, source.copy())

    def _own(self, stream: Stream) -> Any:
        if stream.driver is not self.device.driver:
            raise UserError(f"the array lives on {self.device.name}, and the stream is another device's")
        return stream.queue

    def _plain(self, host: np.ndarray[Any, Any]) -> bool:
        return self.contiguous and host.flags.c_contiguous

    def _check_host(self, host: np.ndarray[Any, Any], what: str) -> None:
        shape = (*self.shape, *self.numpy_dtype.shape)
        if host.shape != shape or host.dtype != self.numpy_dtype.base:
            raise UserError(
                f"{what} needs a NumPy array of {self.numpy_dtype.base} and shape {shape}, "
                f"not of {host.dtype} and {host.shape}"
            )

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
    extents = extents_of(shape)
    elem = element(dtype)
    return DeviceArray(there, there.buffer(max(1, math.prod(extents) * elem.itemsize)), elem, extents)


_device = device


def element(dtype: Any) -> ElementType:
    """What a user calls an element type, as one. UserError for a dtype that kernels do not have."""
    if isinstance(dtype, (DType, Vec, StructType)):
        return dtype
    found = element_of(np.dtype(dtype))
    if found is None:
        raise UserError(f"kernels have no element type for dtype {dtype!r}")
    return found


def extents_of(shape: int | Sequence[int]) -> tuple[int, ...]:
    """A shape as a tuple. UserError for extents that are negative or beyond 64 bits."""
    extents = tuple(operator.index(e) for e in (shape if isinstance(shape, Sequence) else (shape,)))
    if any(e < 0 for e in extents):
        raise UserError(f"the shape {extents} has a negative extent")
    if any(e >> 63 for e in extents):
        raise UserError("the shape has an extent that 64 bits do not hold")
    return extents


def bytes_of(host: np.ndarray[Any, Any]) -> memoryview:
    """The memory of a NumPy array without gaps."""
    return host.reshape(-1).view(np.uint8).data
