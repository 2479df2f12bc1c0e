"""Group C: every atomic over its types, in global and in shared memory; fences; orders and scopes."""

from collections.abc import Iterator

import numpy as np

from gyral.core.dtypes import DType
from gyral.testing import language as gy
from gyral.testing.case import Case, needs
from gyral.testing.sample import FLOATS, INTEGERS, NUMBERS, mixed, moderate, numpy_type, zeros
from gyral.testing.source import define

COUNT, BLOCK, CELLS = 41, 16, 3

GLOBAL = """
@gy.kernel
def atomic(x: gy.Array[gy.{t}], cells: gy.Array[gy.{t}, 2]):
    i = gy.global_id()
    at = i % {cells}
{body}
"""

SHARED = """
@gy.kernel(block={block})
def atomic(x: gy.Array[gy.{t}], cells: gy.Array[gy.{t}, 2]):
    i = gy.global_id()
    at = gy.local_id() % {cells}
    memory = gy.shared(({rows}, {cells}), gy.{t})
    if gy.local_id() < {cells}:
        for row in range({rows}):
            memory[row, at] = cells[row, at]
    gy.barrier()
{body}
    gy.barrier()
    if gy.local_id() < {cells}:
        for row in range({rows}):
            gy.atomic_{merge}(cells, (row, at), memory[row, at])
"""

OLD = """
@gy.kernel
def atomic(cells: gy.Array[gy.{t}], old: gy.Array[gy.{t}]):
    i = gy.global_id()
    old[i] = gy.atomic_add(cells, 0, 1)
"""

SWAP = """
@gy.kernel
def atomic(x: gy.Array[gy.{t}], cell: gy.Array[gy.{t}], seen: gy.Array[gy.{t}]):
    i = gy.global_id()
    seen[i] = gy.atomic_exchange(cell, 0, x[i])
"""

COMPARE = """
@gy.kernel
def atomic(x: gy.Array[gy.{t}], cell: gy.Array[gy.{t}], twice: gy.Array[gy.{t}]):
    i = gy.global_id()
    done = False
    while not done:
        seen = gy.atomic_load(cell, i % 2)
        done = gy.atomic_compare_exchange(cell, i % 2, seen, seen + x[i]) == seen
    gy.atomic_store(twice, i, x[i] + x[i])
"""


@gy.kernel
def ordered(x: gy.Array[gy.i32], out: gy.Array[gy.i32], total: gy.Array[gy.i32]):
    i = gy.global_id()
    out[i] = x[i] * 2
    gy.fence("device")
    gy.atomic_add(total, 0, x[i], order="acq_rel", scope="device")
    gy.atomic_max(total, 1, x[i], order="release")
    gy.fence("block")
    seen = gy.atomic_load(total, 1, order="acquire")
    if seen < x[i]:
        out[i] = -1


def ordered_reference(x: np.ndarray, out: np.ndarray, total: np.ndarray) -> None:
    out[:] = x * 2
    total[0] += x.sum()
    total[1] = max(total[1], x.max())


def lines(kinds: tuple[str, ...], memory: str) -> str:
    """One statement for each kind of atomic, each on its own row of `memory`."""
    return "\n".join(f"    gy.atomic_{kind}({memory}, ({row}, at), x[i])" for row, kind in enumerate(kinds))


def fold(kinds: tuple[str, ...], at: np.ndarray, x: np.ndarray, cells: np.ndarray) -> None:
    """What the atomics leave behind, in NumPy."""
    apply = {
        "add": np.add,
        "sub": np.subtract,
        "min": np.minimum,
        "max": np.maximum,
        "and": np.bitwise_and,
        "or": np.bitwise_or,
        "xor": np.bitwise_xor,
    }
    for row, kind in enumerate(kinds):
        for cell, value in zip(at, x, strict=True):
            cells[row, cell] = apply[kind](cells[row, cell], value)


def values(dtype: DType) -> np.ndarray:
    """Operands whose sums are exact in any order."""
    if dtype.is_float:
        return np.round(moderate(dtype, COUNT, 3).astype(np.float64)).astype(numpy_type(dtype))
    return mixed(dtype, COUNT, 3)


