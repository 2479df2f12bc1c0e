"""Subgroup words by the language's own shuffles, for targets whose lanes follow the block's linear order.

Threads beyond the shape and those that failed take part in the exchange, and bring what changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from gyral.compiler.emit.cfamily.grid import linear_local
from gyral.compiler.emit.cfamily.structure import ALIVE
from gyral.compiler.emit.cfamily.writer import Mode, Writer
from gyral.compiler.ir.graph import Op
from gyral.compiler.ir.ops import subgroup
from gyral.core.dtypes import DType, bool_, i32, index, u32, u64


def _size(w: Writer) -> int:
    return w.dialect.spec.subgroup


def _threads(w: Writer) -> int:
    return math.prod(w.block)


def _full(w: Writer) -> bool:
    """Whether every subgroup of the block has all its lanes."""
    return _threads(w) % _size(w) == 0


def lane(w: Writer) -> str:
    """The thread's lane, an i32."""
    number = w.dialect.lane() or w.dialect.cast(
        index, i32, f"({linear_local(w)} & {w.dialect.literal(index, _size(w) - 1)})"
    )
    return w.once("lane", [w.dialect.let(i32, "lane", number)])


def _lanes(w: Writer) -> str:
    """Lanes of this subgroup that exist, an i32."""
    whole = w.dialect.literal(i32, _size(w))
    if _full(w):
        return whole
    first = f"({linear_local(w)} & {w.dialect.literal(index, -_size(w))})"
    left = f"({w.dialect.cast(index, i32, f'({w.dialect.literal(index, _threads(w))} - {first})')})"
    text = w.dialect.select(f"({left} < {whole})", left, whole)
    return w.once("lanes", [w.dialect.let(i32, "lanes", text)])


def _mask(w: Writer) -> str:
    """Bits of the lanes that exist, a u32."""
    if _full(w):
        return w.word(0xFFFFFFFF)
    lanes = _lanes(w)
    some = f"((1u << ({w.dialect.cast(i32, u32, lanes)} & 31u)) - 1u)"
    text = w.dialect.select(f"({lanes} == {w.dialect.literal(i32, 32)})", "0xffffffffu", some)
    return w.once("mask", [w.dialect.let(u32, "mask", text)])


def _identity(w: Writer, t: DType, kind: str) -> str:
    low, high = (-math.inf, math.inf) if t.is_float else w.dialect.real(t).bounds()
    zero = False if t is bool_ else 0.0 if t.is_float else 0
    ones = True if t is bool_ else -1 if t.is_signed else high
    return w.dialect.literal(t, {"sum": zero, "any": zero, "all": ones, "min": high, "max": low}[kind])


def _given(w: Writer, t: DType, name: str, neutral: str) -> str:
    """A thread's own value, the neutral one where it has no effects."""
    return name if w.mode is Mode.PLAIN else w.dialect.select(ALIVE, name, neutral)


def _let(w: Writer, t: DType, text: str) -> str:
    name = w.fresh()
    w.put(w.dialect.let(t, name, text))
    return name


def _combine(w: Writer, t: DType, kind: str, a: str, b: str) -> str:
    match kind:
        case "sum":
            return w.dialect.floating("+", t, a, b, True) if t.is_float else w.dialect.wrapping("+", t, a, b)
        case "min":
            return w.dialect.select(f"({b} < {a})", b, a)
        case "max":
            return w.dialect.select(f"({b} > {a})", b, a)
    return w.dialect.bitwise("|" if kind == "any" else "&", t, a, b)


def _reduce(w: Writer, op: Any) -> None:
    t, kind, value = op.value.type, op.kind, w.of(op.value)
    if t is bool_:
        # all: no lane's value is false.
        asked = value if kind == "any" else f"(!{value})"
        bits = w.dialect.ballot(_given(w, bool_, asked, "false"), _mask(w))
        w.set(op.out, f"({bits} {'!=' if kind == 'any' else '=='} 0u)")
        return
    own = _let(w, t, _given(w, t, value, _identity(w, t, kind)))
    quick = w.dialect.reduce(w.dialect.real(t), kind, own, _mask(w)) if t.is_integer else ""
    total = quick or _tree(w, t, kind, own)
    if t.is_float and kind in ("min", "max"):
        total = _first_nan(w, t, value, total)
    w.set(op.out, total)


def _tree(w: Writer, t: DType, kind: str, name: str) -> str:
    """Neighbours first, so that equals keep the order of lanes; then lane 0's total for all."""
    distance = 1
    while distance < _size(w):
        other = _let(w, t, w.dialect.shuffle(t, "down", name, w.dialect.literal(i32, distance), _mask(w)))
        joined = _combine(w, t, kind, name, other)
        if not _full(w):
            inside = f"({lane(w)} + {w.dialect.literal(i32, distance)} < {_lanes(w)})"
            joined = w.dialect.select(inside, joined, name)
        name = _let(w, t, joined)
        distance *= 2
    return w.dialect.shuffle(t, "index", name, w.dialect.literal(i32, 0), _mask(w))


