"""How many gangs run interleaved, and how they lie: rows of the launch by vectors along its last axis.

One gang waits on its own latencies; several independent ones fill them, and neighbours share loads:
- a loop lanes leave at different turns is a chain of dependent operations: as many gangs as registers allow;
- a loop that loads some values per row and others per lane (a matrix product) reuses both in a block of rows
  and vectors;
- a loop over shared data with sums per lane takes two or more gangs;
- straight code takes four, whether it waits on memory or on its own arithmetic, unless it is very long.
"""

from __future__ import annotations

from collections.abc import Iterable

from gyral.compiler.emit.llvm.form import LANE, ROW
from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.ops.arith import AddOp, ConstOp, SubOp
from gyral.compiler.ir.ops.control import ForOp, WhileOp
from gyral.compiler.ir.ops.grid import SpanOp
from gyral.compiler.ir.ops.memory import LoadOp
from gyral.core.dtypes import DType, index

LARGE = 320
TEMPORARIES = 5
"""Registers of a turn's intermediate values."""


def choose(function: Op, rank: int, registers: int, variance: dict[Value, int]) -> tuple[int, int]:
    """Rows and vectors of a tile."""
    loops = [op for op in function.walk() if isinstance(op, (ForOp, WhileOp)) and _is_innermost(op)]
    spans = any(isinstance(op, SpanOp) for op in function.walk())
    size = sum(1 for op in function.walk() if not isinstance(op, ConstOp))
    if not loops:
        return 1, 4 if size <= LARGE else 1
    carried = max(_carried(op, variance) for op in loops)
    busiest = max(_pressure(op, variance) for op in loops)
    if rank >= 2 and not spans and any(_reuses(op, variance) for op in loops):
        return _block(max(1, carried), registers)
    if spans or any(_diverges(op, variance) for op in loops):
        return 1, _fit(registers, busiest - TEMPORARIES + 3, 4)
    if size > LARGE:
        return 1, 1
    return 1, _fit(registers, busiest, 4)


def lanes(function: Op, widest: int) -> int:
    """Lanes of a gang: a whole vector register, or half of a wide one where straight code reads neighbours.

    Of loads at shifted places most cross a cache line, which costs a 64-byte load more than two of 32.
    """
    straight = not any(isinstance(op, (ForOp, WhileOp)) for op in function.walk())
    return widest // 2 if widest > 8 and straight and _reads_neighbours(function) else widest


def _reads_neighbours(function: Op) -> bool:
    """Whether one array is read at several constant distances from one place along its last axis."""
    seen: dict[tuple[Value, Value], set[int]] = {}
    for op in function.walk():
        if isinstance(op, LoadOp):
            origin, distance = _stripped(op.indices[-1]) if op.indices else (op.memory, 0)
            seen.setdefault((op.memory, origin), set()).add(distance)
    return any(
        len(distances) > 1 for (_, origin), distances in seen.items() if not isinstance(origin.owner, ConstOp)
    )


def _stripped(value: Value) -> tuple[Value, int]:
    """A value as another plus a constant."""
    owner = value.owner
    if isinstance(owner, (AddOp, SubOp)) and isinstance(owner.rhs.owner, ConstOp):
        origin, distance = _stripped(owner.lhs)
        step = owner.rhs.owner.value
        return origin, distance + (step if isinstance(owner, AddOp) else -step)
    return value, 0


def _diverges(op: Op, variance: dict[Value, int]) -> bool:
    """Whether lanes leave a loop at different turns."""
    return isinstance(op, WhileOp) and bool(variance.get(op.test.terminator.operands[0], 0) & LANE)


def _is_innermost(op: Op) -> bool:
    return not any(isinstance(inner, (ForOp, WhileOp)) for inner in op.walk() if inner is not op)


def _carried(op: Op, variance: dict[Value, int]) -> int:
    return _registers(op.results, variance)


def _registers(values: Iterable[Value], variance: dict[Value, int]) -> int:
    """Vector registers that the values which differ by lane take; a gang of 64-bit values takes two each."""
    return sum(
        2 if v.type.bits == 64 and v.type is not index else 1 for v in values if variance.get(v, 0) & LANE
    )


def _reuses(op: Op, variance: dict[Value, int]) -> bool:
    """Whether the loop loads both per row and per lane."""
    loads = [variance.get(inner.results[0], 0) for inner in op.walk() if isinstance(inner, LoadOp)]
    return ROW in loads and LANE in loads


def _block(carried: int, registers: int) -> tuple[int, int]:
    """Rows and vectors such that sums, a row of vectors and a broadcast stay in registers."""
    room = (registers - 6) // carried
    for rows, cols in ((8, 2), (6, 2), (4, 2), (2, 2), (2, 1)):
        if rows * cols <= room:
            return rows, cols
    return 1, 1


def _pressure(op: Op, variance: dict[Value, int]) -> int:
    """Vector registers one gang keeps busy through a turn: carried values and values from outside."""
    inside = set()
    for inner in op.walk():
        inside.update(inner.results)
        for region in inner.regions:
            inside.update(region.args)
    outside = {
        value
        for inner in op.walk()
        if inner is not op
        for value in inner.operands
        if value not in inside and isinstance(value.type, DType)
    }
    return _registers(op.results, variance) + _registers(outside, variance) + TEMPORARIES


def _fit(registers: int, per_gang: int, most: int) -> int:
    return max(1, min(most, registers // per_gang))


def estimate(function: Op, item: tuple[int, int, int]) -> float:
    """Rough nanoseconds of one work item: a dozen vector operations each, loops guessed at 64 turns."""
    return max(1.0, _weight(function, 1.0) * item[0] * item[1] * item[2] / 16 / 12)


def _weight(op: Op, turns: float) -> float:
    total = 0.0
    for region in op.regions:
        inside = turns * 64 if isinstance(op, (ForOp, WhileOp)) else turns
        total += sum(inside + _weight(inner, inside) for inner in region.ops)
    return total