def global_case(dtype: DType, kinds: tuple[str, ...]) -> Case:
    """Several kinds on global memory."""
    kernel = define(GLOBAL.format(t=dtype, cells=CELLS, body=lines(kinds, "cells")), "atomic")

    def arguments() -> tuple[np.ndarray, ...]:
        start = np.resize(values(dtype)[5:8], (len(kinds), CELLS)).copy()
        return values(dtype), start

    def reference(x: np.ndarray, cells: np.ndarray) -> None:
        with np.errstate(all="ignore"):
            fold(kinds, np.arange(COUNT) % CELLS, x, cells)

    name = f"{' '.join(kinds)} on global {dtype}"
    requires = needs(dtype, features=[f"atomic {dtype}"])
    return Case("C", "atomics", name, kernel, arguments, (COUNT,), None, reference, requires=requires)


def shared_case(dtype: DType, kind: str) -> Case:
    """One kind on shared memory, merged into global memory by the same kind."""
    text = SHARED.format(t=dtype, cells=CELLS, rows=1, block=BLOCK, body=lines((kind,), "memory"), merge=kind)
    kernel = define(text, "atomic")

    def arguments() -> tuple[np.ndarray, ...]:
        return values(dtype), zeros(dtype, 1, CELLS)

    requires = needs(dtype, features=[f"{'sum' if kind == 'add' else 'atomic'} {dtype}"])
    return Case(
        "C", "atomics", f"{kind} on shared {dtype}", kernel, arguments, (BLOCK,), (BLOCK,), requires=requires
    )


def swap_cases(dtype: DType) -> Iterator[Case]:
    """Exchange, compare-exchange, load and store."""
    requires = needs(dtype, features=[f"atomic {dtype}"])

    def swapped(x: np.ndarray, cell: np.ndarray, seen: np.ndarray) -> None:
        chain = np.concatenate([cell, x])
        seen[:], cell[:] = chain[:-1], chain[-1:]

    kernel = define(SWAP.format(t=dtype), "atomic")
    same = np.full(COUNT, 5, numpy_type(dtype))
    yield Case(
        "C",
        "atomics",
        f"exchange {dtype}",
        kernel,
        lambda: (same.copy(), zeros(dtype, 1), zeros(dtype, COUNT)),
        (COUNT,),
        None,
        swapped,
        requires=requires,
        unordered=(2,),
    )

    def summed(x: np.ndarray, cell: np.ndarray, twice: np.ndarray) -> None:
        fold(("add",), np.arange(COUNT) % 2, x, cell[None])
        twice[:] = x + x

    kernel = define(COMPARE.format(t=dtype), "atomic")
    small = np.arange(COUNT).astype(numpy_type(dtype)) % numpy_type(dtype).type(4)
    yield Case(
        "C",
        "atomics",
        f"compare-exchange {dtype}",
        kernel,
        lambda: (small.copy(), zeros(dtype, 2), zeros(dtype, COUNT)),
        (COUNT,),
        None,
        summed,
        requires=requires,
    )


def cases() -> Iterator[Case]:
    """The rows of this file over their types."""
    for dtype in INTEGERS:
        yield global_case(dtype, ("add", "sub", "min", "max", "and", "or", "xor"))
        yield shared_case(dtype, "add")
        yield shared_case(dtype, "max")
        yield shared_case(dtype, "xor")
        counted = define(OLD.format(t=dtype), "atomic")

        def counting(cells: np.ndarray, old: np.ndarray) -> None:
            old[:] = np.arange(COUNT)
            cells[0] += COUNT

        yield Case(
            "C",
            "atomics",
            f"old values {dtype}",
            counted,
            lambda t=dtype: (zeros(t, 1), zeros(t, COUNT)),
            (COUNT,),
            None,
            counting,
            requires=needs(dtype, features=[f"atomic {dtype}"]),
            unordered=(1,),
        )
    for dtype in FLOATS:
        yield global_case(dtype, ("add", "sub", "min", "max"))
        yield shared_case(dtype, "add")
        yield shared_case(dtype, "min")
    for dtype in NUMBERS:
        yield from swap_cases(dtype)
    yield Case(
        "C",
        "fences",
        "fences, orders and scopes",
        ordered,
        lambda: (np.arange(COUNT, dtype=np.int32), zeros(gy.i32, COUNT), zeros(gy.i32, 2)),
        (COUNT,),
        None,
        ordered_reference,
        requires=needs(features=["scope device"]),
    )
