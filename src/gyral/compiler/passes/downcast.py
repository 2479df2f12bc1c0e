"""f64 computed in f32 where the target has none and the user allows it; what is stored stays f64."""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from typing import Any

from gyral.compiler.ir.graph import Module, Op, Value
from gyral.compiler.ir.ops.cast import JoinOp, SplitOp
from gyral.compiler.passes.bodies import Bodies, Library
from gyral.compiler.passes.retype import Retype
from gyral.compiler.passes.target import TargetSpec
from gyral.compiler.passes.write import Write
from gyral.core.dtypes import DType, f32, f64, round_float
from gyral.core.errors import Diagnostic, InternalError


@dataclass(frozen=True, slots=True)
class Downcast:
    """Compute with f64 in f32; run before maths functions get their bodies, so that they get those of f32.

    Before: `y[i] = exp(x[i])` on f64. After: x[i] rounded to f32 by its bits, `exp` on f32, widened exactly
    for the store.
    """

    target: TargetSpec
    library: Library
    name = "downcast"

    def run(self, module: Module) -> list[Diagnostic]:
        """Rewrite the kernel; a GY602 for each line that loses precision."""
        run = _Run(Bodies(self.library, module.kernel))
        run.run(module)
        return [_warning(op, self.target.column) for op in run.lines.values()]


class _Run(Retype):
    def __init__(self, bodies: Bodies) -> None:
        super().__init__()
        self.bodies = bodies
        self.lines: dict[tuple[str, int], Op] = {}

    def becomes(self, t: Any) -> tuple[DType, ...] | None:
        return (f32,) if t is f64 else None

    def arrive(self, w: Write, value: Value) -> list[Value]:
        return self.put(w, "f32_of_double", *w.builder.op(SplitOp, value).results)

    def leave(self, w: Write, parts: list[Value], t: DType) -> Value:
        return w.builder.value(JoinOp, *self.words(w, parts[0]), type=f64)

    def words(self, w: Write, value: Value) -> list[Value]:
        """The words of the f64 that is this f32."""
        return self.put(w, "double_of_f32", value)

    def put(self, w: Write, name: str, *values: Value) -> list[Value]:
        """A library function at the writer's place."""
        if w.builder.anchor is None:
            raise InternalError("a body is put before an op")
        return self.bodies.put(name, w.builder.anchor, *values)

    def visit(self, op: Op) -> None:
        """Note the line of what changes."""
        if op.name != "arith.const":
            self.lines.setdefault((op.span.file, op.span.line), op)
        super().visit(op)

    def compute(self, w: Write, op: Op) -> list[list[Value]]:
        if op.name == "arith.const":
            return [[w.const(f32, round_float(f32, op.attributes["value"]))]]
        if op.name == "cast.bits":
            target: Any = op.results[0].type
            if target is f64:
                return [self.arrive(w, op.operands[0])]
            return [[w.builder.value(JoinOp, *self.words(w, self.only(op.operands[0])), type=target)]]
        if op.name == "cast.convert":
            given = self.only(op.operands[0])
            (wanted,) = self.becomes(op.results[0].type) or (op.results[0].type,)
            return [[given if given.type is wanted else w.cast(given, wanted)]]
        return self.same(w, op)


def _warning(op: Op, column: str) -> Diagnostic:
    return Diagnostic(
        "GY602",
        f"f64 is computed in f32 here, on {column}",
        "use f32, or run it on a device that has f64",
        op.span,
        linecache.getline(op.span.file, op.span.line).rstrip("\n"),
    )
