"""A map, a filter and a sum that follow one another: what fusion is measured on."""

import gyral as gy


@gy.kernel
def affine(a: gy.f32, x: gy.In[gy.Array[gy.f32]], t: gy.Array[gy.f32]):
    """A map."""
    i = gy.global_id()
    t[i] = a * x[i] + 1.0


@gy.kernel
def positive(t: gy.In[gy.Array[gy.f32]], u: gy.Array[gy.f32]):
    """A filter that keeps its place."""
    i = gy.global_id()
    u[i] = t[i] if t[i] > 0 else 0.0


@gy.kernel
def total(u: gy.In[gy.Array[gy.f32]], out: gy.Array[gy.f32]):
    """A sum, a block at a time."""
    part = gy.block_sum(u[gy.global_id()])
    if gy.local_id() == 0:
        gy.atomic_add(out, 0, part)
