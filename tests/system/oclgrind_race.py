"""A kernel on the OpenCL device whose threads read on-chip memory that others write, without a barrier."""

import numpy as np

import gyral as gy


@gy.kernel
def swapped(x: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    tile = gy.shared(32, gy.i32)
    i, k = gy.global_id(), gy.local_id()
    tile[k] = x[i]
    out[i] = tile[31 - k]


if __name__ == "__main__":
    x, out = np.arange(64, dtype=np.int32), np.zeros(64, np.int32)
    with gy.device("opencl"):
        swapped[(64,), (32,)](x, out)
