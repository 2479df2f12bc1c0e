"""64-bit integers as two words each, for targets that compute in 32 bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.ops.arith import AddOp, AndOp, NotOp, OrOp, ShrOp
from gyral.compiler.ir.ops.cast import JoinOp, SplitOp
from gyral.compiler.ir.ops.control import TestOp, WhileOp, YieldOp
from gyral.compiler.passes.bodies import Bodies, Library
from gyral.compiler.passes.retype import Retype
from gyral.compiler.passes.write import Write
from gyral.core.dtypes import DType, bool_, f32, f64, i32, i64, u32, u64
from gyral.core.errors import InternalError

_WORDWISE = ("arith.and", "arith.or", "arith.xor", "arith.not", "grid.block_broadcast", "grid.uniform")
_PLAIN = ("add", "sub", "mul")
_BY_SIGN = ("floordiv", "mod")


@dataclass(frozen=True, slots=True)
class Pair:
    """Compute with i64 and u64 as low and high words.

    Before: `c = a + b` on i64. After: `low = al + bl; high = ah + bh + (low < al)`, where `al, ah` come by
    `cast.split` from a load or parameter and `cast.join` makes of a pair what is stored, counted or printed.
    """

    library: Library
    name = "pairs"

    def run(self, module: Module) -> None:
        """Rewrite the kernel."""
        _Run(Bodies(self.library, module.kernel)).run(module)


class _Run(Retype):
    def __init__(self, bodies: Bodies) -> None:
        super().__init__()
        self.bodies = bodies

    def becomes(self, t: Any) -> tuple[DType, ...] | None:
        return (u32, u32) if t is i64 or t is u64 else None

    def arrive(self, w: Write, value: Value) -> list[Value]:
        return list(w.builder.op(SplitOp, value).results)

    def leave(self, w: Write, parts: list[Value], t: DType) -> Value:
        return w.builder.value(JoinOp, *parts, type=t)

    def put(self, w: Write, name: str, *values: Value) -> list[Value]:
        """A library function at the writer's place."""
        if w.builder.anchor is None:
            raise InternalError("a body is put before an op")
        return self.bodies.put(name, w.builder.anchor, *values)

    def boundary(self, w: Write, op: Op) -> None:
        """As for all types; subtracting atomically is adding the negative, which needs no borrow."""
        if op.name == "atomic.rmw" and op.attributes["kind"] == "sub" and self.becomes(op.value.type):
            op.set_operand(0, self.leave(w, self.negative(w, self.parts[op.value]), op.value.type))
            op.attributes["kind"] = "add"
        super().boundary(w, op)

    def negative(self, w: Write, parts: list[Value]) -> list[Value]:
        """0 - a."""
        zero = w.const(u32, 0)
        return self.put(w, "wide_sub", zero, zero, *parts)

    def compute(self, w: Write, op: Op) -> list[list[Value]]:
        group, _, word = op.name.partition(".")
        if group == "cast":
            return [self.convert(w, op)] if word != "split" else [[part] for part in self.of(op.operands[0])]
        if op.name in _WORDWISE:
            return [self.wordwise(w, op)]
        if op.name == "subgroup.shuffle":
            return [self.shuffle(w, op)]
        if op.name == "math.call":
            return [self.maths(w, op)]
        if group != "arith":
            raise InternalError(f"no pass knows {op.name} on 64-bit integers")
        if word == "const":
            bits = op.attributes["value"]
            return [[w.const(u32, bits & 0xFFFFFFFF), w.const(u32, bits >> 32 & 0xFFFFFFFF)]]
        if word == "cmp":
            return [[self.compare(w, op.attributes["predicate"], op.operands)]]
        return [self.arithmetic(w, op, word)]

    def arithmetic(self, w: Write, op: Op, word: str) -> list[Value]:
        sign = _sign(op.results[0].type)
        if word in _PLAIN:
            return self.put(w, f"wide_{word}", *self.flat(op.operands))
        if word in _BY_SIGN:
            return self.put(w, f"wide_{word}_{sign}", *self.flat(op.operands))
        if word in ("shl", "shr"):
            value, count = map(self.of, op.operands)
            name = "wide_shl" if word == "shl" else f"wide_shr_{sign}"
            return self.put(w, name, *value, count[0])
        if word == "select":
            condition, *sides = op.operands
            return [w.select(condition, a, b) for a, b in zip(*map(self.of, sides), strict=True)]
        if word in ("min", "max"):
            lhs, rhs = op.operands
            other = self.compare(w, "lt" if word == "min" else "gt", [rhs, lhs])
            return [w.select(other, b, a) for a, b in zip(self.of(lhs), self.of(rhs), strict=True)]
        parts = self.of(op.operands[0])
        if word == "neg":
            return self.negative(w, parts)
        if word == "abs":
            return self.put(w, "wide_abs", *parts) if sign == "s" else parts
        raise InternalError(f"no pass knows {op.name} on 64-bit integers")

    def compare(self, w: Write, predicate: str, operands: list[Value]) -> Value:
        lhs, rhs = map(self.of, operands)
        if predicate in ("eq", "ne"):
            low, high = (w.cmp(predicate, a, b) for a, b in zip(lhs, rhs, strict=True))
            return w.do(AndOp if predicate == "eq" else OrOp, low, high)
        if predicate in ("gt", "le"):
            lhs, rhs = rhs, lhs
        (less,) = self.put(w, f"wide_lt_{_sign(operands[0].type)}", *lhs, *rhs)
        return less if predicate in ("lt", "gt") else w.do(NotOp, less)

    def wordwise(self, w: Write, op: Op) -> list[Value]:
        """The op on low words and on high words."""
        kind: Any = type(op)
        wide = [self.of(v) for v in op.operands]
        return [
            w.builder.value(kind, *(parts[min(k, len(parts) - 1)] for parts in wide), **op.attributes)
            for k in range(2)
        ]

    def shuffle(self, w: Write, op: Op) -> list[Value]:
        """Both words from one lane; a distance that 32 bits do not hold is too far as well."""
        value, amount = map(self.of, op.operands)
        distance = amount[0]
        if len(amount) == 2:
            near = w.cmp("eq", w.do(ShrOp, w.cast(amount[0], i32), w.const(i32, 31)), w.cast(amount[1], i32))
            distance = w.select(near, w.cast(amount[0], i32), w.const(i32, (1 << 31) - 1))
        kind: Any = type(op)
        return [w.builder.value(kind, part, distance, **op.attributes) for part in value]

    def convert(self, w: Write, op: Op) -> list[Value]:
        value = op.operands[0]
        source: Any = value.type
        target: Any = op.results[0].type
        bits = op.name == "cast.bits"
        if op.name == "cast.join":
            return list(op.operands)
        if self.becomes(source) and self.becomes(target):
            return self.of(value)
        if self.becomes(source):
            low, high = self.of(value)
            if bits:
                return [w.builder.value(JoinOp, low, high, type=target)]
            if target is bool_:
                return [w.cmp("ne", w.do(OrOp, low, high), w.const(u32, 0))]
            if target in (f32, f64):
                return self.put(w, f"wide_{target}_{_sign(source)}", low, high)
            return [low if target is u32 else w.cast(low, target)]
        if bits:
            return list(w.builder.op(SplitOp, value).results)
        if source in (f32, f64):
            return self.put(w, f"wide_of_{source}_{_sign(target)}", value)
        low = value if source is u32 else w.cast(value, u32)
        if source is bool_ or source.kind == "uint":
            return [low, w.const(u32, 0)]
        return [low, w.cast(w.do(ShrOp, w.cast(value, i32), w.const(i32, 31)), u32)]

    def maths(self, w: Write, op: Op) -> list[Value]:
        fn = op.attributes["fn"]
        if fn not in _BITWISE:
            raise InternalError(f"no pass knows {fn} on 64-bit integers")
        return _BITWISE[fn](self, w, *map(self.of, op.operands))

    def loop(self, op: Op) -> None:
        """Count the turns first and then count them off, so that the counter may end at the type's end."""
        w = Write(Builder.before(op))
        t: Any = op.operands[0].type
        lower, upper, step = map(self.of, op.operands[:3])
        trips = self.put(w, f"wide_trips_{_sign(t)}", *lower, *upper, *step)
        carried = self.flat(op.operands[3:])
        (body,) = op.regions
        types = [v.type for v in (*trips, *lower, *carried)]
        test = Block(types)
        inner = Write(Builder(test, span=op.span))
        some = inner.cmp("ne", inner.do(OrOp, test.args[0], test.args[1]), inner.const(u32, 0))
        inner.builder.op(TestOp, some, *test.args)
        counter, *args = body.args
        left = [Value(u32, body, k, "") for k in range(2)]
        self.parts[counter] = [Value(u32, body, 2 + k, counter.hint) for k in range(2)]
        rest = self.replaced(args, body)
        body.args = [*left, *self.parts[counter], *rest]
        for number, arg in enumerate(body.args):
            arg.index = number
        self.block(body)
        ended = body.terminator
        inner = Write(Builder.before(ended))
        ones = [inner.const(u32, 0xFFFFFFFF)] * 2
        fewer = self.put(inner, "wide_add", *left, *ones)
        after = self.put(inner, "wide_add", *self.parts[counter], *step)
        inner.builder.op(YieldOp, *fewer, *after, *ended.operands)
        ended.erase()
        loop = w.builder.op(WhileOp, *trips, *lower, *carried, types=types, regions=(test, body))
        values = iter(loop.results[4:])
        for result in op.results:
            parts = [next(values) for _ in self.becomes(result.type) or (None,)]
            if self.becomes(result.type):
                self.parts[result] = parts
            else:
                result.replace_by(parts[0])
        op.regions = []
        op.erase()


