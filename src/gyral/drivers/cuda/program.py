"""Loaded kernels: what they need of the device, and putting them on a stream."""

from __future__ import annotations

import ctypes
import struct
from ctypes import byref, c_int, c_size_t, c_void_p
from dataclasses import dataclass
from math import prod
from typing import Any

from gyral.core import abi
from gyral.core.artifact import Artifact, Signature
from gyral.core.driver import Launch, Pointer
from gyral.core.errors import InternalError, UnsupportedError
from gyral.drivers.cuda.session import Session

STATIC_SHARED = 48 * 1024
"""Bytes of on-chip memory that a kernel may declare itself."""
_MAX_THREADS, _STATIC_SHARED, _LOCAL_BYTES, _REGISTERS = 0, 1, 3, 4  # of cuFuncGetAttribute
_MAX_DYNAMIC_SHARED = 8
_SHARED_PER_BLOCK, _SHARED_OPT_IN, _REGISTERS_PER_BLOCK = 8, 97, 12  # of cuDeviceGetAttribute
_POINTER, _SIZE, _END = 1, 2, 0  # of CU_LAUNCH_PARAM


@dataclass(eq=False, slots=True, weakref_slot=True)
class Program:
    """A kernel on a device. `block`: threads along x, y and z; sizes in bytes, `local_bytes` per thread."""

    session: Session
    signature: Signature
    module: int
    function: int
    block: tuple[int, int, int]
    registers: int
    shared_bytes: int
    dynamic_bytes: int
    local_bytes: int
    max_threads: int

    @property
    def threads(self) -> int:
        """Threads of a block."""
        return prod(self.block)

    def occupancy(self, threads: int | None = None) -> int:
        """How many blocks, of the program's size or another, run on one multiprocessor at a time."""
        found = c_int()
        with self.session as session:
            session.call(
                "cuOccupancyMaxActiveBlocksPerMultiprocessor",
                byref(found),
                self.function,
                threads or self.threads,
                self.dynamic_bytes,
            )
        return found.value

    def describe(self) -> str:
        """What a block needs and what the device has, for messages."""
        held = self.session.attribute(_REGISTERS_PER_BLOCK)
        return (
            f"{self.signature.name} has blocks of {self.threads} threads, {self.registers} registers each "
            f"(the device has {held} for a block), and {self.shared_bytes} bytes of on-chip memory"
        )

    def __del__(self) -> None:
        # A module in use is unloaded when its last launch is done.
        self.session.release("cuModuleUnload", self.module)


def load(session: Session, artifact: Artifact) -> Program:
    """The program of an artifact. UnsupportedError when a block needs more than there is."""
    if artifact.form != "cubin":
        raise InternalError(f"CUDA devices run cubins, not {artifact.form!r}")
    signature = artifact.signature
    # On-chip memory beyond what a kernel may declare comes with the launch, all of it.
    dynamic = signature.shared_bytes if signature.shared_bytes > STATIC_SHARED else 0
    with session:
        made = artifact.extra.get("architecture", "an unknown architecture")
        module, function = c_void_p(), c_void_p()
        code = artifact.code if artifact.code.endswith(b"\0") else artifact.code + b"\0"
        session.call("cuModuleLoadData", byref(module), code, detail=f"the code is for {made}")
        entry = artifact.extra.get("entry", abi.ENTRY).encode()
        session.call("cuModuleGetFunction", byref(function), module, entry)
        found = {
            number: session.integer("cuFuncGetAttribute", number, function)
            for number in (_MAX_THREADS, _STATIC_SHARED, _LOCAL_BYTES, _REGISTERS)
        }
        z, y, x = signature.threads
        program = Program(
            session,
            signature,
            module.value or 0,
            function.value or 0,
            (x, y, z),
            found[_REGISTERS],
            found[_STATIC_SHARED] + dynamic,
            dynamic,
            found[_LOCAL_BYTES],
            found[_MAX_THREADS],
        )
        _require_room(session, program)
        if dynamic:
            session.call("cuFuncSetAttribute", function, _MAX_DYNAMIC_SHARED, dynamic)
    return program


def start(session: Session, stream: int, program: Program, asked: Launch, limits: tuple[int, ...]) -> bool:
    """Put a launch on a stream; False when it has no threads. UnsupportedError for too large a grid."""
    if 0 in asked.shape:
        return False
    grid = abi.grid_of(program.signature, asked.shape, limits)
    extra = extra_of(pack(program.signature, asked, grid))
    sizes = *grid.native, *program.block, program.dynamic_bytes
    code = session.library["cuLaunchKernel"](program.function, *sizes, stream, None, extra)
    if code:
        raise session.failure("cuLaunchKernel", code, program.describe())
    return True


class KernelNode(ctypes.Structure):
    """CUDA_KERNEL_NODE_PARAMS, version 2. Keeps the memory it points into."""

    _fields_ = [
        ("function", c_void_p),
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared", ctypes.c_uint),
        ("parameters", c_void_p),
        ("extra", c_void_p),
        ("kernel", c_void_p),
        ("context", c_void_p),
    ]


def node(program: Program, asked: Launch, limits: tuple[int, ...]) -> KernelNode:
    """A launch as a node of a graph. Its shape has no extent of 0."""
    grid = abi.grid_of(program.signature, asked.shape, limits)
    extra = extra_of(pack(program.signature, asked, grid))
    made = KernelNode(
        function=program.function,
        grid=grid.native,
        block=program.block,
        shared=program.dynamic_bytes,
        extra=ctypes.cast(extra, c_void_p),
    )
    made.held = extra
    return made


def pack(signature: Signature, asked: Launch, grid: abi.Grid) -> bytes:
    """The slots of a launch, with the record's address behind them where the kernel writes one."""
    packed = abi.pack(asked, grid)
    if not signature.needs_record:
        return packed
    if not isinstance(asked.record, Pointer):
        raise InternalError(
            f"{signature.name} reports to a record, and the launch brought none to the device"
        )
    return packed + struct.pack("<Q", asked.record.address)


def extra_of(packed: bytes) -> Any:
    """CU_LAUNCH_PARAM_BUFFER_POINTER and its kin; the array keeps what it points to."""
    buffer = ctypes.create_string_buffer(packed, len(packed))
    size = c_size_t(len(packed))
    made: Any = (c_void_p * 5)(_POINTER, ctypes.addressof(buffer), _SIZE, ctypes.addressof(size), _END)
    made.held = buffer, size
    return made


def _require_room(session: Session, program: Program) -> None:
    name = program.signature.name
    most = max(session.attribute(_SHARED_OPT_IN), session.attribute(_SHARED_PER_BLOCK))
    if program.shared_bytes > most:
        raise UnsupportedError(
            f"{name} needs {program.shared_bytes} bytes of shared memory per block, and {session.name} has "
            f"{most}; use smaller shared arrays or smaller blocks"
        )
    if program.threads > program.max_threads:
        raise UnsupportedError(
            f"a block of {name} has {program.threads} threads of {program.registers} registers each, and "
            f"{session.name} runs {program.max_threads} of them at most; launch it with a smaller block="
        )
