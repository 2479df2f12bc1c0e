"""Loops and the merging of sides: structured statements as ops with regions."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.convert import adopt, as_index, common, default_type, number
from gyral.compiler.frontend.frame import Binding, Frame
from gyral.compiler.frontend.logic import all_of, condition, negated
from gyral.compiler.frontend.names import bind, leaves_of, rebind, reshaped, zero_like
from gyral.compiler.frontend.structure import For, Node, While
from gyral.compiler.frontend.values import Const, Datum, Host, Scalar, describe, scalars
from gyral.compiler.ir.graph import Block, Value
from gyral.compiler.ir.ops.arith import AddOp, CmpOp, FloorDivOp, MaxOp, NegOp, SelectOp, SubOp
from gyral.compiler.ir.ops.control import ForOp, TestOp, WhileOp, YieldOp
from gyral.compiler.ir.ops.grid import SpanOp
from gyral.compiler.ir.ops.message import RequireOp
from gyral.compiler.words import Word, block_range, grid_range
from gyral.core.dtypes import DType, bool_, i64, index

Body: TypeAlias = Callable[[Frame, Sequence[Node]], None]
Names: TypeAlias = dict[str, Binding]
Bindings: TypeAlias = list[tuple[str, Binding]]


def side(f: Frame, block: Block, run: Callable[[], None]) -> Names:
    """Lower one side into `block`; the names as they are at its end."""
    with f.region(block):
        run()
        return f.names


def side_values(
    f: Frame, merged: Sequence[str], first: tuple[Block, Names], second: tuple[Block, Names], node: ast.AST
) -> tuple[Bindings, list[Value], list[Value]]:
    """Merged names with the values that each side gives them; a side without a value gives zeros."""
    bindings: Bindings = []
    values: tuple[list[Value], list[Value]] = ([], [])
    for name in merged:
        pair = [names.get(name) for _, names in (first, second)]
        known = pair[0] or pair[1]
        if known is None:
            continue
        datum = known[0]
        for (block, _), binding, found in zip((first, second), pair, values, strict=True):
            with f.builder.inside(block):
                datum = zero_like(f, known[0]) if binding is None else reshaped(f, name, binding, node)
                found += leaves_of([datum])
        bindings.append((name, (datum, known[1])))
    return bindings, *values


def _entry(f: Frame, node: Node, names: Sequence[str]) -> Bindings:
    """What a loop carries, as it stands before it; a name without a value yet starts as zeros of its form."""
    found: Bindings = []
    for name in names:
        binding = f.names.get(name)
        if binding is None:
            form = f.forms.get((id(node), name))
            if form is None:
                f.incomplete = True
                continue
            binding = zero_like(f, form[0]), form[1]
        found.append((name, binding))
    return found


def _turn(f: Frame, node: Node, names: Sequence[str], carried: Bindings) -> list[Value]:
    """What a loop's body hands to its next turn; notes the form of names that had no value before."""
    entered = dict(carried)
    for name in names:
        binding = f.names.get(name)
        if binding is None:
            continue
        if name not in entered or (id(node), name) in f.forms:
            _keep_form(f, (id(node), name), binding)
    data = []
    for name, entry in carried:
        binding = f.names.get(name)
        data.append(entry[0] if binding is None else reshaped(f, name, binding, _at(node)))
    return leaves_of(data)


def _keep_form(f: Frame, key: tuple[int, str], binding: Binding) -> None:
    old = f.forms.get(key)
    types = [s.dtype for s in scalars(binding[0])]
    if old is not None and [s.dtype for s in scalars(old[0])] != types:
        f.incomplete = True
    f.forms[key] = binding


def _at(node: Node) -> ast.AST:
    return node.statement if isinstance(node, For) else node.go if isinstance(node, While) else ast.Pass()


def _may_go_on(f: Frame, node: ast.AST) -> None:
    """At the end of a turn of a handler's loop, ask the resident loop around it whether to go on."""
    ask = f.unit.resident
    if ask is None or f.is_kernel or f.unit.is_trusted(f.fn):
        return
    f.at(node)
    line = f.source.line(f.builder.span.line).strip()
    f.builder.op(RequireOp, ask(f), check="abort", text=line)


