"""Kernels and random launches over views of one memory, for tests of batches."""

from dataclasses import dataclass
from typing import Any

import numpy as np

import gyral as gy

N = 70
Ints = gy.Array[gy.i32]


@gy.kernel
def fill(y: Ints, c: gy.i32):
    y[gy.global_id()] = gy.global_id() * c + 1


@gy.kernel
def linear(x: gy.In[gy.Array[gy.i32]], y: Ints, c: gy.i32):
    i = gy.global_id()
    y[i] = x[i] * c + 7


@gy.kernel
def join(x: Ints, y: Ints, c: gy.i32):
    i = gy.global_id()
    if x[i] % 3 != c % 3:
        y[i] += x[i]
    else:
        x[i] -= y[i]


@gy.kernel
def neighbour(x: Ints, y: Ints, c: gy.i32):
    i = gy.global_id()
    y[i] = x[(i + 1) % x.size] - c


@gy.kernel
def backwards(x: Ints, y: Ints, c: gy.i32):
    i = gy.global_id()
    y[y.size - 1 - i] = x[i] ^ c


@gy.kernel
def gather(x: Ints, y: Ints, c: gy.i32):
    i = gy.global_id()
    for k in range(c % 3):
        y[i] += x[i] * k


@gy.kernel
def tally(x: Ints, y: Ints, c: gy.i32):
    i = gy.global_id()
    gy.atomic_add(y, abs(x[i]) % 5, c)


@gy.kernel
def apart(x: Ints, y: Ints, c: gy.i32):
    i = gy.global_id()
    y[i + 1 - 1] = x[gy.global_id()] + c


@gy.kernel
def sweep(x: Ints, y: Ints, c: gy.i32):
    for k in gy.grid_range(y.size):
        y[k] = x[k] * c - 1


@gy.kernel
def swept(x: Ints, y: Ints, c: gy.i32):
    s = gy.i32(c)
    for k in gy.grid_range(y.size):
        s += x[k]
    gy.atomic_add(y, 3, s)


KERNELS = (linear, join, neighbour, backwards, gather, tally, apart, sweep, swept)
MEETING = (neighbour, backwards, tally, join, swept)


@dataclass(frozen=True)
class Call:
    """A launch over views of one pool of memory."""

    kernel: int
    x: int
    y: int
    c: int
    n: int


VIEWS = [slice(k * N, (k + 1) * N) for k in range(4)] + [slice(1, N + 1), slice(N // 2, N // 2 + N)]


def launch(call: Call, pool: Any) -> tuple[Any, ...]:
    """The kernel, shape and arguments of a call; one whose threads would meet is made apart."""
    x, y = VIEWS[call.x], VIEWS[call.y]
    kernel = KERNELS[call.kernel]
    meets = x != y and x.start < y.stop and y.start < x.stop
    if meets or (x == y and kernel in MEETING):
        kernel, x = linear, y
    return kernel, call.n, pool[x], pool[y], call.c


def fresh() -> np.ndarray:
    return np.arange(4 * N, dtype=np.int32) * 3 % 101
