"""Conditions: truth, short circuits, comparisons and conditional expressions.

A side that is pure and cheap is computed in place; one with loads, calls or effects gets a branch of its own.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from typing import Any

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.convert import adopt, common, number, truth, unify, weakness
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.values import (
    Const,
    Datum,
    Host,
    Number,
    Record,
    Scalar,
    Tuple,
    Vector,
    describe,
)
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Block, Value
from gyral.compiler.ir.ops.arith import AndOp, CmpOp, ConstOp, FloorDivOp, ModOp, NotOp, OrOp, SelectOp
from gyral.compiler.ir.ops.control import IfOp, YieldOp
from gyral.compiler.ir.ops.math import MathOp
from gyral.compiler.ir.traits import PURE
from gyral.core.dtypes import bool_, u8

CHEAP_OPS = 12
COSTLY = (FloorDivOp, ModOp, MathOp)
PREDICATES: dict[type[ast.cmpop], tuple[str, Callable[[Any, Any], bool]]] = {
    ast.Eq: ("eq", operator.eq),
    ast.NotEq: ("ne", operator.ne),
    ast.Lt: ("lt", operator.lt),
    ast.LtE: ("le", operator.le),
    ast.Gt: ("gt", operator.gt),
    ast.GtE: ("ge", operator.ge),
}


def is_cheap(block: Block) -> bool:
    """Whether the ops of a side may run although the other side is taken."""
    if sum(not isinstance(op, ConstOp) for op in block.ops) > CHEAP_OPS:
        return False
    return all(isinstance(op, Operation) and op.has(PURE) and not isinstance(op, COSTLY) for op in block.ops)


def splice(f: Frame, block: Block) -> None:
    """Move a side's ops to where lowering stands."""
    for op in block.ops:
        f.builder.insert(op)
    block.ops = []


def all_of(f: Frame, parts: Sequence[Callable[[], Value | bool]]) -> Value | bool:
    """Python's `and` of conditions, each computed only when those before it hold."""
    if not parts:
        return True
    first = parts[0]()
    if first is False or len(parts) == 1:
        return first
    if first is True:
        return all_of(f, parts[1:])
    return _then(f, first, lambda: all_of(f, parts[1:]), stop=False)


def any_of(f: Frame, parts: Sequence[Callable[[], Value | bool]]) -> Value | bool:
    """Python's `or` of conditions, each computed only when none before it holds."""
    first = parts[0]()
    if first is True or len(parts) == 1:
        return first
    if first is False:
        return any_of(f, parts[1:])
    return _then(f, first, lambda: any_of(f, parts[1:]), stop=True)


def _then(f: Frame, first: Value, rest: Callable[[], Value | bool], stop: bool) -> Value | bool:
    side = Block()
    with f.region(side):
        second = rest()
        if isinstance(second, bool) and side.ops:
            second = f.const(bool_, second)
    if isinstance(second, bool):
        return stop if second is stop else first
    if is_cheap(side):
        splice(f, side)
        return f.emit(OrOp if stop else AndOp, first, second)
    other = Block()
    with f.builder.inside(side):
        f.builder.op(YieldOp, second)
    with f.builder.inside(other):
        f.builder.op(YieldOp, f.const(bool_, stop))
    regions = [other, side] if stop else [side, other]
    return f.builder.op(IfOp, first, types=[bool_], regions=regions).result


def condition(f: Frame, node: ast.expr) -> Value | bool:
    """A test: short circuits stay conditions, whatever their operands' types."""
    if isinstance(node, ast.BoolOp):
        parts = [(lambda n=n: condition(f, n)) for n in node.values]
        return all_of(f, parts) if isinstance(node.op, ast.And) else any_of(f, parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return negated(f, condition(f, node.operand))
    return truth(f, f.value(node), node)


def negated(f: Frame, test: Value | bool) -> Value | bool:
    """The opposite of a condition."""
    return not test if isinstance(test, bool) else f.emit(NotOp, test)


def as_datum(test: Value | bool) -> Datum:
    """A condition as a datum."""
    return Const(test) if isinstance(test, bool) else Scalar(test)


def boolean(f: Frame, node: ast.BoolOp) -> Datum:
    """`a and b`, `a or b` as a value: bools stay bools, other numbers give an operand as in Python."""
    first, rest = node.values[0], node.values[1:]
    left = f.value(first)
    test = truth(f, left, first)
    stays = isinstance(node.op, ast.Or)
    if test is stays or not rest:
        return left
    right = rest[0] if len(rest) == 1 else ast.copy_location(ast.BoolOp(node.op, rest), rest[0])
    if isinstance(test, bool):
        return f.value(right)
    if isinstance(left, Scalar) and left.dtype is bool_ and _all_bool(rest):
        return as_datum(_then(f, test, lambda: condition(f, right), stop=stays))
    if stays:
        return choose(f, test, lambda: left, lambda: f.value(right), node)
    return choose(f, test, lambda: f.value(right), lambda: left, node)


def _all_bool(nodes: Sequence[ast.expr]) -> bool:
    """Whether expressions are conditions by their form."""
    return all(
        isinstance(n, ast.Compare)
        or (isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.Not))
        or (isinstance(n, ast.BoolOp) and _all_bool(n.values))
        for n in nodes
    )


