"""A user's program, strictly typed; `test_public_types` compares what the checker reveals."""

import math
from typing import reveal_type

import numpy as np

import gyral as gy

Vector = gy.Array[gy.f32]
fast = gy.kernel(fastmath=True)


@gy.struct
class Particle:
    pos: gy.f32x3
    mass: gy.f32


@gy.func
def square(v: gy.f32) -> gy.f32:
    return v * v


@gy.kernel
def saxpy(a: gy.f32, x: Vector, y: gy.Array[gy.f32]) -> None:
    i = gy.global_id()
    y[i] = a * x[i] + y[i]


@gy.kernel(block=64, check=True)
def tuned(x: gy.In[gy.Array[gy.f32, 2]], n: gy.Static[int], out: gy.Array) -> None:
    row, column = gy.global_ids(2)
    height, width = x.shape
    tile = gy.shared((64, n), gy.f32)
    tile[gy.local_id(), 0] = gy.clamp(x[row, column], 0.0, 1.0)
    gy.barrier()
    total = 0.0
    for k in gy.block_range(n):
        total += square(tile[k, 0]) + math.sqrt(height * width)
    count = gy.popcount(gy.u32(row) & 0xFF) if total > 1 else 0
    gy.atomic_add(out, (row, column), gy.block_sum(total) + gy.f32(count))


@fast
def fall(particles: gy.Array[Particle], first: Particle, wind: gy.Vec[gy.f32, 3], dt: float) -> None:
    i = gy.global_id()
    velocity = gy.f32x3(0, 0, -9.81 * dt) + 0.5 * wind
    particles[i].pos = particles[i].pos + velocity * dt
    particles[i].mass = first.mass if gy.isnan(velocity.x) else gy.length(velocity)


host = np.zeros(8, np.float32)
x = gy.array(host)
saxpy[8](2.0, x, host)
saxpy[host.shape, 4](2.0, x, host)
tuned[(4, 2), (2, 2)](host, 3, out=host)
fall.launch(8, np.zeros(8, Particle.dtype), Particle(mass=1), (0, 0, 0), 0.1, block=4, device="cpu")
saxpy.interpret[8](2.0, host, host)

reveal_type(saxpy)
reveal_type(tuned)
reveal_type(fall)
reveal_type(square)
reveal_type(square(2.0))
reveal_type(saxpy.ir())
reveal_type(saxpy.source("llvm"))
reveal_type(saxpy.launch(8, 2, x, x))
reveal_type(saxpy.bind(8, 2, x, x))
reveal_type(x)
reveal_type(gy.zeros(4, gy.f32))
reveal_type(gy.zeros(4, Particle))
reveal_type(x.numpy())
reveal_type(x.copy())
reveal_type(gy.devices())
reveal_type(gy.device("cpu"))
reveal_type(gy.device("cpu").capabilities)
reveal_type(gy.f32(1))
reveal_type(gy.i32(1.5))
reveal_type(gy.f32x3(1, 2, 3) + 1.0)
reveal_type(gy.Stream)