def lower_while(f: Frame, node: While, body: Body) -> None:
    """A loop with its test in a region of its own."""
    f.at(node.go)
    span = f.builder.span
    carried = _entry(f, node, node.carried)
    initial = leaves_of(datum for _, (datum, _) in carried)
    test, turn = Block([v.type for v in initial]), Block()
    with f.region(test):
        rebind(f, carried, iter(test.args))
        body(f, node.test)
        f.at(node.go)
        found = condition(f, node.go)
        go = f.const(bool_, found) if isinstance(found, bool) else found
        passed = _passed(f, node.passed)
        values = leaves_of(datum for _, (datum, _) in passed)
        f.builder.op(TestOp, go, *values)
    with f.region(turn):
        rebind(f, passed, iter([turn.add_arg(v.type) for v in values]))
        body(f, node.body)
        _may_go_on(f, node.go)
        f.builder.op(YieldOp, *_turn(f, node, node.carried, carried))
    f.builder.span = span
    op = f.builder.op(WhileOp, *initial, types=[v.type for v in values], regions=[test, turn])
    rebind(f, passed, iter(op.results))


def _passed(f: Frame, names: Sequence[str]) -> Bindings:
    found: Bindings = []
    for name in names:
        binding = f.names.get(name)
        if binding is not None:
            found.append((name, binding))
    return found


@dataclass(slots=True)
class Count:
    """A counted loop's bounds; `step` is known where it is a constant, and 1 for shares of the grid."""

    lower: Value
    upper: Value
    step: Value
    known: int | None


def lower_for(f: Frame, node: For, body: Body) -> None:
    """A counted loop; one that can end early becomes a while loop with a counter."""
    statement = node.statement
    if not isinstance(statement.target, ast.Name):
        f.refuse(codes.ITERATION, statement.target, what="several targets at once")
    f.at(statement.iter)
    count = _count(f, statement.iter)
    if count is None:
        return
    if node.until is not None or node.stopped is not None:
        _lower_leaving(f, node, statement.target, count, body)
        return
    span = f.builder.span
    carried = _entry(f, node, node.carried)
    initial = leaves_of(datum for _, (datum, _) in carried)
    turn = Block([count.lower.type, *(v.type for v in initial)])
    turn.args[0].hint = statement.target.id
    with f.region(turn):
        rebind(f, carried, iter(turn.args[1:]))
        bind(f, statement.target, Scalar(turn.args[0]), statement.target)
        body(f, node.body)
        _may_go_on(f, statement)
        f.builder.op(YieldOp, *_turn(f, node, node.carried, carried))
    f.builder.span = span
    types = [v.type for v in initial]
    op = f.builder.op(ForOp, count.lower, count.upper, count.step, *initial, types=types, regions=[turn])
    rebind(f, carried, iter(op.results))


def _count(f: Frame, node: ast.expr) -> Count | None:
    """The bounds of what a loop runs over; None when it surely makes no turn."""
    if not isinstance(node, ast.Call):
        f.refuse(codes.ITERATION, node, what=describe(f.value(node)))
    callee = f.value(node.func)
    obj = callee.obj if isinstance(callee, Host) else None
    args = [f.value(arg) for arg in node.args]
    if isinstance(obj, Word) and obj in (grid_range, block_range):
        if len(args) != 1 or node.keywords:
            f.refuse(codes.ARGUMENTS, node, name=obj.name, what="takes one argument", usage=obj.usage)
        total = as_index(f, args[0], node.args[0])
        scope = "grid" if obj is grid_range else "block"
        f.at(node)
        span = f.builder.op(SpanOp, total, scope=scope)
        return Count(*span.results, known=None)
    if obj is not range:
        f.refuse(codes.ITERATION, node, what=describe(callee))
    if not 1 <= len(args) <= 3 or node.keywords:
        usage = "`range(stop)`, `range(start, stop)` or `range(start, stop, step)`"
        f.refuse(codes.ARGUMENTS, node, name="range", what="takes one to three arguments", usage=usage)
    return _range(f, args, node)


def _range(f: Frame, args: list[Datum], node: ast.Call) -> Count | None:
    data = [Const(0), *args] if len(args) == 1 else args
    given = [number(f, d, node) for d in data] + ([Const(1)] if len(data) == 2 else [])
    for datum, arg in zip(args, node.args, strict=True):
        bad = datum.value if isinstance(datum, Const) else getattr(datum, "dtype", i64)
        if isinstance(bad, (bool, float)) or (isinstance(bad, DType) and not bad.is_integer):
            advice = "convert it, such as `gy.i32(…)`"
            f.refuse(codes.OPERAND, arg, op="range", what=describe(datum), advice=advice)
    dtype, weak = common(f, node, *given)
    if weak:
        wide = [default_type(g.value) for g in given if isinstance(g, Const)]
        dtype = next((t for t in wide if t.bits == 64), dtype)
    step = given[2]
    if isinstance(step, Const) and step.value == 0:
        f.refuse(codes.ARGUMENTS, node, name="range", what="has a step of 0", usage="a step other than 0")
    lower, upper, by = (adopt(f, g, dtype, node) for g in given)
    return Count(lower, upper, by, int(step.value) if isinstance(step, Const) else None)


