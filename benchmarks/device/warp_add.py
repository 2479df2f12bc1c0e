"""The small launch in Warp, which reads its kernels' source and so wants them in a module of their own."""

import warp as wp


@wp.kernel
def add(x: wp.array(dtype=float), y: wp.array(dtype=float), z: wp.array(dtype=float)):
    i = wp.tid()
    z[i] = x[i] + y[i]


def prepare(count):
    """A launch of `count` threads and what waits for it.

    Raises:
        RuntimeError: Warp finds no GPU.
    """
    wp.config.quiet = True
    if not wp.is_cuda_available():
        raise RuntimeError("no GPU")
    arrays = [wp.ones(count, dtype=float, device="cuda") for _ in range(3)]
    return lambda: wp.launch(add, dim=count, inputs=arrays, device="cuda"), wp.synchronize
