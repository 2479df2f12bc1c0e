"""What a block or a subgroup computes together: the meaning of the ops that threads wait at."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from gyral.compiler.interp.number import reduce_pair
from gyral.compiler.ir.graph import Op
from gyral.core.dtypes import DType
from gyral.core.errors import UserError

# A thread's request: its linear number in the block, the value it brings, the second operand.
Request = tuple[int, Any, Any]


def together(op: Op, requests: Sequence[Request], subgroup: int, failed: bool = False) -> list[Any]:
    """The result for each request, in order. `requests` come in the block's linear order.

    `failed`: some thread's check did, so that its request may be missing.
    """
    scope, _, what = op.name.partition(".")
    if what == "barrier":
        return [None] * len(requests)
    if what == "block_broadcast":
        return _broadcast(op, requests, failed)
    groups: dict[int, list[Request]] = {}
    for request in requests:
        groups.setdefault(request[0] // subgroup if scope == "subgroup" else 0, []).append(request)
    return [value for group in groups.values() for value in _group(op, what, group, subgroup)]


def _group(op: Op, what: str, group: list[Request], subgroup: int) -> list[Any]:
    values = [value for _, value, _ in group]
    t: Any = op.operands[0].type
    match what:
        case "block_reduce" | "reduce":
            kind = op.attributes["kind"]
            return [reduce(lambda a, b: reduce_pair(kind, t, a, b), values)] * len(group)
        case "block_scan" | "scan":
            return _scan(t, values)
        case "ballot":
            return [sum(1 << lane % subgroup for lane, value, _ in group if value)] * len(group)
        case "shuffle":
            return _shuffle(op.attributes["mode"], group, subgroup)
    raise UserError(f"{op.name} has no meaning here")


def _scan(t: DType, values: list[Any]) -> list[Any]:
    total: Any = False if t.kind == "bool" else 0.0 if t.is_float else 0
    found = []
    for value in values:
        found.append(total)
        total = reduce_pair("sum", t, total, value)
    return found


def _broadcast(op: Op, requests: Sequence[Request], failed: bool) -> list[Any]:
    values = {thread: value for thread, value, _ in requests}
    wanted = requests[0][2]
    if wanted not in values and failed:
        wanted = requests[0][0]  # What a thread that failed would have said is undefined.
    if wanted not in values:
        raise UserError(f"{op.span}: block_broadcast names thread {wanted}, which the block does not have.")
    return [values[wanted]] * len(requests)


def _shuffle(mode: str, group: list[Request], subgroup: int) -> list[Any]:
    values = {lane % subgroup: value for lane, value, _ in group}
    found = []
    for thread, own, amount in group:
        lane = thread % subgroup
        source = {"index": amount, "up": lane - amount, "down": lane + amount, "xor": lane ^ amount}[mode]
        found.append(values.get(source, own))
    return found
