"""Values of 8 and 16 bits in 32: integers wrapped where they could leave their range, short floats as f32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Module, Op, Value
from gyral.compiler.ir.ops.arith import AndOp, MaxOp, MinOp, NegOp, OrOp, ShlOp, ShrOp, SubOp
from gyral.compiler.passes.bodies import Bodies, Library
from gyral.compiler.passes.retype import Retype
from gyral.compiler.passes.target import TargetSpec
from gyral.compiler.passes.write import Write
from gyral.core.dtypes import DType, bool_, f32, i32, u16, u32
from gyral.core.errors import InternalError

_SHORT = {"f16": "half", "bf16": "bfloat"}
_IN_RANGE = ("mod", "min", "max", "and", "or", "xor", "select", "cmp")
_LEAVING = ("add", "sub", "mul", "floordiv", "neg", "abs", "not")
_PASSED_ON = ("grid.block_broadcast", "grid.uniform", "subgroup.shuffle")
_SUMS = ("subgroup.reduce", "subgroup.scan")


@dataclass(frozen=True, slots=True)
class Narrow:
    """Compute in 32 bits what is narrower; short floats always, integers where the target lacks them.

    Before: `c = a + b` on i8, loaded and stored. After: both converted to i32, `c = (a + b) << 24 >> 24`,
    converted back for the store. Values of the short types then only flow from parameters, loads, atomics,
    conversions and constants to conversions, stores, atomics and messages.
    """

    spec: TargetSpec
    library: Library
    name = "narrow"

    def run(self, module: Module) -> None:
        """Rewrite the kernel."""
        _Run(self.spec, Bodies(self.library, module.kernel)).run(module)


class _Run(Retype):
    def __init__(self, spec: TargetSpec, bodies: Bodies) -> None:
        super().__init__()
        self.spec = spec
        self.bodies = bodies

    def becomes(self, t: Any) -> tuple[DType, ...] | None:
        if not isinstance(t, DType) or t.bits not in (8, 16):
            return None
        if t.is_float:
            return (f32,)
        if self.spec.narrow:
            return None
        return (i32,) if t.kind == "int" else (u32,)

    def arrive(self, w: Write, value: Value) -> list[Value]:
        t: Any = value.type
        if t.is_float and not getattr(self.spec, t.name):
            word = w.cast(w.bits(value, u16), u32)
            return self.put(w, f"f32_of_{_SHORT[t.name]}", word)
        return [w.cast(value, self._wide(t))]

    def leave(self, w: Write, parts: list[Value], t: DType) -> Value:
        if t.is_float and not getattr(self.spec, t.name):
            (word,) = self.put(w, f"{_SHORT[t.name]}_of_f32", parts[0])
            return w.bits(w.cast(word, u16), t)
        return w.cast(parts[0], t)

    def put(self, w: Write, name: str, *values: Value) -> list[Value]:
        """A library function at the writer's place."""
        if w.builder.anchor is None:
            raise InternalError("a body is put before an op")
        return self.bodies.put(name, w.builder.anchor, *values)

    def loop(self, op: Op) -> None:
        """The counter stays between its bounds, so it needs no wrapping."""
        op.set_operands([*map(self.only, op.operands[:3]), *self.flat(op.operands[3:])])
        self.arguments(op.regions[0])
        self.block(op.regions[0])
        op.results = self.replaced(op.results, op)

    def compute(self, w: Write, op: Op) -> list[list[Value]]:
        group, _, word = op.name.partition(".")
        types: list[Any] = [v.type for v in (*op.operands, *op.results)]
        if word in ("convert", "bits"):
            return [[self.convert(w, op) if word == "convert" else self.reinterpret(w, op)]]
        narrow = next(t for t in types if self.becomes(t))
        if op.name == "arith.const":
            return [[w.const(self._wide(narrow), op.attributes["value"])]]
        if op.name == "math.call":
            return [[self.maths(w, op, narrow)]]
        if word in ("shl", "shr"):
            value, count = map(self.only, op.operands)
            masked = w.do(AndOp, count, w.const(count.type, narrow.bits - 1))
            shifted = w.do(ShlOp if word == "shl" else ShrOp, value, masked)
            return [[self.wrap(w, shifted, narrow) if word == "shl" else shifted]]
        made = self.same(w, op)
        if (group == "arith" and word in _LEAVING) or op.name in _SUMS:
            return [[self.wrap(w, made[0][0], narrow)]]
        if (group == "arith" and word in _IN_RANGE) or op.name in _PASSED_ON:
            return made
        raise InternalError(f"no pass knows {op.name} on {narrow}")

    def wrap(self, w: Write, value: Value, t: DType) -> Value:
        """A 32-bit value reduced into the range of a narrow integer type; a float as it is."""
        if t.is_float:
            return value
        if t.kind == "uint":
            return w.do(AndOp, value, w.const(u32, (1 << t.bits) - 1))
        count = w.const(i32, 32 - t.bits)
        return w.do(ShrOp, w.do(ShlOp, value, count), count)

    def convert(self, w: Write, op: Op) -> Value:
        source: Any = op.operands[0].type
        target: Any = op.results[0].type
        value = self.only(op.operands[0])
        if not self.becomes(target):
            return value if value.type is target else w.cast(value, target)
        wide = self._wide(target)
        if target.is_float:
            if value.type is not f32:
                value = w.cast(value, f32)
            if source is target:
                return value
            return self.arrive(w, self.leave(w, [value], target))[0]
        if source.is_float:
            low, high = target.bounds()
            number = w.cast(value, wide)
            number = w.do(MinOp, number, w.const(wide, high))
            return w.do(MaxOp, number, w.const(wide, low)) if low else number
        number = value if value.type is wide else w.cast(value, wide)
        return number if source is bool_ else self.wrap(w, number, target)

    def reinterpret(self, w: Write, op: Op) -> Value:
        """The bits of one short type as another."""
        source: Any = op.operands[0].type
        target: Any = op.results[0].type
        value = op.operands[0]
        if self.becomes(source):
            value = self.leave(w, self.parts[value], source)
        value = w.bits(value, target)
        return self.arrive(w, value)[0] if self.becomes(target) else value

    def maths(self, w: Write, op: Op, t: DType) -> Value:
        """Bit work on the zero-extended value; other functions as they are."""
        fn = op.attributes["fn"]
        if t.is_float or fn not in _BITWISE:
            return self.same(w, op)[0][0]
        values = [self.only(v) for v in op.operands]
        mask = w.const(u32, (1 << t.bits) - 1)
        words = [v if t.kind == "uint" else w.do(AndOp, w.cast(v, u32), mask) for v in values]
        result = _BITWISE[fn](w, words, t.bits)
        wide = self._wide(t)
        return self.wrap(w, result if wide is u32 else w.cast(result, wide), t)

    def _wide(self, t: DType) -> DType:
        return f32 if t.is_float else i32 if t.kind == "int" else u32


