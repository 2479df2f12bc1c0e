"""Copies between the host and devices and on a device, of views with gaps too, at once or on a stream.

A driver copies runs of bytes. Views with gaps are cut into runs where these are few. Elsewhere they are
packed: by a kernel on the device where a compiler is at hand (`register_packer`), on the host otherwise.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from gyral.core.driver import DeviceCopies, PeerCopies
from gyral.runtime.buffer import Buffer
from gyral.runtime.device import Device

_FEW = 64
"""Runs that are copied one by one before packing pays."""
_WASTE = 4
"""How many times the bytes of a view are read, at most, to read it in one piece with its gaps."""


class View(Protocol):
    """What a copy must know of an array in device memory."""

    device: Device
    buffer: Buffer
    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def contiguous(self) -> bool:
        """Whether the elements stand without gaps, last axis fastest."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes of the elements."""
        ...


Packer = Callable[[Any, Any], bool]
_packers: list[Packer] = []


def register_packer(packer: Packer) -> None:
    """Let `packer(target, source)` copy elements between arrays on one device by a kernel.

    It works on the current stream, and answers False for devices and elements that it cannot do.
    """
    _packers.append(packer)


class Turn:
    """`with Turn(queue, *views):` lets a queue wait for all work on the views, and later work wait for it."""

    def __init__(self, queue: Any, *views: View) -> None:
        self.queue = queue
        self._views = views

    def __enter__(self) -> None:
        for view in self._views:
            driver = view.device.driver
            for owner, mark in view.buffer.marks.items():
                if owner != id(self.queue):
                    driver.after(self.queue, mark)

    def __exit__(self, *failure: object) -> None:
        # The queue waited for all other work on the views, so that whoever waits for it waits for that too.
        for view in self._views:
            view.buffer.marks = {id(self.queue): view.device.driver.mark(self.queue)}


def read(view: View, target: np.ndarray[Any, Any], itemsize: int) -> None:
    """Copy a view to host memory without gaps; nothing of the view may be pending."""
    driver = view.device.driver
    found = _flat(target)
    if not view.nbytes:
        return
    extents, strides, run = runs(view.shape, view.strides, itemsize)
    low, high = span(view, itemsize)
    if not extents:
        driver.copy_out(None, found, view.address)
    elif _count(extents) <= _FEW:
        for at, offset in enumerate(_offsets(extents, strides)):
            driver.copy_out(None, found[at * run : (at + 1) * run], view.address + offset)
    else:
        whole = np.empty(high - low, np.uint8)
        driver.copy_out(None, whole.data, low)
        # A vector's components are axes more to NumPy, without gaps.
        more = len(view.shape)
        strides = (*view.strides, *target.strides[more:])
        target[...] = np.ndarray(target.shape, target.dtype, whole.data, view.address - low, strides)


def write(view: View, source: np.ndarray[Any, Any], itemsize: int) -> None:
    """Copy host memory without gaps to a view; nothing of the view may be pending."""
    driver = view.device.driver
    given = _flat(source)
    if not view.nbytes:
        return
    extents, strides, run = runs(view.shape, view.strides, itemsize)
    # The bytes between runs may be written by others at the same time: they are never read and put back.
    for at, offset in enumerate(_offsets(extents, strides)):
        driver.copy_in(None, view.address + offset, given[at * run : (at + 1) * run])


def packs(target: View, source: View) -> bool:
    """Copy elements on one device by a kernel; False when no packer can."""
    return any(packer(target, source) for packer in _packers)


def moves(queue: Any, target: View, source: View) -> bool:
    """Put a copy between arrays without gaps on a queue of the target's device; False when it has no way."""
    driver, other = target.device.driver, source.device.driver
    if driver is other:
        if not isinstance(driver, DeviceCopies):
            return False
        with Turn(queue, target, source):
            driver.copy(queue, target.address, source.address, source.nbytes)
        return True
    if not isinstance(driver, PeerCopies):
        return False
    # Another driver's marks mean nothing to this one's queues.
    for mark in list(source.buffer.marks.values()):
        other.wait(mark)
    with Turn(queue, target):
        done = driver.copy_peer(queue, target.address, other, source.address, source.nbytes)
        mark = target.device.driver.mark(queue)
    if done:
        target.device.driver.wait(mark)
    return done


def fills(queue: Any, view: View, pattern: bytes) -> bool:
    """Put a fill of an array without gaps on a queue; False when the device cannot repeat the pattern."""
    driver = view.device.driver
    # One byte repeated is a pattern of one byte, which every device has.
    if len(set(pattern)) == 1:
        pattern = pattern[:1]
    if not isinstance(driver, DeviceCopies) or len(pattern) not in (1, 2, 4, 8, 16):
        return False
    with Turn(queue, view):
        driver.fill(queue, view.address, pattern, view.nbytes)
    return True


def runs(
    shape: Sequence[int], strides: Sequence[int], itemsize: int
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """A view as runs of bytes: extents and strides of the axes over runs, and the length of a run."""
    extents, steps, run = list(shape), list(strides), itemsize
    while extents and (extents[-1] == 1 or steps[-1] == run):
        run *= extents.pop()
        steps.pop()
    kept = [(extent, step) for extent, step in zip(extents, steps, strict=True) if extent != 1]
    return tuple(extent for extent, _ in kept), tuple(step for _, step in kept), run


def span(view: View, itemsize: int) -> tuple[int, int]:
    """The addresses from the first byte of a view to behind its last."""
    reach = [(extent - 1) * step for extent, step in zip(view.shape, view.strides, strict=True)]
    low = view.address + sum(step for step in reach if step < 0)
    return low, view.address + sum(step for step in reach if step > 0) + itemsize


def overlap(one: View, other: View, itemsize: int) -> bool:
    """Whether two views may share bytes, by the spans of their addresses."""
    (low, high), (first, last) = span(one, itemsize), span(other, itemsize)
    return one.buffer is other.buffer and low < last and first < high


def sparse(view: View, itemsize: int) -> bool:
    """Whether a view has many runs, far apart: reading it in one piece would read mostly gaps."""
    extents, _, _ = runs(view.shape, view.strides, itemsize)
    low, high = span(view, itemsize)
    return _count(extents) > _FEW and high - low > _WASTE * view.nbytes


def many(view: View, itemsize: int) -> bool:
    """Whether a view has more runs than are copied one by one with pleasure."""
    return _count(runs(view.shape, view.strides, itemsize)[0]) > _FEW


def _count(extents: Sequence[int]) -> int:
    return int(np.prod(extents, dtype=np.int64))


def _offsets(extents: Sequence[int], strides: Sequence[int]) -> Iterator[int]:
    for place in itertools.product(*map(range, extents)):
        yield sum(at * step for at, step in zip(place, strides, strict=True))


def _flat(host: np.ndarray[Any, Any]) -> memoryview:
    return host.reshape(-1).view(np.uint8).data
