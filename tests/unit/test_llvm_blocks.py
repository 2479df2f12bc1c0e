"""Code for kernels with a block: stretches between barriers, what lives across them, what a block decides."""

import numpy as np
import pytest
from tests.emitted import Trial, disagreement, hosts, ints, ramp, trial

from gyral.compiler.emit.llvm.host import Host

WIDTHS = pytest.mark.parametrize("host", hosts(), ids=lambda host: f"{host.vector_bits}bits")

STRETCHES = """
@gy.kernel
def k(a: gy.Array[gy.i32, 2], o: gy.Array[gy.i32, 2], p: gy.Array[gy.f64, 2], w: gy.Array[gy.i32, 2]):
    i, j = gy.global_ids(2)
    y, x = gy.local_id(0), gy.local_id(1)
    h = min({0}, gy.global_size(0) - gy.block_id(0) * {0})
    v = min({1}, gy.global_size(1) - gy.block_id(1) * {1})
    t = gy.shared(({0}, {1}), gy.i32)
    t[y, x] = a[i, j] * 3
    m = a[i, j]
    ok = m > 3
    c = gy.f16(m)
    b = gy.u8(m)
    d = gy.f64(m) * 0.5
    gy.barrier()
    q = t[h - 1 - y, v - 1 - x]
    other = q
    gy.barrier()
    for r in range(3):
        t[y, x] = q + r
        gy.barrier()
        m, other = other, m
        if r == 1:
            gy.barrier()
            q += t[(y + 1) % h, (x + r) % v]
        gy.barrier()
        s = gy.block_sum(q + r)
        n = 0
        while n < r:
            d += gy.f64(s) + n
            t[y, x] = s + n
            gy.barrier()
            q ^= t[y, (x + 1) % v]
            gy.barrier()
            n += 1
        b += gy.u8(n)
    for z in gy.block_range(a.shape[1]):
        gy.atomic_add(w, (0, z), 1)
    for z in gy.grid_range(a.shape[1] * 3):
        gy.atomic_add(w, (1, z % a.shape[1]), z)
    o[i, j] = q + gy.block_exclusive_sum(m + gy.i32(ok)) + gy.i32(b) + (1000 if ok else 0) + other
    p[i, j] = d + gy.f64(c)
"""

MEMORY = """
@gy.struct
class S:
    p: gy.f32x2
    n: gy.u16
@gy.kernel(check={1})
def k(a: gy.Array[gy.i32], o: gy.Array[gy.i32], w: gy.Array[gy.f32]):
    i = gy.global_id()
    l = gy.local_id()
    n = min({0}, gy.global_size() - gy.block_id() * {0})
    t = gy.shared({0}, S)
    z = gy.shared({0}, gy.bool_)
    h = gy.shared(({0}, 2), gy.f16)
    c = gy.local(5, gy.i16)
    for q in range(5):
        c[q] = gy.i16(a[i] + q)
    e = S(gy.f32x2(gy.f32(i), 0.5), gy.u16(l))
    t[l] = e
    z[l] = a[i] % 3 == 0
    h[l, 0] = gy.f16(l)
    h[l, 1] = gy.f16(a[i])
    gy.barrier()
    f = t[n - 1 - l]
    e.p = e.p + f.p
    turn = 0
    u = 0
    while turn < 3:
        g = z[(l + turn) % n]
        x = h[(l + turn) % n, 1]
        gy.barrier()
        if turn == 1:
            z[l] = g and x > 2.0
            for m in range(2):
                gy.barrier()
                c[(a[i] & 7) % 5] += gy.i16(m + u)
                h[l, m] = gy.f16(c[m])
                gy.barrier()
                u += gy.i32(h[(l + 1) % n, m])
        gy.barrier()
        turn += 1 + gy.block_max(a[i]) // 1000
        u += gy.i32(g)
    s = 0
    if a[i] > 0:
        for q in range(l % 4):
            s += c[q]
    o[i] = s + u + gy.i32(e.n) + gy.i32(f.n)
    w[i] = e.p.x + e.p.y
"""

