"""What a Metal device can do, asked of the device itself."""

from __future__ import annotations

import struct
from typing import Any

from gyral.core.caps import Capabilities
from gyral.core.dtypes import SCALARS, f64, i64, u64
from gyral.drivers.metal.program import pipeline_of

MAX_GRID = (2**31 - 1, 65535, 65535)
_SUBGROUP = 32
_BLOCK = (8, 4, 4)
_LANES = """
#include <metal_stdlib>
using namespace metal;
kernel void lanes(device uint *found [[buffer(0)]], uint k [[thread_index_in_threadgroup]],
                  uint lane [[thread_index_in_simdgroup]], uint group [[simdgroup_index_in_threadgroup]]) {
    found[k] = 32 * group + lane;
}
"""


def capabilities_of(metal: Any, device: Any) -> Capabilities:
    """A device's abilities and limits. f64 does not exist in Metal."""
    features = features_of(metal, device)
    threads = device.maxThreadsPerThreadgroup()
    return Capabilities(
        dtypes=frozenset(t for t in SCALARS if t is not f64),
        atomics=frozenset(t for t in SCALARS if t not in (f64, i64, u64)),
        scopes=frozenset({"block", "device"}) if "msl_3.2" in features else frozenset({"block"}),
        subgroup_sizes=(_SUBGROUP,),
        max_block=min(1024, int(threads.width)),
        shared_bytes=int(device.maxThreadgroupMemoryLength()),
        memory_bytes=int(device.recommendedMaxWorkingSetSize()),
        ieee=False,
        clock=False,
        features=features,
        max_grid=MAX_GRID,
        max_buffer=int(device.maxBufferLength()),
    )


def features_of(metal: Any, device: Any) -> tuple[str, ...]:
    """Words for what code may use here.

    "subgroups:32": simdgroups are 32 threads in the block's linear order. Metal's specification leaves that
    order open, so the device is asked by running a kernel. "msl_3.2": fences between blocks.
    "f32_atomics": native atomic addition of floats in device memory (Metal 3).
    """
    found = []
    if _linear_lanes(metal, device):
        found.append("subgroups:32")
    if device.supportsFamily_(metal.MTLGPUFamilyMetal3):
        found.append("f32_atomics")
    if hasattr(metal, "MTLLanguageVersion3_2"):
        found.append("msl_3.2")
    elif hasattr(metal, "MTLLanguageVersion3_0"):
        found.append("msl_3.0")
    return tuple(sorted(found))


def _linear_lanes(metal: Any, device: Any) -> bool:
    pipeline = pipeline_of(metal, device, _LANES, "lanes")
    if int(pipeline.threadExecutionWidth()) != _SUBGROUP:
        return False
    count = _BLOCK[0] * _BLOCK[1] * _BLOCK[2]
    buffer = device.newBufferWithLength_options_(4 * count, metal.MTLResourceStorageModeShared)
    command = device.newCommandQueue().commandBuffer()
    encoder = command.computeCommandEncoder()
    encoder.setComputePipelineState_(pipeline)
    encoder.setBuffer_offset_atIndex_(buffer, 0, 0)
    encoder.dispatchThreadgroups_threadsPerThreadgroup_(
        metal.MTLSizeMake(1, 1, 1), metal.MTLSizeMake(*_BLOCK)
    )
    encoder.endEncoding()
    command.commit()
    command.waitUntilCompleted()
    data = bytes(memoryview(buffer.contents().as_buffer(4 * count)).cast("B"))
    return struct.unpack(f"<{count}I", data) == tuple(range(count))
