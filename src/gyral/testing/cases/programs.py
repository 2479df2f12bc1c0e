"""Group F: whole kernels that reduce, scan, count, sort and compact."""

from collections.abc import Iterator

import numpy as np

from gyral.testing import language as gy
from gyral.testing.case import Case
from gyral.testing.compare import Tolerance

SUM = Tolerance(relative=1e-5)


@gy.kernel(block=64)
def block_totals(x: gy.Array[gy.f32], out: gy.Array[gy.f32]):
    tile = gy.shared(64, gy.f32)
    lid = gy.local_id()
    for k in gy.block_range(64):
        tile[k] = 0
    gy.barrier()
    tile[lid] = x[gy.global_id()]
    gy.barrier()
    step = 32
    while step > 0:
        if lid < step:
            tile[lid] += tile[lid + step]
        gy.barrier()
        step //= 2
    if lid == 0:
        out[gy.block_id()] = tile[0]


def block_totals_reference(x: np.ndarray, out: np.ndarray) -> None:
    for b in range(out.size):
        out[b] = x[b * 64 : b * 64 + 64].sum(dtype=np.float64)


@gy.kernel(block=32)
def grid_total(x: gy.Array[gy.f32], total: gy.Array[gy.f32]):
    s = 0.0
    for k in gy.grid_range(x.size):
        s += x[k]
    s = gy.block_sum(s)
    if gy.local_id() == 0:
        gy.atomic_add(total, 0, s)


@gy.kernel(block=32)
def grid_stride_total(x: gy.Array[gy.f32], total: gy.Array[gy.f32]):
    s = 0.0
    for k in range(gy.global_id(), x.size, gy.global_size()):
        s += x[k]
    s = gy.block_sum(s)
    if gy.local_id() == 0:
        gy.atomic_add(total, 0, s)


def total_reference(x: np.ndarray, total: np.ndarray) -> None:
    total[0] += np.float32(x.sum(dtype=np.float64))


@gy.kernel(block=32)
def inclusive_scan(x: gy.Array[gy.i32], out: gy.Array[gy.i32], totals: gy.Array[gy.i32]):
    i = gy.global_id()
    lid = gy.local_id()
    a = gy.shared((2, 32), gy.i32)
    a[0, lid] = x[i]
    source = 0
    step = 1
    while step < 32:
        gy.barrier()
        v = a[source, lid]
        if lid >= step:
            v += a[source, lid - step]
        source = 1 - source
        a[source, lid] = v
        step *= 2
    out[i] = a[source, lid]
    if lid == min(31, x.size - 1 - gy.block_id() * 32):
        totals[gy.block_id()] = a[source, lid]


def inclusive_scan_reference(x: np.ndarray, out: np.ndarray, totals: np.ndarray) -> None:
    for b in range(totals.size):
        part = slice(b * 32, min(b * 32 + 32, x.size))
        out[part] = np.cumsum(x[part])
        totals[b] = x[part].sum()


