"""check="race": two threads that touch one element, one of them writing, with nothing to order them."""

import re
from typing import Any

import numpy as np
import pytest

import gyral as gy
from gyral import KernelFault

f32s = gy.Array[gy.f32]
i32s = gy.Array[gy.i32]


@gy.kernel(check="race")
def neighbours(x: f32s):
    i = gy.global_id()
    if i > 0:
        x[i - 1] = x[i]


@gy.kernel(check="race")
def all_write(x: i32s):
    x[0] = gy.global_id()


@gy.kernel(check="race")
def apart(x: f32s, y: f32s):
    i = gy.global_id()
    y[i] = x[i] + x[0] + y[i]


@gy.kernel(check="race", block=4)
def reverse(x: f32s, out: f32s):
    i, t = gy.global_id(), gy.local_id()
    tile = gy.shared(4, gy.f32)
    tile[t] = x[i]
    gy.barrier()
    out[i] = tile[3 - t]


@gy.kernel(check="race", block=4)
def reverse_too_soon(x: f32s, out: f32s):
    i, t = gy.global_id(), gy.local_id()
    tile = gy.shared(4, gy.f32)
    tile[t] = x[i]
    out[i] = tile[3 - t]
    gy.barrier()


@gy.kernel(check="race", block=4)
def tile_reused_too_soon(x: f32s, out: f32s):
    i, t = gy.global_id(), gy.local_id()
    tile = gy.shared(4, gy.f32)
    for k in range(2):
        tile[t] = x[i] + k
        gy.barrier()
        out[i] = tile[3 - t]


@gy.kernel(check="race", block=4)
def by_block_sum(x: f32s, out: f32s):
    t = gy.local_id()
    if t == 0:
        out[gy.block_id()] = x[0]
    total = gy.block_sum(x[gy.global_id()])
    if t == 1:
        out[gy.block_id()] += total


@gy.kernel(check="race", block=4)
def across_blocks(x: f32s):
    i = gy.global_id()
    x[i] = 1.0
    gy.barrier()
    x[(i + 4) % gy.global_size()] += 1.0


@gy.kernel(check="race")
def histogram(x: i32s, bins: i32s):
    gy.atomic_add(bins, x[gy.global_id()], 1)


@gy.kernel(check="race")
def plain_histogram(x: i32s, bins: i32s):
    bins[x[gy.global_id()]] += 1


@gy.kernel(check="race")
def read_beside_atomic(x: i32s, out: i32s):
    gy.atomic_add(x, 0, 1)
    out[gy.global_id()] = x[0]


@gy.kernel(check="race")
def atomic_reads(x: i32s, out: i32s):
    gy.atomic_add(x, 0, 1)
    out[gy.global_id()] = gy.atomic_load(x, 0)


@gy.kernel(check="race", block=4)
def last_block_sums(x: f32s, sums: f32s, done: i32s):
    part = gy.block_sum(x[gy.global_id()])
    if gy.local_id() == 0:
        sums[gy.block_id()] = part
        gy.fence("device")
        if gy.atomic_add(done, 0, 1) == gy.grid_dim() - 1:
            gy.fence("device")
            total = gy.f32(0)
            for k in range(gy.grid_dim()):
                total += sums[k]
            sums[0] = total


@gy.kernel(check="race", block=4)
def last_block_sums_unfenced(x: f32s, sums: f32s, done: i32s):
    part = gy.block_sum(x[gy.global_id()])
    if gy.local_id() == 0:
        sums[gy.block_id()] = part
        if gy.atomic_add(done, 0, 1) == gy.grid_dim() - 1:
            total = gy.f32(0)
            for k in range(gy.grid_dim()):
                total += sums[k]
            sums[0] = total


@gy.kernel(check="race", block=4)
def handed_over(x: f32s, flag: i32s):
    i = gy.global_id()
    if i < 4:
        x[i] = 1.0
    gy.barrier()
    if i == 0:
        gy.atomic_store(flag, 0, 1, order="release")
    if gy.block_id() == 1 and gy.local_id() == 0:
        if gy.atomic_load(flag, 0, order="acquire") == 1:
            for k in range(4):
                x[k] += 1.0


@gy.kernel(check="race", block=4)
def handed_over_relaxed(x: f32s, flag: i32s):
    i = gy.global_id()
    if i < 4:
        x[i] = 1.0
    gy.barrier()
    if i == 0:
        gy.atomic_store(flag, 0, 1)
    if gy.block_id() == 1 and gy.local_id() == 0:
        if gy.atomic_load(flag, 0) == 1:
            for k in range(4):
                x[k] += 1.0


@gy.func
def put(out: f32s, at: gy.i32, value: gy.f32):
    out[at] = value


