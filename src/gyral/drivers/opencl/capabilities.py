"""What an OpenCL device can do, read from what it says of itself."""

from __future__ import annotations

from typing import Any

from gyral.core.caps import Capabilities
from gyral.core.dtypes import SCALARS

_DENORM, _INF_NAN, _NEAREST, _FMA, _DIVIDE = 1, 2, 4, 32, 128
_IEEE = _DENORM | _INF_NAN | _NEAREST | _DIVIDE
_BLOCKS = (2**31 - 1, 65535, 65535)
"""Blocks per axis that every driver takes; OpenCL has no way to ask. Larger grids are folded."""


def features_of(device: Any) -> tuple[str, ...]:
    """What code for the device may use, sorted."""
    extensions = frozenset(device.extensions.split())
    found = {
        "f16": "cl_khr_fp16" in extensions,
        "f64": "cl_khr_fp64" in extensions or bool(device.double_fp_config),
        "fma": bool(device.single_fp_config & _FMA),
        "i64_atomics": {"cl_khr_int64_base_atomics", "cl_khr_int64_extended_atomics"} <= extensions,
    }
    return tuple(sorted(name for name, has in found.items() if has))


def correct_division(device: Any) -> bool:
    """Whether divisions and square roots can be rounded correctly, which must be asked for."""
    return bool(device.single_fp_config & _DIVIDE)


def capabilities_of(device: Any) -> Capabilities:
    """The device's capability record."""
    features = features_of(device)
    threads = int(device.max_work_group_size)
    addressable = ((1 << device.address_bits) - 1) // threads
    lacking = set() if "f64" in features else {"f64"}
    # Types of 8 and 16 bits go through the word around them.
    lonely = set() if "i64_atomics" in features else {"i64", "u64", "f64", "index"}
    return Capabilities(
        dtypes=frozenset(t for t in SCALARS if t.name not in lacking),
        atomics=frozenset(t for t in SCALARS if t.name not in lacking | lonely),
        subgroup_sizes=(32,),
        max_block=threads,
        shared_bytes=int(device.local_mem_size),
        memory_bytes=int(device.global_mem_size),
        units=int(device.max_compute_units),
        ieee=device.single_fp_config & _IEEE == _IEEE,
        features=features,
        max_grid=(min(_BLOCKS[0], addressable), *_BLOCKS[1:]),
        max_buffer=int(device.max_mem_alloc_size),
        clock=False,
        # PoCL writes what follows a barrier once for every way to it, which takes for ever.
        branched_barriers="Portable Computing Language" not in device.platform.name,
    )