def _lower_leaving(f: Frame, node: For, target: ast.Name, count: Count, body: Body) -> None:
    """A counted loop that an exit can end: test: k < n and not exit."""
    span = f.builder.span
    walk = _walk(f, count)
    carried = _entry(f, node, node.carried)
    initial = [*walk.initial, *leaves_of(datum for _, (datum, _) in carried)]
    own = len(walk.initial)
    test, turn = Block([v.type for v in initial]), Block()
    with f.region(test):
        rebind(f, carried, iter(test.args[own:]))
        before = f.names.get(target.id)
        bind(f, target, Scalar(test.args[0]), target)
        inside = _none(f, walk.inside(f, test.args), node.stopped)
        go = _none(f, inside, node.until)
        last = _last_values(f, inside, before, f.names[target.id][0]) if node.kept else []
        names = [name for name in node.passed if name != target.id]
        passed = _passed(f, names)
        values = [*test.args[:own], *leaves_of(datum for _, (datum, _) in passed)]
        f.builder.op(TestOp, go, *values, *last)
        held = f.names[target.id]
    with f.region(turn):
        args = [turn.add_arg(v.type) for v in (*values, *last)]
        rebind(f, passed, iter(args[own : len(values)]))
        bind(f, target, Scalar(args[0]), target)
        body(f, node.body)
        _may_go_on(f, node.statement)
        following = walk.following(f, args)
        f.builder.op(YieldOp, *following, *_turn(f, node, node.carried, carried))
    f.builder.span = span
    types = [v.type for v in (*values, *last)]
    op = f.builder.op(WhileOp, *initial, types=types, regions=[test, turn])
    rebind(f, passed, iter(op.results[own : len(values)]))
    if node.kept:
        rebind(f, [(target.id, held)], iter(op.results[len(values) :]))


def _none(f: Frame, go: Value, exit: ast.expr | None) -> Value:
    """`go and not exit`, the exit computed only while `go` holds."""
    if exit is None:
        return go
    found = all_of(f, [lambda: go, lambda: negated(f, condition(f, exit))])
    return f.const(bool_, found) if isinstance(found, bool) else found


def _last_values(f: Frame, inside: Value, before: Binding | None, now: Datum) -> list[Value]:
    """The target as it is after the loop: unchanged by the test that found the range used up."""
    mine = leaves_of([now])
    if before is None:
        return mine
    theirs = leaves_of([before[0]])
    if [v.type for v in mine] != [v.type for v in theirs]:
        f.incomplete = True
        return mine
    return [f.emit(SelectOp, inside, a, b) for a, b in zip(mine, theirs, strict=True)]


class _Walk:
    """How a leaving loop counts: the variable itself for steps of one, else beside a counter of turns."""

    def __init__(self, initial: list[Value], upper: Value, step: Value, down: bool) -> None:
        self.initial = initial
        self.upper = upper
        self.step = step
        self.down = down

    def inside(self, f: Frame, args: Sequence[Value]) -> Value:
        """Whether a turn is left."""
        if len(self.initial) == 2:
            return f.emit(CmpOp, args[1], self.upper, predicate="lt")
        return f.emit(CmpOp, args[0], self.upper, predicate="gt" if self.down else "lt")

    def following(self, f: Frame, args: Sequence[Value]) -> list[Value]:
        """The variable, and the counter where there is one, at the next turn."""
        found = [f.emit(AddOp, args[0], self.step)]
        if len(self.initial) == 2:
            found.append(f.emit(AddOp, args[1], f.const(i64, 1)))
        return found


def _walk(f: Frame, count: Count) -> _Walk:
    is_share = count.known is None and count.lower.type is index and isinstance(count.lower.owner, SpanOp)
    if is_share or count.known in (1, -1):
        return _Walk([count.lower], count.upper, count.step, count.known == -1)
    lower, upper, step = (f.cast(v, i64) for v in (count.lower, count.upper, count.step))
    down = f.emit(FloorDivOp, f.emit(SubOp, lower, upper), step)
    turns = f.emit(MaxOp, f.const(i64, 0), f.emit(NegOp, down))
    return _Walk([count.lower, f.const(i64, 0)], turns, count.step, False)
