"""Code for loops and branches that lanes, rows and whole launches take differently."""

import itertools

import numpy as np
import pytest
from tests.emitted import disagreement, hosts, ints, ramp, trial

from gyral.compiler.emit.llvm.host import Host
from gyral.core.dtypes import DType, i8, i32, i64, u8, u32, u64
from gyral.testing.sample import numpy_type, zeros

WIDTHS = pytest.mark.parametrize("host", hosts(), ids=lambda host: f"{host.vector_bits}bits")

RANGES = """
@gy.kernel
def k(a: gy.Array[gy.{0}], b: gy.Array[gy.{0}], c: gy.Array[gy.{0}], o: gy.Array[gy.{0}],
      p: gy.Array[gy.i32]):
    i = gy.global_id()
    s = gy.{0}(17)
    n = 0
    for k in range(a[i], b[i], c[i]):
        s = s * gy.{0}(3) + k
        n += 1
    o[i] = s
    p[i] = n
"""
COMMON_RANGE = """
@gy.kernel
def k(a: gy.{0}, b: gy.{0}, c: gy.{0}, o: gy.Array[gy.{0}], p: gy.Array[gy.i32]):
    i = gy.global_id()
    s = gy.{0}(0)
    n = 0
    for k in range(a, b, c):
        s = s * gy.{0}(3) + k + gy.{0}(i)
        n += 1
    o[i] = s
    p[i] = n
"""


