"""Statements without control flow: assignments, expressions and assert; and the walk over structured ones."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.access import element, load, part_of, reference, store, with_part
from gyral.compiler.frontend.annotations import as_annotation
from gyral.compiler.frontend.arith import binary
from gyral.compiler.frontend.convert import stored
from gyral.compiler.frontend.formats import message_of
from gyral.compiler.frontend.frame import Frame, Poisoned, Refused
from gyral.compiler.frontend.logic import condition
from gyral.compiler.frontend.loops import lower_for, lower_while, side, side_values
from gyral.compiler.frontend.names import bind, lookup, rebind
from gyral.compiler.frontend.scope import assigned_in, root_of
from gyral.compiler.frontend.structure import Branch, Leaf, Node, While
from gyral.compiler.frontend.values import (
    Actor,
    Datum,
    Grid,
    Host,
    Memory,
    Part,
    Place,
    Text,
    Tuple,
    Vector,
    describe,
)
from gyral.compiler.ir.graph import Block
from gyral.compiler.ir.ops.control import IfOp, YieldOp
from gyral.compiler.ir.ops.message import RequireOp
from gyral.core.dtypes import DType, StructType, Vec, bool_


def lower_block(f: Frame, nodes: Sequence[Node]) -> None:
    """Lower structured statements in order; a refused one is noted, and the names it assigns are poisoned."""
    for node in nodes:
        try:
            if isinstance(node, Leaf):
                f.at(node.statement)
                _leaf(f, node.statement)
            elif isinstance(node, Branch):
                _branch(f, node)
            elif isinstance(node, While):
                lower_while(f, node, lower_block)
            else:
                lower_for(f, node, lower_block)
        except Refused as refused:
            f.diagnostics.append(refused.diagnostic)
            _poison(f, node)
        except Poisoned:
            _poison(f, node)


def _leaf(f: Frame, statement: ast.stmt) -> None:
    visit = _LEAVES.get(type(statement))
    if visit is None:
        f.refuse(
            codes.UNSUPPORTED_STATEMENT,
            statement,
            what=f"`{type(statement).__name__}`",
            advice="leave it out",
        )
    visit(f, statement)


def _poison(f: Frame, node: Node) -> None:
    for name in assigned_in([node]):
        binding = f.names.get(name)
        if binding is None or not isinstance(binding[0], Memory):  # an element was refused, not the array
            f.names.pop(name, None)
            f.poisoned.add(name)


def _branch(f: Frame, node: Branch) -> None:
    test = condition(f, node.test)
    if isinstance(test, bool):
        lower_block(f, node.then if test else node.orelse)
        return
    f.at(node.test)
    span = f.builder.span
    first, second = Block(), Block()
    then = side(f, first, lambda: lower_block(f, node.then))
    orelse = side(f, second, lambda: lower_block(f, node.orelse))
    bindings, mine, theirs = side_values(f, node.merged, (first, then), (second, orelse), node.test)
    for block, values in ((first, mine), (second, theirs)):
        with f.builder.inside(block):
            f.builder.op(YieldOp, *values)
    f.builder.span = span
    op = f.builder.op(IfOp, test, types=[v.type for v in mine], regions=[first, second])
    rebind(f, bindings, iter(op.results))


def _assign(f: Frame, statement: ast.Assign) -> None:
    datum = f.value(statement.value)
    for target in statement.targets:
        assign(f, target, datum, statement.value)


def assign(f: Frame, target: ast.expr, datum: Datum, node: ast.AST) -> None:
    """Assign a datum to a name, a tuple of targets, a place in memory or a part of a local aggregate."""
    if isinstance(target, ast.Name):
        bind(f, target, datum, node)
    elif isinstance(target, (ast.Tuple, ast.List)):
        _unpack(f, target, datum, node)
    elif isinstance(target, (ast.Subscript, ast.Attribute)):
        place = _target_place(f, target)
        if isinstance(place, Place):
            store(f, place, datum, node, target)
        else:
            _replace(f, target, place, datum, node)
    else:
        f.refuse(codes.NOT_ASSIGNABLE, target, what="this")


def _replace(
    f: Frame, target: ast.Subscript | ast.Attribute, owner: Datum, datum: Datum, node: ast.AST
) -> None:
    """Assign to a part of a local aggregate: the name at its root gets a new whole."""
    whole = with_part(f, owner, target, datum)
    if root_of(target) is None:
        f.refuse(codes.NOT_ASSIGNABLE, target, what="a part of an expression")
    assign(f, target.value, whole, node)


def _target_place(f: Frame, target: ast.Subscript | ast.Attribute) -> Datum | Place:
    """The place a target names in memory, or the local aggregate it is a part of."""
    owner = reference(f, target.value)
    if isinstance(owner, Grid):
        f.refuse(codes.CELL_WRITTEN, target, name=owner.name)
    if isinstance(owner, (Place, Memory, Part, Actor)):
        if isinstance(owner, (Memory, Part)) and isinstance(target, ast.Subscript):
            return element(f, owner, target)
        if isinstance(owner, (Memory, Part)):
            f.refuse(codes.NOT_ASSIGNABLE, target, what="an attribute of an array")
        found = part_of(f, owner, target)
        if not isinstance(found, Place) and isinstance(owner, Actor):
            f.refuse(codes.NOT_ASSIGNABLE, target, what=f"self.{getattr(target, 'attr', '')}")
        if not isinstance(found, Place):
            f.refuse(codes.NOT_ASSIGNABLE, target, what="a component chosen at run time, in memory,")
        return found
    return owner


def _unpack(f: Frame, target: ast.Tuple | ast.List, datum: Datum, node: ast.AST) -> None:
    if isinstance(datum, (Tuple, Vector)):
        items: tuple[Datum, ...] = datum.items
    else:
        f.refuse(codes.MIXED_SHAPE, node, left=describe(datum), right=f"{len(target.elts)} names")
    if any(isinstance(part, ast.Starred) for part in target.elts):
        f.refuse(codes.HEAP_TYPE, target, what="a starred target")
    if len(items) != len(target.elts):
        f.refuse(codes.MIXED_SHAPE, node, left=describe(datum), right=f"{len(target.elts)} names")
    for part, item in zip(target.elts, items, strict=True):
        assign(f, part, item, node)


def _annotated(f: Frame, statement: ast.AnnAssign) -> None:
    if not isinstance(statement.target, ast.Name) or statement.value is None:
        what = "an annotation without a value" if statement.value is None else "an annotated element"
        f.refuse(codes.UNSUPPORTED_STATEMENT, statement, what=what, advice="write `x: gy.f32 = value`")
    found = f.value(statement.annotation)
    declared = as_annotation(found.obj) if isinstance(found, Host) else None
    if not isinstance(declared, (DType, Vec, StructType)):
        f.refuse(codes.ANNOTATION, statement.annotation, what=ast.unparse(statement.annotation))
    datum = f.value(statement.value)
    if isinstance(declared, DType):
        bind(f, statement.target, datum, statement, pinned=declared)
    else:
        bind(f, statement.target, stored(f, datum, declared, statement), statement)


def _augmented(f: Frame, statement: ast.AugAssign) -> None:
    target = statement.target
    if isinstance(target, ast.Name):
        old = lookup(f, ast.copy_location(ast.Name(target.id, ast.Load()), target))
        bind(f, target, binary(f, statement.op, old, f.value(statement.value), statement), statement)
        return
    place = _target_place(f, target)
    if isinstance(place, Place):
        new = binary(f, statement.op, load(f, place, target), f.value(statement.value), statement)
        store(f, place, new, statement.value, target)
        return
    new = binary(f, statement.op, f.value(target), f.value(statement.value), statement)
    _replace(f, target, place, new, statement)


def _expression(f: Frame, statement: ast.Expr) -> None:
    if not isinstance(f.value(statement.value), Text):  # a string of its own is a docstring or a comment
        return


def _assert(f: Frame, statement: ast.Assert) -> None:
    if not f.unit.check or f.unit.is_trusted(f.fn):
        return
    test = condition(f, statement.test)
    text, values = message_of(f, statement.msg)
    f.at(statement)
    value = f.const(bool_, test) if isinstance(test, bool) else test
    f.builder.op(RequireOp, value, *values, check="assert", text=text)


_LEAVES: dict[type[ast.stmt], Callable[[Frame, Any], None]] = {
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Expr: _expression,
    ast.Assert: _assert,
}
