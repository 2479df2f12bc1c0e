"""Kernels compiled for any processor and any options, run here, and compared with the interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from gyral.compiler import pipeline
from gyral.compiler.emit.llvm.host import Host
from gyral.compiler.emit.llvm.program import ENTRY, Emitted, emit
from gyral.compiler.interp import launch as interp
from gyral.core.artifact import Artifact
from gyral.core.driver import Launch, Pointer
from gyral.core.errors import KernelFault
from gyral.drivers.cpu import codegen, image
from gyral.drivers.cpu.driver import CpuDriver
from gyral.jit import compile as road
from gyral.jit import machine
from gyral.jit.arguments import ArrayGiven, ScalarGiven
from gyral.jit.launch import pack
from gyral.jit.records import new_record, report
from gyral.jit.request import Request
from gyral.jit.specialise import Terms, specialise
from gyral.testing.compare import difference
from gyral.testing.source import define

_X86 = "x86_64-unknown-linux-gnu"
SSE4 = Host(_X86, "", "+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+cx16", 128)
AVX2 = Host(_X86, "", "+cx16,+popcnt,+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt", 256)
AVX512 = Host(_X86, "", AVX2.features + ",+avx512f,+avx512vl,+avx512bw,+avx512dq,+avx512cd", 512)
NEON = Host("aarch64-unknown-linux-gnu", "", "+neon", 128)


@cache
def hosts() -> tuple[Host, ...]:
    """Processors whose code this machine can run, the narrowest first; elsewhere than x86-64 itself alone."""
    here = machine.host()
    if not here.triple.startswith("x86_64"):
        return (here,)
    have = set(here.features.split(","))
    wanted = (SSE4, AVX2, AVX512)
    return tuple(host for host in wanted if set(host.features.split(",")) <= have)


@dataclass(frozen=True, slots=True)
class Trial:
    """A kernel with its launch. Runs copy the arguments; their `more` replaces compile options."""

    kernel: Any
    shape: tuple[int, ...]
    arguments: Sequence[Any]
    block: tuple[int, ...] = ()
    check: bool = False


def fresh(values: Sequence[Any]) -> list[Any]:
    """Copies of the arguments with the layout of the originals; views of one array stay views of one copy."""
    copies: dict[int, np.ndarray] = {}
    return [_copied(value, copies) if isinstance(value, np.ndarray) else value for value in values]


def _copied(value: np.ndarray, copies: dict[int, np.ndarray]) -> np.ndarray:
    root = value
    while isinstance(root.base, np.ndarray):
        root = root.base
    copy = copies.setdefault(id(root), root.copy(order="K"))
    offset = value.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    data = copy.reshape(-1, order="A").view(np.uint8).data
    view = np.ndarray(value.shape, value.dtype, data, offset, value.strides)
    view.flags.writeable = value.flags.writeable
    return view


def request_of(trial: Trial, given: Sequence[Any], **more: Any) -> Request:
    """What the trial asks of the compiler."""
    kernel = trial.kernel
    block = kernel.block_for(trial.block or None, len(trial.shape))
    check = "on" if trial.check else "off"
    spec = specialise(given, trial.shape, Terms(block=block, check=check, fastmath=kernel.fastmath))
    return Request(kernel.__gyral_kernel__, spec.kinds, replace(spec.options, **more), len(trial.shape))


def emitted(trial: Trial, host: Host, **more: Any) -> Emitted:
    """The trial's LLVM text for a processor."""
    request = request_of(trial, trial.kernel.take(trial.arguments, {}), **more)
    module = pipeline.run(road.lowered(request), request.options, pipeline.CPU)
    return emit(module, request.options, host)


def run(trial: Trial, host: Host, **more: Any) -> tuple[list[Any], str]:
    """The arguments after a launch of code for `host`, and the text of the fault it ended in."""
    values = fresh(trial.arguments)
    found = emitted(trial, host, **more)
    code, entry = image.flatten(codegen.assemble(found.text, host), ENTRY)
    driver = CpuDriver()
    program = driver.load(Artifact("cpu-image", code, entry, found.signature))
    given = trial.kernel.take(values, {})
    pointers = {g.name: Pointer(g.address, g.shape, g.strides) for g in given if isinstance(g, ArrayGiven)}
    packed = pack(found.signature, given, pointers)
    record = new_record(found.signature) if found.signature.needs_record else None
    fault = ""
    driver.launch(None, program, Launch(trial.shape, packed, record, given, None))
    if record is not None:
        try:
            report(record, found.signature, trial.shape)
        except KernelFault as error:
            fault = str(error)
    return values, fault


def interpreted(trial: Trial, subgroup: int = 16, **more: Any) -> tuple[list[Any], str]:
    """The arguments after the interpreter ran the trial, and the text of the fault it ended in."""
    values = fresh(trial.arguments)
    given = trial.kernel.take(values, {})
    request = request_of(trial, given, **more)
    arguments: list[Any] = []
    for argument in given:
        if isinstance(argument, ArrayGiven):
            arguments.append(argument.host)
        elif isinstance(argument, ScalarGiven):
            arguments += argument.values
    try:
        interp.run(
            road.lowered(request), trial.shape, request.options.block or None, arguments,
            check=trial.check, subgroup=subgroup,
        )  # fmt: skip
    except KernelFault as error:
        return values, str(error)
    return values, ""


def disagreement(trial: Trial, host: Host, expected: tuple[list[Any], str] | None = None, **more: Any) -> str:
    """A sentence on the first difference between code for `host` and the interpreter, or ""."""
    wanted, fault = expected or interpreted(trial, host.lanes)
    got, failed = run(trial, host, **more)
    if fault != failed:
        return f"the fault is {failed!r} instead of {fault!r}"
    pairs = [(a, b) for a, b in zip(wanted, got, strict=True) if isinstance(a, np.ndarray)]
    with np.errstate(invalid="ignore"):  # which a signalling NaN of bf16 raises when it is looked at
        found = [difference(f"array {at}", a, b) for at, (a, b) in enumerate(pairs)]
    return next((text for text in found if text), "")


def trial(
    text: str, shape: int | tuple[int, ...], *arguments: Any, block: tuple[int, ...] = (), check: bool = False
) -> Trial:
    """A trial of the kernel `k` in a text."""
    return Trial(define(text, "k"), shape if isinstance(shape, tuple) else (shape,), arguments, block, check)


def ramp(*shape: int, most: int = 101) -> np.ndarray:
    """Small i32 numbers of both signs without order."""
    count = int(np.prod(shape))
    return (np.arange(count) * 7919 % most - most // 2).astype(np.int32).reshape(shape)


def ints(*shape: int) -> np.ndarray:
    """An i32 array of zeros."""
    return np.zeros(shape, np.int32)