def _sign(t: DType) -> str:
    return "u" if t.kind == "uint" else "s"


def _word(w: Write, value: Value) -> list[Value]:
    return [value, w.const(u32, 0)]


def _popcount(run: _Run, w: Write, value: list[Value]) -> list[Value]:
    low, high = (w.math("popcount", part) for part in value)
    return _word(w, w.do(AddOp, low, high))


def _clz(run: _Run, w: Write, value: list[Value]) -> list[Value]:
    return _word(w, run.put(w, "wide_clz", *value)[0])


def _ctz(run: _Run, w: Write, value: list[Value]) -> list[Value]:
    low, high = (w.math("ctz", part) for part in value)
    empty = w.cmp("eq", value[0], w.const(u32, 0))
    return _word(w, w.select(empty, w.do(AddOp, high, w.const(u32, 32)), low))


def _rotl(run: _Run, w: Write, value: list[Value], count: list[Value]) -> list[Value]:
    return run.put(w, "wide_rotl", *value, count[0])


def _rotr(run: _Run, w: Write, value: list[Value], count: list[Value]) -> list[Value]:
    return run.put(w, "wide_rotl", *value, run.negative(w, count)[0])


def _bitreverse(run: _Run, w: Write, value: list[Value]) -> list[Value]:
    return [w.math("bitreverse", part) for part in reversed(value)]


_BITWISE: dict[str, Callable[..., list[Value]]] = {
    "popcount": _popcount,
    "clz": _clz,
    "ctz": _ctz,
    "rotl": _rotl,
    "rotr": _rotr,
    "bitreverse": _bitreverse,
}
