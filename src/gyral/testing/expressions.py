"""Random expressions of the kernel language, each of a type known beforehand."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gyral.core.dtypes import DType, bool_, f16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64

INTEGERS: tuple[DType, ...] = (i8, i16, i32, i64, u8, u16, u32, u64)
FLOATS: tuple[DType, ...] = (f16, f32, f64)
TYPES: tuple[DType, ...] = (*INTEGERS, *FLOATS)


@dataclass(frozen=True, slots=True)
class Function:
    """A device function in scope."""

    name: str
    parameters: tuple[DType, ...]
    result: DType


@dataclass(slots=True)
class Scope:
    """What an expression may name: variables and read-only arrays by type, and functions."""

    variables: dict[str, DType] = field(default_factory=dict)
    arrays: dict[str, DType] = field(default_factory=dict)
    functions: list[Function] = field(default_factory=list)

    def inner(self) -> Scope:
        """A copy to which loop variables can be added."""
        return Scope(dict(self.variables), self.arrays, self.functions)


@dataclass(slots=True)
class Expressions:
    """Makes expressions. Results are exact: no maths function whose bits a device may choose.

    Nothing depends on the bits of a NaN, nor on memory outside the arrays.
    """

    rng: random.Random
    ids: tuple[str, ...] = ("i",)
    """The thread's ids, as the program names them."""

    def of(self, dtype: DType, scope: Scope, depth: int) -> str:
        """An expression whose type is `dtype`."""
        if dtype is bool_:
            return self.condition(scope, depth)
        if depth <= 0 or self.rng.random() < 0.15:
            return self.leaf(dtype, scope)
        forms: list[Callable[[DType, Scope, int], str]] = [
            self.binary,
            self.binary,
            self.with_literal,
            self.unary,
            self.extreme,
            self.ternary,
            self.cast,
            self.load,
            self.word,
        ]
        if any(f.result is dtype for f in scope.functions):
            forms.append(self.call)
        return self.rng.choice(forms)(dtype, scope, depth - 1)

    def kind(self, scope: Scope) -> DType:
        """A scalar type: most often one that something in scope has."""
        known = [t for t in (*scope.variables.values(), *scope.arrays.values()) if t is not bool_]
        return self.rng.choice(known) if known and self.rng.random() < 0.9 else self.rng.choice(TYPES)

    def leaf(self, dtype: DType, scope: Scope) -> str:
        """A variable of the type, or a literal converted to it."""
        names = [name for name, t in scope.variables.items() if t is dtype]
        if names and self.rng.random() < 0.8:
            return self.rng.choice(names)
        arrays = [name for name, t in scope.arrays.items() if t is dtype]
        if arrays and self.rng.random() < 0.6:
            name = self.rng.choice(arrays)
            return f"{name}[({self.rng.choice(self.ids)} + {self.rng.randrange(9)}) % len({name})]"
        return f"gy.{dtype}({self.literal(dtype)})"

    def literal(self, dtype: DType) -> str:
        """A literal that the type holds."""
        if dtype.is_float:
            return self.rng.choice(("0.0", "1.0", "0.5", "2.0", "3.25", "100.0", "0.1", "1e-3", "7"))
        _, high = dtype.bounds()
        return str(self.rng.choice((0, 1, 2, 3, 5, 7, 10, 100, high, high // 3)))

    def binary(self, dtype: DType, scope: Scope, depth: int) -> str:
        """Two operands of the type."""
        signs = ("+", "-", "*", "/", "//", "%") if dtype.is_float else _INTEGER_SIGNS
        sign = self.rng.choice(signs)
        return f"({self.of(dtype, scope, depth)} {sign} {self.of(dtype, scope, depth)})"

    def with_literal(self, dtype: DType, scope: Scope, depth: int) -> str:
        """An operand and a weak literal, on either side."""
        sign = self.rng.choice(("+", "-", "*"))
        value, literal = self.of(dtype, scope, depth), self.literal(dtype)
        return f"({value} {sign} {literal})" if self.rng.random() < 0.6 else f"({literal} {sign} {value})"

    def unary(self, dtype: DType, scope: Scope, depth: int) -> str:
        """A sign, a complement or a magnitude."""
        form = self.rng.choice(
            ("(-{})", "abs({})", "(+{})") if dtype.is_float else ("(-{})", "abs({})", "(~{})")
        )
        return form.format(self.of(dtype, scope, depth))

    def extreme(self, dtype: DType, scope: Scope, depth: int) -> str:
        """The smaller or greater of two."""
        word = self.rng.choice(("min", "max"))
        return f"{word}({self.of(dtype, scope, depth)}, {self.of(dtype, scope, depth)})"

    def ternary(self, dtype: DType, scope: Scope, depth: int) -> str:
        """A choice between two."""
        condition = self.condition(scope, depth)
        return f"({self.of(dtype, scope, depth)} if {condition} else {self.of(dtype, scope, depth)})"

    def cast(self, dtype: DType, scope: Scope, depth: int) -> str:
        """A value of another type converted."""
        return f"gy.{dtype}({self.of(self.kind(scope), scope, depth)})"

    def load(self, dtype: DType, scope: Scope, depth: int) -> str:
        """An element of an array of the type at an index inside it."""
        names = [name for name, t in scope.arrays.items() if t is dtype]
        if not names:
            return self.leaf(dtype, scope)
        name = self.rng.choice(names)
        return f"{name}[{self.index(name, scope, depth)}]"

    def index(self, name: str, scope: Scope, depth: int) -> str:
        """An index inside the array `name`: affine in the thread's id, uniform, or any."""
        match self.rng.randrange(4):
            case 0:
                return f"({' + '.join(self.ids)} + {self.rng.randrange(9)}) % len({name})"
            case 1:
                return f"{self.rng.choice(self.ids)} * {self.rng.randrange(4)} % {name}.size"
            case 2:
                return f"{self.rng.randrange(4)}"
            case _:
                return f"{self.of(i32, scope, depth)} % gy.i32(len({name}))"

    def word(self, dtype: DType, scope: Scope, depth: int) -> str:
        """An intrinsic whose result is exact."""
        value = self.of(dtype, scope, depth)
        if dtype.is_float:
            word = self.rng.choice(("sqrt", "floor", "ceil", "trunc", "fma", "round"))
            if word == "fma":
                return f"gy.fma({value}, {self.of(dtype, scope, depth)}, {self.of(dtype, scope, depth)})"
            return f"round({value})" if word == "round" else f"gy.{word}({value})"
        word = self.rng.choice(("popcount", "clz", "ctz", "rotl", "rotr", "bitreverse"))
        more = f", {self.of(dtype, scope, depth)}" if word in ("rotl", "rotr") else ""
        return f"gy.{word}({value}{more})"

    def call(self, dtype: DType, scope: Scope, depth: int) -> str:
        """A call of a device function."""
        function = self.rng.choice([f for f in scope.functions if f.result is dtype])
        given = [self.of(t, scope, min(depth, 1)) for t in function.parameters]
        return f"{function.name}({', '.join(given)})"

    def condition(self, scope: Scope, depth: int) -> str:
        """A truth value."""
        if depth <= 0:
            dtype = self.kind(scope)
            return f"{self.leaf(dtype, scope)} {self.rng.choice(_RELATIONS)} {self.leaf(dtype, scope)}"
        match self.rng.randrange(5):
            case 0:
                sign = self.rng.choice(("and", "or"))
                return f"({self.condition(scope, depth - 1)} {sign} {self.condition(scope, depth - 1)})"
            case 1:
                return f"(not {self.condition(scope, depth - 1)})"
            case 2:
                dtype = self.kind(scope)
                a, b, c = (self.of(dtype, scope, depth - 1) for _ in range(3))
                return f"({a} {self.rng.choice(_RELATIONS)} {b} {self.rng.choice(_RELATIONS)} {c})"
            case _:
                dtype = self.kind(scope)
                a, b = self.of(dtype, scope, depth - 1), self.of(dtype, scope, depth - 1)
                return f"({a} {self.rng.choice(_RELATIONS)} {b})"


_INTEGER_SIGNS: Sequence[str] = ("+", "-", "*", "//", "%", "&", "|", "^", "<<", ">>")
_RELATIONS: Sequence[str] = ("<", "<=", ">", ">=", "==", "!=")
