"""A kernel in WGSL."""

from __future__ import annotations

from gyral.compiler.emit.base import Emitted
from gyral.compiler.emit.cfamily import memory, program
from gyral.compiler.emit.wgsl.dialect import Wgsl, buffers_of
from gyral.compiler.ir.graph import Module
from gyral.compiler.ir.ops.memory import LoadWideOp, StoreWideOp
from gyral.compiler.passes.target import TargetSpec
from gyral.compiler.passes.uniform import written_parameters
from gyral.core.artifact import CompileOptions
from gyral.core.errors import UnsupportedError


def emit(module: Module, options: CompileOptions, spec: TargetSpec) -> Emitted:
    """Write the kernel of a legalised module. UnsupportedError for what WGSL cannot say."""
    function = module.kernel
    if options.index_bits != 32:
        raise UnsupportedError(
            f"{function.attributes['symbol']} was launched over, or was given, more than 2**31 - 1 elements; "
            "WebGPU devices count in 32 bits"
        )
    arrays = memory.arrays(function, options, written_parameters(function))
    groups = options.groups or tuple(range(len(arrays)))
    wide = {arrays[op.memory].number for op in function.walk() if isinstance(op, (LoadWideOp, StoreWideOp))}
    buffers, written = buffers_of(list(arrays.values()), groups, wide)
    return program.emit(module, options, Wgsl(options, spec, buffers, written))
