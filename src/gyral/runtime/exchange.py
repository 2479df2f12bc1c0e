"""Arrays from and for other libraries, in place: DLPack, and the CUDA array interface."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from gyral.core.driver import External, Timing
from gyral.core.dtypes import SCALARS, DType, ElementType, StructType, Vec
from gyral.core.errors import DeviceError, StateError, UnsupportedError, UserError
from gyral.runtime import capsule
from gyral.runtime.buffer import Buffer
from gyral.runtime.capsule import COPIED, READ_ONLY, Shared
from gyral.runtime.device import Device, current_device, device, device_of_dlpack
from gyral.runtime.elements import element_of

HOST = (1, 0)
"""DLPack's type and number of host memory."""
_PINNED = (3, 11)
_CUDA = 2
_LEGACY = 1
"""The stream by which CUDA libraries mean the default one, and which a taker means that names none."""
_CODES = {"bool": "bool", "int": "i", "uint": "u", "float": "f"}
_ELEMENTS = {
    ("bf" if t.name == "bf16" else _CODES[t.kind], 8 if t.kind == "bool" else t.bits): t for t in SCALARS
}


@dataclass(frozen=True, slots=True)
class Placed:
    """Another library's array as one of ours: where it lies and what it holds. Strides are in bytes."""

    device: Device
    buffer: Buffer
    dtype: ElementType
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def dlpack_device(on: Device) -> tuple[int, int]:
    """DLPack's name for a device. UnsupportedError where others cannot reach the memory."""
    if on.capabilities.unified:
        return HOST
    if on.dlpack == (0, 0) or not isinstance(on.driver, External):
        raise UnsupportedError(
            f"DLPack needs memory that other libraries can reach, and {on.name}'s is its driver's own; "
            "use .numpy(), which copies"
        )
    return on.dlpack


