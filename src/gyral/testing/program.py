"""Random small kernels as source text: expressions, loops, branches, memory, functions, barriers."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np

from gyral.core.dtypes import DType, i32, u32
from gyral.testing.expressions import TYPES, Expressions, Function, Scope
from gyral.testing.sample import mixed, numpy_type
from gyral.testing.source import define

BLOCKS: tuple[int, ...] = (4, 8, 16, 32, 40)
BLOCKS_2D: tuple[tuple[int, int], ...] = ((1, 16), (4, 8), (3, 5), (2, 32))
COUNTS: tuple[int, ...] = (1, 5, 16, 23, 37, 64, 71)
SHAPES: tuple[tuple[int, int], ...] = ((1, 7), (5, 16), (7, 19), (12, 33))


@dataclass(frozen=True, slots=True)
class Program:
    """A kernel called `fuzz` with its launch; `block` is the launch's, where the kernel has none of its own.

    `seed` makes its data.
    """

    text: str
    shape: tuple[int, ...]
    block: tuple[int, ...] | None
    inputs: tuple[tuple[str, DType, int], ...]
    outputs: tuple[tuple[str, DType], ...]
    seed: int

    def kernel(self) -> Any:
        """The kernel, defined afresh."""
        return define(self.text, "fuzz")

    def arguments(self) -> tuple[Any, ...]:
        """Fresh arguments in the kernel's order: inputs, outputs, cells, `m`."""
        given = [mixed(t, size, self.seed + k) for k, (_, t, size) in enumerate(self.inputs)]
        results = [np.zeros(self.shape, numpy_type(t)) for _, t in self.outputs]
        return *given, *results, np.zeros(8, np.int32), self.seed % 4


def random_program(rng: random.Random, size: int = 8) -> Program:
    """A program of about `size` statements at its top level."""
    return Writer(rng).program(size)


