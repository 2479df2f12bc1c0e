"""Accesses to several neighbours at once: they mean one access after another."""

from __future__ import annotations

from typing import Any

from gyral.compiler.ir.graph import Op


def load_wide(w: Any, op: Op) -> None:
    """Read element after element along the last axis."""
    memory, *indices = op.operands
    for ahead, value in enumerate(op.results):
        w.read(op, memory, w.access(op, memory, indices, ahead), w.new(value))


def store_wide(w: Any, op: Op) -> None:
    """Write element after element along the last axis."""
    memory, *rest = op.operands
    rank = memory.type.rank
    for ahead, value in enumerate(rest[rank:]):
        w.store(op, memory, w.access(op, memory, rest[:rank], ahead), w.of(value))