@gy.kernel(check="race")
def through_a_function(out: f32s):
    put(out, gy.global_id() // 2, 1.0)


@gy.kernel(check="race")
def rows(x: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    x[i, 0] = j


def zeros(count: int, dtype: Any = np.float32) -> np.ndarray:
    return np.zeros(count, dtype)


FREE = {
    "threads of their own elements": (apart, 8, (np.ones(8, np.float32), zeros(8))),
    "a barrier between": (reverse, 8, (zeros(8), zeros(8))),
    "a block sum between": (by_block_sum, 8, (zeros(8), zeros(2))),
    "atomics among themselves": (histogram, 8, (zeros(8, np.int32), zeros(2, np.int32))),
    "atomic loads": (atomic_reads, 8, (zeros(1, np.int32), zeros(8, np.int32))),
    "fences around a counter": (last_block_sums, 8, (zeros(8), zeros(2), zeros(1, np.int32))),
    "release and acquire": (handed_over, 8, (zeros(4), zeros(1, np.int32))),
}
RACY = {
    "a neighbour's element": (neighbours, 8, (zeros(8),)),
    "one element for all": (all_write, 8, (zeros(1, np.int32),)),
    "no barrier": (reverse_too_soon, 8, (zeros(8), zeros(8))),
    "one barrier too few": (tile_reused_too_soon, 8, (zeros(8), zeros(8))),
    "a barrier is for one block": (across_blocks, 8, (zeros(8),)),
    "an update that is no atomic": (plain_histogram, 8, (zeros(8, np.int32), zeros(2, np.int32))),
    "a plain read beside atomics": (read_beside_atomic, 8, (zeros(1, np.int32), zeros(8, np.int32))),
    "a counter without fences": (last_block_sums_unfenced, 8, (zeros(8), zeros(2), zeros(1, np.int32))),
    "a relaxed flag": (handed_over_relaxed, 8, (zeros(4), zeros(1, np.int32))),
    "inside a function": (through_a_function, 8, (zeros(8),)),
    "two axes": (rows, (2, 3), (np.zeros((2, 3), np.float32),)),
}


@pytest.mark.parametrize("case", FREE)
def test_ordered_threads_pass(case: str) -> None:
    """Where something orders the threads, nothing is reported."""
    kernel, shape, arguments = FREE[case]
    kernel[shape](*arguments)


@pytest.mark.parametrize("case", RACY)
def test_races_are_reported(case: str) -> None:
    """Where nothing orders them, the launch raises."""
    kernel, shape, arguments = RACY[case]
    with pytest.raises(KernelFault, match="a race: thread"):
        kernel[shape](*arguments)


def test_a_race_names_lines_threads_array_and_index() -> None:
    """The error says where both threads touch which element, and how."""
    with pytest.raises(KernelFault) as caught:
        neighbours[8](zeros(8))
    line = neighbours.__gyral_kernel__.__code__.co_firstlineno + 4
    text = re.sub(r"\S*(test_race.py:\d+):\d+", r"\1", str(caught.value))
    assert text == (
        f"test_race.py:{line}: a race: thread 2 writes x[1], which thread 1 reads at test_race.py:{line}, "
        "and nothing orders the two. Use atomics for both, or a barrier between them if the threads are of "
        "one block."
    )
    assert (caught.value.thread, caught.value.span.line) == ((2,), line)


def test_the_same_memory_under_two_names_races() -> None:
    """Arguments that overlap are one memory, whichever of them the kernel writes."""

    @gy.kernel(check="race")
    def copy(x: gy.In[f32s], y: f32s):
        i = gy.global_id()
        y[i] = x[i]

    x = zeros(9)
    copy[8](x[:8].copy(), x[1:])
    with pytest.raises(KernelFault, match="race"):
        copy[8](x[:8], x[1:])


def test_races_are_looked_for_by_scope_and_by_bound_launches() -> None:
    """options(check="race") does what the decorator's does, for a bound launch too."""

    @gy.kernel
    def plain(x: i32s):
        x[0] = gy.global_id()

    plain[8](zeros(1, np.int32))
    with gy.options(check="race"):
        with pytest.raises(KernelFault, match="race"):
            plain[8](zeros(1, np.int32))
        bound = plain.bind(8, zeros(1, np.int32))
    with pytest.raises(KernelFault, match="race"):
        bound()
    plain[8](zeros(1, np.int32))


def test_a_launch_that_looks_for_races_has_its_results() -> None:
    """Without a race it computes what any launch does, on device arrays too."""
    x, out = np.arange(8, dtype=np.float32), gy.zeros(8, gy.f32)
    reverse[8](x, out)
    assert out.numpy().tolist() == [3, 2, 1, 0, 7, 6, 5, 4]


def test_races_have_no_machine_code() -> None:
    """Asking for what cannot be is refused: code that looks for races, and races on another device."""
    with pytest.raises(gy.UnsupportedError, match="no machine code"):
        reverse.compile("cpu")
    with gy.device("null"), pytest.raises(gy.UnsupportedError, match="host memory"):
        reverse[8](zeros(8), zeros(8))


def test_the_interpreter_refuses_to_write_read_only_memory() -> None:
    """An array that may not be written is not, interpreted or not."""
    x = zeros(8)
    x.flags.writeable = False
    with pytest.raises(gy.UserError, match="argument 'x' is read-only"):
        neighbours[8](x)
    assert x.tolist() == [0.0] * 8


def test_shared_memory_is_named() -> None:
    """A race on shared memory names it as the kernel does."""
    with pytest.raises(KernelFault, match=r"thread 2 writes tile\[2\], which thread 1 reads"):
        reverse_too_soon[8](zeros(8), zeros(8))