def _popcount(w: Write, values: list[Value], bits: int) -> Value:
    return w.math("popcount", values[0])


def _clz(w: Write, values: list[Value], bits: int) -> Value:
    return w.do(SubOp, w.math("clz", values[0]), w.const(u32, 32 - bits))


def _ctz(w: Write, values: list[Value], bits: int) -> Value:
    return w.math("ctz", w.do(OrOp, values[0], w.const(u32, 1 << bits)))


def _rotl(w: Write, values: list[Value], bits: int) -> Value:
    return _turned(w, values[0], values[1], bits, ShlOp, ShrOp)


def _rotr(w: Write, values: list[Value], bits: int) -> Value:
    return _turned(w, values[0], values[1], bits, ShrOp, ShlOp)


def _turned(
    w: Write, value: Value, count: Value, bits: int, there: type[Operation], back: type[Operation]
) -> Value:
    mask = w.const(u32, bits - 1)
    count = w.do(AndOp, count, mask)
    rest = w.do(AndOp, w.do(NegOp, count), mask)
    return w.do(OrOp, w.do(there, value, count), w.do(back, value, rest))


def _bitreverse(w: Write, values: list[Value], bits: int) -> Value:
    return w.do(ShrOp, w.math("bitreverse", values[0]), w.const(u32, 32 - bits))


_BITWISE = {
    "popcount": _popcount,
    "clz": _clz,
    "ctz": _ctz,
    "rotl": _rotl,
    "rotr": _rotr,
    "bitreverse": _bitreverse,
}
