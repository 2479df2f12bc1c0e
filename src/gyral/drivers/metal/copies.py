"""Copies and fills on a Metal device. Blits take multiples of four bytes; two small kernels do the rest."""

from __future__ import annotations

import struct
from functools import cached_property
from typing import Any

from gyral.drivers.metal.memory import Memory
from gyral.drivers.metal.program import pipeline_of

_THREADS = 256
_TEXT = """
#include <metal_stdlib>
using namespace metal;
struct Range { ulong source, target, count, period; };
kernel void copy_bytes(device uchar *source [[buffer(0)]], device uchar *target [[buffer(1)]],
                       constant Range &r [[buffer(2)]], uint3 group [[threadgroup_position_in_grid]],
                       uint3 groups [[threadgroups_per_grid]], uint k [[thread_index_in_threadgroup]]) {
    for (ulong i = (ulong)group.x * 256 + k; i < r.count; i += (ulong)groups.x * 256)
        target[r.target + i] = source[r.source + i];
}
kernel void fill_bytes(device uchar *source [[buffer(0)]], device uchar *target [[buffer(1)]],
                       constant Range &r [[buffer(2)]], uint3 group [[threadgroup_position_in_grid]],
                       uint3 groups [[threadgroups_per_grid]], uint k [[thread_index_in_threadgroup]]) {
    for (ulong i = (ulong)group.x * 256 + k; i < r.count; i += (ulong)groups.x * 256)
        target[r.target + i] = source[i % r.period];
}
"""
_MOST_GROUPS = 4096


class Copier:
    """Writes copies between buffers to command buffers."""

    def __init__(self, metal: Any, device: Any) -> None:
        self._metal = metal
        self._device = device

    def copy(self, command: Any, source: tuple[Any, int], target: tuple[Any, int], nbytes: int) -> None:
        """Copy `nbytes` from one (buffer, offset) to another; they do not overlap."""
        if nbytes % 4 == source[1] % 4 == target[1] % 4 == 0:
            encoder = command.blitCommandEncoder()
            encoder.copyFromBuffer_sourceOffset_toBuffer_destinationOffset_size_(*source, *target, nbytes)
            encoder.endEncoding()
        else:
            self._run(command, self._copy, source[0], target[0], (source[1], target[1], nbytes, 1))

    def fill(self, command: Any, target: tuple[Memory, int], pattern: bytes, nbytes: int) -> None:
        """Repeat a pattern over `nbytes` of a buffer."""
        memory, offset = target
        if len(set(pattern)) == 1 and offset % 4 == nbytes % 4 == 0:
            encoder = command.blitCommandEncoder()
            encoder.fillBuffer_range_value_(memory.buffer, (offset, nbytes), pattern[0])
            encoder.endEncoding()
            return
        shared = self._metal.MTLResourceStorageModeShared
        source = self._device.newBufferWithBytes_length_options_(pattern, len(pattern), shared)
        self._run(command, self._fill, source, memory.buffer, (0, offset, nbytes, len(pattern)))

    def _run(self, command: Any, pipeline: Any, source: Any, target: Any, numbers: tuple[int, ...]) -> None:
        encoder = command.computeCommandEncoder()
        encoder.setComputePipelineState_(pipeline)
        encoder.setBuffer_offset_atIndex_(source, 0, 0)
        encoder.setBuffer_offset_atIndex_(target, 0, 1)
        encoder.setBytes_length_atIndex_(struct.pack("<4Q", *numbers), 32, 2)
        groups = min(_MOST_GROUPS, -(-numbers[2] // _THREADS))
        size = self._metal.MTLSizeMake
        encoder.dispatchThreadgroups_threadsPerThreadgroup_(size(groups, 1, 1), size(_THREADS, 1, 1))
        encoder.endEncoding()

    @cached_property
    def _copy(self) -> Any:
        return pipeline_of(self._metal, self._device, _TEXT, "copy_bytes")

    @cached_property
    def _fill(self) -> Any:
        return pipeline_of(self._metal, self._device, _TEXT, "fill_bytes")
