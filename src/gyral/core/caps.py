"""What a device can do, as plain data: asked instead of its name."""

from __future__ import annotations

from dataclasses import dataclass, field

from gyral.core.dtypes import SCALARS, DType


@dataclass(frozen=True, slots=True)
class Capabilities:
    """One device's abilities and limits.

    `unified`: host memory is device memory, so that NumPy arrays are used in place. `ieee`: float
    arithmetic and maths functions follow IEEE 754, denormals included. `atomics`: the dtypes whose
    read-modify-write operations are atomic in global memory. Sizes are in bytes, blocks in threads.
    """

    dtypes: frozenset[DType] = field(default_factory=lambda: frozenset(SCALARS))
    atomics: frozenset[DType] = frozenset()
    scopes: frozenset[str] = frozenset({"block", "device"})
    subgroup_sizes: tuple[int, ...] = ()
    max_block: int = 1024
    shared_bytes: int = 1 << 15
    memory_bytes: int = 0
    units: int = 1
    streams: bool = True
    unified: bool = False
    ieee: bool = True
    checks: bool = True
    prints: bool = True
