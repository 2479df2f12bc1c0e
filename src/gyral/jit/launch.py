"""The slow path of a launch: choose a device, check the arguments, get a program, run it.

The native path sends everything here that it has no plan for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gyral.core import context
from gyral.core.artifact import ArrayParameter, Parameter, ScalarParameter, Signature
from gyral.core.driver import Bits, Launch, Pointer
from gyral.core.dtypes import DType
from gyral.core.errors import KernelFault, UserError
from gyral.jit.arguments import ArrayGiven, Given, ScalarGiven
from gyral.jit.device_records import new_device_record
from gyral.jit.plan import has_launcher
from gyral.jit.records import new_record, report
from gyral.jit.scalars import bits_of
from gyral.jit.timelimit import run_within
from gyral.jit.transfer import Copies
from gyral.runtime.array import DeviceArray
from gyral.runtime.buffer import Buffer
from gyral.runtime.device import Device, current_device
from gyral.runtime.stream import Stream


def choose_device(kernel: str, given: Sequence[Given], asked: Device | None) -> Device:
    """Where a launch runs: where its device arrays live, else where it was sent, else the scope's device.

    UserError when arrays live on different devices, or elsewhere than asked.
    """
    homes = {
        g.name: g.owner.device
        for g in given
        if isinstance(g, ArrayGiven) and isinstance(g.owner, DeviceArray)
    }
    found = set(homes.values())
    if len(found) > 1:
        places = ", ".join(f"{name!r} on {home.name}" for name, home in homes.items())
        raise UserError(f"the arguments of {kernel}() live on different devices: {places}; use .to(device)")
    if not found:
        return asked or current_device()
    (home,) = found
    if asked is not None and asked is not home:
        raise UserError(
            f"{kernel}() was sent to {asked.name}, and {next(iter(homes))!r} lives on {home.name}"
        )
    return home


def in_place(values: Sequence[Any]) -> tuple[Device | None, Sequence[Any]]:
    """Where a native plan may run a launch, and the arguments as it takes them; None if nowhere.

    On the CPU that is at once in host memory, on arrays as NumPy sees them. Device arrays in host memory
    count when the launch is not to be queued: beside NumPy arrays, or when the host holds on to their memory
    anyway. On other devices it is the thread's own stream.
    """
    held = [v for v in values if isinstance(v, DeviceArray)]
    if not held:
        there = current_device()
        return (there if there.capabilities.unified else None), values
    there = held[0].device
    if has_launcher(there.driver):
        alone = all(v.device is there for v in held) and not any(isinstance(v, np.ndarray) for v in values)
        stream = context.current().stream
        reached = stream is None or stream.driver is there.driver
        return (there if alone and reached else None), values
    at_once = any(v.buffer.exposed for v in held) or any(isinstance(v, np.ndarray) for v in values)
    plain = all(v.device is there and isinstance(v.dtype, DType) for v in held)
    if not (plain and at_once and there.capabilities.unified and context.current().stream is None):
        return None, values
    return there, [v.host() if isinstance(v, DeviceArray) else v for v in values]


def plans_launch(there: Device, given: Sequence[Given]) -> bool:
    """Whether a native plan takes the arrays: NumPy's own in host memory, or a device's own."""
    arrays = [g for g in given if isinstance(g, ArrayGiven)]
    if has_launcher(there.driver):
        return bool(arrays) and all(isinstance(a.owner, DeviceArray) for a in arrays)
    return there.capabilities.unified and all(type(a.owner) is np.ndarray for a in arrays)


def check_writes(kernel: str, signature: Signature, given: Sequence[Given]) -> None:
    """Refuse read-only memory where the kernel writes."""
    arrays = [g for g in given if isinstance(g, ArrayGiven)]
    written = [p for p in signature.parameters if isinstance(p, ArrayParameter)]
    for array, parameter in zip(arrays, written, strict=True):
        if parameter.writes and not array.writable:
            raise UserError(f"argument {array.name!r} is read-only, and {kernel}() writes it; give a copy")


def pack(signature: Signature, given: Sequence[Given], pointers: dict[str, Pointer]) -> list[Pointer | Bits]:
    """The arguments in the order of the compiled parameters."""
    packed: list[Pointer | Bits] = []
    parameters = iter(signature.parameters)
    for argument in given:
        if isinstance(argument, ArrayGiven):
            next(parameters)
            packed.append(pointers.get(argument.name) or _pointer(argument))
        elif isinstance(argument, ScalarGiven):
            packed += scalars_of(argument, parameters)
    return packed


def scalars_of(argument: ScalarGiven, parameters: Iterator[Parameter]) -> list[Bits]:
    """The numbers of an argument, as many as it has, for the compiled parameters that come next."""
    found: list[Bits] = []
    for value in argument.values:
        parameter = next(parameters)
        if not isinstance(parameter, ScalarParameter):
            raise UserError(f"argument {argument.name!r} must be an array")
        found.append(Bits(bits_of(parameter.name, parameter.dtype, value, typed=argument.typed)))
    return found


def run(
    kernel: str,
    device: Device,
    program: Any,
    shape: tuple[int, ...],
    given: Sequence[Given],
    stream: Stream | None,
) -> None:
    """Run a program on checked arguments: at once where host memory takes part, else on a stream."""
    signature: Signature = program.signature
    check_writes(kernel, signature, given)
    arrays = [g for g in given if isinstance(g, ArrayGiven)]
    owned = {id(b): b for a in arrays if isinstance(a.owner, DeviceArray) for b in (a.owner.buffer,)}
    buffers = list(owned.values())
    copies = Copies(kernel, device, signature, arrays)
    packed = pack(signature, given, copies.pointers)
    keep = (*(a.owner for a in arrays), *copies.kept)
    caps = device.capabilities
    limit = context.current().time_limit
    if signature.needs_record and not caps.unified:
        try:
            _run_recorded(kernel, device, program, Launch(shape, packed, keep=keep), buffers, limit)
        except KernelFault:
            copies.bring_back()  # what was written stands, as it does in shared memory
            raise
        copies.bring_back()
        return
    record = new_record(signature) if signature.needs_record else None
    done = None if record is None else lambda: report(record, signature, shape)
    launch = Launch(shape, packed, record, keep, done)
    if limit is not None:
        run_within(kernel, device, program, launch, buffers, limit)
        copies.bring_back()
        return
    hosted = any(not isinstance(a.owner, DeviceArray) for a in arrays)
    at_once = not caps.streams or not arrays or hosted or any(b.exposed for b in buffers)
    if at_once and (stream is None or hosted):
        for array in arrays:
            if isinstance(array.owner, DeviceArray):
                array.owner.wait()
        device.driver.launch(None, program, launch)
        copies.bring_back()
        return
    enqueue(
        device,
        stream or device.current_stream(),
        buffers,
        lambda queue: device.driver.launch(queue, program, launch),
    )


def _run_recorded(
    kernel: str, device: Device, program: Any, launch: Launch, buffers: Sequence[Buffer], limit: float | None
) -> None:
    """Run a launch that may fail or print to its end, so that what it says is said by this very call."""
    record = new_device_record(device, program.signature, launch.shape)
    launch = replace(launch, record=record.pointer, keep=(*launch.keep, record))
    if limit is not None:
        run_within(kernel, device, program, launch, buffers, limit)
    else:
        for buffer in buffers:
            for mark in buffer.marks.values():
                device.driver.wait(mark)
        device.driver.launch(None, program, launch)
    record.report(program.signature, launch.shape)


def enqueue(device: Device, stream: Stream, buffers: Sequence[Any], put: Callable[[Any], None]) -> None:
    """Put work that uses these buffers on a stream's queue, behind the work of other streams on them."""
    for buffer in buffers:
        for owner, mark in buffer.marks.items():
            if owner != id(stream.queue):
                device.driver.after(stream.queue, mark)
    put(stream.queue)
    # The work waited for all other that uses the memory, so that whoever waits for it waits for that too.
    mark = device.driver.mark(stream.queue)
    marks = {id(stream.queue): mark}
    for buffer in buffers:
        buffer.marks = marks


