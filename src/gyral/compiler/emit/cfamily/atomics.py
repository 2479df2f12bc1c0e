"""Atomic accesses, with what orders them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gyral.compiler.emit.cfamily.memory import place_of
from gyral.compiler.emit.cfamily.writer import Writer
from gyral.compiler.ir.graph import Op
from gyral.compiler.ir.ops import atomic
from gyral.compiler.ir.ops.grid import FenceOp


def _before(w: Writer, op: Any) -> None:
    if op.order in ("release", "acq_rel"):
        w.put(*w.dialect.fence(op.scope))


def _after(w: Writer, op: Any) -> None:
    if op.order in ("acquire", "acq_rel"):
        w.put(*w.dialect.fence(op.scope))


def _old(w: Writer, op: Any, text: str) -> None:
    """Keep what stood before; where nobody asks, the call alone."""
    if op.results[0].uses:
        w.set(op.results[0], text)
    else:
        w.put(w.dialect.discard(op.results[0].type, text))


def _rmw(w: Writer, op: Any) -> None:
    place = place_of(w, op.memory, op.indices, op.leaf)
    _before(w, op)
    _old(w, op, w.dialect.rmw(op.kind, place, w.of(op.value)))
    _after(w, op)


def _cas(w: Writer, op: Any) -> None:
    place = place_of(w, op.memory, op.indices, op.leaf)
    _before(w, op)
    _old(w, op, w.dialect.cas(place, w.of(op.expected), w.of(op.value)))
    _after(w, op)


def _load(w: Writer, op: Any) -> None:
    place = place_of(w, op.memory, op.indices, op.leaf)
    w.set(op.results[0], w.dialect.atomic_load(place))
    _after(w, op)


def _store(w: Writer, op: Any) -> None:
    place = place_of(w, op.memory, op.indices, op.leaf)
    _before(w, op)
    w.put(*w.dialect.atomic_store(place, w.of(op.value)))


def _fence(w: Writer, op: Any) -> None:
    w.put(*w.dialect.fence(op.scope))


WRITERS: dict[type, Callable[[Writer, Op], None]] = {
    atomic.AtomicRmwOp: _rmw,
    atomic.AtomicCasOp: _cas,
    atomic.AtomicLoadOp: _load,
    atomic.AtomicStoreOp: _store,
    FenceOp: _fence,
}
