"""Compute ops whose operands are constants, by the interpreter's own expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gyral.compiler.interp.express import ENVIRONMENT, EXPRESSIONS
from gyral.compiler.interp.number import to_bf16, to_f16, to_f32
from gyral.compiler.intrinsics import INTRINSICS, Body
from gyral.compiler.ir.graph import Op
from gyral.compiler.passes.rewrite import Rewriter, constant_of
from gyral.core.dtypes import index

_SMALL = 1 << 31  # an `index` constant must be right at both of its widths
_ROUND: dict[str, Callable[[float], float]] = {"f32": to_f32, "f16": to_f16, "bf16": to_bf16}
_compiled: dict[tuple[Any, ...], Callable[..., Any]] = {}


def evaluate(op: Op, values: list[Any]) -> bool | int | float | None:
    """The result of a pure op on numbers, or None where the compiler must not say.

    Functions with a body of their own are left alone (the body's last bit counts), and an `index` that would
    not fit 32 bits. A NaN is computed here: devices' compilers get constant ones wrong.
    """
    t: Any = op.results[0].type
    if op.name == "math.call":
        if isinstance(INTRINSICS[op.attributes["fn"]].spell["llvm"], Body):
            return None
    if any(v.type is index for v in op.operands) and not _fits_index(op, values):
        return None
    result = _function(op)(*values)
    if t.is_float:
        return _ROUND.get(t.name, float)(result)
    return None if t is index and not -_SMALL < result < _SMALL else result


def _fits_index(op: Op, values: list[Any]) -> bool:
    if op.name in ("arith.shl", "arith.shr"):
        return 0 <= values[0] < _SMALL and 0 <= values[1] < 31
    return all(-_SMALL < v < _SMALL for v in values)


def _function(op: Op) -> Callable[..., Any]:
    types = tuple(v.type for v in (*op.operands, *op.results))
    key = (op.name, *sorted(op.attributes.items()), types)
    found = _compiled.get(key)
    if found is None:
        names = [f"a{k}" for k in range(len(op.operands))]
        text = EXPRESSIONS[op.name](op, names, 64)
        found = eval(f"lambda {', '.join(names)}: {text}", ENVIRONMENT)
        _compiled[key] = found
    return found


def fold(op: Op, rewriter: Rewriter) -> bool:
    """1 + 2 becomes 3."""
    values = [constant_of(v) for v in op.operands]
    if not values or any(v is None for v in values):
        return False
    result = evaluate(op, values)
    if result is None:
        return False
    rewriter.replace(op, [rewriter.constant(op, op.results[0].type, result)])
    return True


FOLDABLE = tuple(EXPRESSIONS)
