"""Random IR programs for property tests: every value defined, every access in bounds, every loop short."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable
from typing import Any

from gyral.compiler.interp.launch import run
from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Block, Module, Value
from gyral.compiler.ir.ops import arith, memory
from gyral.compiler.ir.ops.atomic import AtomicRmwOp
from gyral.compiler.ir.ops.cast import CastOp
from gyral.compiler.ir.ops.control import CallOp, ForOp, FuncOp, IfOp, ReturnOp, TestOp, WhileOp, YieldOp
from gyral.compiler.ir.ops.grid import GlobalIdOp
from gyral.compiler.ir.ops.math import MathOp
from gyral.compiler.ir.types import MemType
from gyral.core.dtypes import ArrayType, DType, bf16, bool_, f16, f32, f64, i8, i32, i64, index, u8, u32, u64
from gyral.core.errors import KernelFault

TYPES = (f32, f32, i32, i32, index, bool_, f64, f16, bf16, u8, i8, u32, i64, u64)
EXTENT = 16
THREADS = 5
_ANY = (arith.AddOp, arith.SubOp, arith.MulOp, arith.MinOp, arith.MaxOp)
_INTEGER = (arith.FloorDivOp, arith.ModOp, arith.AndOp, arith.OrOp, arith.XorOp)
_BOOL = (arith.AndOp, arith.OrOp, arith.XorOp)
_MATH_1 = ("fabs", "floor", "ceil", "trunc", "rint", "sqrt", "degrees", "saturate", "sign")
_MATH_2 = ("copysign", "nextafter")
_MATH_3 = ("fma", "clamp", "lerp")
_CONSTANTS = {"int": (-3, -1, 0, 1, 2, 7, 8), "uint": (0, 1, 2, 7, 8), "index": (-3, -1, 0, 1, 2, 8)}
_FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.0, 1e30, float("inf"))

Pool = dict[DType, list[Value]]


class Maker:
    """Writes one random kernel with the choices of a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.module = Module()
        self.memories: tuple[Value, ...] = ()

    def program(self) -> Module:
        """A module of a helper function and a kernel over (f32, i32, In[f32], In[i32], out f32, out i64)."""
        self.module.add(self.function())
        types = [f32, i32, ArrayType(f32, readonly=True), ArrayType(i32), ArrayType(f32), ArrayType(i64)]
        body = Block(types, ["a", "b", "x", "n", "out", "whole"])
        a, b, x, n, out, whole = body.args
        build = Builder(body)
        thread = build.value(GlobalIdOp, axis=0)
        local = build.value(memory.LocalOp, type=MemType(f32, (4,), "local"))
        zero = build.value(arith.ConstOp, type=f32, value=0.0)
        for k in range(4):
            build.op(memory.StoreOp, zero, local, build.value(arith.ConstOp, type=index, value=k))
        self.memories = (x, n, local)
        pool: Pool = {f32: [a], i32: [b], index: [thread]}
        self.ops(build, pool, self.random.randint(4, 25), 0)
        self.finish(build, pool, thread, out, whole)
        build.op(ReturnOp)
        self.module.add(FuncOp.make(regions=[body], symbol="k", kind="kernel"))
        return self.module

    def function(self) -> Any:
        """A helper (f32, i32) -> f32."""
        self.memories = ()
        body = Block([f32, i32], ["p", "q"])
        build = Builder(body)
        pool: Pool = {f32: [body.args[0]], i32: [body.args[1]]}
        self.ops(build, pool, 4, 2)
        build.op(ReturnOp, self.pick(build, pool, f32))
        return FuncOp.make(regions=[body], symbol="helper", kind="func", returns=(f32,))

    def finish(self, build: Builder, pool: Pool, thread: Value, out: Value, whole: Value) -> None:
        """Store a digest of everything computed."""
        real = self.pick(build, pool, f32)
        for value in pool.get(f32, ()):
            real = build.value(arith.MaxOp, real, value)
        build.op(memory.StoreOp, real, out, thread)
        total = build.value(arith.ConstOp, type=i64, value=0)
        for values in pool.values():
            for value in values[-4:]:
                number = value if value.type is i64 else build.value(CastOp, value, type=i64)
                total = build.value(arith.AddOp, total, number)
        build.op(memory.StoreOp, total, whole, thread)

    def pick(self, build: Builder, pool: Pool, t: DType) -> Value:
        """A value of a type: one at hand, a constant, or a conversion."""
        at_hand = pool.get(t, [])
        if at_hand and self.random.random() < 0.8:
            return self.random.choice(at_hand)
        if t is bool_:
            number: Any = self.random.random() < 0.5
        elif t.is_float:
            number = t(self.random.choice(_FLOATS))
        else:
            number = self.random.choice(_CONSTANTS[t.kind])
        return build.value(arith.ConstOp, type=t, value=number)

    def ops(self, build: Builder, pool: Pool, count: int, depth: int) -> None:
        """Add `count` random ops; pools inside regions are copies."""
        makers: list[Callable[..., None]] = [self.binary] * 5 + [
            self.unary,
            self.compare,
            self.select,
            self.convert,
            self.maths,
        ]
        if self.memories:
            makers += [self.load, self.access_local, self.call, self.atomic]
        if depth < 3:
            makers += [self.branch, self.loop, self.loop_with_test]
        for _ in range(count):
            maker = self.random.choice(makers)
            if maker in (self.branch, self.loop, self.loop_with_test):
                maker(build, pool, depth)
            else:
                maker(build, pool)

    def keep(self, pool: Pool, value: Value) -> None:
        pool.setdefault(value.type, []).append(value)  # type: ignore[arg-type]

    def binary(self, build: Builder, pool: Pool) -> None:
        t = self.random.choice(TYPES)
        kinds: tuple[type[Operation], ...] = _BOOL if t is bool_ else _ANY
        if t.is_integer:
            kinds += _INTEGER
        elif t.is_float:
            kinds += (arith.DivOp,)
        kind = self.random.choice(kinds)
        lhs, rhs = self.pick(build, pool, t), self.pick(build, pool, t)
        if t is index:  # exact, so it must stay small
            lhs, rhs = self.small(build, lhs), self.small(build, rhs)
        self.keep(pool, build.value(kind, lhs, rhs))

    def small(self, build: Builder, value: Value) -> Value:
        return build.value(arith.AndOp, value, build.value(arith.ConstOp, type=index, value=EXTENT - 1))

    def unary(self, build: Builder, pool: Pool) -> None:
        t = self.random.choice(TYPES)
        if t is bool_:
            kind: type[Operation] = arith.NotOp
        else:
            kind = self.random.choice((arith.NegOp, arith.AbsOp))
        self.keep(pool, build.value(kind, self.pick(build, pool, t)))

    def compare(self, build: Builder, pool: Pool) -> None:
        t = self.random.choice(TYPES)
        predicate = self.random.choice(arith.PREDICATES)
        lhs, rhs = self.pick(build, pool, t), self.pick(build, pool, t)
        self.keep(pool, build.value(arith.CmpOp, lhs, rhs, predicate=predicate))

    def select(self, build: Builder, pool: Pool) -> None:
        t = self.random.choice(TYPES)
        condition = self.pick(build, pool, bool_)
        sides = self.pick(build, pool, t), self.pick(build, pool, t)
        self.keep(pool, build.value(arith.SelectOp, condition, *sides))

    def convert(self, build: Builder, pool: Pool) -> None:
        source, target = self.random.choice(TYPES), self.random.choice(TYPES)
        if source.is_float and target is index:
            target = i32  # where it saturates depends on the width of index
        value = self.pick(build, pool, source)
        self.keep(pool, build.value(CastOp, value, type=target))

    def maths(self, build: Builder, pool: Pool) -> None:
        t = self.random.choice((f32, f64, f16, bf16))
        names, count = self.random.choice(((_MATH_1, 1), (_MATH_2, 2), (_MATH_3, 3)))
        values = [self.pick(build, pool, t) for _ in range(count)]
        self.keep(pool, build.value(MathOp, *values, type=t, fn=self.random.choice(names)))

    def load(self, build: Builder, pool: Pool) -> None:
        source = self.random.choice(self.memories[:2])
        t: Any = source.type
        place = self.small(build, self.pick(build, pool, index))
        self.keep(pool, build.value(memory.LoadOp, source, place, type=t.elem))

    def atomic(self, build: Builder, pool: Pool) -> None:
        place = self.small(build, self.pick(build, pool, index))
        kind = self.random.choice(("add", "max", "xor"))
        self.keep(
            pool, build.value(AtomicRmwOp, self.pick(build, pool, i32), self.memories[1], place, kind=kind)
        )

    def access_local(self, build: Builder, pool: Pool) -> None:
        place = build.value(arith.ConstOp, type=index, value=self.random.randrange(4))
        if self.random.random() < 0.3:
            three = build.value(arith.ConstOp, type=index, value=3)
            place = build.value(arith.AndOp, self.pick(build, pool, index), three)
        if self.random.random() < 0.5:
            build.op(memory.StoreOp, self.pick(build, pool, f32), self.memories[2], place)
        else:
            self.keep(pool, build.value(memory.LoadOp, self.memories[2], place, type=f32))

    def call(self, build: Builder, pool: Pool) -> None:
        given = self.pick(build, pool, f32), self.pick(build, pool, i32)
        self.keep(pool, build.value(CallOp, *given, type=f32, callee="helper"))

    def carried(self) -> list[DType]:
        return [self.random.choice(TYPES) for _ in range(self.random.randint(0, 3))]

    def inner(self, pool: Pool, block: Block) -> Pool:
        copy = {t: list(values) for t, values in pool.items()}
        for arg in block.args:
            self.keep(copy, arg)
        return copy

    def branch(self, build: Builder, pool: Pool, depth: int) -> None:
        types = self.carried()
        sides = [Block(), Block()]
        condition = self.pick(build, pool, bool_)
        for side in sides:
            inner, held = Builder(side), self.inner(pool, side)
            self.ops(inner, held, self.random.randint(0, 5), depth + 1)
            inner.op(YieldOp, *(self.pick(inner, held, t) for t in types))
        op = build.op(IfOp, condition, types=types, regions=sides)
        for value in op.results:
            self.keep(pool, value)

    def loop(self, build: Builder, pool: Pool, depth: int) -> None:
        types = self.carried()
        bounds = [
            build.value(arith.ConstOp, type=index, value=number)
            for number in self.random.choice(((0, 3, 1), (0, 1, 1), (2, 2, 1), (5, 0, -2), (0, 2, 0)))
        ]
        if self.random.random() < 0.3:
            bounds[1] = self.small(build, self.pick(build, pool, index))
        initial = [self.pick(build, pool, t) for t in types]
        body = Block([index, *types])
        inner, held = Builder(body), self.inner(pool, body)
        self.ops(inner, held, self.random.randint(0, 5), depth + 1)
        inner.op(YieldOp, *(self.pick(inner, held, t) for t in types))
        op = build.op(ForOp, *bounds, *initial, types=types, regions=[body])
        for value in op.results:
            self.keep(pool, value)

    def loop_with_test(self, build: Builder, pool: Pool, depth: int) -> None:
        types, passed = self.carried(), self.carried()
        zero = build.value(arith.ConstOp, type=i32, value=0)
        initial = [zero, *(self.pick(build, pool, t) for t in types)]
        test, body = Block([i32, *types]), Block([i32, *passed])
        inner, held = Builder(test), self.inner(pool, test)
        self.ops(inner, held, self.random.randint(0, 3), depth + 1)
        limit = inner.value(arith.ConstOp, type=i32, value=self.random.randint(0, 3))
        go = inner.value(arith.CmpOp, test.args[0], limit, predicate="lt")
        inner.op(TestOp, go, test.args[0], *(self.pick(inner, held, t) for t in passed))
        inner, held = Builder(body), self.inner(pool, body)
        self.ops(inner, held, self.random.randint(0, 3), depth + 1)
        one = inner.value(arith.ConstOp, type=i32, value=1)
        counter = inner.value(arith.AddOp, body.args[0], one)
        inner.op(YieldOp, counter, *(self.pick(inner, held, t) for t in types))
        op = build.op(WhileOp, *initial, types=[i32, *passed], regions=[test, body])
        for value in op.results:
            self.keep(pool, value)


def outcome(module: Module, check: bool = False) -> tuple[str, ...]:
    """Everything a launch of a random program leaves behind, NaNs made equal, and its fault."""
    x = array("f", [k * 0.75 - 4.0 for k in range(EXTENT)])
    n = array("i", [k * 1000003 % 257 - 100 for k in range(EXTENT)])
    out, whole = array("f", [0.0] * THREADS), array("q", [0] * THREADS)
    fault = ""
    try:
        run(module, (THREADS,), None, [1.5, -7, x, n, out, whole], check=check, max_steps=200_000)
    except KernelFault as caught:
        fault = str(caught)
    return fault, *map(repr, (*n, *out, *whole))
