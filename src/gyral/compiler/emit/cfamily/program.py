"""A whole kernel in a language of the C family, and the signature a launch needs."""

from __future__ import annotations

from dataclasses import replace

from gyral.compiler.emit.base import Emitted
from gyral.compiler.emit.cfamily import atomics, gangs, grid, guards, memory, messages, scalars, structure
from gyral.compiler.emit.cfamily.dialect import Dialect
from gyral.compiler.emit.cfamily.parts import Kernel
from gyral.compiler.emit.cfamily.writer import Mode, Write, Writer
from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.ops.grid import ClockOp
from gyral.compiler.passes.uniform import Seed, analyse, block_seed, written_parameters
from gyral.core.abi import right_aligned, slot_names
from gyral.core.artifact import ArrayParameter, CompileOptions, Parameter, ScalarParameter, Signature
from gyral.core.dtypes import ArrayType, bool_
from gyral.core.errors import InternalError

WRITERS: dict[type, Write] = {
    **scalars.WRITERS,
    **structure.WRITERS,
    **memory.WRITERS,
    **atomics.WRITERS,
    **grid.WRITERS,
    **gangs.WRITERS,
    **messages.WRITERS,
    Block: guards.write,
}
LARGEST_TWICE = 2000
"""Ops of the largest body that is written twice: for whole blocks, and with guards for the last ones."""


def emit(module: Module, options: CompileOptions, dialect: Dialect) -> Emitted:
    """Write the kernel of a legalised, inlined module."""
    function = module.kernel
    if not options.block:
        raise InternalError("a kernel for blocks is compiled for a block of known extents")
    written = written_parameters(function)
    coarse = function.attributes.get("coarse", 1)
    depth, height, width = right_aligned(options.block)
    signature = Signature(
        name=function.attributes["symbol"],
        rank=function.attributes.get("rank", 1),
        parameters=_parameters(function, written),
        options=options,
        item=(depth, height, width * coarse),
        coarse=coarse,
    )
    arrays = memory.arrays(function, options, written)
    slots = tuple(slot_names(signature))
    w = Writer(
        dialect, options, function, signature.threads, {name: k for k, name in enumerate(slots)},
        analyse(function, _seed(function)), WRITERS,
        synced=guards.is_common(function), memories=dict(arrays), mortal=structure.is_mortal(function),
    )  # fmt: skip
    _scalars(w)
    _body(w)
    shared = list(w.shared.values())
    signature = replace(
        signature, sites=tuple(w.sites), shared_bytes=sum(-(-cells.bytes // 16) * 16 for cells in shared)
    )
    kernel = Kernel(
        signature=signature,
        arrays=tuple(arrays.values()),
        slots=slots,
        prologue=["  " + line for lines in w.prologue.values() for line in lines],
        body=w.lines,
        helpers=list(dialect.helpers.values()),
        shared=shared,
    )
    return Emitted(dialect.kernel(kernel), signature)


def _seed(function: Op) -> Seed:
    """What may differ between the threads of a block."""
    language = block_seed(function)
    return lambda op: 1 if isinstance(op, ClockOp) else language(op)


def _parameters(function: Op, written: set[Value]) -> tuple[Parameter, ...]:
    read = {v for op in function.walk() if op.name != "memory.store" for v in op.operands}
    return tuple(
        ArrayParameter(v.hint, v.type.elem, v.type.rank, v in read, v in written)
        if isinstance(v.type, ArrayType)
        else ScalarParameter(v.hint, v.type)
        for v in function.regions[0].args
    )


def _scalars(w: Writer) -> None:
    for number, value in enumerate(w.function.regions[0].args):
        if not isinstance(value.type, ArrayType):
            w.names[value] = w.slot(f"a{number}", value.type)


def _body(w: Writer) -> None:
    """Threads beyond the shape leave at once, or go along without effects where others wait for them."""
    body, d = w.function.regions[0], w.dialect
    there = grid.exists(w)
    if not w.synced:
        w.region(body)
        # Behind all that is read of the arguments: some compilers take it for varying behind a branch.
        w.once("shape", [d.unless(there), "  return;", "}"])
        return
    twice = d.whole_blocks and not w.mortal and sum(1 for _ in w.function.walk()) <= LARGEST_TWICE
    if twice:
        w.put(f"if ({grid.is_whole(w)}) {{")
        w.depth += 1
        w.region(body)
        w.depth -= 1
        w.put("} else {")
        w.depth += 1
    w.mode = Mode.ALL
    if w.mortal:
        w.put(d.var(bool_, structure.ALIVE, there), d.var(bool_, structure.SOUND, "true"))
    else:
        w.put(d.let(bool_, structure.ALIVE, there))
    w.region(body)
    if twice:
        w.depth -= 1
        w.put("}")
