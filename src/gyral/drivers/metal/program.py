"""Kernels of a Metal device: text to pipeline, and one dispatch of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from gyral.core import abi
from gyral.core.artifact import ArrayParameter, Artifact, Signature
from gyral.core.driver import Launch, Pointer
from gyral.core.errors import DeviceError, DeviceErrorKind, InternalError, UnsupportedError
from gyral.drivers.metal.memory import Memories, Memory

MOST_BINDINGS = 31
_INLINE = 4096  # bytes that an encoder takes itself; more go through a buffer
_VERSIONS = {"msl_3.2": (3 << 16) | 2, "msl_3.0": 3 << 16}
_BASELINE = (2 << 16) | 4


@dataclass(frozen=True, slots=True)
class Program:
    """A pipeline and the signature it was compiled to."""

    signature: Signature
    pipeline: Any


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One launch, resolved: buffers with byte offsets in binding order, the slots, and the grid (x, y, z)."""

    pipeline: Any
    buffers: tuple[Memory, ...]
    slots: bytes
    groups: tuple[int, int, int]
    block: tuple[int, int, int]

    def encode(self, metal: Any, device: Any, encoder: Any) -> None:
        """Write the launch to a compute encoder."""
        encoder.setComputePipelineState_(self.pipeline)
        for number, memory in enumerate(self.buffers):
            encoder.setBuffer_offset_atIndex_(memory.buffer, 0, number)
        place = len(self.buffers)
        if len(self.slots) <= _INLINE:
            encoder.setBytes_length_atIndex_(self.slots, len(self.slots), place)
        else:
            shared = metal.MTLResourceStorageModeShared
            held = device.newBufferWithBytes_length_options_(self.slots, len(self.slots), shared)
            encoder.setBuffer_offset_atIndex_(held, 0, place)
        encoder.dispatchThreadgroups_threadsPerThreadgroup_(
            metal.MTLSizeMake(*self.groups), metal.MTLSizeMake(*self.block)
        )


def pipeline_of(
    metal: Any, device: Any, text: str, entry: str = abi.ENTRY, features: tuple[str, ...] = ()
) -> Any:
    """A kernel's pipeline. InternalError when Metal does not take the text, with its words."""
    library, error = device.newLibraryWithSource_options_error_(text, _options(metal, features), None)
    if library is None:
        raise InternalError(f"Metal does not compile a kernel: {_words(error)}")
    function = library.newFunctionWithName_(entry)
    found, error = device.newComputePipelineStateWithFunction_error_(function, None)
    if found is None:
        raise DeviceError(f"Metal makes no pipeline of a kernel: {_words(error)}", DeviceErrorKind.RESOURCE)
    return found


def load(metal: Any, device: Any, artifact: Artifact) -> Program:
    """A program from MSL text.

    UnsupportedError for more arrays, on-chip memory or threads per block than the device has.
    """
    if artifact.form != "msl":
        raise InternalError(f"Metal runs MSL, not {artifact.form!r}")
    signature = artifact.signature
    name = signature.name
    arrays = sum(isinstance(p, ArrayParameter) for p in signature.parameters)
    if arrays + bool(signature.sites) + 1 > MOST_BINDINGS:
        raise UnsupportedError(f"{name}() takes {arrays} arrays; Metal binds {MOST_BINDINGS} buffers at most")
    room = int(device.maxThreadgroupMemoryLength())
    if signature.shared_bytes > room:
        raise UnsupportedError(
            f"{name} needs {signature.shared_bytes} bytes of shared memory per block, and the device has "
            f"{room}; use smaller shared arrays or smaller blocks"
        )
    text = artifact.code.decode()
    pipeline = pipeline_of(metal, device, text, features=signature.options.features)
    threads, most = math.prod(signature.item), int(pipeline.maxTotalThreadsPerThreadgroup())
    if threads > most:
        raise UnsupportedError(
            f"{name}() in blocks of {threads} threads needs more registers than the device has; "
            f"launch it in blocks of at most {most}"
        )
    return Program(signature, pipeline)


def dispatch_of(program: Program, launch: Launch, memories: Memories, limits: tuple[int, ...]) -> Dispatch:
    """A launch, its arrays resolved to buffers. UnsupportedError when the grid is too large to count."""
    signature = program.signature
    grid = abi.grid_of(signature, launch.shape, limits)
    pointers = [argument for argument in launch.arguments if isinstance(argument, Pointer)]
    if signature.needs_record:
        pointers.append(launch.record)
    buffers = tuple(memories.place(pointer.address)[0] for pointer in pointers)
    slots = abi.pack(launch, grid, lambda pointer: memories.place(pointer.address)[1])
    b0, b1, b2 = signature.item
    return Dispatch(program.pipeline, buffers, slots, grid.native, (b2, b1, b0))


def _options(metal: Any, features: tuple[str, ...]) -> Any:
    """How to compile: float arithmetic as written, since the text itself says what fastmath may change."""
    options = metal.MTLCompileOptions.alloc().init()
    version = next((number for word, number in _VERSIONS.items() if word in features), _BASELINE)
    options.setLanguageVersion_(version)
    if hasattr(options, "setMathMode_"):  # macOS 15
        options.setMathMode_(metal.MTLMathModeSafe)
    else:
        options.setFastMathEnabled_(False)
    return options


def _words(error: Any) -> str:
    return "no reason given" if error is None else str(error.localizedDescription())
