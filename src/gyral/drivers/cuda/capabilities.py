"""What a CUDA device can do, read from its attributes."""

from __future__ import annotations

import ctypes

from gyral.core.caps import Capabilities
from gyral.core.dtypes import SCALARS
from gyral.drivers.cuda.session import Session

# CUdevice_attribute
_MAX_THREADS_PER_BLOCK = 1
_MAX_GRID = (5, 6, 7)
_SHARED_PER_BLOCK = 8
_UNITS = 16
_THREADS_PER_UNIT = 39
_MAJOR, _MINOR = 75, 76
_SHARED_PER_UNIT = 81
_SHARED_OPT_IN = 97

_REGISTERS_PER_THREAD = 255
_SUBGROUP = 32


def capabilities(session: Session) -> Capabilities:
    """The record of a device."""
    total = ctypes.c_size_t()
    session.call("cuDeviceTotalMem_v2", ctypes.byref(total), session.device)
    x, y, z = (session.attribute(number) for number in _MAX_GRID)
    return Capabilities(
        atomics=frozenset(t for t in SCALARS if t.is_integer or t.is_float),
        scopes=frozenset({"block", "device", "system"}),
        subgroup_sizes=(_SUBGROUP,),
        max_block=session.attribute(_MAX_THREADS_PER_BLOCK),
        shared_bytes=max(session.attribute(_SHARED_PER_BLOCK), session.attribute(_SHARED_OPT_IN)),
        memory_bytes=total.value,
        units=session.attribute(_UNITS),
        features=(f"sm_{architecture(session)}",),
        max_grid=(x, y, z),
        register_limit=_REGISTERS_PER_THREAD,
        unit_threads=session.attribute(_THREADS_PER_UNIT),
        unit_shared_bytes=session.attribute(_SHARED_PER_UNIT),
        wide_access=16,
        progress=True,
    )


def architecture(session: Session) -> int:
    """The compute capability of a device as one number: 90 for 9.0."""
    return session.attribute(_MAJOR) * 10 + session.attribute(_MINOR)