def _first_nan(w: Writer, t: DType, value: str, total: str) -> str:
    """A fold from the left stays NaN where its first value is one, and passes by any other."""
    first = w.dialect.literal(i32, 0)
    if w.mode is not Mode.PLAIN:
        bits = _let(w, u32, w.dialect.ballot(ALIVE, _mask(w)))
        found = f"{w.dialect.helper('ctz_u32')}({bits})"
        first = _let(w, i32, f"({w.dialect.cast(u32, i32, found)} & {w.dialect.literal(i32, _size(w) - 1)})")
    start = _let(w, t, w.dialect.shuffle(t, "index", value, first, _mask(w)))
    total = _let(w, t, total)
    return w.dialect.select(f"({start} != {start})", start, total)


def _ballot(w: Writer, op: Any) -> None:
    bits = w.dialect.ballot(_given(w, bool_, w.of(op.value), "false"), _mask(w))
    w.set(op.out, w.dialect.cast(u32, u64, f"({bits})"))


def _shuffle(w: Writer, op: Any) -> None:
    t, value = op.value.type, w.of(op.value)
    amount = getattr(op.amount.owner, "value", None)
    if isinstance(amount, int) and 0 <= amount < _size(w) and _full(w) and w.mode is Mode.PLAIN:
        w.set(op.out, w.dialect.shuffle(t, op.mode, value, w.dialect.literal(i32, amount), _mask(w)))
        return
    source, inside = _source(w, op.mode, w.of(op.amount), w.dialect.real(op.amount.type))
    here = _let(w, bool_, inside)
    at = _let(w, i32, w.dialect.select(here, source, lane(w)))
    other = _let(w, t, w.dialect.shuffle(t, "index", value, at, _mask(w)))
    if w.mode is not Mode.PLAIN:
        living = _let(w, u32, w.dialect.ballot(ALIVE, _mask(w)))
        there = f"((({living} >> {w.dialect.cast(i32, u32, at)}) & 1u) != 0u)"
        other = w.dialect.select(there, other, value)
    w.set(op.out, other)


def _source(w: Writer, mode: str, amount: str, t: DType) -> tuple[str, str]:
    """The lane asked for as an i32, and whether it exists; amounts of any type, far ones do not."""
    size = _size(w)
    near = f"({amount} <= {w.dialect.literal(t, size)})"
    if t.is_signed:
        near = f"({near} && ({amount} >= {w.dialect.literal(t, -size)}))"
    small = _let(w, t, w.dialect.select(near, amount, w.dialect.literal(t, 0)))
    by = _let(w, i32, w.dialect.cast(t, i32, small))
    text = {
        "index": by,
        "up": f"({lane(w)} - {by})",
        "down": f"({lane(w)} + {by})",
        "xor": f"({lane(w)} ^ {by})",
    }[mode]
    found = _let(w, i32, text)
    return found, f"({near} && ({found} >= 0) && ({found} < {_lanes(w)}))"


def _scan(w: Writer, op: Any) -> None:
    t = op.value.type
    zero = _identity(w, t, "sum")
    name = _let(w, t, _given(w, t, w.of(op.value), zero))
    distance = 1
    while distance < _size(w):
        step = w.dialect.literal(i32, distance)
        other = _let(w, t, w.dialect.shuffle(t, "up", name, step, _mask(w)))
        name = _let(
            w, t, w.dialect.select(f"({lane(w)} >= {step})", _combine(w, t, "sum", other, name), name)
        )
        distance *= 2
    before = _let(w, t, w.dialect.shuffle(t, "up", name, w.dialect.literal(i32, 1), _mask(w)))
    w.set(op.out, w.dialect.select(f"({lane(w)} > 0)", _combine(w, t, "sum", zero, before), zero))


def _lane_id(w: Writer, op: Any) -> None:
    w.alias(op.out, lane(w))


def _subgroup_size(w: Writer, op: Any) -> None:
    w.alias(op.out, w.dialect.literal(i32, _size(w)))


WRITERS: dict[type, Callable[[Writer, Op], None]] = {
    subgroup.SubgroupSizeOp: _subgroup_size,
    subgroup.LaneIdOp: _lane_id,
    subgroup.SubgroupReduceOp: _reduce,
    subgroup.SubgroupBallotOp: _ballot,
    subgroup.SubgroupShuffleOp: _shuffle,
    subgroup.SubgroupScanOp: _scan,
}