class Writer:
    """Writes one program. Every variable is set before use and keeps its type; every index is in bounds."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.expressions = Expressions(rng)
        self.lines: list[str] = []
        self.depth = 1
        self.serial = 0
        self.block: tuple[int, ...] | None = None
        self.rank = 1
        self.outputs: tuple[tuple[str, DType], ...] = ()
        self.fixed: set[str] = set()

    def put(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def fresh(self, stem: str) -> str:
        self.serial += 1
        return f"{stem}{self.serial}"

    def program(self, size: int) -> Program:
        rng = self.rng
        types = rng.sample(TYPES, 4)
        self.rank = rng.choice((1, 1, 2))
        blocks = [(n,) for n in BLOCKS] if self.rank == 1 else BLOCKS_2D
        self.block = rng.choice(blocks) if rng.random() < 0.4 else None
        self.expressions.ids = ("i", "j")[: self.rank]
        inputs = tuple((f"a{k}", types[k], rng.choice((4, 17, 32, 61))) for k in range(3))
        self.outputs = tuple((f"r{k}", types[k + 1]) for k in range(2))
        scope = Scope({}, {name: t for name, t, _ in inputs}, [])
        functions = [self.function(rng.sample(types, 2), rng.choice(types)) for _ in range(rng.randrange(3))]
        scope.functions.extend(functions)
        parameters = [f"{n}: gy.Array[gy.{t}]" for n, t, _ in inputs]
        parameters += [f"{n}: gy.Array[gy.{t}, {self.rank}]" for n, t in self.outputs]
        parameters += ["cells: gy.Array[gy.i32]", "m: gy.i32"]
        self.depth = 0
        options = [f"block={self.block}"] if self.block else []
        options += ["check=True"] if rng.random() < 0.2 else []
        self.put(f"@gy.kernel({', '.join(options)})")
        self.put(f"def fuzz({', '.join(parameters)}):")
        self.depth = 1
        self.put("i = gy.global_id()" if self.rank == 1 else "i, j = gy.global_ids(2)")
        scope.variables["m"] = i32
        self.fixed = {"m"}
        if self.block and self.rank == 1:
            size_of = self.block[0]
            self.put("lid = gy.local_id()")
            self.put(f"present = min({size_of}, gy.global_size() - gy.block_id() * {size_of})")
        for dtype in (*types, i32):
            self.declare(dtype, scope)
        for _ in range(size):
            self.top_statement(scope)
        for name, dtype in self.outputs:
            self.put(f"{name}[{self.here}] = {self.expressions.of(dtype, scope, 2)}")
        shape = (rng.choice(COUNTS),) if self.rank == 1 else rng.choice(SHAPES)
        block = rng.choice(blocks) if not self.block and rng.random() < 0.3 else None
        text = "\n".join(self.lines) + "\n"
        return Program(text, shape, block, inputs, self.outputs, rng.randrange(1 << 16))

    @property
    def here(self) -> str:
        """The thread's own place in an output."""
        return ", ".join(self.expressions.ids)

    def function(self, parameters: list[DType], result: DType) -> Function:
        """Write a device function with an early return."""
        name = self.fresh("f")
        scope = Scope({f"p{k}": t for k, t in enumerate(parameters)})
        self.depth = 0
        self.put("@gy.func")
        signature = ", ".join(f"p{k}: gy.{t}" for k, t in enumerate(parameters))
        self.put(f"def {name}({signature}) -> gy.{result}:")
        self.depth = 1
        if self.rng.random() < 0.6:
            self.put(f"if {self.expressions.condition(scope, 1)}:")
            self.put(f"    return {self.expressions.of(result, scope, 2)}")
        self.put(f"return {self.expressions.of(result, scope, 2)}")
        self.put("")
        return Function(name, tuple(parameters), result)

    def declare(self, dtype: DType, scope: Scope) -> None:
        name = self.fresh("v")
        self.put(f"{name}: gy.{dtype} = {self.expressions.of(dtype, scope, 1)}")
        scope.variables[name] = dtype

    def top_statement(self, scope: Scope) -> None:
        """A statement in block-uniform flow: here barriers may stand."""
        if self.block and self.rng.random() < 0.35:
            if self.rng.random() < 0.3:
                self.put(f"for u{self.serial} in range({self.rng.choice(('m', '2', '3'))}):")
                self.depth += 1
                self.together(scope)
                self.depth -= 1
            else:
                self.together(scope)
            return
        self.statement(scope, 2, in_loop=False)

    def together(self, scope: Scope) -> None:
        """Exchange values within the block."""
        dtype = self.rng.choice(list(scope.variables.values()))
        target = self.rng.choice([n for n, t in scope.variables.items() if t is dtype])
        value = self.expressions.of(dtype, scope, 1)
        if target in self.fixed:
            return self.put("gy.barrier()")
        if self.rank > 1 and dtype.is_float:
            return self.put("gy.barrier()")
        if not dtype.is_float and (self.rank > 1 or self.rng.random() < 0.5):
            word = self.rng.choice(("sum", "min", "max", "exclusive_sum", "broadcast"))
            return self.put(f"{target} = gy.block_{word}({value})")
        tile = self.fresh("t")
        self.put(f"{tile} = gy.shared({self.block}, gy.{dtype})")
        self.put(f"{tile}[lid] = {value}")
        self.put("gy.barrier()")
        self.put(f"{target} = {tile}[(lid + {self.rng.randrange(1, 9)}) % present]")
        self.put("gy.barrier()")
        return None

    def statement(self, scope: Scope, depth: int, in_loop: bool) -> None:
        forms = [self.assign, self.assign, self.augment, self.store, self.atomic]
        if depth > 0:
            forms += [self.branch, self.branch, self.loop, self.repeat, self.table, self.match]
        self.rng.choice(forms)(scope, depth, in_loop)

    def variable(self, scope: Scope) -> tuple[str, DType]:
        return self.rng.choice([(n, t) for n, t in scope.variables.items() if n not in self.fixed])

    def assign(self, scope: Scope, depth: int, in_loop: bool) -> None:
        name, dtype = self.variable(scope)
        if self.rng.random() < 0.2:
            other, second = self.variable(scope)
            if other != name:
                left, right = (self.expressions.of(t, scope, 1) for t in (dtype, second))
                return self.put(f"{name}, {other} = {left}, {right}")
        return self.put(f"{name} = {self.expressions.of(dtype, scope, 3)}")

    def augment(self, scope: Scope, depth: int, in_loop: bool) -> None:
        name, dtype = self.variable(scope)
        sign = self.rng.choice(
            ("+", "-", "*") if dtype.is_float else ("+", "-", "*", "^", "&", "|", ">>", "//", "%")
        )
        self.put(f"{name} {sign}= {self.expressions.of(dtype, scope, 2)}")

    def store(self, scope: Scope, depth: int, in_loop: bool) -> None:
        name, dtype = self.rng.choice(self.outputs)
        sign = self.rng.choice(("=", "=", "+=", "-="))
        self.put(f"{name}[{self.here}] {sign} {self.expressions.of(dtype, scope, 2)}")

    def atomic(self, scope: Scope, depth: int, in_loop: bool) -> None:
        kind = self.rng.choice(("add", "sub"))
        at, value = self.expressions.of(u32, scope, 1), self.expressions.of(i32, scope, 1)
        self.put(f"gy.atomic_{kind}(cells, {at} % 8, {value})")

    def branch(self, scope: Scope, depth: int, in_loop: bool) -> None:
        self.put(f"if {self.expressions.condition(scope, 2)}:")
        self.body(scope, depth, in_loop)
        if self.rng.random() < 0.3:
            self.put(f"elif {self.expressions.condition(scope, 1)}:")
            self.body(scope, depth, in_loop)
        if self.rng.random() < 0.5:
            self.put("else:")
            self.body(scope, depth, in_loop)

    def match(self, scope: Scope, depth: int, in_loop: bool) -> None:
        self.put(f"match {self.expressions.of(i32, scope, 2)}:")
        self.depth += 1
        for pattern in self.rng.sample(("0", "1 | 2", "-1", "7 | 100 | 3", "5"), self.rng.randrange(1, 4)):
            self.put(f"case {pattern}:")
            self.body(scope, depth, in_loop)
        self.put("case _:")
        self.body(scope, depth, in_loop)
        self.depth -= 1

    def loop(self, scope: Scope, depth: int, in_loop: bool) -> None:
        name = self.fresh("k")
        bounds = self.rng.choice(("4", "1, 4", "3, -2, -2", "m", "0, m + 2, 2", "5, 2", "-1, 3"))
        if self.rng.random() < 0.3:
            bounds = f"{self.expressions.of(i32, scope, 1)} % 4"
        self.put(f"for {name} in range({bounds}):")
        inner = scope.inner()
        inner.variables[name] = i32
        self.fixed.add(name)
        self.body(inner, depth, True)

    def repeat(self, scope: Scope, depth: int, in_loop: bool) -> None:
        """A while loop with a counter that ends it."""
        name = self.fresh("w")
        self.put(f"{name} = 0")
        inner = scope.inner()
        inner.variables[name] = i32
        self.fixed.add(name)
        if self.rng.random() < 0.4:
            self.put("while True:")
            self.put(f"    {name} += 1")
            self.put(f"    if {name} > 4 or {self.expressions.condition(scope, 1)}:")
            self.put("        break")
        else:
            self.put(f"while {name} < 4 and {self.expressions.condition(scope, 1)}:")
            self.put(f"    {name} += 1")
        self.body(inner, depth, True)

    def table(self, scope: Scope, depth: int, in_loop: bool) -> None:
        """A local array, filled and read at run-time indices."""
        name, dtype = self.fresh("h"), self.rng.choice(TYPES)
        at = self.fresh("j")
        self.put(f"{name} = gy.local(4, gy.{dtype})")
        self.put(f"for {at} in range(4):")
        inner = scope.inner()
        inner.variables[at] = i32
        self.put(f"    {name}[{at}] = {self.expressions.of(dtype, inner, 1)}")
        self.put(f"{name}[{self.expressions.of(u32, scope, 1)} % 4] = {self.expressions.of(dtype, scope, 1)}")
        target, kind = self.variable(scope)
        self.put(f"{target} = gy.{kind}({name}[{self.expressions.of(u32, scope, 1)} & 3])")

    def body(self, scope: Scope, depth: int, in_loop: bool) -> None:
        self.depth += 1
        for _ in range(self.rng.randrange(1, 4)):
            self.statement(scope, depth - 1, in_loop)
        if in_loop and self.rng.random() < 0.3:
            self.put(f"if {self.expressions.condition(scope, 1)}:")
            self.put(f"    {self.rng.choice(('break', 'continue'))}")
        if not in_loop and self.block is None and self.rng.random() < 0.08:
            self.put("return")
        self.depth -= 1
