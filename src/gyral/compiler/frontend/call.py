"""Calls: what is called decides, by identity."""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any

from gyral.compiler.frontend import codes, maths, messages, neighbours
from gyral.compiler.frontend.access import extents
from gyral.compiler.frontend.arguments import matched, positional
from gyral.compiler.frontend.arith import binary
from gyral.compiler.frontend.construct import construct
from gyral.compiler.frontend.formats import print_parts
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.invoke import invoke
from gyral.compiler.frontend.values import (
    Const,
    Datum,
    Host,
    Memory,
    Method,
    Nothing,
    Part,
    Text,
    Tuple,
    Vector,
    describe,
)
from gyral.compiler.frontend.wordcalls import HANDLERS
from gyral.compiler.intrinsics import INTRINSICS
from gyral.compiler.ir.ops.message import PrintOp
from gyral.compiler.words import REQUIRED, WORDS, Word
from gyral.core.dtypes import DType, StructType, Vec


def call(f: Frame, node: ast.Call) -> Datum:
    """A call of a type, a word, a builtin, a function of math, or a `@gy.func`."""
    callee = f.value(node.func)
    if isinstance(callee, Method):
        return messages.method(f, callee, node)
    if not isinstance(callee, Host):
        f.refuse(
            codes.UNSUPPORTED_CALL, node, what=describe(callee), advice="call words, types and `@gy.func`"
        )
    obj = callee.obj
    if isinstance(obj, Word):
        return _word(f, obj, node)
    if isinstance(obj, (DType, Vec, StructType)):
        return construct(f, obj, node)
    if hasattr(obj, "__gyral_func__"):
        return invoke(f, obj.__gyral_func__, node)
    if hasattr(obj, "__gyral_kernel__"):
        f.refuse(codes.KERNEL_CALL, node, name=getattr(obj, "__name__", "this"))
    builtin = _BUILTINS.get(obj) if _hashable(obj) else None
    if builtin is not None:
        return builtin(f, node)
    if getattr(obj, "__module__", None) == "math" and obj is getattr(math, obj.__name__, None):
        return _math(f, obj.__name__, node)
    if isinstance(obj, FunctionType) and f.unit.plain_functions:
        return invoke(f, obj, node)
    _refuse(f, obj, node)
    raise AssertionError


def _hashable(obj: Any) -> bool:
    return type(obj).__hash__ is not None


_HANDLERS = HANDLERS | messages.HANDLERS | neighbours.HANDLERS


def _word(f: Frame, word: Word, node: ast.Call) -> Datum:
    args = matched(f, node, f"gy.{word.name}", f"`{word.usage}`", word.parameters)
    f.at(node)
    handler = _HANDLERS.get(word.name)
    if handler is not None:
        return handler(f, word, args, node)
    return maths.intrinsic(f, word.name, args, node)


def _math(f: Frame, name: str, node: ast.Call) -> Datum:
    """`math.f`: the row of its name, or one of the few that are made of others."""
    if name == "modf":
        (x,) = matched(f, node, "math.modf", "`math.modf(x)`", [("x", REQUIRED)])
        whole = maths.intrinsic(f, "trunc", [x], node)
        part = binary(f, ast.Sub(), x, whole, node)
        return Tuple((maths.intrinsic(f, "copysign", [part, x], node), whole))
    if name == "ulp":
        (x,) = matched(f, node, "math.ulp", "`math.ulp(x)`", [("x", REQUIRED)])
        size = maths.intrinsic(f, "fabs", [x], node)
        up = maths.intrinsic(f, "nextafter", [size, Const(math.inf)], node)
        return binary(f, ast.Sub(), up, size, node)
    if name == "log" and len(node.args) == 2:
        parts = [maths.intrinsic(f, "log", [arg], node) for arg in positional(f, node)]
        return binary(f, ast.Div(), parts[0], parts[1], node)
    if name == "hypot" and len(node.args) > 2:
        args = positional(f, node)
        found = args[0]
        for arg in args[1:]:
            found = maths.intrinsic(f, "hypot", [found, arg], node)
        return found
    if name in INTRINSICS:
        word = WORDS[name]
        args = matched(
            f, node, f"math.{name}", f"`math.{name}({', '.join(INTRINSICS[name].names)})`", word.parameters
        )
        f.at(node)
        return maths.intrinsic(f, name, args, node)
    advice = "use the functions of math on floats, or write it with arithmetic"
    f.refuse(codes.UNSUPPORTED_CALL, node, what=f"math.{name}", advice=advice)


def _one(
    fn: Callable[[Frame, Sequence[Datum], ast.AST], Datum], name: str
) -> Callable[[Frame, ast.Call], Datum]:
    def handler(f: Frame, node: ast.Call) -> Datum:
        args = matched(f, node, name, f"`{name}(x)`", [("x", REQUIRED)])
        f.at(node)
        return fn(f, args, node)

    return handler


