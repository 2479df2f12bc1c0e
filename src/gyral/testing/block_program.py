"""Random kernels whose threads work together: tiles in one to three axes, atomics, subgroups, structs.

All of them need a block. What a thread that failed, or one beyond the shape, leaves undefined is never read.
"""

from __future__ import annotations

import random

from gyral.core.dtypes import DType, f32, i16, i32, u8, u32
from gyral.testing.expressions import INTEGERS, TYPES, Scope
from gyral.testing.program import Program, Writer

BLOCKS: tuple[tuple[int, ...], ...] = (
    *((1,), (3,), (8,), (32,), (33,), (64,)),
    *((1, 8), (2, 4), (4, 16), (5, 7), (8, 1)),
    *((2, 2, 2), (1, 1, 5), (3, 2, 5), (2, 4, 8)),
)
_COUNTS: tuple[tuple[int, ...], ...] = ((1, 7, 32, 45, 70, 131), (1, 3, 5, 9), (1, 2, 3, 5))
_ALONE = 8
"""Threads of the largest block that is one subgroup on every device."""
_ORDERLESS: tuple[str, ...] = ("add", "sub", "min", "max", "and", "or", "xor")
_PRELUDE = """@gy.struct
class Pair:
    first: gy.i16
    second: gy.f32x2
    third: gy.u8

@gy.func
def turned(p: Pair, by: gy.i32) -> Pair:
    if by > 3:
        return Pair(p.first, p.second, p.third)
    return Pair(gy.i16(p.third), gy.f32x2(p.second.y, p.second.x), gy.u8(p.first))

"""


def block_program(rng: random.Random, size: int = 8) -> Program:
    """A program of about `size` statements at its top level, most of which concern the whole block."""
    return _BlockWriter(rng).program(size)


