"""Gyral: write a kernel once, in Python, and run it as SIMD machine code on real data.

    import numpy as np
    import gyral as gy

    @gy.kernel
    def saxpy(a: gy.f32, x: gy.Array[gy.f32], y: gy.Array[gy.f32]):
        i = gy.global_id()
        y[i] = a * x[i] + y[i]

    saxpy[x.size](2.0, x, y)

This file is the front door: every public name, and nothing that loads the compiler before it is needed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from gyral.core.caps import Capabilities
from gyral.core.entry import load as _load
from gyral.core.errors import (
    ActorStopped,
    AskTimeout,
    CompileError,
    DeviceError,
    DuplicateMessage,
    GyralError,
    HandlerFailed,
    InternalError,
    KernelFault,
    LoopLost,
    MailboxFull,
    MessageExpired,
    PolicyError,
    StateError,
    UnsupportedError,
    UserError,
)
from gyral.jit.func import Func, func
from gyral.jit.kernel import Kernel, kernel
from gyral.jit.struct import Struct, struct
from gyral.runtime.array import DeviceArray, empty
from gyral.runtime.create import array, empty_pinned, from_cuda_array, from_dlpack, full, zeros
from gyral.runtime.device import Device, device, devices, options, synchronize
from gyral.runtime.stream import Event, Stream

if TYPE_CHECKING:
    from builtins import abs as abs
    from builtins import max as max
    from builtins import min as min
    from builtins import pow as pow
    from builtins import round as round

    from gyral.actors.declare import actor
    from gyral.actors.fields import Local
    from gyral.actors.message import message
    from gyral.actors.ref import Ref
    from gyral.actors.simulation import Simulation
    from gyral.actors.system import ActorSystem
    from gyral.jit.batch import Batch
    from gyral.jit.fuse import fuse
    from gyral.jit.tune import tune

    # Pyright knows os.name and takes the second branch; mypy does not, and keeps the first.
    if os.name == "mypy":
        from gyral.core.notation import OpaqueArray as Array
        from gyral.core.notation import OpaqueVec as Vec
    else:
        from gyral.core.notation import Array, Vec
    # isort: off
    # fmt: off
    from gyral.core.notation import (
        In, Static, acos, acosh, asin, asinh, atan, atan2, atanh, atomic_add, atomic_and,
        atomic_compare_exchange, atomic_exchange, atomic_load, atomic_max, atomic_min, atomic_or,
        atomic_store, atomic_sub, atomic_xor, barrier, bf16, bf16x2, bf16x3, bf16x4, bitcast,
        bitreverse, block_all, block_any, block_broadcast, block_dim, block_exclusive_sum, block_id,
        block_max, block_min, block_range, block_sum, bool_, cbrt, ceil, clamp, clock, clz, copysign,
        cos, cosh, cross, ctz, degrees, dot, erf, erfc, exp, exp2, exp10, expm1, f16, f16x2, f16x3,
        f16x4, f32, f32x2, f32x3, f32x4, f64, f64x2, f64x3, f64x4, fabs, fence, floor, fma, fmod, gamma,
        global_id, global_ids, global_size, grid_dim, grid_range, hypot, i8, i8x2, i8x3, i8x4, i16,
        i16x2, i16x3, i16x4, i32, i32x2, i32x3, i32x4, i64, i64x2, i64x3, i64x4, isclose, isfinite,
        isinf, isnan, lane_id, ldexp, length, lerp, lgamma, local, local_id, log, log1p, log2, log10,
        nextafter, normalize, now, popcount, radians, random_normal, random_u32, random_uniform,
        remainder, rint, rotl, rotr, rsqrt, saturate, shared, sign, sin, sinh, sqrt, subgroup_all,
        subgroup_any, subgroup_ballot, subgroup_broadcast, subgroup_exclusive_sum, subgroup_max,
        subgroup_min, subgroup_shuffle, subgroup_shuffle_down, subgroup_shuffle_up,
        subgroup_shuffle_xor, subgroup_size, subgroup_sum, tan, tanh, trunc, u8, u8x2, u8x3, u8x4, u16,
        u16x2, u16x3, u16x4, u32, u32x2, u32x3, u32x4, u64, u64x2, u64x3, u64x4,
    )
    # fmt: on
    # isort: on
else:
    from gyral.core.dtypes import (
        Array,
        In,
        Static,
        Vec,
        bf16,
        bool_,
        f16,
        f32,
        f64,
        i8,
        i16,
        i32,
        i64,
        u8,
        u16,
        u32,
        u64,
    )

    i8x2, i8x3, i8x4 = Vec(i8, 2), Vec(i8, 3), Vec(i8, 4)
    i16x2, i16x3, i16x4 = Vec(i16, 2), Vec(i16, 3), Vec(i16, 4)
    i32x2, i32x3, i32x4 = Vec(i32, 2), Vec(i32, 3), Vec(i32, 4)
    i64x2, i64x3, i64x4 = Vec(i64, 2), Vec(i64, 3), Vec(i64, 4)
    u8x2, u8x3, u8x4 = Vec(u8, 2), Vec(u8, 3), Vec(u8, 4)
    u16x2, u16x3, u16x4 = Vec(u16, 2), Vec(u16, 3), Vec(u16, 4)
    u32x2, u32x3, u32x4 = Vec(u32, 2), Vec(u32, 3), Vec(u32, 4)
    u64x2, u64x3, u64x4 = Vec(u64, 2), Vec(u64, 3), Vec(u64, 4)
    f16x2, f16x3, f16x4 = Vec(f16, 2), Vec(f16, 3), Vec(f16, 4)
    bf16x2, bf16x3, bf16x4 = Vec(bf16, 2), Vec(bf16, 3), Vec(bf16, 4)
    f32x2, f32x3, f32x4 = Vec(f32, 2), Vec(f32, 3), Vec(f32, 4)
    f64x2, f64x3, f64x4 = Vec(f64, 2), Vec(f64, 3), Vec(f64, 4)

__version__ = "0.1.0"

# What few programs need is loaded when it is first named.
_LATE = {
    "ActorSystem": "gyral.actors.system:ActorSystem",
    "Batch": "gyral.jit.batch:Batch",
    "Local": "gyral.actors.fields:Local",
    "Ref": "gyral.actors.ref:Ref",
    "Simulation": "gyral.actors.simulation:Simulation",
    "actor": "gyral.actors.declare:actor",
    "message": "gyral.actors.message:message",
    "fuse": "gyral.jit.fuse:fuse",
    "tune": "gyral.jit.tune:tune",
}

__all__ = [
    "ActorStopped",
    "ActorSystem",
    "Array",
    "AskTimeout",
    "Batch",
    "Capabilities",
    "CompileError",
    "Device",
    "DeviceArray",
    "DeviceError",
    "DuplicateMessage",
    "Event",
    "Func",
    "GyralError",
    "HandlerFailed",
    "In",
    "InternalError",
    "Kernel",
    "KernelFault",
    "Local",
    "LoopLost",
    "MailboxFull",
    "MessageExpired",
    "PolicyError",
    "Ref",
    "Simulation",
    "StateError",
    "Static",
    "Stream",
    "Struct",
    "UnsupportedError",
    "UserError",
    "Vec",
    "acos",
    "acosh",
    "actor",
    "array",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "atomic_add",
    "atomic_and",
    "atomic_compare_exchange",
    "atomic_exchange",
    "atomic_load",
    "atomic_max",
    "atomic_min",
    "atomic_or",
    "atomic_store",
    "atomic_sub",
    "atomic_xor",
    "barrier",
    "bf16",
    "bf16x2",
    "bf16x3",
    "bf16x4",
    "bitcast",
    "bitreverse",
    "block_all",
    "block_any",
    "block_broadcast",
    "block_dim",
    "block_exclusive_sum",
    "block_id",
    "block_max",
    "block_min",
    "block_range",
    "block_sum",
    "bool_",
    "cbrt",
    "ceil",
    "clamp",
    "clock",
    "clz",
    "copysign",
    "cos",
    "cosh",
    "cross",
    "ctz",
    "degrees",
    "device",
    "devices",
    "dot",
    "empty",
    "empty_pinned",
    "erf",
    "erfc",
    "exp",
    "exp10",
    "exp2",
    "expm1",
    "f16",
    "f16x2",
    "f16x3",
    "f16x4",
    "f32",
    "f32x2",
    "f32x3",
    "f32x4",
    "f64",
    "f64x2",
    "f64x3",
    "f64x4",
    "fabs",
    "fence",
    "floor",
    "fma",
    "fmod",
    "from_cuda_array",
    "from_dlpack",
    "full",
    "func",
    "fuse",
    "gamma",
    "global_id",
    "global_ids",
    "global_size",
    "grid_dim",
    "grid_range",
    "hypot",
    "i16",
    "i16x2",
    "i16x3",
    "i16x4",
    "i32",
    "i32x2",
    "i32x3",
    "i32x4",
    "i64",
    "i64x2",
    "i64x3",
    "i64x4",
    "i8",
    "i8x2",
    "i8x3",
    "i8x4",
    "isclose",
    "isfinite",
    "isinf",
    "isnan",
    "kernel",
    "lane_id",
    "ldexp",
    "length",
    "lerp",
    "lgamma",
    "local",
    "local_id",
    "log",
    "log10",
    "log1p",
    "log2",
    "message",
    "nextafter",
    "normalize",
    "now",
    "options",
    "popcount",
    "radians",
    "random_normal",
    "random_u32",
    "random_uniform",
    "remainder",
    "rint",
    "rotl",
    "rotr",
    "rsqrt",
    "saturate",
    "shared",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "struct",
    "subgroup_all",
    "subgroup_any",
    "subgroup_ballot",
    "subgroup_broadcast",
    "subgroup_exclusive_sum",
    "subgroup_max",
    "subgroup_min",
    "subgroup_shuffle",
    "subgroup_shuffle_down",
    "subgroup_shuffle_up",
    "subgroup_shuffle_xor",
    "subgroup_size",
    "subgroup_sum",
    "synchronize",
    "tan",
    "tanh",
    "trunc",
    "tune",
    "u16",
    "u16x2",
    "u16x3",
    "u16x4",
    "u32",
    "u32x2",
    "u32x3",
    "u32x4",
    "u64",
    "u64x2",
    "u64x3",
    "u64x4",
    "u8",
    "u8x2",
    "u8x3",
    "u8x4",
    "zeros",
]


if not TYPE_CHECKING:  # which would make every misspelt word a name

    def __getattr__(name: str) -> Any:
        if name in _LATE:
            return _load(_LATE[name])
        if name in __all__:  # a word of the kernel language: the compiler is loaded when one is first named
            return _load(f"gyral.compiler.words:{name}")
        raise AttributeError(f"module 'gyral' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