def choose(
    f: Frame, test: Value | bool, then: Callable[[], Datum], orelse: Callable[[], Datum], node: ast.AST
) -> Datum:
    """`then if test else orelse`: one side is computed, or both where that is cheap."""
    if isinstance(test, bool):
        return then() if test else orelse()
    first, second = Block(), Block()
    with f.region(first):
        a = then()
    with f.region(second):
        b = orelse()
    form = alike(f, a, b, node)
    with f.builder.inside(first):
        mine = [adopt(f, n, t, node) for n, t in zip(numbers_of(a), form.types, strict=True)]
    with f.builder.inside(second):
        theirs = [adopt(f, n, t, node) for n, t in zip(numbers_of(b), form.types, strict=True)]
    if is_cheap(first) and is_cheap(second):
        splice(f, first)
        splice(f, second)
        values = [x if x is y else f.emit(SelectOp, test, x, y) for x, y in zip(mine, theirs, strict=True)]
    else:
        for block, side in ((first, mine), (second, theirs)):
            with f.builder.inside(block):
                f.builder.op(YieldOp, *side)
        values = f.builder.op(IfOp, test, types=form.types, regions=[first, second]).results
    return form.build(iter(values))


class Form:
    """The common form of two data: types of their numbers, and how to build one from values."""

    def __init__(self, types: list[Any], build: Callable[[Any], Datum]) -> None:
        self.types = types
        self.build = build


def numbers_of(datum: Datum) -> list[Number]:
    """The numbers of a datum, constants included, in order."""
    if isinstance(datum, (Scalar, Const)):
        return [datum]
    if isinstance(datum, (Tuple, Vector, Record)):
        return [n for item in datum.items for n in numbers_of(item)]
    return []


def alike(f: Frame, a: Datum, b: Datum, node: ast.AST) -> Form:
    """The form that both data can take; refused when they differ in kind."""
    if isinstance(a, (Scalar, Const)) and isinstance(b, (Scalar, Const)):
        dtype, weak = common(f, node, a, b)
        how = weakness(a, b) if weak else ""
        return Form([dtype], lambda values: Scalar(next(values), how))
    if isinstance(a, Tuple) and isinstance(b, Tuple) and len(a.items) == len(b.items):
        forms = [alike(f, x, y, node) for x, y in zip(a.items, b.items, strict=True)]
        types = [t for form in forms for t in form.types]
        return Form(types, lambda values: Tuple(tuple(form.build(values) for form in forms)))
    if isinstance(a, Vector) and isinstance(b, Vector) and a.type == b.type:
        t = a.type
        return Form([t.elem] * t.size, lambda values: Vector(t, tuple(Scalar(next(values)) for _ in a.items)))
    if isinstance(a, Record) and isinstance(b, Record) and a.type == b.type:
        struct = a.type
        forms = [alike(f, x, y, node) for x, y in zip(a.items, b.items, strict=True)]
        types = [t for form in forms for t in form.types]
        return Form(types, lambda values: Record(struct, tuple(form.build(values) for form in forms)))
    if a is b or (isinstance(a, Host) and isinstance(b, Host) and a.obj is b.obj):
        return Form([], lambda values: a)
    f.refuse(codes.MIXED_SHAPE, node, left=describe(a), right=describe(b))


def comparison(f: Frame, node: ast.Compare) -> Datum:
    """A chain of comparisons; each operand is computed once, later ones only while the earlier hold."""
    left = f.value(node.left)
    if len(node.ops) == 1:
        return as_datum(compare(f, node.ops[0], left, f.value(node.comparators[0]), node))
    operands: list[Datum] = [left]

    def step(at: int) -> Value | bool:
        operands[at + 1 :] = [f.value(node.comparators[at])]
        first = compare(f, node.ops[at], operands[at], operands[at + 1], node)
        if at + 1 == len(node.ops) or first is False:
            return first
        return step(at + 1) if first is True else _then(f, first, lambda: step(at + 1), stop=False)

    return as_datum(step(0))


def compare(f: Frame, op: ast.cmpop, left: Datum, right: Datum, node: ast.AST) -> Value | bool:
    """One comparison."""
    if (
        isinstance(left, Host)
        and isinstance(right, Host)
        and isinstance(op, (ast.Is, ast.IsNot, ast.Eq, ast.NotEq))
    ):
        same = left.obj is right.obj or left.obj == right.obj
        return same if isinstance(op, (ast.Is, ast.Eq)) else not same
    if type(op) not in PREDICATES:
        spelled = {ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in"}[type(op)]
        advice = "compare numbers with == != < <= > >="
        f.refuse(codes.UNSUPPORTED_EXPRESSION, node, what=f"`{spelled}`", advice=advice)
    predicate, fold = PREDICATES[type(op)]
    if isinstance(left, Vector) or isinstance(right, Vector):
        f.refuse(codes.OPERAND, node, op=predicate, what="vectors", advice="compare their components")
    a, b = number(f, left, node), number(f, right, node)
    if isinstance(a, Const) and isinstance(b, Const):
        return fold(a.value, b.value)
    (x, y), _ = unify(f, node, a, b)
    if x.type is bool_ and predicate not in ("eq", "ne"):
        x, y = f.cast(x, u8), f.cast(y, u8)
    return f.emit(CmpOp, x, y, predicate=predicate)


def conditional(f: Frame, node: ast.IfExp) -> Datum:
    """`a if test else b`."""
    test = condition(f, node.test)
    return choose(f, test, lambda: f.value(node.body), lambda: f.value(node.orelse), node)
