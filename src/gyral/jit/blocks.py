"""The road to devices that run whole blocks of threads: frontend, pipeline for the language, its emitter."""

from __future__ import annotations

from dataclasses import replace

from gyral.compiler import pipeline
from gyral.compiler.emit.base import Emitted
from gyral.compiler.passes.target import spec_of
from gyral.core import entry
from gyral.core.artifact import Artifact, CompileOptions
from gyral.jit.compile import lowered
from gyral.jit.request import Request
from gyral.jit.targets import Target

DEFAULT_BLOCKS = {1: (256,), 2: (8, 32), 3: (2, 4, 32)}
"""The block of a kernel for which nobody chose one, by rank; the last axis is a subgroup wide."""


def for_text(row: Target, request: Request) -> Artifact:
    """The kernel's text, which the driver builds when it loads it."""
    emitted = emit(row, request)
    return Artifact(row.form, emitted.text.encode(), 0, emitted.signature)


def text_of(row: Target, request: Request) -> str:
    """The kernel's text, for reading."""
    return emit(row, request).text


def emit(row: Target, request: Request) -> Emitted:
    """The kernel in the language of a kind of device, compiled for one block."""
    module = lowered(request)
    options = with_block(request.options, module.kernel.attributes["rank"])
    spec = spec_of(row.column, options.features, options.downcast)
    return entry.load(row.emit)(pipeline.run(module, options, spec), options, spec)


def with_block(options: CompileOptions, rank: int) -> CompileOptions:
    """Options that name a block."""
    return options if options.block else replace(options, block=DEFAULT_BLOCKS[rank])