THREE_AXES = """
@gy.kernel
def k(a: gy.Array[gy.i32, 3], o: gy.Array[gy.i32, 3], r: gy.Array[gy.i32]):
    x, y, z = gy.global_ids(3)
    v = a[x, y, z]
    m = gy.block_max(v) - gy.block_min(v)
    s = gy.block_exclusive_sum(v)
    first = gy.block_broadcast(v, 0)
    n = 0
    while n < m % 4:
        n += 1
        gy.barrier()
        for q in range(n):
            s += gy.block_sum(v + q)
    o[x, y, z] = s + first + gy.local_id(0) * 100 + gy.local_id(1) * 10 + gy.local_id(2)
    for q in gy.block_range(40):
        gy.atomic_add(r, q, 1)
    for q in gy.grid_range(111):
        gy.atomic_add(r, q, q)
"""

SIDES = """
@gy.kernel(block=24)
def k(a: gy.Array[gy.i32], f: gy.i32, o: gy.Array[gy.i32], p: gy.Array[gy.f32]):
    i = gy.global_id()
    l = gy.local_id()
    v = a[i]
    w = gy.f32(v)
    b = v > 2
    if f > 2:
        v = gy.block_sum(v) + l
        w = w * 2.0
        b = not b
    elif f == 2:
        gy.barrier()
        v, l = l, v
    else:
        if gy.block_any(b):
            gy.barrier()
            w = gy.f32(l)
    gy.barrier()
    for q in range(f, 5):
        if q == 3:
            gy.barrier()
            v, l = l, v + 1
        elif q == 4:
            b = v > l
            gy.barrier()
    o[i] = v if b else l
    p[i] = w
"""

INDICES = """
@gy.kernel(block={0})
def k(o: gy.Array[gy.i64, 2]):
    i = gy.global_id()
    o[0, i] = gy.block_sum(i)
    o[1, i] = gy.block_max(i)
    o[2, i] = gy.block_min(i)
    o[3, i] = gy.block_exclusive_sum(i)
    o[4, i] = gy.subgroup_sum(i) + gy.subgroup_exclusive_sum(i)
    o[5, i] = gy.subgroup_min(i) + gy.subgroup_max(i)
    o[6, i] = gy.block_broadcast(i, 2)
    o[7, i] = gy.subgroup_shuffle_up(i, 1)
"""


@WIDTHS
@pytest.mark.parametrize("block", [(3, 5), (2, 2), (4, 16), (1, 100)], ids=str)
def test_values_live_across_stretches(block: tuple[int, int], host: Host) -> None:
    """Values of every size outlive barriers in loops and branches, in blocks that the launch cuts off."""
    arguments = ramp(7, 13), ints(7, 13), np.zeros((7, 13)), ints(2, 13)
    assert disagreement(trial(STRETCHES.format(*block), (7, 13), *arguments, block=block), host) == ""


@WIDTHS
@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("block", [7, 20, 64])
def test_shared_and_local_memory_outlive_barriers(block: int, check: bool, host: Host) -> None:
    """Shared structs, flags and halves and a local array hold across barriers."""
    arguments = ramp(75) % 9, ints(75), np.zeros(75, np.float32)
    found = trial(MEMORY.format(block, check), 75, *arguments, block=(block,), check=check)
    assert disagreement(found, host) == ""


@WIDTHS
@pytest.mark.parametrize("block", [(2, 3, 4), (2, 2, 16), (1, 4, 8), (3, 1, 5)], ids=str)
def test_blocks_of_three_axes(block: tuple[int, int, int], host: Host) -> None:
    """Ids, words of the block and portable loops agree in blocks of three axes cut off on each."""
    found = trial(THREE_AXES, (5, 7, 18), ramp(5, 7, 18), ints(5, 7, 18), ints(111), block=block)
    assert disagreement(found, host) == ""


@WIDTHS
@pytest.mark.parametrize("flag", range(4))
def test_results_of_branches_with_barriers(flag: int, host: Host) -> None:
    """What either side of a branch with a barrier gives is what follows."""
    assert disagreement(trial(SIDES, 50, ramp(50), flag, ints(50), np.zeros(50, np.float32)), host) == ""


@WIDTHS
@pytest.mark.parametrize("block", [20, 32])
def test_words_of_the_block_take_indices(block: int, host: Host) -> None:
    """Reductions, scans and exchanges of ids are exact, with lanes missing or not."""
    assert disagreement(trial(INDICES.format(block), 45, np.zeros((8, 45), np.int64)), host) == ""


