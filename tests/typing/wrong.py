"""Mistakes that a type checker finds before the program runs: each line that ends in `# wrong`."""

import numpy as np

import gyral as gy


@gy.func
def square(v: gy.f32) -> gy.f32:
    return v * v


@gy.kernel
def saxpy(a: gy.f32, x: gy.Array[gy.f32], y: gy.Array[gy.f32]) -> None:
    i = gy.global_id()
    y[i] = square(a, 2.0) * x[i] + y[i]  # wrong
    y["first"] = gy.sqrt(a)  # wrong
    k: gy.i32 = gy.sqrt(a)  # wrong
    gy.atomic_add(y, k)  # wrong
    gy.fence("everywhere")  # wrong
    y[gy.globl_id()] = a  # wrong


@gy.kernel(blok=64)  # wrong
def misspelt(x: gy.Array[gy.f32]) -> None:
    x[gy.global_id()] = 1.0


x = np.zeros(8, np.float32)
saxpy(2.0, x, x)  # wrong
saxpy["eight"](2.0, x, x)  # wrong
saxpy[8.0](2.0, x, x)  # wrong
saxpy.launch(8, 2.0, x, x, block="all")  # wrong
saxpy.run(8, 2.0, x, x)  # wrong
gy.device(0)  # wrong
gy.zeros("4", gy.f32)  # wrong