def check_shape(kernel: str, shape: Any, rank: int | None = None) -> tuple[int, ...]:
    """A launch shape as a tuple of one to three extents. UserError says what is wrong."""
    extents = shape if isinstance(shape, tuple) else (shape,)
    if not 1 <= len(extents) <= 3:
        raise UserError(f"{kernel} was launched with {len(extents)} axes; a launch has one to three")
    found = tuple(_extent(kernel, extent) for extent in extents)
    if rank and len(found) != rank:
        raise UserError(
            f"{kernel} has a launch rank of {rank}, and the shape {shape!r} has {len(found)} axes"
        )
    if (count := math.prod(found)) >= 1 << 63:
        about = f"2**{count.bit_length() - 1} threads or more"
        raise UserError(f"{kernel} was launched over {about}, more than 64 bits count")
    return found


def check_block(kernel: str, block: Any, rank: int, most: int) -> tuple[int, ...]:
    """A block as a tuple of `rank` extents; an int is the extent of the last axis."""
    extents = block if isinstance(block, tuple) else (*[1] * (rank - 1), block)
    if len(extents) != rank:
        raise UserError(f"{kernel} runs over {rank} axes, and the block {block!r} has {len(extents)}")
    found = tuple(_extent(kernel, extent) for extent in extents)
    if min(found) < 1:
        raise UserError(f"{kernel} was launched with the block {block!r}; each extent is at least 1")
    if math.prod(found) > most:
        raise UserError(
            f"{kernel} was launched with blocks of {math.prod(found)} threads; the device takes {most}"
        )
    return found


def _extent(kernel: str, value: Any) -> int:
    if isinstance(value, (bool, np.bool_)) or not hasattr(value, "__index__"):
        raise UserError(f"{kernel} was launched with {value!r} as an extent; extents are whole numbers")
    extent = value.__index__()
    if extent < 0:
        raise UserError(f"{kernel} was launched over {extent} threads; a shape is not negative")
    return extent


def _pointer(array: ArrayGiven) -> Pointer:
    return Pointer(array.address, array.shape, array.strides)