def give_dlpack(
    array: Any,
    stream: int | None,
    max_version: tuple[int, int] | None,
    dl_device: tuple[int, int] | None,
    copy: bool | None,
) -> Any:
    """A device array as a DLPack capsule, after the protocol of the array API standard.

    BufferError where the protocol asks for it: another device than asked, elements DLPack has no name for.
    """
    home = HOST if array.device.capabilities.unified else _home(array.device, dl_device)
    wanted = home if dl_device is None else (int(dl_device[0]), int(dl_device[1]))
    if wanted not in (home, HOST):
        raise BufferError(f"the array lives on DLPack device {home} and was asked for on {wanted}")
    elem, inner = _scalar(array.dtype)
    copied = bool(copy)
    if wanted != home:
        if copy is False:
            raise BufferError("the host cannot reach this memory, so it is copied, and copy=False forbids it")
        host = array.numpy()
        address, strides, owner, copied = host.ctypes.data, host.strides, host, True
    else:
        array = array.copy() if copy else array
        address, strides, owner = array.address, (*array.strides, *inner[1]), array
        _let_follow(array, home, stream)
    shape = (*array.shape, *inner[0])
    if any(step % elem.itemsize for step in strides):
        raise BufferError(f"the strides {strides} are not whole elements of {elem.itemsize} bytes")
    shared = Shared(
        address,
        wanted,
        "bf" if elem.name == "bf16" else _CODES[elem.kind],
        8 if elem.kind == "bool" else elem.bits,
        shape,
        tuple(step // elem.itemsize for step in strides),
        COPIED if copied else 0,
        owner,
    )
    return capsule.give(shared, versioned=max_version is not None and max_version[0] >= 1)


def take_dlpack(source: Any) -> Placed:
    """The array behind `__dlpack__`, or in a capsule. UserError names what cannot be taken and why."""
    if type(source).__name__ == "PyCapsule":
        shared = capsule.take(source)
        return _placed(shared, _home_of(shared.device), None)
    if not hasattr(source, "__dlpack__"):
        raise UserError(f"a {type(source).__name__} does not speak DLPack")
    where = tuple(map(int, source.__dlpack_device__())) if hasattr(source, "__dlpack_device__") else HOST
    home = _home_of((where[0], where[1]))
    queue = None if home.capabilities.unified else home.current_stream().queue
    options: dict[str, Any] = {}
    if queue is not None and isinstance(home.driver, External):
        options["stream"] = home.driver.stream_of(queue) or _LEGACY
    try:
        given = _asked(source, options)
    except (TypeError, ValueError, BufferError, RuntimeError) as error:
        dtype = getattr(source, "dtype", "unknown")
        raise UserError(
            f"a {type(source).__name__} of dtype {dtype} cannot be taken over by DLPack: {error}"
        ) from error
    return _placed(capsule.take(given), home, queue)


def cuda_interface(array: Any) -> dict[str, Any]:
    """The array as `__cuda_array_interface__` describes it. AttributeError where it is not CUDA's."""
    home: Device = array.device
    # An AttributeError, so that others see an object that is no CUDA array and go on.
    if home.dlpack[0] != _CUDA or not isinstance(home.driver, External):
        raise AttributeError(f"an array on {home.name} is no CUDA array")
    try:
        elem, inner = _scalar(array.dtype)
    except BufferError as error:
        raise AttributeError(str(error)) from error
    if elem.name == "bf16":
        raise AttributeError("the CUDA array interface has no name for bf16; use DLPack")
    driver: Any = home.driver
    queue = home.current_stream().queue
    for mark in array.buffer.marks.values():
        driver.after(queue, mark)
    return {
        "version": 3,
        "shape": (*array.shape, *inner[0]),
        "typestr": np.dtype(elem.code).str,
        "data": (array.address if array.size else 0, False),
        "strides": None if array.contiguous else (*array.strides, *inner[1]),
        "stream": driver.stream_of(queue) or _LEGACY,
    }


def cuda_device() -> Device:
    """The device that CUDA arrays are taken to be on: the current one if it is CUDA's, else the first."""
    current = current_device()
    found = current if current.dlpack[0] == _CUDA else device_of_dlpack(_CUDA, 0)
    if found is None:
        raise UnsupportedError("no device here shares memory with CUDA libraries")
    return found


def take_cuda(source: Any, home: Device) -> Placed:
    """Another CUDA library's array on a device. UserError names what cannot be taken and why."""
    described = source.__cuda_array_interface__
    name = type(source).__name__
    if described.get("mask") is not None:
        raise UserError(f"the {name} has a mask, and kernels know none; fill it first")
    address, readonly = described["data"]
    if readonly:
        raise UserError(f"the {name} is read-only, and kernels may write; take a copy by gy.array()")
    dtype = np.dtype(described["typestr"])
    elem = element_of(dtype)
    if elem is None or not dtype.isnative:
        raise UserError(f"kernels have no element type for dtype {dtype}")
    shape = tuple(described["shape"])
    strides = described.get("strides")
    placed = _packed(shape, elem.itemsize) if strides is None else tuple(strides)
    queue = home.current_stream().queue
    stream = described.get("stream")
    if stream == 0:
        raise UserError(f"the {name} names stream 0, which the CUDA array interface forbids as ambiguous")
    driver: Any = home.driver
    if stream is not None and isinstance(driver, External):
        home.driver.after(queue, _recorded(home, driver.queue_of(stream)))
    return _adopted(home, int(address or 0), elem, shape, placed, source, queue)


def _home(on: Device, asked: tuple[int, int] | None) -> tuple[int, int]:
    """Where an array that is not the host's lives; it does not matter when the host is asked for."""
    return (0, 0) if asked is not None and tuple(asked) == HOST else dlpack_device(on)


def _let_follow(array: Any, home: tuple[int, int], stream: int | None) -> None:
    """Let the taker's stream see what was queued before; on the host, wait for it."""
    driver = array.device.driver
    if home == HOST:
        if stream is not None:
            raise BufferError(f"host memory has no streams, and stream={stream} was given")
        array.wait()
        array.buffer.exposed = True
        return
    if stream == -1:
        return
    if stream == 0:
        raise BufferError("stream=0 is ambiguous: 1 is CUDA's legacy default stream, 2 the thread's own")
    if array.buffer.marks:
        queue = driver.queue_of(_LEGACY if stream is None else stream)
        for mark in array.buffer.marks.values():
            driver.after(queue, mark)


def _scalar(dtype: ElementType) -> tuple[DType, tuple[tuple[int, ...], tuple[int, ...]]]:
    """The scalars an element is made of, and the axis a vector adds: its extent and its stride in bytes."""
    if isinstance(dtype, StructType):
        raise BufferError(f"other libraries have no name for {dtype}, a struct")
    if isinstance(dtype, Vec):
        return dtype.elem, ((dtype.size,), (dtype.elem.itemsize,))
    return dtype, ((), ())


def _home_of(where: tuple[int, int]) -> Device:
    if where[0] == HOST[0] or where[0] in _PINNED:
        return device("cpu")
    try:
        found = device_of_dlpack(*where)
    except UnsupportedError as error:
        raise UserError(
            f"the array lives on DLPack device type {where[0]}, and {error}; move it to the CPU first"
        ) from error
    if found is None or not isinstance(found.driver, External):
        raise UserError(
            f"the array lives on DLPack device type {where[0]}, which no device here shares; "
            "move it to the CPU first"
        )
    return found


def _asked(source: Any, options: dict[str, Any]) -> Any:
    try:
        return source.__dlpack__(max_version=capsule.VERSION, **options)
    except TypeError:  # from before the protocol had versions
        return source.__dlpack__(**options)


def _placed(shared: Shared, home: Device, queue: Any) -> Placed:
    elem = _ELEMENTS.get((shared.code, shared.bits))
    if elem is None:
        raise UserError(f"kernels have no element type for DLPack's {shared.code}{shared.bits}")
    if shared.flags & READ_ONLY:
        raise UserError("the array is read-only, and kernels may write; take a copy by gy.array()")
    if 0 not in shared.shape and shared.address % elem.itemsize:
        raise UserError(f"the array of {elem} lies at an address that is no multiple of {elem.itemsize}")
    strides = tuple(step * elem.itemsize for step in shared.strides)
    return _adopted(home, shared.address, elem, shared.shape, strides, shared.owner, queue)


def _adopted(
    home: Device,
    address: int,
    elem: ElementType,
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    owner: Any,
    queue: Any,
) -> Placed:
    nbytes = _reach(shape, strides, elem.itemsize)
    if home.capabilities.unified:
        buffer = Buffer(owner, address, nbytes, _keep)
        buffer.exposed = True
        return Placed(home, buffer, elem, shape, strides)
    driver: Any = home.driver
    if not isinstance(driver, External):
        raise UnsupportedError(f"{home.name} cannot work in another library's memory; copy it by gy.array()")
    memory = driver.adopt(address, nbytes)
    lent = _Lent(memory, home.driver.address(memory), nbytes, home.driver, owner)
    if queue is not None:
        lent.marks[id(queue)] = _recorded(home, queue)
    return Placed(home, lent, elem, shape, strides)


class _Lent(Buffer):
    """Another library's memory on a device: it gets it back when our work with it is done."""

    __slots__ = ("_driver", "_owner")

    def __init__(self, memory: Any, address: int, nbytes: int, driver: Any, owner: Any) -> None:
        super().__init__(memory, address, nbytes, _keep)
        self._driver, self._owner = driver, owner

    def __del__(self) -> None:
        # What failed is raised to whoever next asks for the queue, who can hear it.
        with suppress(DeviceError, StateError):
            for mark in self.marks.values():
                self._driver.wait(mark)


def _keep(memory: Any, nbytes: int) -> None:
    """Memory that is not ours is not given back."""


def _recorded(home: Device, queue: Any) -> Any:
    """A mark behind a queue on which others may have put work that the driver did not count."""
    return home.driver.timed_mark(queue) if isinstance(home.driver, Timing) else home.driver.mark(queue)


def _reach(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> int:
    """Bytes from the first element to behind the last, for strides that are not negative."""
    if 0 in shape:
        return 0
    return itemsize + sum((extent - 1) * max(0, step) for extent, step in zip(shape, strides, strict=True))


def _packed(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    strides, step = [], itemsize
    for extent in reversed(shape):
        strides.append(step)
        step *= extent
    return tuple(reversed(strides))