def _extreme(name: str) -> Callable[[Frame, ast.Call], Datum]:
    def handler(f: Frame, node: ast.Call) -> Datum:
        args = positional(f, node)
        if node.keywords:
            f.refuse(codes.ARGUMENTS, node, name=name, what="takes no keywords here", usage=f"`{name}(a, b)`")
        if len(args) == 1 and isinstance(args[0], (Tuple, Vector)):
            args = list(args[0].items)
        if not args:
            f.refuse(codes.ARGUMENTS, node, name=name, what="needs arguments", usage=f"`{name}(a, b)`")
        f.at(node)
        return maths.extreme(f, name, args, node)

    return handler


def _len(f: Frame, args: Sequence[Datum], node: ast.AST) -> Datum:
    datum = args[0]
    if isinstance(datum, (Memory, Part)):
        return extents(f, datum)[0]
    if isinstance(datum, (Tuple, Vector)):
        return Const(len(datum.items))
    f.refuse(codes.OPERAND, node, op="len", what=describe(datum), advice="pass an array, a tuple or a vector")


def _pow(f: Frame, node: ast.Call) -> Datum:
    base, exponent = matched(f, node, "pow", "`pow(x, y)`", [("base", REQUIRED), ("exp", REQUIRED)])
    return binary(f, ast.Pow(), base, exponent, node)


def _divmod(f: Frame, node: ast.Call) -> Datum:
    a, b = matched(f, node, "divmod", "`divmod(x, y)`", [("x", REQUIRED), ("y", REQUIRED)])
    return Tuple((binary(f, ast.FloorDiv(), a, b, node), binary(f, ast.Mod(), a, b, node)))


def _print(f: Frame, node: ast.Call) -> Datum:
    options = {"sep": " ", "end": "\n"}
    for keyword in node.keywords:
        given = f.value(keyword.value)
        if keyword.arg not in options or not isinstance(given, Text):
            usage = '`print(…, sep=" ", end="\\n")` with strings'
            what = f"does not take this {keyword.arg}="
            f.refuse(codes.ARGUMENTS, keyword.value, name="print", what=what, usage=usage)
        options[keyword.arg] = given.text
    parts = print_parts(f, node.args, options["sep"], options["end"])
    f.at(node)
    f.builder.op(PrintOp, *parts.values, parts=tuple(parts.parts))
    return Nothing("print()")


def _range(f: Frame, node: ast.Call) -> Datum:
    f.refuse(codes.ITERATION, node, what="a range kept as a value; write `for k in range(…)`")


_BUILTINS: dict[Any, Callable[[Frame, ast.Call], Datum]] = {
    builtins.abs: _one(maths.absolute, "abs"),
    builtins.round: _one(maths.rounded, "round"),
    builtins.int: _one(maths.to_int, "int"),
    builtins.float: _one(maths.to_float, "float"),
    builtins.bool: _one(maths.to_bool, "bool"),
    builtins.len: _one(_len, "len"),
    builtins.min: _extreme("min"),
    builtins.max: _extreme("max"),
    builtins.pow: _pow,
    builtins.divmod: _divmod,
    builtins.print: _print,
    builtins.range: _range,
}

FROM_NUMPY = {
    "arcsin": "gy.asin", "arccos": "gy.acos", "arctan": "gy.atan", "arctan2": "gy.atan2",
    "arcsinh": "gy.asinh",
    "arccosh": "gy.acosh", "arctanh": "gy.atanh", "absolute": "abs", "power": "**", "maximum": "max",
    "minimum": "min", "where": "`a if condition else b`", "float32": "gy.f32", "float64": "gy.f64",
    "float16": "gy.f16", "int8": "gy.i8", "int16": "gy.i16", "int32": "gy.i32", "int64": "gy.i64",
    "uint8": "gy.u8", "uint16": "gy.u16", "uint32": "gy.u32", "uint64": "gy.u64", "bool": "gy.bool_",
    "bool_": "gy.bool_", "zeros": "gy.local", "empty": "gy.local", "sum": "a loop, or gy.block_sum",
    "clip": "gy.clamp", "mod": "%", "dot": "gy.dot, or a loop", "deg2rad": "gy.radians",
    "rad2deg": "gy.degrees",
}  # fmt: skip


def _refuse(f: Frame, obj: Any, node: ast.Call) -> None:
    name = getattr(obj, "__name__", type(obj).__name__)
    module = str(getattr(obj, "__module__", None) or type(obj).__module__)
    if module.partition(".")[0] == "numpy" or type(obj).__module__.partition(".")[0] == "numpy":
        word = FROM_NUMPY.get(name, f"gy.{name}" if name in WORDS else "")
        advice = f"use {word}" if word else "use the words of the language, element by element"
        f.refuse(codes.NUMPY, node, name=name, advice=advice)
    if isinstance(obj, FunctionType):
        advice = f"decorate {name} with `@gy.func`"
        f.refuse(codes.UNSUPPORTED_CALL, node, what=f"the Python function {name}", advice=advice)
    if obj in (list, dict, set, str, bytes, tuple):
        f.refuse(codes.HEAP_TYPE, node, what=f"`{name}(…)`")
    advice = f"use gy.{name}" if name in WORDS else "use the words of the language or write a `@gy.func`"
    f.refuse(codes.UNSUPPORTED_CALL, node, what=describe(Host(obj)), advice=advice)
