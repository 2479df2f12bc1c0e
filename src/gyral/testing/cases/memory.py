"""Group D: shared and local memory, sizes by `Static`, aliasing, overlap and empty arrays."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gyral.testing import language as gy
from gyral.testing.case import Case, needs
from gyral.testing.source import define

TILE = """
@gy.kernel(block=32)
def tile(x: gy.Array[gy.{t}], out: gy.Array[gy.{t}]):
    i = gy.global_id()
    lid = gy.local_id()
    memory = gy.shared({shape}, gy.{t})
    memory[{there}] = x[i]
    gy.barrier()
    m = 31 - lid
    out[i] = memory[{back}] + x[i]
"""

TILES: tuple[tuple[str, str, str], ...] = (
    ("32", "lid", "m"),
    ("(4, 8)", "lid // 8, lid % 8", "m // 8, m % 8"),
    ("(2, 4, 4)", "lid // 16, lid // 4 % 4, lid % 4", "m // 16, m // 4 % 4, m % 4"),
    (
        "(2, 2, 4, 2)",
        "lid // 16, lid // 8 % 2, lid // 2 % 4, lid % 2",
        "m // 16, m // 8 % 2, m // 2 % 4, m % 2",
    ),
)


def tile_reference(x: np.ndarray, out: np.ndarray) -> None:
    out[:] = x + x.reshape(-1, 32)[:, ::-1].reshape(-1)


@gy.kernel
def sort_local(x: gy.Array[gy.i32, 2], out: gy.Array[gy.i32, 2]):
    i = gy.global_id()
    keys = gy.local(9, gy.i32)
    for k in range(9):
        keys[k] = x[i, k]
    for k in range(1, 9):
        key = keys[k]
        at = k - 1
        while at >= 0 and keys[at] > key:
            keys[at + 1] = keys[at]
            at -= 1
        keys[at + 1] = key
    for k in range(9):
        out[i, k] = keys[k]


def sort_local_reference(x: np.ndarray, out: np.ndarray) -> None:
    out[:] = np.sort(x, axis=1)


@gy.kernel
def grid_local(x: gy.Array[gy.f32], out: gy.Array[gy.f32]):
    i = gy.global_id()
    table = gy.local((3, 4), gy.f32)
    for a in range(3):
        for b in range(4):
            table[a, b] = x[i] * (a + 1) + b
    table[i % 3, i % 4] *= 2
    s = 0.0
    for a in range(3):
        s += table[a, (i + a) % 4]
    out[i] = s + table[2 - i % 3, 3]


def grid_local_reference(x: np.ndarray, out: np.ndarray) -> None:
    f = np.float32
    for i, v in enumerate(x):
        table = np.array([[v * f(a + 1) + f(b) for b in range(4)] for a in range(3)], f)
        table[i % 3, i % 4] *= f(2)
        s = f(0)
        for a in range(3):
            s += table[a, (i + a) % 4]
        out[i] = s + table[2 - i % 3, 3]


@gy.struct
class Cell:
    key: gy.i32
    at: gy.f32x2


@gy.kernel(block=16)
def shared_structs(x: gy.Array[gy.i32], out: gy.Array[gy.f32]):
    i = gy.global_id()
    lid = gy.local_id()
    cells = gy.shared(16, Cell)
    own = gy.local(2, Cell)
    cells[lid] = Cell(x[i], gy.f32x2(lid, i))
    gy.barrier()
    own[lid % 2] = cells[15 - lid]
    own[lid % 2].at.x += 1
    out[i] = own[lid % 2].key + own[lid % 2].at.x * 100 + own[lid % 2].at.y


def shared_structs_reference(x: np.ndarray, out: np.ndarray) -> None:
    i = np.arange(x.size)
    other = i // 16 * 16 + 15 - i % 16
    out[:] = x[other] + (16 - i % 16) * 100.0 + other


@gy.kernel(block=16)
def window(x: gy.Array[gy.i32], r: gy.Static[int], out: gy.Array[gy.i32]):
    i = gy.global_id()
    lid = gy.local_id()
    near = gy.shared(16 + 2 * r, gy.i32)
    last = gy.local(r + 1, gy.i32)
    for k in gy.block_range(16 + 2 * r):
        at = gy.block_id() * 16 + k - r
        near[k] = x[at] if 0 <= at < x.size else 0
    gy.barrier()
    total = 0
    for k in range(2 * r + 1):
        total += near[lid + k]
        last[k % (r + 1)] = near[lid + k]
    out[i] = total * 10 + last[0]


def window_reference(x: np.ndarray, r: int, out: np.ndarray) -> None:
    padded = np.pad(x, r)
    for i in range(x.size):
        near = padded[i : i + 2 * r + 1]
        out[i] = near.sum() * 10 + near[(2 * r) // (r + 1) * (r + 1)]


@gy.kernel
def combine(a: gy.Array[gy.f32], b: gy.Array[gy.f32], out: gy.Array[gy.f32]):
    i = gy.global_id()
    out[i] = a[i] * 2
    out[i] += b[i]


def combine_reference(a: np.ndarray, b: np.ndarray, out: np.ndarray) -> None:
    for i in range(out.size):
        out[i] = a[i] * np.float32(2)
        out[i] += b[i]


@gy.kernel
def sequential(x: gy.Array[gy.f32], y: gy.Array[gy.f32]):
    gy.global_id()
    for k in range(x.size):
        y[k] = x[k] + 1


def sequential_reference(x: np.ndarray, y: np.ndarray) -> None:
    for k in range(x.size):
        y[k] = x[k] + np.float32(1)


@gy.kernel
def count_up(x: gy.Array[gy.i32, 2], out: gy.Array[gy.i32]):
    i = gy.global_id()
    out[i] = x.size + len(x) * 10 + x.shape[1] * 100
    for k in range(x.shape[0]):
        out[i] += x[k, 0]


def count_up_reference(x: np.ndarray, out: np.ndarray) -> None:
    out[:] = x.size + x.shape[0] * 10 + x.shape[1] * 100


@gy.kernel
def far(x: gy.Array[gy.i8], y: gy.Array[gy.i8, 2], out: gy.Array[gy.i64, 2]):
    i = gy.global_id()
    at = x.size - 1 - i
    out[0, i] = at + x[at]
    out[1, i] = x.size
    row = y.shape[0] - 1 - i
    out[2, i] = row * y.shape[1] + y[row, 3]
    out[3, i] = len(y) * 2 + i


def far_reference(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    i = np.arange(out.shape[1])
    out[0], out[1] = x.size - 1 - i + 7, x.size
    out[2], out[3] = (y.shape[0] - 1 - i) * y.shape[1] + 9, 2 * y.shape[0] + i


def huge(*shape: int, value: int) -> np.ndarray:
    """An array of any size in one byte of memory: all its strides are 0, and it is read-only."""
    return np.broadcast_to(np.int8(value), shape)


def line(count: int) -> np.ndarray:
    """0, 1, 2 ... as f32."""
    return np.arange(count, dtype=np.float32)


def same_thrice() -> Sequence[np.ndarray]:
    """One array for all three parameters."""
    x = line(40)
    return x, x, x


def out_is_input() -> Sequence[np.ndarray]:
    """The output is the second input."""
    x, y = line(40), line(40) * 3
    return x, y, y


def shifted() -> Sequence[np.ndarray]:
    """A source one element behind its target: each step reads what the step before wrote."""
    x = line(40)
    return x[:-1], x[1:]


def shifted_by_four() -> Sequence[np.ndarray]:
    """A source four elements behind its target."""
    x = line(40)
    return x[:-4], x[4:]


def tiles() -> Iterator[Case]:
    """Shared tiles of 1 to 4 axes over a few types."""
    for rank, (shape, there, back) in enumerate(TILES, 1):
        for dtype in (gy.f32, gy.i8, gy.f64):
            kernel = define(TILE.format(t=dtype, shape=shape, there=there, back=back), "tile")

            def arguments(code: str = dtype.code) -> tuple[np.ndarray, ...]:
                return np.arange(96).astype(code), np.zeros(96, code)

            name = f"{rank} axes of {dtype}"
            yield Case(
                "D",
                "shared tiles",
                name,
                kernel,
                arguments,
                (96,),
                None,
                tile_reference,
                requires=needs(dtype),
            )


def cases() -> Iterator[Case]:
    """The rows of this file."""
    yield from tiles()
    keys = np.random.default_rng(4).integers(-99, 99, (27, 9)).astype(np.int32)
    sorting = (lambda: (keys.copy(), np.zeros_like(keys)), (27,))
    yield Case("D", "local arrays", "insertion sort", sort_local, *sorting, None, sort_local_reference)
    table = (lambda: (line(37), np.zeros(37, np.float32)), (37,))
    yield Case(
        "D", "local arrays", "two axes, run-time index", grid_local, *table, None, grid_local_reference
    )
    records = (lambda: (np.arange(48, dtype=np.int32) * 3, np.zeros(48, np.float32)), (48,))
    yield Case("D", "shared tiles", "of structs", shared_structs, *records, None, shared_structs_reference)
    for r in (1, 2, 5):
        for count in (64, 45):
            values = np.arange(count, dtype=np.int32) * 7 % 31

            def windowed(values: np.ndarray = values, r: int = r) -> tuple[Any, ...]:
                return values.copy(), r, np.zeros_like(values)

            name = f"window of {r} over {count}"
            yield Case("D", "Static sizes", name, window, windowed, (count,), None, window_reference)
    yield Case("D", "aliasing", "one array thrice", combine, same_thrice, (40,), None, combine_reference)
    yield Case("D", "aliasing", "output is an input", combine, out_is_input, (40,), None, combine_reference)
    yield Case(
        "D", "aliasing", "overlap by all but one", sequential, shifted, (1,), None, sequential_reference
    )
    yield Case(
        "D",
        "aliasing",
        "overlap by all but four",
        sequential,
        shifted_by_four,
        (1,),
        None,
        sequential_reference,
    )
    empty = (lambda: (np.zeros((0, 3), np.int32), np.zeros(5, np.int32)), (5,))
    yield Case("D", "zero-size arrays", "no rows", count_up, *empty, None, count_up_reference)
    giants = (
        lambda: (huge(2**32 + 11, value=7), huge(70_000, 80_000, value=9), np.zeros((4, 9), np.int64)),
        (9,),
    )
    wide = needs(gy.i8, gy.i64, features=[f"buffer {70_000 * 80_000}"])
    yield Case(
        "D", "arrays above 4 GiB", "index arithmetic", far, *giants, None, far_reference, requires=wide
    )
    nothing = (lambda: (line(0), line(0), line(0)), (0,))
    yield Case("D", "zero-size arrays", "no threads", combine, *nothing, None, combine_reference)