@gy.kernel
def add_offsets(out: gy.Array[gy.i32], totals: gy.Array[gy.i32]):
    i = gy.global_id()
    before = 0
    for b in range(i // 32):
        before += totals[b]
    out[i] += before


def add_offsets_reference(out: np.ndarray, totals: np.ndarray) -> None:
    out += (np.cumsum(totals) - totals)[np.arange(out.size) // 32]


@gy.kernel(block=64)
def histogram(x: gy.Array[gy.u8], bins: gy.Array[gy.u32]):
    local = gy.shared(16, gy.u32)
    for k in gy.block_range(16):
        local[k] = 0
    gy.barrier()
    gy.atomic_add(local, x[gy.global_id()] >> 4, 1)
    gy.barrier()
    for k in gy.block_range(16):
        gy.atomic_add(bins, k, local[k])


def histogram_reference(x: np.ndarray, bins: np.ndarray) -> None:
    bins += np.bincount(x >> 4, minlength=16).astype(np.uint32)


@gy.kernel(block=64)
def bitonic(x: gy.Array[gy.f32]):
    lid = gy.local_id()
    keys = gy.shared(64, gy.f32)
    keys[lid] = x[gy.global_id()]
    width = 2
    while width <= 64:
        step = width // 2
        while step > 0:
            gy.barrier()
            other = lid ^ step
            if other > lid:
                a = keys[lid]
                b = keys[other]
                if (a > b) == ((lid & width) == 0):
                    keys[lid] = b
                    keys[other] = a
            step //= 2
        width *= 2
    gy.barrier()
    x[gy.global_id()] = keys[lid]


def bitonic_reference(x: np.ndarray) -> None:
    x[:] = np.sort(x.reshape(-1, 64), axis=1).reshape(-1)


@gy.kernel
def bitonic_step(keys: gy.Array[gy.i32], width: gy.i32, step: gy.i32):
    i = gy.global_id()
    other = i ^ step
    if other > i:
        low = keys[i]
        high = keys[other]
        if (low > high) == (i & width == 0):
            keys[i] = high
            keys[other] = low


def bitonic_step_reference(keys: np.ndarray, width: int, step: int) -> None:
    for i in range(keys.size):
        other = i ^ step
        if other > i and (keys[i] > keys[other]) == (i & width == 0):
            keys[i], keys[other] = keys[other], keys[i]


@gy.kernel(block=32)
def compact(x: gy.Array[gy.i32], out: gy.Array[gy.i32], counts: gy.Array[gy.i32]):
    i = gy.global_id()
    keep = x[i] % 3 == 0
    at = gy.block_exclusive_sum(1 if keep else 0)
    if keep:
        out[gy.block_id() * 32 + at] = x[i]
    count = gy.block_sum(1 if keep else 0)
    if gy.local_id() == 0:
        counts[gy.block_id()] = count


def compact_reference(x: np.ndarray, out: np.ndarray, counts: np.ndarray) -> None:
    for b in range(counts.size):
        part = x[b * 32 : b * 32 + 32]
        kept = part[part % 3 == 0]
        out[b * 32 : b * 32 + kept.size] = kept
        counts[b] = kept.size


@gy.kernel
def page_rank(
    start: gy.Array[gy.i32],
    links: gy.Array[gy.i32],
    degree: gy.Array[gy.i32],
    rank: gy.Array[gy.f32],
    out: gy.Array[gy.f32],
    damping: gy.f32 = 0.85,
):
    i = gy.global_id()
    s = 0.0
    for k in range(start[i], start[i + 1]):
        j = links[k]
        s += rank[j] / degree[j]
    out[i] = (1 - damping) / len(rank) + damping * s


def page_rank_reference(
    start: np.ndarray, links: np.ndarray, degree: np.ndarray, rank: np.ndarray, out: np.ndarray
) -> None:
    for i in range(out.size):
        sources = links[start[i] : start[i + 1]]
        out[i] = 0.15 / out.size + 0.85 * (rank[sources].astype(np.float64) / degree[sources]).sum()


def floats(count: int) -> np.ndarray:
    """Random floats of one sign, so that sums are well conditioned."""
    return np.random.default_rng(count).uniform(0.5, 2, count).astype(np.float32)


def whole(count: int, high: int = 100) -> np.ndarray:
    """Random small integers."""
    return np.random.default_rng(count).integers(0, high, count).astype(np.int32)


def graph() -> tuple[np.ndarray, ...]:
    """A random graph in compressed rows."""
    source = np.random.default_rng(11)
    counts = source.integers(0, 9, 50)
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    links = source.integers(0, 50, start[-1]).astype(np.int32)
    degree = np.maximum(np.bincount(links, minlength=50), 1).astype(np.int32)
    return start, links, degree, floats(50), np.zeros(50, np.float32)


def reductions() -> Iterator[Case]:
    """Sums by block and over the grid, and a histogram."""
    for count in (128, 150):
        blocks = -(-count // 64)
        launch = (lambda n=count, b=blocks: (floats(n), np.zeros(b, np.float32)), (count,))
        yield Case(
            "F",
            "reductions",
            f"tree in shared memory, {count}",
            block_totals,
            *launch,
            None,
            block_totals_reference,
            SUM,
            SUM,
        )
    for threads in (32, 50, 128):
        for kernel, name in ((grid_total, "grid_range"), (grid_stride_total, "grid-stride")):
            launch = (lambda: (floats(777), np.zeros(1, np.float32)), (threads,))
            title = f"{name} over {threads}"
            yield Case("F", "reductions", title, kernel, *launch, None, total_reference, SUM, SUM)
    for count in (256, 300):
        data = np.random.default_rng(2).integers(0, 256, count).astype(np.uint8)
        launch = (lambda d=data: (d.copy(), np.zeros(16, np.uint32)), (count,))
        yield Case("F", "histogram", f"of {count}", histogram, *launch, None, histogram_reference)


def cases() -> Iterator[Case]:
    """The rows of this file, over launches that fill their blocks and that do not."""
    yield from reductions()
    for count in (96, 77):
        blocks = -(-count // 32)
        launch = (
            lambda n=count, b=blocks: (whole(n), np.zeros(n, np.int32), np.zeros(b, np.int32)),
            (count,),
        )
        yield Case(
            "F", "scan", f"block scan of {count}", inclusive_scan, *launch, None, inclusive_scan_reference
        )
        yield Case("F", "prefix compaction", f"of {count}", compact, *launch, None, compact_reference)
        launch = (lambda n=count, b=blocks: (whole(n), whole(b)), (count,))
        yield Case("F", "scan", f"offsets of {count}", add_offsets, *launch, None, add_offsets_reference)
    launch = (lambda: (floats(128)[::-1].copy(),), (128,))
    yield Case("F", "bitonic sort", "in shared memory", bitonic, *launch, None, bitonic_reference)
    for width, step in ((2, 1), (16, 8), (64, 4)):
        launch = (lambda w=width, s=step: (whole(64), w, s), (64,))
        yield Case(
            "F",
            "bitonic sort",
            f"step {step} of {width}",
            bitonic_step,
            *launch,
            None,
            bitonic_step_reference,
        )
    yield Case("F", "PageRank", "one step", page_rank, graph, (50,), None, page_rank_reference, SUM, SUM)
