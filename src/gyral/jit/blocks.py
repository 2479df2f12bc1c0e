"""The road to devices that run whole blocks of threads: frontend, pipeline for the language, its emitter."""

from __future__ import annotations

import json
from dataclasses import replace

from gyral.compiler import pipeline
from gyral.compiler.emit.base import Emitted, is_relaxed
from gyral.compiler.ir.graph import Module
from gyral.compiler.passes.target import TargetSpec, spec_of
from gyral.core import abi, entry
from gyral.core.artifact import Artifact, CompileOptions
from gyral.core.errors import Diagnostic
from gyral.jit.compile import lowered
from gyral.jit.request import Request
from gyral.jit.specialise import DEFAULT_BLOCKS
from gyral.jit.targets import Target

_ASSEMBLE = "gyral.drivers.cuda.codegen:assemble"
_INTERMEDIATE = "gyral.drivers.cuda.codegen:intermediate"


def for_text(row: Target, request: Request) -> Artifact:
    """The kernel's text, which the driver builds when it loads it, loosely if `relaxed`."""
    warned: list[Diagnostic] = []
    module, options, spec = _made(row, request, warned)
    emitted: Emitted = entry.load(row.emit)(module, options, spec)
    extra = _extra(warned) | ({"relaxed": "yes"} if is_relaxed(module, options) else {})
    return Artifact(row.form, emitted.text.encode(), 0, emitted.signature, extra)


def for_cuda(row: Target, request: Request) -> Artifact:
    """Machine code of an NVIDIA architecture, and in `extra` what the assembler reports of it."""
    warned: list[Diagnostic] = []
    emitted = emit(row, request, warned)
    options = request.options
    made = entry.load(_ASSEMBLE)(
        emitted.text, options.features, fastmath=request.options.fastmath, entry=abi.ENTRY
    )
    report = {name: str(count) for name, count in made.resources.items()}
    extra = {"entry": abi.ENTRY, "architecture": made.architecture, **report, **_extra(warned)}
    return Artifact(row.form, made.code, 0, emitted.signature, extra)


def ptx_of(row: Target, request: Request) -> str:
    """The kernel in PTX, for reading."""
    text = emit(row, request).text
    return entry.load(_INTERMEDIATE)(text, request.options.features, fastmath=request.options.fastmath)


def text_of(row: Target, request: Request) -> str:
    """The kernel's text, for reading."""
    return emit(row, request).text


def emit(row: Target, request: Request, warned: list[Diagnostic] | None = None) -> Emitted:
    """The kernel in the language of a kind of device, compiled for one block; `warned` gets the warnings."""
    return entry.load(row.emit)(*_made(row, request, [] if warned is None else warned))


def _made(
    row: Target, request: Request, warned: list[Diagnostic]
) -> tuple[Module, CompileOptions, TargetSpec]:
    """What an emitter takes."""
    module = lowered(request)
    options = with_block(request.options, module.kernel.attributes["rank"])
    spec = spec_of(row.column, options.features, options.downcast)
    pipeline.run(module, options, spec, warn=warned.append)
    return module, options, spec


def _extra(warned: list[Diagnostic]) -> dict[str, str]:
    found = [(warning.render(), warning.span.file, warning.span.line) for warning in warned]
    return {"warnings": json.dumps(found)} if found else {}


def with_block(options: CompileOptions, rank: int) -> CompileOptions:
    """Options that name a block."""
    return options if options.block else replace(options, block=DEFAULT_BLOCKS[rank])