class _BlockWriter(Writer):
    """Writes one program that needs its block."""

    blocks: tuple[int, ...] = ()

    def program(self, size: int) -> Program:
        rng = self.rng
        types = rng.sample(TYPES, 3)
        self.blocks = self.block = rng.choice(BLOCKS)
        self.rank = len(self.blocks)
        self.expressions.ids = ("i", "j", "k")[: self.rank]
        inputs = tuple((f"a{n}", t, rng.choice((4, 17, 61))) for n, t in enumerate(types))
        self.outputs = (("r0", types[0]), ("r1", types[1]))
        self.lines += _PRELUDE.splitlines()
        scope = Scope({"m": i32}, {name: t for name, t, _ in inputs}, [])
        self.fixed = {"m", "lid"}
        self.head(inputs)
        scope.variables["lid"] = i32
        for dtype in (*types, i32):
            self.declare(dtype, scope)
        for _ in range(size):
            self.uniform_statement(scope, 2)
        for name, dtype in self.outputs:
            self.put(f"{name}[{self.here}] = {self.expressions.of(dtype, scope, 2)}")
        shape = tuple(rng.choice(_COUNTS[self.rank - 1]) for _ in range(self.rank))
        return Program(
            "\n".join(self.lines) + "\n", shape, None, inputs, self.outputs, rng.randrange(1 << 16)
        )

    def head(self, inputs: tuple[tuple[str, DType, int], ...]) -> None:
        """The signature and the names that every statement may use."""
        parameters = [f"{n}: gy.Array[gy.{t}]" for n, t, _ in inputs]
        parameters += [f"{n}: gy.Array[gy.{t}, {self.rank}]" for n, t in self.outputs]
        check = ", check=True" if self.rng.random() < 0.25 else ""
        self.depth = 0
        self.put(f"@gy.kernel(block={self.blocks}{check})")
        self.put(f"def fuzz({', '.join([*parameters, 'cells: gy.Array[gy.i32]', 'm: gy.i32'])}):")
        self.depth = 1
        ids = ", ".join(self.expressions.ids)
        self.put(f"{ids} = gy.global_ids({self.rank})" if self.rank > 1 else "i = gy.global_id()")
        for axis, extent in enumerate(self.blocks):
            self.put(f"l{axis} = gy.local_id({axis})")
            before = f"gy.block_id({axis}) * gy.block_dim({axis})"
            self.put(f"p{axis} = min({extent}, gy.global_size({axis}) - {before})")
        linear = "l0"
        for axis in range(1, self.rank):
            linear = f"({linear}) * {self.blocks[axis]} + l{axis}"
        self.put(f"lid = gy.i32({linear})")

    @property
    def threads(self) -> int:
        """Threads in a block."""
        count = 1
        for extent in self.blocks:
            count *= extent
        return count

    def uniform_statement(self, scope: Scope, depth: int) -> None:
        """A statement where all threads of the block are."""
        forms = [self.tile, self.tile, self.whole, self.whole, self.count, self.plain, self.plain, self.pairs]
        forms += [self.broadcast]
        if self.threads <= _ALONE:
            forms += [self.lanes, self.lanes]
        if depth > 0:
            forms += [self.uniform_loop, self.uniform_branch]
        self.rng.choice(forms)(scope, depth)

    def plain(self, scope: Scope, depth: int) -> None:
        """A statement of one thread's own."""
        self.statement(scope, 2, in_loop=False)

    def uniform_value(self) -> str:
        """An i32 that is the same for the whole block."""
        axis = self.rng.randrange(self.rank)
        return self.rng.choice(
            ("m", f"gy.i32(gy.block_id({axis}))", f"gy.i32(gy.grid_dim({axis}))", "gy.i32(len(a0))")
            + tuple(f"(gy.i32(a{n}[{self.rng.randrange(4)}]) & 7)" for n in range(3))
        )

    def uniform_condition(self) -> str:
        sign = self.rng.choice(("<", "==", ">=", "!="))
        return f"{self.uniform_value()} % {self.rng.randrange(2, 5)} {sign} {self.rng.randrange(3)}"

    def uniform_loop(self, scope: Scope, depth: int) -> None:
        inner = scope.inner()
        name = self.fresh("u")
        inner.variables[name] = i32
        self.fixed.add(name)
        if self.rng.random() < 0.6:
            bounds = self.rng.choice(("2", "3", "m", f"{self.uniform_value()} % 3", "1, -3, -2"))
            self.put(f"for {name} in range({bounds}):")
        else:
            self.put(f"{name} = 0")
            self.put(f"while {name} < 3 and {self.uniform_condition()}:")
            self.put(f"    {name} += 1")
        self.depth += 1
        self.uniform_body(inner, depth)
        if self.rng.random() < 0.3:
            self.put(f"if {self.uniform_condition()}:")
            self.put(f"    {self.rng.choice(('break', 'continue'))}")
            self.uniform_statement(inner, 0)
        self.depth -= 1

    def uniform_branch(self, scope: Scope, depth: int) -> None:
        kind = self.rng.random()
        if kind < 0.3:
            name = self.fresh("q")
            word = self.rng.choice(("any", "all"))
            self.put(f"{name} = gy.block_{word}({self.expressions.condition(scope, 1)})")
            self.put(f"if {name}:")
        else:
            self.put(f"if {self.uniform_condition()}:")
        self.depth += 1
        self.uniform_body(scope, depth)
        self.depth -= 1
        if self.rng.random() < 0.4:
            self.put("else:")
            self.depth += 1
            self.uniform_body(scope, depth)
            self.depth -= 1

    def uniform_body(self, scope: Scope, depth: int) -> None:
        for _ in range(self.rng.randrange(1, 3)):
            self.uniform_statement(scope, depth - 1)

    def target(self, scope: Scope, integer: bool = False) -> tuple[str, DType]:
        """A variable to assign, of an integer type when asked for."""
        known = [(n, t) for n, t in scope.variables.items() if n not in self.fixed]
        return self.rng.choice([(n, t) for n, t in known if not (integer and t.is_float)])

    def tile(self, scope: Scope, depth: int) -> None:
        """Values exchanged through shared memory, each read from a thread that exists."""
        name, (target, dtype) = self.fresh("t"), self.target(scope)
        kind = self.rng.choice((dtype, dtype, u8, i16, f32))
        at = ", ".join(f"l{axis}" for axis in range(self.rank))
        other = ", ".join(f"(l{a} + {self.rng.randrange(4)}) % p{a}" for a in range(self.rank))
        self.put(f"{name} = gy.shared({self.blocks}, gy.{kind})")
        self.put(f"{name}[{at}] = {self.expressions.of(kind, scope, 2)}")
        self.put("gy.barrier()")
        self.put(f"{target} = gy.{dtype}({name}[{other}])")
        self.put("gy.barrier()")

    def whole(self, scope: Scope, depth: int) -> None:
        """A word on the whole block."""
        target, dtype = self.target(scope, integer=True)
        word = self.rng.choice(("sum", "min", "max", "exclusive_sum"))
        self.put(f"{target} = gy.block_{word}({self.expressions.of(dtype, scope, 2)})")

    def broadcast(self, scope: Scope, depth: int) -> None:
        """One thread's value; the first always exists."""
        target, dtype = self.target(scope)
        self.put(f"{target} = gy.block_broadcast({self.expressions.of(dtype, scope, 2)}, 0)")

    def lanes(self, scope: Scope, depth: int) -> None:
        """A word on the subgroup, which is the whole block here."""
        target, dtype = self.target(scope)
        value, number = self.expressions.of(dtype, scope, 2), self.rng.randrange(4)
        forms = [
            f"gy.subgroup_broadcast({value}, 0)",
            f"gy.subgroup_shuffle_up({value}, {number})",
            f"gy.subgroup_shuffle_down({value}, {number})",
            f"gy.subgroup_shuffle_xor({value}, {number})",
            f"gy.subgroup_shuffle({value}, (gy.lane_id() + {number}) & 7)",
            f"gy.{dtype}(gy.subgroup_ballot({self.expressions.condition(scope, 1)}))",
            f"gy.{dtype}(gy.i32(gy.subgroup_any({self.expressions.condition(scope, 1)})))",
        ]
        if not dtype.is_float:
            forms += [f"gy.subgroup_{word}({value})" for word in ("sum", "min", "max", "exclusive_sum")]
        self.put(f"{target} = {self.rng.choice(forms)}")

    def count(self, scope: Scope, depth: int) -> None:
        """Atomics on shared memory, in an order that does not matter."""
        name, at, (target, dtype) = self.fresh("c"), self.fresh("b"), self.target(scope)
        kind = self.rng.choice((i32, u32, *(t for t in INTEGERS if t.bits < 32)))
        self.put(f"{name} = gy.shared(5, gy.{kind})")
        self.put(f"for {at} in gy.block_range(5):")
        self.put(f"    {name}[{at}] = {self.rng.randrange(100)}")
        self.put("gy.barrier()")
        word = self.rng.choice(_ORDERLESS)
        update = f"gy.atomic_{word}({name}, {self.expressions.of(u32, scope, 1)} % 5,"
        update += f" {self.expressions.of(kind, scope, 1)})"
        if self.rng.random() < 0.5:
            self.put(f"if {self.expressions.condition(scope, 1)}:")
            update = "    " + update
        self.put(update)
        self.put("gy.barrier()")
        self.put(f"{target} = gy.{dtype}({name}[{self.expressions.of(u32, scope, 1)} % 5])")
        self.put("gy.barrier()")

    def pairs(self, scope: Scope, depth: int) -> None:
        """A struct with a vector, made, handed round and taken apart."""
        name, (target, dtype) = self.fresh("s"), self.target(scope)
        parts = [self.expressions.of(t, scope, 1) for t in (i16, f32, f32, u8)]
        self.put(f"{name} = Pair({parts[0]}, gy.f32x2({parts[1]}, {parts[2]}), {parts[3]})")
        if self.rng.random() < 0.5:
            self.put(f"{name} = turned({name}, {self.expressions.of(i32, scope, 1)})")
        if self.rng.random() < 0.5:
            tile = self.fresh("t")
            at = ", ".join(f"l{axis}" for axis in range(self.rank))
            other = ", ".join(f"(l{a} + 1) % p{a}" for a in range(self.rank))
            self.put(f"{tile} = gy.shared({self.blocks}, Pair)")
            self.put(f"{tile}[{at}] = {name}")
            self.put("gy.barrier()")
            self.put(f"{name} = {tile}[{other}]")
            self.put("gy.barrier()")
        value = self.rng.choice(("first", "second.x", "second[1]", "third"))
        self.put(f"{target} = gy.{dtype}({name}.{value})")
