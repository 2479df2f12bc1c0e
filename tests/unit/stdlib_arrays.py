"""Runs bodies of the maths library on NumPy arrays, one lane per element, without a compiler.

The source is rewritten so that a conditional expression selects, an `if` runs for all lanes and keeps its
assignments where the test holds, and a loop goes on while any lane's test holds: what masked SIMD does.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

PACKAGE = "gyral.compiler.stdlib"


class _Masked(ast.NodeTransformer):
    """Control flow to selects."""

    def __init__(self) -> None:
        self.bound: set[str] = set()

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        self.generic_visit(node)
        return _call("select", node.test, node.body, node.orelse)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        self.generic_visit(node)
        word = "both" if isinstance(node.op, ast.And) else "either"
        result = node.values[0]
        for value in node.values[1:]:
            result = _call(word, result, value)
        return result

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        self.generic_visit(node)
        return _call("negate", node.operand) if isinstance(node.op, ast.Not) else node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.bound = {a.arg for a in node.args.args}
        self.generic_visit(node)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        self.generic_visit(node)
        self.bound |= _stores([node])
        return node

    def visit_If(self, node: ast.If) -> list[ast.stmt]:
        if node.orelse:
            raise NotImplementedError("no body has an else")
        return self._guarded(self.visit(node.test), node.body)

    def visit_While(self, node: ast.While) -> ast.stmt:
        test = self.visit(node.test)
        return ast.While(_call("some", test), self._guarded(test, node.body), [])

    def _guarded(self, test: ast.expr, body: list[ast.stmt]) -> list[ast.stmt]:
        """The statements for all lanes, then what was there before put back where the test fails."""
        kept = sorted(_stores(body) & self.bound)
        mask = ast.Assign([ast.Name("mask_", ast.Store())], test)
        before = [ast.parse(f"old_{n} = {n}").body[0] for n in kept]
        after = [ast.parse(f"{n} = select(mask_, {n}, old_{n})").body[0] for n in kept]
        return [mask, *before, *(self.visit(s) for s in body), *after]


def _stores(statements: list[ast.stmt]) -> set[str]:
    nodes = (n for s in statements for n in ast.walk(s))
    return {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def _call(word: str, *args: ast.expr) -> ast.expr:
    return ast.Call(ast.Name(word, ast.Load()), list(args), [])


def _converter(dtype: type) -> Callable[[Any], Any]:
    def convert(x: Any) -> Any:
        x = np.asarray(x)
        if np.issubdtype(dtype, np.integer) and x.dtype.kind == "f":
            low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
            inside = (x > float(low)) & (x < float(high))
            whole = np.where(inside, x, 0).astype(dtype)
            return np.where(x >= float(high), dtype(high), np.where(x <= float(low), dtype(low), whole))
        return x.astype(dtype)

    return convert


def _bitcast(x: Any, dtype: Callable[[Any], Any]) -> Any:
    return np.ascontiguousarray(x).view(dtype(0).dtype)


def _round_to_odd(high: np.ndarray, error: np.ndarray) -> np.ndarray:
    """high, moved to the odd neighbour towards the error it lacks."""
    even = (high.view(np.int64) & 1) == 0
    toward = np.nextafter(high, np.where(error > 0, np.inf, -np.inf))
    return np.where((error != 0) & even & np.isfinite(high), toward, high)


def _two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = a + b
    other = total - a
    return total, (a - (total - other)) + (b - other)


def _two_product(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    def split(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        c = v * 134217729.0
        high = c - (c - v)
        return high, v - high

    product = a * b
    (ah, al), (bh, bl) = split(a), split(b)
    return product, ((ah * bh - product) + ah * bl + al * bh) + al * bl


def _fma(a: Any, b: Any, c: Any) -> np.ndarray:
    """a * b + c rounded once; f64 products must stay clear of the ends of the range."""
    dtype = np.result_type(a, b, c)
    x, y, z = np.broadcast_arrays(*(np.asarray(v, dtype).astype(np.float64) for v in (a, b, c)))
    if dtype == np.float32:
        return _round_to_odd(*_two_sum(x * y, z)).astype(np.float32)
    product, rest = _two_product(x, y)
    rest = np.where(np.isfinite(rest), rest, 0.0)
    low, lowest = _two_sum(z, rest)
    high, middle = _two_sum(product, low)
    exact = high + _round_to_odd(*_two_sum(middle, lowest))
    return np.where(np.isfinite(exact), exact, x * y + z)


def _select(test: Any, a: Any, b: Any) -> Any:
    return np.where(test, a, b)


WORDS: dict[str, Any] = {
    "f32": _converter(np.float32),
    "f64": _converter(np.float64),
    "i32": _converter(np.int32),
    "i64": _converter(np.int64),
    "u32": _converter(np.uint32),
    "u64": _converter(np.uint64),
    "bool_": _converter(np.bool_),
    "bitcast": _bitcast,
    "fma": _fma,
    "select": _select,
    "both": np.logical_and,
    "either": np.logical_or,
    "negate": np.logical_not,
    "some": lambda test: bool(np.any(test)),
    "min": lambda a, b: np.where(np.less(b, a), b, a),
    "max": lambda a, b: np.where(np.greater(b, a), b, a),
    "abs": np.abs,
    **{name: getattr(np, name) for name in ("sqrt", "rint", "floor", "ceil", "trunc", "copysign")},
    "inf": math.inf,
    "nan": math.nan,
}


@cache
def _namespace(module: str) -> dict[str, Any]:
    """Everything a body's module defines, rewritten."""
    spec = find_spec(f"{PACKAGE}.{module}")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    space: dict[str, Any] = dict(WORDS)
    statements: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            if node.module and node.module.startswith(PACKAGE + "."):
                other = _namespace(node.module.rsplit(".", 1)[1])
                space.update({alias.name: other[alias.name] for alias in node.names})
            continue
        statements.append(_Masked().visit(node))
    rewritten = ast.fix_missing_locations(ast.Module(statements, []))
    exec(compile(rewritten, spec.origin, "exec"), space)
    return space


def body(module: str, name: str) -> Callable[..., Any]:
    """The body `name` of a stdlib module as a function on NumPy arrays."""
    function = _namespace(module)[name]

    def run(*args: np.ndarray) -> Any:
        with np.errstate(all="ignore"):
            return function(*args)

    return run
