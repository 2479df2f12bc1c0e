"""Copies between arrays of one device element by element, by a kernel: views with gaps are packed this way.

Elements are copied as words of 1, 2 or 4 bytes, so that devices copy types in which they cannot compute.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from gyral.compiler.words import global_id
from gyral.core.dtypes import Array, DType, ElementType, Vec, alignment, u8, u16, u32
from gyral.core.errors import UnsupportedError
from gyral.jit.kernel import kernel
from gyral.jit.targets import TARGETS
from gyral.runtime.array import DeviceArray

if TYPE_CHECKING:
    Elements: TypeAlias = Any
else:
    Elements = Array
_WORDS = {1: u8, 2: u16, 4: u32}
_MOST = 256
"""Launches that one copy may take, for arrays of more than three axes."""
_Axis = tuple[int, int, int]  # extent, and strides in bytes of target and source


@kernel
def along_one(target: Elements, source: Elements):
    """Copy the elements of one axis."""
    i = global_id()
    target[i] = source[i]


@kernel
def along_two(target: Elements, source: Elements):
    """Copy the elements of two axes."""
    i, j = global_id(0), global_id(1)
    target[i, j] = source[i, j]


@kernel
def along_three(target: Elements, source: Elements):
    """Copy the elements of three axes."""
    i, j, k = global_id(0), global_id(1), global_id(2)
    target[i, j, k] = source[i, j, k]


def pack(target: DeviceArray, source: DeviceArray) -> bool:
    """Copy between arrays of the same shape and type, on the current stream; False where no kernel can.

    The memory of target and source does not overlap.
    """
    row = TARGETS.get(target.device.kind)
    if row is None or not row.by_blocks:
        return False
    if not target.size:
        return True
    word, lanes = _words(target.dtype)
    axes = _merged(list(zip(target.shape, target.strides, source.strides, strict=True)))
    elem: ElementType = word
    if 2 <= lanes <= 4:
        elem = Vec(word, lanes)
    elif lanes > 4:
        axes.append((lanes, word.itemsize, word.itemsize))
    outer, inner = axes[:-3], axes[-3:] or [(1, 0, 0)]
    starts = list(itertools.islice(_starts(outer), _MOST + 1))
    if len(starts) > _MOST:
        return False
    shape = tuple(extent for extent, _, _ in inner)
    launcher = (along_one, along_two, along_three)[len(shape) - 1][shape]
    try:
        for to, origin in starts:
            launcher(
                _seen(target, elem, shape, tuple(step for _, step, _ in inner), to),
                _seen(source, elem, shape, tuple(step for _, _, step in inner), origin),
            )
    except UnsupportedError:
        return False
    return True


def _words(t: ElementType) -> tuple[DType, int]:
    """The word an element is copied by, and how many words it has."""
    size = min(4, alignment(t))
    return _WORDS[size], t.itemsize // size


def _merged(axes: list[_Axis]) -> list[_Axis]:
    """The same elements over as few axes as possible."""
    found: list[_Axis] = []
    for extent, to, origin in axes:
        if extent == 1:
            continue
        if found and found[-1][1:] == (extent * to, extent * origin):
            extent *= found.pop()[0]
        found.append((extent, to, origin))
    return found


def _starts(axes: list[_Axis]) -> Iterator[tuple[int, int]]:
    """The byte offsets in target and source of each place on some axes."""
    for place in itertools.product(*(range(extent) for extent, _, _ in axes)):
        to = sum(at * step for at, (_, step, _) in zip(place, axes, strict=True))
        yield to, sum(at * step for at, (_, _, step) in zip(place, axes, strict=True))


def _seen(
    array: DeviceArray, elem: ElementType, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
) -> DeviceArray:
    return DeviceArray(array.device, array.buffer, elem, shape, strides, array.address + offset)
