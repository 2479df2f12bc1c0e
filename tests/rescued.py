"""Kernels that rescue threads whose checks failed, run by the interpreter and as code for this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gyral.compiler import pipeline, words
from gyral.compiler.emit.llvm.host import Host
from gyral.compiler.emit.llvm.program import ENTRY, emit
from gyral.compiler.frontend.lower import Lowered, lower_kernel
from gyral.compiler.interp.launch import Interpreter
from gyral.compiler.ir.ops.message import NO_SITE
from gyral.core.artifact import Artifact, CompileOptions, Site
from gyral.core.driver import Launch, Pointer
from gyral.core.dtypes import BY_NAME, ArrayType
from gyral.drivers.cpu import codegen, image
from gyral.drivers.cpu.driver import CpuDriver
from gyral.jit.arguments import ArrayGiven
from gyral.jit.launch import pack
from gyral.jit.records import new_record
from gyral.testing.source import define

Poll = Callable[[Any], Any]
_CODES = {"int32": "i32", "uint32": "u32", "float32": "f32"}


def kernel(text: str, **names: Any) -> Any:
    """The kernel `k` of a text that knows the hidden words as `w`."""
    return define(text, "k", {"w": words, **names})


def lowered(
    k: Any, values: Sequence[np.ndarray], block: tuple[int, ...], check: bool, poll: Poll | None
) -> Lowered:
    """Fresh from the frontend, for arrays like these."""
    kinds = [ArrayType(BY_NAME[_CODES[value.dtype.name]], value.ndim) for value in values]
    return lower_kernel(k.__gyral_kernel__, kinds, block=block, check=check, resident=poll)


def interpreted(
    k: Any, values: Sequence[np.ndarray], shape: tuple[int, ...], block: tuple[int, ...],
    check: bool = True, poll: Poll | None = None,
) -> tuple[list[np.ndarray], Sequence[Site]]:  # fmt: skip
    """The arrays after the interpreter ran, and its table of sites."""
    ready = Interpreter(lowered(k, values, block, check, poll), check=check)
    found = [value.copy() for value in values]
    ready.run(shape, block, found)
    return found, ready.program.sites


def compiled(
    k: Any, values: Sequence[np.ndarray], shape: tuple[int, ...], block: tuple[int, ...], host: Host,
    check: bool = True, poll: Poll | None = None,
) -> tuple[list[np.ndarray], Sequence[Site]]:  # fmt: skip
    """The arrays after code for `host` ran, and its table of sites."""
    options = CompileOptions(check="on" if check else "off", block=block, unit_stride=(True,) * len(values))
    module = pipeline.run(lowered(k, values, block, check, poll), options, pipeline.CPU, verify=True)
    emitted = emit(module, options, host)
    code, entry = image.flatten(codegen.assemble(emitted.text, host), ENTRY)
    driver, found = CpuDriver(), [value.copy() for value in values]
    program = driver.load(Artifact("cpu-image", code, entry, emitted.signature))
    given = k.take(found, {})
    pointers = {g.name: Pointer(g.address, g.shape, g.strides) for g in given if isinstance(g, ArrayGiven)}
    packed = pack(emitted.signature, given, pointers)
    record = new_record(emitted.signature) if emitted.signature.needs_record else None
    driver.launch(None, program, Launch(shape, packed, record, given, None))
    return found, emitted.signature.sites


def places(numbers: np.ndarray, sites: Sequence[Site]) -> list[tuple[str, int] | None]:
    """What rescues gave, as kinds and lines."""
    return [None if n == NO_SITE else (sites[n].kind, sites[n].span.line) for n in numbers.tolist()]