def turns(start: int, stop: int, step: int) -> int:
    """The length of a range, however large."""
    if step == 0:
        return 0
    return max(0, -((start - stop) // step)) if step > 0 else max(0, -((stop - start) // -step))


def bounds(dtype: DType) -> np.ndarray:
    """Ranges of at most nine turns at the edges of a type, steps of zero among them, without order."""
    low, high = dtype.bounds()
    starts = (low, low + 1, 0, 1, 5, high - 3, high - 1, high)
    stops = (low, low + 2, 0, 3, 9, high - 2, high)
    steps = {0, 1, 2, 7, high // 2, high, *(() if low == 0 else (-1, -2, -7, low))}
    rows = [row for row in itertools.product(starts, stops, sorted(steps)) if turns(*row) <= 9]
    order = np.random.default_rng(3).permutation(len(rows))
    return np.array(rows, dtype=object)[order]


@WIDTHS
@pytest.mark.parametrize("dtype", [i8, i32, i64, u8, u32, u64], ids=str)
def test_each_lane_counts_its_own_range(dtype: DType, host: Host) -> None:
    """Lanes with ranges of their own take the turns Python's range has, at the extremes of the type too."""
    rows = bounds(dtype)
    columns = [rows[:, at].astype(numpy_type(dtype)) for at in range(3)]
    found = trial(RANGES.format(dtype), len(rows), *columns, zeros(dtype, len(rows)), ints(len(rows)))
    assert disagreement(found, host) == ""


@pytest.mark.parametrize("dtype", [i8, i32, i64, u8, u32, u64], ids=str)
def test_a_common_range_is_counted_once(dtype: DType) -> None:
    """A range that all lanes share takes the turns Python's range has, at the extremes of the type too."""
    low, high = dtype.bounds()
    rows = [(high - 3, high, 1), (high - 3, high, 2), (low, low + 4, 1), (0, 9, 5), (high - 1, high, high)]
    rows += [(5, 5, 1), (3, 9, 0)]
    if low:
        rows += [(low + 5, low, -2), (2, -5, -3), (high, low, low), (high, low, -high)]
    text = COMMON_RANGE.format(dtype)
    trials = [trial(text, 20, *row, zeros(dtype, 20), ints(20)) for row in rows]
    assert [disagreement(found, hosts()[-1]) for found in trials] == [""] * len(rows)


EXITS = """
@gy.kernel
def k(a: gy.Array[gy.i32], o: gy.Array[gy.i32], p: gy.Array[gy.i64], q: gy.Array[gy.u8]):
    i = gy.global_id()
    s = 0
    u = 5
    w = gy.i64(0)
    f = False
    b = gy.u8(200)
    for k in range(a[i]):
        if k == 3:
            continue
        u = u * 3 + k
        for j in range(k, -1, -1):
            if (i + j) % 5 == 4:
                break
            s += j
            m = 0
            while True:
                m += 1
                if m > j or (m + i) % 7 == 3:
                    break
                if m % 2:
                    continue
                s ^= m
                w += gy.i64(s) * u
            b += gy.u8(m)
        if s > 1000:
            f = True
            break
        if s < -1000:
            return
    o[i] = s + u
    p[i] = w
    q[i] = b if f else b + gy.u8(1)
"""


@WIDTHS
def test_exits_from_nested_loops(host: Host) -> None:
    """break, continue and return in nested loops act on their own lane."""
    arguments = np.abs(ramp(203) % 17).astype(np.int32), ints(203), np.zeros(203, np.int64)
    assert disagreement(trial(EXITS, 203, *arguments, np.zeros(203, np.uint8)), host) == ""


PLACES = """
@gy.kernel
def k(a: gy.Array[gy.i32], o: gy.Array[gy.i32], p: gy.Array[gy.i64]):
    i = gy.global_id()
    at = i
    before = gy.global_size()
    n = gy.global_size()
    t = 0
    while at < n and a[at] % 3 != 0:
        before = at
        at = at + 1 + i % 3
        t += a[before]
    u = i
    for k in range(i % 4):
        u, at = at, u
        u = u - i
    o[i] = at + t
    p[i] = before * 2 + u
"""


@WIDTHS
def test_indices_are_carried(host: Host) -> None:
    """Indices that loops move and swap are exact, uniform before the loop or not."""
    assert disagreement(trial(PLACES, 203, ramp(203), ints(203), np.zeros(203, np.int64)), host) == ""


ROWS = """
@gy.kernel
def k(a: gy.Array[gy.i32], c: gy.i32, o: gy.Array[gy.i32, 2], w: gy.Array[gy.i32]):
    y, x = gy.global_ids(2)
    u = 1
    r = y
    v = 0
    m = 0
    while v < a[x % 7]:
        u = u * 2 + c
        r = r + u
        v += 1
        for z in range(y):
            m += z
            if z > u:
                break
            w[0] = 5
    for z in range(y, 6, 2):
        r = r * 3 + z
        u += 1
    if a[x] > 3:
        q = a[c]
        if y == 2:
            q += a[c + 1]
    else:
        q = u
    o[y, x] = u + r * 10 + v * 7 + m + q
"""


@WIDTHS
@pytest.mark.parametrize("tile", [(), (3, 1), (4, 2)], ids=str)
def test_uniform_values_in_loops_that_lanes_leave(tile: tuple[int, ...], host: Host) -> None:
    """What all active lanes share in a loop is, after it, what each saw last."""
    found = trial(ROWS, (9, 37), np.abs(ramp(64) % 11).astype(np.int32), 3, ints(9, 37), ints(1))
    assert disagreement(found, host, tile=tile) == ""


ROW_TURNS = """
@gy.kernel
def k(o: gy.Array[gy.i32, 2]):
    i, j = gy.global_ids(2)
    s = 1
    t = 1
    q = 0
    for z in range(gy.local_id(0)):
        s = s * 2 + 1
    while q < gy.local_id(0):
        t = t * 2 + 1
        q += 1
    o[i, j] = s + t * 100 + j + q
"""
SAME_START = """
@gy.kernel
def k(o: gy.Array[gy.i32, 2]):
    i, j = gy.global_ids(2)
    s = 0
    for q in range(gy.local_id(0), 5):
        s += q + j
    o[i, j] = s
"""


@WIDTHS
def test_rows_leave_a_loop_one_by_one(host: Host) -> None:
    """A gang whose row has left a loop keeps its values while others go on."""
    assert disagreement(trial(ROW_TURNS, (8, 16), ints(8, 16), block=(8, 16)), host) == ""


@WIDTHS
def test_a_start_found_to_be_the_same(host: Host) -> None:
    """A loop whose start differs by analysis and not in fact counts for every gang."""
    assert disagreement(trial(SAME_START, (3, 64), ints(3, 64), block=(1, 64)), host) == ""


TILED = """
@gy.kernel
def k(a: gy.Array[gy.i32, 2], o: gy.Array[gy.i32, {0}], p: gy.Array[gy.f32, {0}]):
    {1} = gy.global_ids({0})
    s = 1
    u = y
    acc = gy.f32(0)
    for z in range(a[y % 5, 0] % 6):
        s = s * 2 + a[z, y % 3]
        u += s
        for w in range(y % 3, x % 7):
            acc += gy.f32(a[w, x % 9]) * gy.f32(a[y % 4, w])
            if acc > 90.0:
                break
    q = 0
    while q < y % 4 or q < a[x % 5, y % 5] % 4:
        q += 1
        u = u * 3 + q
    if y % 2 == 0:
        s += a[y % 5, 2]
        if x % 3 == 1:
            s += u
    else:
        u -= 1
    o[{1}] = s + u + q
    p[{1}] = acc
"""


@pytest.mark.parametrize("tile", [(1, 1), (1, 8), (2, 3), (3, 1), (5, 2), (8, 1)], ids=str)
@pytest.mark.parametrize(("ids", "shape"), [("y, x", (11, 70)), ("l, y, x", (3, 5, 37))])
def test_tiles_change_nothing(ids: str, shape: tuple[int, ...], tile: tuple[int, int]) -> None:
    """However many gangs of a launch are interleaved, rows that diverge give the same results."""
    host = hosts()[sum(tile) % len(hosts())]
    table = (np.arange(100).reshape(10, 10) * 7 % 23).astype(np.int32)
    found = trial(TILED.format(len(shape), ids), shape, table, ints(*shape), np.zeros(shape, np.float32))
    assert disagreement(found, host, tile=tile) == ""
