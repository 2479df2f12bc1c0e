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
    `features`: what code for the device may use beyond the baseline of its kind, sorted (`CompileOptions`).
    `separate_buffers`: buffers are bound one by one, so that arrays which share one are told apart when
    compiling. `max_grid`: blocks per axis of one launch, last axis first; larger grids are folded.
    `register_limit`: 32-bit registers of one thread, `unit_threads` and `unit_shared_bytes`: what one unit
    holds at a time, for occupancy; 0 where it is not known. `max_buffer`: bytes of one array, 0 for any.
    `sums`: the dtypes that can besides be added to atomically where nobody asks for the old value.
    `clock`: kernels can read a clock. `wide_access`: bytes of the widest access, where code is made for
    arrays that are aligned to it; 0 where it makes no difference.
    `progress`: all blocks of a launch that fit go on while the host writes memory that they read, so that
    loops of actors stay. `branched_barriers`: barriers may stand in branches of any depth.
    """

    dtypes: frozenset[DType] = field(default_factory=lambda: frozenset(SCALARS))
    atomics: frozenset[DType] = frozenset()
    sums: frozenset[DType] = frozenset()
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
    features: tuple[str, ...] = ()
    separate_buffers: bool = False
    max_grid: tuple[int, int, int] = (2**31 - 1, 65535, 65535)
    register_limit: int = 0
    unit_threads: int = 0
    unit_shared_bytes: int = 0
    max_buffer: int = 0
    clock: bool = True
    wide_access: int = 0
    progress: bool = False
    branched_barriers: bool = True
