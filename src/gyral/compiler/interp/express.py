"""Pure ops as Python expressions. `write` puts one op into the program that `code` generates."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from gyral.compiler.interp import number
from gyral.compiler.intrinsics import INF, INTRINSICS, NAN
from gyral.compiler.ir.graph import Op
from gyral.core.dtypes import BY_NAME, DType, bool_, f64, index

Expression: TypeAlias = Callable[[Op, list[str], int], str]

COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}

# Names that generated programs may use besides their own.
ENVIRONMENT: dict[str, Any] = {
    "INF": INF,
    "NAN": NAN,
    "divide": number.divide,
    "float_mod": number.float_mod,
    "float_floordiv": number.float_floordiv,
    "int_to_float": number.int_to_float,
    "float_to_int": number.float_to_int,
    "round_float": number.round_float,
    "to_f16": number.to_f16,
    "to_bf16": number.to_bf16,
    "bits_of": number.bits_of,
    "from_bits": number.from_bits,
    "f16_bits": number.f16_bits,
    "bf16_bits": number.bf16_bits,
    "f16_from_bits": number.f16_from_bits,
    "bf16_from_bits": number.bf16_from_bits,
    **{f"D_{name}": t for name, t in BY_NAME.items()},
    **{
        f"X_{row.name}_{name}": partial(row.meaning, t)
        for row in INTRINSICS.values()
        for name, t in BY_NAME.items()
    },
}


def literal(t: DType, value: bool | int | float) -> str:
    """A constant as an operand."""
    if not t.is_float:
        return repr(value) if isinstance(value, bool) or value >= 0 else f"({value})"
    if value != value:
        return "NAN" if number.bits_of(f64, value) >> 63 == 0 else "(-NAN)"
    if value in (INF, -INF):
        return "INF" if value > 0 else "(-INF)"
    return repr(value) if number.bits_of(f64, value) >> 63 == 0 else f"({value!r})"


def wrapped(t: DType, text: str, index_bits: int = 0) -> str:
    """An integer expression reduced to its type; `index` only when its width is told."""
    bits = index_bits if t is index else t.bits
    if bits == 0:
        return text
    mask = (1 << bits) - 1
    if t.kind == "uint":
        return f"({text}) & {mask}"
    half = 1 << (bits - 1)
    return f"(({text}) + {half} & {mask}) - {half}"


def _binary(sign: str) -> Expression:
    def expression(op: Op, args: list[str], index_bits: int) -> str:
        text = f"{args[0]} {sign} {args[1]}"
        t = op.results[0].type
        return text if t.is_float else wrapped(t, text)

    return expression


def _plain(sign: str) -> Expression:
    return lambda op, args, index_bits: f"{args[0]} {sign} {args[1]}"


def _floordiv(op: Op, args: list[str], index_bits: int) -> str:
    t: Any = op.results[0].type
    if t.is_float:
        return f"float_floordiv(D_{t.name}, {args[0]}, {args[1]})"
    return wrapped(t, f"{args[0]} // {args[1]} if {args[1]} else 0")


def _mod(op: Op, args: list[str], index_bits: int) -> str:
    t: Any = op.results[0].type
    if t.is_float:
        return f"float_mod(D_{t.name}, {args[0]}, {args[1]})"
    return f"{args[0]} % {args[1]} if {args[1]} else {args[0]}"


def _div(op: Op, args: list[str], index_bits: int) -> str:
    return f"{args[0]} / {args[1]} if {args[1]} else divide({args[0]}, {args[1]})"


def _unary(form: str) -> Expression:
    def expression(op: Op, args: list[str], index_bits: int) -> str:
        text = form.format(args[0])
        t: Any = op.results[0].type
        return text if t.is_float else wrapped(t, text)

    return expression


def _not(op: Op, args: list[str], index_bits: int) -> str:
    t: Any = op.results[0].type
    if t is bool_:
        return f"not {args[0]}"
    return f"{args[0]} ^ {(1 << t.bits) - 1}" if t.kind == "uint" else f"~{args[0]}"


def _shift(sign: str) -> Expression:
    def expression(op: Op, args: list[str], index_bits: int) -> str:
        t: Any = op.results[0].type
        bits = index_bits if t is index else t.bits
        text = f"{args[0]} {sign} ({args[1]} & {bits - 1})"
        return wrapped(t, text, index_bits) if sign == "<<" else text

    return expression


def _cmp(op: Op, args: list[str], index_bits: int) -> str:
    return f"{args[0]} {COMPARE[op.attributes['predicate']]} {args[1]}"


def _math(op: Op, args: list[str], index_bits: int) -> str:
    t: Any = op.operands[0].type
    return f"X_{op.attributes['fn']}_{t.name}({', '.join(args)})"


def _cast(op: Op, args: list[str], index_bits: int) -> str:
    source: Any = op.operands[0].type
    target: Any = op.results[0].type
    value = args[0]
    if target is bool_:
        return f"{value} != 0"
    if target.is_float:
        if source.is_float:
            holds = source is target or target.bits > source.bits  # f16 and bf16 hold each other's values not
            return value if holds else f"round_float(D_{target.name}, {value})"
        return f"int_to_float(D_{target.name}, {value})"
    if source.is_float:
        bits = index_bits if target is index else target.bits
        low, high = (0, (1 << bits) - 1) if target.kind == "uint" else (-(1 << bits - 1), (1 << bits - 1) - 1)
        return f"float_to_int({low}, {high}, {value})"
    if source is bool_:
        return f"int({value})"
    return wrapped(target, value, index_bits)


def _bitcast(op: Op, args: list[str], index_bits: int) -> str:
    source: Any = op.operands[0].type
    target: Any = op.results[0].type
    return f"from_bits(D_{target.name}, bits_of(D_{source.name}, {args[0]}))"


EXPRESSIONS: dict[str, Expression] = {
    "arith.add": _binary("+"),
    "arith.sub": _binary("-"),
    "arith.mul": _binary("*"),
    "arith.div": _div,
    "arith.floordiv": _floordiv,
    "arith.mod": _mod,
    "arith.neg": _unary("-{}"),
    "arith.abs": _unary("abs({})"),
    "arith.min": lambda op, args, bits: "{1} if {1} < {0} else {0}".format(*args),
    "arith.max": lambda op, args, bits: "{1} if {1} > {0} else {0}".format(*args),
    "arith.and": _plain("&"),
    "arith.or": _plain("|"),
    "arith.xor": _plain("^"),
    "arith.not": _not,
    "arith.shl": _shift("<<"),
    "arith.shr": _shift(">>"),
    "arith.cmp": _cmp,
    "arith.select": lambda op, args, bits: "{1} if {0} else {2}".format(*args),
    "math.call": _math,
    "cast.convert": _cast,
    "cast.bits": _bitcast,
}
_ROUNDS = {"arith.add", "arith.sub", "arith.mul", "arith.div"}


def assign(name: str, text: str, t: DType, rounds: bool) -> str:
    """The statement that gives `name` its value, rounded to `t` where the expression is wider."""
    if not rounds or not t.is_float or t.bits == 64:
        return f"{name} = {text}"
    if t.bits == 32:
        return f"F[0] = {text}; {name} = F[0]"
    return f"{name} = to_{t.name}({text})"


def write(op: Op, name: str, args: list[str], index_bits: int) -> str:
    """The statement of a pure op."""
    t: Any = op.results[0].type
    return assign(name, EXPRESSIONS[op.name](op, args, index_bits), t, op.name in _ROUNDS)
