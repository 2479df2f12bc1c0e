"""Group C: where a thread stands, in one to three axes, with shapes that blocks do and do not divide."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gyral.testing import language as gy
from gyral.testing.case import Case
from gyral.testing.source import define

SHAPES: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((1,), (1,)),
    ((600,), (256,)),
    ((512,), (64,)),
    ((77,), (7,)),
    ((9, 13), (4, 8)),
    ((8, 16), (8, 8)),
    ((3, 40), (1, 32)),
    ((5, 6, 7), (2, 3, 4)),
    ((4, 4, 8), (2, 2, 8)),
    ((3, 1, 33), (2, 1, 16)),
)

IDS = """
@gy.kernel
def ids(out: gy.Array[gy.i64, {wide}]):
    {names} = gy.global_ids({rank})
{body}
"""

FIELDS = ("global_id", "global_size", "local_id", "block_id", "block_dim", "grid_dim")


def ids_kernel(rank: int) -> Any:
    """A kernel of `rank` axes that writes each id and size of each axis."""
    at = ", ".join("ijk"[:rank])
    lines = [
        f"    out[{axis * len(FIELDS) + row}, {at}] = gy.{field}({axis})"
        for axis in range(rank)
        for row, field in enumerate(FIELDS)
    ]
    names = at if rank > 1 else "i,"
    return define(IDS.format(wide=rank + 1, names=names, rank=rank, body="\n".join(lines)), "ids")


def ids_reference(shape: tuple[int, ...], block: tuple[int, ...]) -> Any:
    """What `ids_kernel` must write."""

    def reference(out: np.ndarray) -> None:
        grid = np.indices(shape)
        for axis, (extent, wide) in enumerate(zip(shape, block, strict=True)):
            rows = (grid[axis], extent, grid[axis] % wide, grid[axis] // wide, wide, -(-extent // wide))
            for row, value in enumerate(rows):
                out[axis * len(FIELDS) + row] = value

    return reference


@gy.kernel
def strided_loop(x: gy.Array[gy.i32], visits: gy.Array[gy.i32]):
    for k in range(gy.global_id(), x.size, gy.global_size()):
        visits[k] += x[k]


@gy.kernel
def shared_out(x: gy.Array[gy.i32], visits: gy.Array[gy.i32]):
    for k in gy.grid_range(x.size):
        visits[k] += x[k]


@gy.kernel
def within_block(x: gy.Array[gy.i32], visits: gy.Array[gy.i32, 2]):
    for k in gy.block_range(x.size):
        visits[gy.block_id(), k] += x[k] + gy.block_id()


def once(x: np.ndarray, visits: np.ndarray) -> None:
    visits += x


def once_per_block(x: np.ndarray, visits: np.ndarray) -> None:
    visits += x + np.arange(visits.shape[0], dtype=np.int32)[:, None]


@gy.kernel
def linear(out: gy.Array[gy.i32, 2]):
    i, j = gy.global_ids(2)
    out[i, j] = gy.global_id(0) * gy.global_size(1) + gy.global_id(1)


def linear_reference(out: np.ndarray) -> None:
    out[:] = np.arange(out.size).reshape(out.shape)


@gy.kernel
def ordinal(out: gy.Array[gy.i32]):
    i = gy.global_id()
    out[i] = i * 2


def ordinal_reference(out: np.ndarray) -> None:
    out[:] = 2 * np.arange(out.size)


def cases() -> Iterator[Case]:
    """The rows of this file."""
    kernels = {rank: ids_kernel(rank) for rank in (1, 2, 3)}
    for shape, block in SHAPES:
        name = f"{'x'.join(map(str, shape))} in blocks of {'x'.join(map(str, block))}"
        rows = len(shape) * len(FIELDS)

        def arguments(rows: int = rows, shape: tuple[int, ...] = shape) -> tuple[np.ndarray, ...]:
            return (np.zeros((rows, *shape), np.int64),)

        yield Case(
            "C",
            "ids and sizes",
            name,
            kernels[len(shape)],
            arguments,
            shape,
            block,
            ids_reference(shape, block),
        )
    for shape in ((1, 1), (7, 19), (16, 64)):
        blank = np.zeros(shape, np.int32)
        yield Case(
            "C",
            "ids and sizes",
            f"{shape}",
            linear,
            lambda b=blank: (b.copy(),),
            shape,
            None,
            linear_reference,
        )
    for count in (0, 1, 5, 16, 33, 1000):
        empty = np.zeros(count, np.int32)
        name = f"{count} threads"
        yield Case(
            "C",
            "ids and sizes",
            name,
            ordinal,
            lambda e=empty: (e.copy(),),
            (count,),
            None,
            ordinal_reference,
        )
    yield from portable_loops()


def portable_loops() -> Iterator[Case]:
    """Loops that share out a range over the launch or a block."""
    for size in (0, 1, 10, 100, 301):
        for kernel, row in ((strided_loop, "grid-stride range"), (shared_out, "grid_range")):

            def arguments(size: int = size) -> tuple[np.ndarray, ...]:
                return np.arange(size, dtype=np.int32) + 1, np.zeros(size, np.int32)

            yield Case("C", row, f"{size} over 24", kernel, arguments, (24,), None, once)
            yield Case("C", row, f"{size} over 40 in 16s", kernel, arguments, (40,), (16,), once)

        def by_block(size: int = size) -> tuple[np.ndarray, ...]:
            return np.arange(size, dtype=np.int32), np.zeros((3, size), np.int32)

        yield Case(
            "C", "block_range", f"{size} over 16", within_block, by_block, (48,), (16,), once_per_block
        )
        yield Case(
            "C", "block_range", f"{size}, ragged", within_block, by_block, (40,), (16,), once_per_block
        )
