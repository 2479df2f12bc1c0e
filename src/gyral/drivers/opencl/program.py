"""Programs: OpenCL C built for one device, checked against its limits, and the kernels that run it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from gyral.core.abi import ENTRY, HEADER
from gyral.core.artifact import ArrayParameter, Artifact, Signature
from gyral.core.caps import Capabilities
from gyral.core.driver import Launch, Pointer
from gyral.core.errors import InternalError, UnsupportedError
from gyral.drivers.opencl.capabilities import correct_division
from gyral.drivers.opencl.failures import Checked, failure
from gyral.drivers.opencl.memory import Memories

_BUILD_ERROR = -2
_SHOWN = 4000
"""Characters of a build log that an error repeats."""


class Ready:
    """A kernel object, and the launch whose arguments it holds.

    `version` is that of the device's memory then: when memory was freed since, buffers are looked up anew.
    """

    __slots__ = ("_arguments", "_shape", "_version", "kernel", "size")

    def __init__(self, kernel: Any) -> None:
        self.kernel = kernel
        self.size = (0, 0, 0)
        self._arguments: Sequence[Any] | None = None
        self._shape: tuple[int, ...] = ()
        self._version = 0

    def holds(self, launch: Launch, version: int) -> bool:
        """Whether it is ready for this launch."""
        same = self._arguments is launch.arguments and self._shape == launch.shape
        return same and self._version == version and launch.record is None

    def forget(self) -> None:
        """Be ready for nothing, as the arguments are about to change."""
        self._arguments = None

    def note(self, launch: Launch, version: int, size: tuple[int, int, int]) -> None:
        """Be ready for a launch, of so many threads per axis. Keeps nothing of it alive but numbers."""
        self._arguments = launch.arguments if launch.record is None else None
        self._shape, self._version, self.size = launch.shape, version, size


class Program:
    """Built code. Arguments are state of OpenCL's kernel objects, so that each thread has one of its own."""

    __slots__ = ("_local", "_make", "block", "signature")

    def __init__(self, signature: Signature, make: Any) -> None:
        self.signature = signature
        depth, height, width = signature.item
        self.block = width, height, depth
        self._make = make
        self._local = threading.local()

    def ready(self) -> Ready:
        """This thread's kernel object."""
        found = getattr(self._local, "ready", None)
        if found is None:
            found = self._local.ready = Ready(self._make())
        return found

    def fresh(self) -> Any:
        """A kernel object for the caller alone."""
        return self._make()


def build(cl: Any, context: Any, device: Any, caps: Capabilities, artifact: Artifact) -> Program:
    """Build an artifact for a device.

    InternalError with the log when the compiler refuses our text; UnsupportedError with the sizes when the
    kernel needs more on-chip memory, registers or threads in a block than there are.
    """
    if artifact.form != "opencl-c":
        raise InternalError(f"OpenCL builds OpenCL C, not {artifact.form!r}")
    signature = artifact.signature
    _check_sizes(signature, device, caps)
    options = "-cl-std=CL1.2 -w"  # Compilers count warnings on stderr, even where nobody sees them.
    if correct_division(device) and not signature.options.fastmath:
        options += " -cl-fp32-correctly-rounded-divide-sqrt"
    if artifact.extra.get("relaxed"):
        # All of it may be re-associated and contracted, which lets processors vectorise sums in loops.
        options += " -cl-unsafe-math-optimizations"
    with Checked(cl.Error, f"take the source of {signature.name}"):
        program = cl._cl._Program(context, artifact.code.decode())
    try:
        # Below pyopencl's own build, which warns of every log and keeps binaries in a place of its own.
        program._build(options.encode(), [device])
    except cl.Error as error:
        raise _refused(cl, program, device, signature, error) from error
    with Checked(cl.Error, f"find the kernel of {signature.name}"):
        kernel = cl._cl.Kernel(program, ENTRY)
    _check_kernel(cl, kernel, device, signature, caps)
    return Program(signature, lambda: cl._cl.Kernel(program, ENTRY))


def bind(
    kernel: Any, memories: Memories, arguments: Sequence[Any], launch: Launch, slots: bytes, sites: bool
) -> None:
    """Set all arguments of a kernel object: a buffer per array, the record if there is one, the slots."""
    at = 0
    for argument in arguments:
        if isinstance(argument, Pointer):
            kernel.set_arg(at, memories.buffer(argument.address))
            at += 1
    if sites:
        if not isinstance(launch.record, Pointer):
            raise InternalError("a kernel with checks or prints was launched without a record on the device")
        kernel.set_arg(at, memories.buffer(launch.record.address))
        at += 1
    # set_arg would try everything else that an argument can be first, at 5 µs.
    kernel._set_arg_buf(at, slots)


def _check_sizes(signature: Signature, device: Any, caps: Capabilities) -> None:
    """What can be known before anything is built."""
    if signature.shared_bytes > caps.shared_bytes:
        raise UnsupportedError(
            f"{signature.name} needs {signature.shared_bytes} bytes of shared memory per block, and "
            f"{device.name} has {caps.shared_bytes}; use smaller shared arrays or smaller blocks"
        )
    widths = device.max_work_item_sizes
    for extent, most, axis in zip(signature.item[::-1], widths, "xyz", strict=False):
        if extent > most:
            raise UnsupportedError(
                f"{signature.name} runs in blocks of {extent} threads along {axis}, and {device.name} takes "
                f"{most} there; launch it with another block="
            )
    arrays = [p for p in signature.parameters if isinstance(p, ArrayParameter)]
    words = len(HEADER) + len(signature.parameters) + 2 * sum(p.rank for p in arrays)
    nbytes = 8 * (words + len(arrays) + signature.needs_record)
    if nbytes > device.max_parameter_size:
        raise UnsupportedError(
            f"the arguments of {signature.name} take {nbytes} bytes, and {device.name} takes "
            f"{device.max_parameter_size}; give it fewer arrays, or several rows of one array"
        )


def _check_kernel(cl: Any, kernel: Any, device: Any, signature: Signature, caps: Capabilities) -> None:
    """What only the built kernel tells: the block it can run in, the memory the compiler added."""
    info = cl.kernel_work_group_info
    with Checked(cl.Error, f"ask what {signature.name} needs"):
        most = kernel.get_work_group_info(info.WORK_GROUP_SIZE, device)
        local = kernel.get_work_group_info(info.LOCAL_MEM_SIZE, device)
    x, y, z = signature.item
    if x * y * z > most:
        raise UnsupportedError(
            f"{signature.name} was compiled for blocks of {x * y * z} threads, and {device.name} has room "
            f"for {most} of them (registers or shared memory); launch it with a smaller block="
        )
    if local > caps.shared_bytes:
        raise UnsupportedError(
            f"{signature.name} as built needs {local} bytes of shared memory per block, and {device.name} "
            f"has {caps.shared_bytes}; use smaller shared arrays or smaller blocks"
        )


def _refused(cl: Any, program: Any, device: Any, signature: Signature, error: Any) -> Exception:
    log = str(program.get_build_info(device, cl.program_build_info.LOG)).strip()
    status = program.get_build_info(device, cl.program_build_info.STATUS)
    if status != _BUILD_ERROR:
        return failure(error, f"build {signature.name}")
    shown = log if len(log) <= _SHOWN else log[:_SHOWN] + " ..."
    return InternalError(
        f"{device.name} refused the OpenCL C that was made of {signature.name}; please report it with the "
        f"kernel. The compiler said:\n{shown or error}"
    )
