"""What a target cannot say and no pass can write otherwise."""

from __future__ import annotations

from typing import Any

from gyral.compiler.ir.graph import Op
from gyral.compiler.passes.target import TargetSpec
from gyral.core.dtypes import DType, f64, index

WIDE_INDEX = "an index beyond 31 bits"
_STORAGE = ("memory.", "message.", "cast.split", "cast.join", "control.func", "control.return")


def lacks(op: Op, spec: TargetSpec, index_bits: int) -> str:
    """What `spec` lacks for an op, in words; "" when it can be said."""
    types: list[Any] = [v.type for v in (*op.operands, *op.results) if isinstance(v.type, DType)]
    if not spec.fences and (op.name == "grid.fence" or op.attributes.get("order", "relaxed") != "relaxed"):
        return "a fence" if op.name == "grid.fence" else "an atomic with an order"
    if op.name.startswith("atomic."):
        return _atomic(op, spec)
    if not spec.f64 and f64 in types and not op.name.startswith(_STORAGE):
        return "f64"
    if op.name == "grid.clock" and not spec.clock:
        return "the clock"
    if spec.int64:
        return ""
    if index_bits == 64 and index in types:
        return WIDE_INDEX
    wide = any(t.is_integer and t.bits == 64 and t is not index for t in types)
    gathers = op.name in ("subgroup.reduce", "subgroup.scan") and spec.gangs == "native"
    return f"{_word(op)} of {types[0]}" if wide and gathers else ""


def _atomic(op: Op, spec: TargetSpec) -> str:
    """64-bit atomics; those of integers that only add go by words, when nobody asks what was there."""
    t: Any = (op.operands[0] if op.name in ("atomic.rmw", "atomic.store") else op.results[0]).type
    kind = op.attributes.get("kind", "")
    if t is f64 and not spec.f64:
        return "an atomic on f64"
    if t.bits < 64 or t is index or spec.int64_atomics or (kind == "add" and t.name in spec.float_atomics):
        return ""
    if kind in ("add", "sub") and t.is_integer and not op.results[0].uses:
        return ""
    asked = ", whose old value is used," if kind in ("add", "sub") else ""
    return f"an atomic {kind or op.name.partition('.')[2]}{asked} on {t}"


def _word(op: Op) -> str:
    return "a subgroup's " + (op.attributes.get("kind") or "exclusive sum")
