"""Leave only what the target can say: bodies for maths, 16-bit floats in f32, Python's // and % on floats."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gyral.compiler.intrinsics import INTRINSICS, Body, Expand, Native, Unsupported
from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.graph import Module, Op, Value
from gyral.compiler.ir.ops.cast import CastOp
from gyral.compiler.ir.verify import STRICT
from gyral.compiler.passes.bodies import Library
from gyral.compiler.passes.clone import size, splice
from gyral.compiler.passes.expand import EXPANSIONS, FAST_EXPANSIONS, float_floordiv, float_mod, narrow
from gyral.compiler.passes.inline import MAX_SIZE
from gyral.compiler.passes.lacks import WIDE_INDEX, lacks
from gyral.compiler.passes.target import TargetSpec
from gyral.core.dtypes import DType, f32, f64
from gyral.core.errors import CompileError, Diagnostic, UserError

_SHORT = ("f16", "bf16")
_FLOATS = (f32, f64)
_ARITHMETIC = ("add", "sub", "mul", "div", "floordiv", "mod", "neg", "abs", "min", "max", "cmp")
_WIDENED = (
    *(f"arith.{name}" for name in _ARITHMETIC),
    "math.call",
    "grid.block_reduce",
    "grid.block_scan",
    "subgroup.reduce",
    "subgroup.scan",
)
# Ops that fastmath may compute otherwise than written.
_STRICT = ("math.call", *(f"arith.{name}" for name in (*_ARITHMETIC, "select")))
# Functions that step through the format itself and so are expanded in it.
_OWN_FORMAT = ("nextafter",)


@dataclass(frozen=True, slots=True)
class Legalise:
    """Rewrite ops the target lacks; gather what cannot be said into one error.

    Before: `y = math.call x {fn = "exp"}` on f16. After: x widened to f32, the
    ops of `exp_f32`, narrowed back.
    """

    target: TargetSpec
    library: Library
    index_bits: int = 32
    name = "legalize"

    def run(self, module: Module) -> None:
        """Legalise all functions; CompileError GY601 naming every gap with its line."""
        gaps: list[Diagnostic] = []
        for function in module.functions.values():
            _Run(self, gaps, bool(function.attributes.get("fastmath"))).function(function)
        if gaps:
            raise CompileError(*gaps)


class _Run:
    """One function under way; ops that expansions add are visited in turn."""

    def __init__(self, spec: Legalise, gaps: list[Diagnostic], fastmath: bool) -> None:
        self.spec = spec
        self.gaps = gaps
        self.fastmath = fastmath
        self.size = 0

    def function(self, function: Op) -> None:
        self.size = size(function)
        waiting = list(function.walk())[1:]
        self.missing(waiting)
        while waiting:
            op = waiting.pop()
            if op.name in _WIDENED or op.name == "cast.convert":
                self.op(op, waiting)

    def missing(self, ops: list[Op]) -> None:
        """Note what ops need and the target has not, once per line."""
        told: set[tuple[str, str, int]] = set()
        for op in ops:
            what = lacks(op, self.spec.target, self.spec.index_bits)
            key = what, *(("", 0) if what == WIDE_INDEX else (op.span.file, op.span.line))
            if what and key not in told:
                told.add(key)
                self.gap(op, f"there is no {what}" if what == "f64" else f"{what} is needed")

    def op(self, op: Op, waiting: list[Op]) -> None:
        change = self.change(op)
        if change is None:
            return
        before = op.parent
        if before is None:
            return
        place = before.ops.index(op)
        builder = Builder.before(op)
        values = change(builder, op)
        made = before.ops[place : before.ops.index(op)]
        waiting += [inner for first in made for inner in first.walk()]
        for old, new in zip(op.results, values, strict=True):
            if not new.hint:
                new.hint = old.hint
            old.replace_by(new)
        op.erase()

    def change(self, op: Op) -> Callable[[Builder, Op], list[Value]] | None:
        """How `op` is to be rewritten; None when it can stay."""
        types: list[Any] = [v.type for v in (*op.operands, *op.results)]
        if op.name == "cast.convert":
            return narrow(types[0], types[1])
        short = next((t for t in types if isinstance(t, DType) and t.name in _SHORT), None)
        own = op.name == "math.call" and op.attributes["fn"] in _OWN_FORMAT
        if short is not None and not own:
            return _widen
        if op.name == "math.call":
            return self.maths(op)
        if types[0].is_float and op.name in ("arith.floordiv", "arith.mod"):
            return float_floordiv if op.name == "arith.floordiv" else float_mod
        return None

    def maths(self, op: Op) -> Callable[[Builder, Op], list[Value]] | None:
        fn = op.attributes["fn"]
        match INTRINSICS[fn].spell[self.spec.target.column]:
            case Native():
                return None
            case Expand():
                return EXPANSIONS[fn]
            case Body():
                return self.body(op, fn)
            case Unsupported(why):
                self.gap(op, f"{fn}: {why}")
        return None

    def body(self, op: Op, fn: str) -> Callable[[Builder, Op], list[Value]] | None:
        t: Any = op.operands[0].type
        if self.fastmath and (fn, t.name) in FAST_EXPANSIONS:
            return FAST_EXPANSIONS[fn, t.name]
        names = [fn] if fn.startswith("random_") else [f"{fn}_{t.name}"]
        if self.fastmath:
            names.insert(0, f"{names[0]}_fast")
        found = next((body for body in map(self.spec.library.get, names) if body is not None), None)
        if found is None:
            self.gap(op, f"{fn} has no body for {t}")
            return None
        self.size += size(found)
        if self.size > MAX_SIZE:
            raise UserError(
                f"{op.span}: the kernel grows over {MAX_SIZE} operations when its maths functions are put in "
                "place. Make it smaller."
            )
        return lambda builder, call: self.splice(found, call)

    def splice(self, found: Op, call: Op) -> list[Value]:
        """Put a body in place of a call; a fastmath function computes it as it is written all the same."""
        parent = call.parent
        first = parent.ops.index(call) if parent is not None else 0
        values = splice(found.regions[0], call, call.operands)
        if self.fastmath and parent is not None:
            for op in parent.ops[first : parent.ops.index(call)]:
                for inner in op.walk():
                    if inner.name in _STRICT and inner.results[0].type in _FLOATS:
                        inner.attributes[STRICT] = True
        return values

    def gap(self, op: Op, what: str) -> None:
        line = linecache.getline(op.span.file, op.span.line).rstrip("\n")
        advice = _COMPUTED_IN_F32 if what == "there is no f64" else _ELSEWHERE
        message = f"{what}, on {self.spec.target.column}"
        self.gaps.append(Diagnostic("GY601", message, advice, op.span, line))


_ELSEWHERE = "use another type or function, or run it on another device"
_COMPUTED_IN_F32 = "use f32, allow it for f64 here with downcast=True, or run it on another device"


def _widen(builder: Builder, op: Op) -> list[Value]:
    """Do an op on 16-bit floats in f32: widen the operands, narrow the result."""
    operands = [
        builder.value(CastOp, v, type=f32) if isinstance(v.type, DType) and v.type.name in _SHORT else v
        for v in op.operands
    ]
    wanted: list[Any] = [v.type for v in op.results]
    types = [f32 if t.name in _SHORT else t for t in wanted]
    made = builder.op(type(op), *operands, types=types, **op.attributes)  # type: ignore[arg-type]
    return [
        value if value.type is t else builder.value(CastOp, value, type=t)
        for value, t in zip(made.results, wanted, strict=True)
    ]
