"""The road from a Python function to an artifact: frontend, pipeline, emitter, code generator.

`targets` reaches it by name, so that what is cached loads no compiler.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gyral.compiler import pipeline
from gyral.compiler.emit.llvm.program import ENTRY, Emitted, emit
from gyral.compiler.frontend.annotations import WEAK_BOOL, WEAK_FLOAT, WEAK_INT, Argument
from gyral.compiler.frontend.annotations import StaticValue as CompilerStatic
from gyral.compiler.frontend.frame import Promotion
from gyral.compiler.frontend.lower import Lowered, lower_kernel, lower_resident
from gyral.compiler.ir.graph import Module, Op
from gyral.compiler.ir.printer import print_module
from gyral.core.artifact import Artifact
from gyral.core.dtypes import DType
from gyral.core.errors import CompileError
from gyral.core.span import Span
from gyral.jit.arguments import Kind, StaticValue, Weak
from gyral.jit.chain import Chain, Link
from gyral.jit.joined import join
from gyral.jit.loop import Loop
from gyral.jit.machine import assembly_of, host, image_of
from gyral.jit.request import Request

_WEAK = {Weak.INT: WEAK_INT, Weak.FLOAT: WEAK_FLOAT, Weak.BOOL: WEAK_BOOL}
Dump = Callable[[str, Module], None]


def for_cpu(row: object, request: Request) -> Artifact:
    """Machine code for the processor this runs on."""
    emitted = _emitted(request)
    code, start = image_of(emitted.text, ENTRY)
    return Artifact("cpu-image", code, start, emitted.signature)


def llvm_source(row: object, request: Request) -> str:
    """The LLVM text of a kernel, as the emitter prints it."""
    return _emitted(request).text


def asm_source(row: object, request: Request) -> str:
    """The assembly of a kernel."""
    return assembly_of(_emitted(request).text)


def ir_text(request: Request, stage: str | None = None) -> str:
    """The printed IR, as the frontend gives it or as it stands after a stage of the pipeline."""
    module = lowered(request)
    if stage is None:
        return print_module(module)
    seen: dict[str, str] = {}
    pipeline.run(
        module, request.options, pipeline.CPU, dump=lambda name, m: seen.update({name: print_module(m)})
    )
    return seen[stage]


def promotions(request: Request) -> tuple[Promotion, ...]:
    """The conversions of a kernel that its user did not write."""
    return lowered(request).promotions


def rank_of(request: Request) -> int:
    """The launch rank that a kernel's words imply."""
    # Any block will do: it is asked for only so that kernels that need one are not refused.
    request = replace(request, options=replace(request.options, block=(1, 1, 1), noalias=True))
    return lowered(request).kernel.attributes["rank"]


def has_atomics(request: Request) -> bool:
    """Whether a kernel uses atomics."""
    return any(op.name.startswith("atomic.") for op in lowered(request).kernel.walk())


def first_use(request: Request, need: str) -> Span | None:
    """Where a kernel first uses a scalar type, "subgroups" or "atomic f32"; None when nothing shows it."""
    request = replace(request, options=replace(request.options, block=request.options.block or (1, 1, 1)))
    try:
        module = lowered(request)
    except CompileError:
        return None
    function = module.kernel
    found = [op.span for op in function.walk() if op is not function and _uses(op, need)]
    return min((span for span in found if span.line), key=lambda span: (span.line, span.column), default=None)


def _uses(op: Op, need: str) -> bool:
    kind, _, dtype = need.partition(" ")
    if kind == "subgroups":
        return op.name.startswith("subgroup.")
    types = {value.type.name for value in (*op.operands, *op.results) if isinstance(value.type, DType)}
    return (dtype or kind) in types and (kind != "atomic" or op.name.startswith("atomic."))


def lowered(request: Request) -> Lowered:
    """The IR of a kernel as the frontend gives it; that of a chain joined."""

    def lower(link: Link, kinds: tuple[Kind, ...], frozen: Any) -> Lowered:
        return lower_kernel(
            link.function,
            [argument_of(kind) for kind in kinds],
            rank=link.rank,
            block=request.options.block,
            fastmath=request.options.fastmath,
            check=request.options.check != "off",
            frozen=frozen,
        )

    if isinstance(request.function, Loop):
        return lower_resident(request.function.program())
    if isinstance(request.function, Chain):
        return join(request, request.function, lower)
    return lower(Link(request.function, request.rank, ()), request.kinds, request.frozen)


def argument_of(kind: Kind) -> Argument:
    """An argument's kind as the frontend knows it."""
    if isinstance(kind, Weak):
        return _WEAK[kind]
    return CompilerStatic(kind.value) if isinstance(kind, StaticValue) else kind


def _emitted(request: Request) -> Emitted:
    module = pipeline.run(lowered(request), request.options, pipeline.CPU)
    return emit(module, request.options, host())
