"""Kernels that stay: cooperative launches, and host memory that they read and write in place."""

from __future__ import annotations

import ctypes
from ctypes import byref, c_uint64
from math import prod

from gyral.core import abi
from gyral.core.caps import Capabilities
from gyral.core.driver import Launch
from gyral.core.errors import UnsupportedError
from gyral.drivers.cuda.program import Program, extra_of, pack
from gyral.drivers.cuda.session import Session

_PORTABLE, _MAPPED = 1, 2  # CU_MEMHOSTREGISTER_
_COOPERATIVE = 2  # CU_LAUNCH_ATTRIBUTE_COOPERATIVE


class _Attribute(ctypes.Structure):
    """CUlaunchAttribute."""

    _fields_ = [("id", ctypes.c_int), ("pad", ctypes.c_char * 4), ("value", ctypes.c_int * 16)]


class _Config(ctypes.Structure):
    """CUlaunchConfig."""

    _fields_ = [
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared", ctypes.c_uint),
        ("stream", ctypes.c_void_p),
        ("attributes", ctypes.POINTER(_Attribute)),
        ("count", ctypes.c_uint),
    ]


def stay(session: Session, stream: int, program: Program, asked: Launch, limits: Capabilities) -> None:
    """Put a launch on a stream whose blocks all run at the same time.

    UnsupportedError when the device cannot hold so many of them.
    """
    grid = abi.grid_of(program.signature, asked.shape, limits.max_grid)
    blocks, most = prod(grid.native), program.occupancy() * limits.units
    if blocks > most:
        raise UnsupportedError(
            f"{session.name} holds {most} blocks of {program.signature.name} at a time, and {blocks} were "
            "to stay there together; ask for fewer workers"
        )
    extra = extra_of(pack(program.signature, asked, grid))
    attribute = _Attribute(_COOPERATIVE)
    attribute.value[0] = 1
    config = _Config(grid.native, program.block, program.dynamic_bytes, stream, ctypes.pointer(attribute), 1)
    code = session.library["cuLaunchKernelEx"](byref(config), program.function, None, extra)
    if code:
        raise session.failure("cuLaunchKernelEx", code, program.describe())


def share(session: Session, block: memoryview) -> int:
    """Pin host memory and map it into the device's addresses; where it begins there."""
    address, found = _address(block), c_uint64()
    with session:
        detail = f"pin {block.nbytes} bytes of host memory"
        session.call("cuMemHostRegister_v2", address, block.nbytes, _PORTABLE | _MAPPED, detail=detail)
        session.call("cuMemHostGetDevicePointer_v2", byref(found), address, 0)
    return found.value


def unshare(session: Session, block: memoryview) -> None:
    """Let the system page host memory again. Never raises."""
    session.release("cuMemHostUnregister", _address(block))


def _address(block: memoryview) -> int:
    return ctypes.addressof(ctypes.c_ubyte.from_buffer(block.cast("B")))
