"""A user's program as the type checker sees it; `test_public_types` compares what it reveals."""

# Annotations of kernels are values (`gy.f32`), which the checker cannot take as types.
# pyright: reportInvalidTypeForm=false, reportCallIssue=false, reportIndexIssue=false, reportOperatorIssue=false
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false, reportGeneralTypeIssues=false

from typing import reveal_type

import numpy as np

import gyral as gy


@gy.kernel
def saxpy(a: gy.f32, x: gy.Array[gy.f32], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i] = a * x[i] + y[i]


@gy.kernel(block=64, fastmath=True)
def tuned(x: gy.Array[gy.f32]):
    x[gy.global_id()] = 1.0


@gy.func
def square(v):
    return v * v


@gy.struct
class Particle:
    pos: gy.f32x3
    mass: gy.f32


fast = gy.kernel(fastmath=True)

x = gy.array(np.zeros(8, np.float32))
reveal_type(saxpy)
reveal_type(tuned)
reveal_type(square)
reveal_type(Particle)
reveal_type(fast(saxpy.__gyral_kernel__))
reveal_type(saxpy.ir())
reveal_type(saxpy.source("llvm"))
reveal_type(saxpy.launch(8, 2, x, x))
reveal_type(saxpy.bind(8, 2, x, x))
reveal_type(x)
reveal_type(gy.zeros(4, gy.f32))
reveal_type(x.numpy())
reveal_type(x.copy())
reveal_type(gy.devices())
reveal_type(gy.device("cpu"))
reveal_type(gy.device("cpu").capabilities)
reveal_type(gy.f32)
reveal_type(gy.f32x3)
reveal_type(gy.Stream)
