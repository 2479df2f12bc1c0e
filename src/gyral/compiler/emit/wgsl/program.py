"""A kernel in WGSL."""

from __future__ import annotations

from gyral.compiler.emit.base import Emitted
from gyral.compiler.emit.cfamily import memory, program
from gyral.compiler.emit.wgsl.dialect import Wgsl, buffers_of
from gyral.compiler.ir.graph import Module
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
    arrays = list(memory.arrays(function, options, written_parameters(function)).values())
    groups = options.groups or tuple(range(len(arrays)))
    return program.emit(module, options, Wgsl(options, spec, *buffers_of(arrays, groups)))