def checked(body: str, *arguments: np.ndarray, block: int = 32) -> Trial:
    """A checked kernel of `f` and `o` over 64 threads."""
    head = (
        "@gy.kernel(check=True)\ndef k(f: gy.Array[gy.i32], o: gy.Array[gy.i32]):\n    i = gy.global_id()\n"
    )
    return trial(head + body, 64, *arguments, block=(block,), check=True)


LOADED = """
    o[i] = i
    if f[0] > 0:
        gy.barrier()
        o[i] += 1
    for q in range(f[1]):
        gy.barrier()
        o[i] += q
    n = 0
    while f[n] > 0:
        gy.barrier()
        o[i] += n
        n += 1
"""
LOST = """
    n = 0
    while f[n] == 0:
        gy.barrier()
        n += 1
    o[i] = n
"""
DEAD = """
    n = 0
    while gy.block_sum(n) == 0:
        assert f[0] > 100, "nobody gets here"
        n = 0
    o[i] = 7
"""
HOLE = """
    t = gy.shared(20, gy.i32)
    l = gy.local_id()
    t[l] = i
    assert l != 7, "seven"
    gy.barrier()
    o[i] = (t[l + 1] if l < 3 else 0) + gy.block_sum(i)
"""


@WIDTHS
def test_loads_decide_for_a_checked_block(host: Host) -> None:
    """Under checks a block branches and loops around barriers by what it loads."""
    assert disagreement(checked(LOADED, np.array([3, 2, 1, 0], np.int32), ints(64)), host) == ""


@WIDTHS
def test_a_search_past_the_end_is_one_fault(host: Host) -> None:
    """A block whose common search leaves the array stops there, and says so."""
    assert disagreement(checked(LOST, ints(4), ints(64)), host) == ""


@WIDTHS
def test_a_dead_block_leaves_its_loop(host: Host) -> None:
    """A loop that waits for a sum ends when all threads of the block have failed."""
    assert disagreement(checked(DEAD, ints(4), ints(64)), host) == ""


@WIDTHS
def test_a_dead_thread_reaches_barriers(host: Host) -> None:
    """The rest of a block goes on past a thread that failed, without its values."""
    assert disagreement(checked(HOLE, ints(4), ints(64), block=20), host) == ""


OVERLAP = """
@gy.kernel
def k(a: gy.Array[gy.i32], o: gy.Array[gy.i32]):
    i = gy.global_id()
    if i == 0:
        o[0] = 5
    gy.barrier()
    n = 0
    while n < a[0]:
        gy.barrier()
        o[i + 10] = n + a[0]
        n += 1
"""


@WIDTHS
def test_overlapping_arrays_decide_by_what_was_written(host: Host) -> None:
    """Where arguments overlap, a block decides by the value another argument was given."""
    whole = np.arange(100).astype(np.int32)
    assert disagreement(trial(OVERLAP, 16, whole[:50], whole, block=(16,)), host) == ""


SHUFFLES = """
@gy.kernel(block=32)
def k(a: gy.Array[gy.{0}], o: gy.Array[gy.i32, 2]):
    i = gy.global_id()
    v = gy.i32(i)
    o[0, i] = gy.subgroup_shuffle(v, a[i])
    o[1, i] = gy.subgroup_shuffle_up(v, a[i])
    o[2, i] = gy.subgroup_shuffle_down(v, a[i])
    o[3, i] = gy.subgroup_shuffle_xor(v, a[i])
"""


@WIDTHS
@pytest.mark.parametrize("dtype", ["u8", "i32", "u32", "i64", "u64"])
def test_shuffles_by_any_amount(dtype: str, host: Host) -> None:
    """A shuffle from a lane that is not there gives a thread its own value, however far away it is."""
    limits = np.iinfo(f"{dtype[0]}{int(dtype[1:]) // 8}")
    amounts = [0, 1, 2, 3, limits.max, limits.max - 1, limits.max // 2 + 1, limits.min, limits.min + 1]
    found = trial(SHUFFLES.format(dtype), 45, np.resize(np.array(amounts, limits.dtype), 45), ints(4, 45))
    assert disagreement(found, host) == ""
