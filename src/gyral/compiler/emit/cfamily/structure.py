"""Branches and loops. What a region yields goes into variables that were declared before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gyral.compiler.emit.cfamily.writer import Mode, Writer
from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.ops import control as flow
from gyral.compiler.ir.ops.arith import AndOp, ConstOp
from gyral.compiler.ir.ops.message import RequireOp
from gyral.compiler.ir.traits import PURE, SYNC
from gyral.core.dtypes import DType, u32, u64

ALIVE = "alive"
"""The variable that says whether a thread has effects."""
SOUND = "sound"
"""The variable that says that no check failed that is the same for the whole block."""


def is_mortal(op: Op) -> bool:
    """Whether a thread may become inactive in here."""
    return any(isinstance(inner, RequireOp) for inner in op.walk())


def _waits(op: Op) -> bool:
    """Whether threads of the block wait for one another in here."""
    return any(bool(inner.traits & SYNC) for inner in op.walk())


@contextmanager
def _inside(w: Writer, op: Op, *deciding: Value, known: bool = True) -> Iterator[None]:
    """Regions of `op`, entered by threads that `deciding` may tell apart."""
    kept = w.together, w.known
    w.together = w.together and not any(w.variance.get(value, 0) for value in deciding)
    w.known = w.known and known
    yield
    w.together, w.known = kept


def _if(w: Writer, op: Any) -> None:
    wanted = [(slot, value) for slot, value in enumerate(op.results) if value.uses]
    targets = [w.variable(value) for _, value in wanted]
    bare = len(op.orelse.ops) == 1 and not targets
    go = w.of(op.condition)
    w.put(f"if ({w.dialect.whole_thread(go) if op.whole else go}) {{")
    for number, side in enumerate(op.regions):
        if number:
            if bare:
                break
            w.put("} else {")
        w.depth += 1
        with _inside(w, op, op.condition):
            w.region(side)
            for target, (slot, _) in zip(targets, wanted, strict=True):
                w.put(f"{target} = {w.of(side.terminator.operands[slot])};")
            if w.dialect.barriers_close and any(_waits(inner) for inner in side.ops):
                w.put(*w.dialect.barrier())
        w.depth -= 1
    w.put("}")
    _after(w, op)


def _after(w: Writer, op: Op) -> None:
    if w.mode is Mode.ACTIVE and is_mortal(op):
        w.known = False


def _assign(w: Writer, targets: list[str], values: list[Value]) -> None:
    """Give variables their next values, all at once."""
    given = w.all(values)
    for slot, text in enumerate(given):
        if text in targets[:slot]:
            given[slot] = w.fresh()
            w.put(w.dialect.let(values[slot].type, given[slot], text))
    for target, text in zip(targets, given, strict=True):
        if target != text:
            w.put(f"{target} = {text};")


def _watched(w: Writer, op: Op, go: str) -> str:
    """A loop's condition, with what ends it early where checks fail, as what it waits for may never come."""
    mortal = is_mortal(op)
    if w.mode is Mode.ALL and w.mortal and (mortal or isinstance(op, flow.WhileOp)):
        return f"{go} && {SOUND}"
    return f"{go} && {ALIVE}" if w.mode is Mode.ACTIVE and mortal else go


def _for(w: Writer, op: Any) -> None:
    iv, *carried = op.body.args
    targets = []
    for value, arg, first in zip(op.results, carried, w.all(op.operands[3:]), strict=True):
        w.names[arg] = w.variable(value, first)
        targets.append(w.names[arg])
    head, first, last = _head(w, op, iv)
    with w.scope(head), _inside(w, op, op.lower, op.upper, op.step):
        w.put(*first)
        w.region(op.body)
        _assign(w, targets, op.body.terminator.operands)
        w.put(*last)
    _after(w, op)


def _head(w: Writer, op: Any, iv: Value) -> tuple[str, list[str], list[str]]:
    """The head of a counted loop, and what its first and last lines are."""
    lower, upper, step = w.all([op.lower, op.upper, op.step])
    t = w.dialect.real(iv.type)
    w.names[iv] = name = w.fresh("j")
    by = op.step.owner.value if isinstance(op.step.owner, ConstOp) else None
    if by in (1, -1) or (by is not None and _ends_inside(op, t, by)):
        sign = "<" if by is None or by > 0 else ">"
        go = _watched(w, op, f"{name} {sign} {upper}")
        return w.dialect.counted(iv.type, name, lower, go, by or 1), [], []
    w.put(w.dialect.var(iv.type, name, lower))
    following = f"{name} = {w.dialect.wrapping('+', t, name, step)};"
    if by is None and _in_loop(op):
        return _by_distance(w, op, (lower, upper, step), following)
    wide = u64 if t.bits == 64 else u32
    turns, turn = w.fresh("n"), w.fresh("k")
    w.put(w.dialect.let(wide, turns, f"{w.dialect.helper(f'trips_{t.name}')}({lower}, {upper}, {step})"))
    go = _watched(w, op, f"{turn} < {turns}")
    return w.dialect.counted(wide, turn, w.dialect.literal(wide, 0), go, 1), [], [following]


def _in_loop(op: Op) -> bool:
    """Whether another loop is around this one."""
    outer = op.parent.parent if op.parent is not None else None
    while outer is not None:
        if isinstance(outer, (flow.ForOp, flow.WhileOp)):
            return True
        outer = outer.parent.parent if outer.parent is not None else None
    return False


def _by_distance(
    w: Writer, op: Any, bounds: tuple[str, str, str], following: str
) -> tuple[str, list[str], list[str]]:
    """A loop that counts down the distance to its end, which takes no division each time it is entered."""
    d, (lower, upper, step) = w.dialect, bounds
    t = d.real(op.lower.type)
    wide = u64 if t.bits == 64 else u32
    left, pace = w.fresh("n"), w.fresh("k")
    low, high, by = (f"({d.cast(t, wide, name)})" for name in bounds)
    nought, zero = d.literal(t, 0), d.literal(wide, 0)
    distance = d.select(f"(({step} > {nought}) && ({lower} < {upper}))", f"({high} - {low})", zero)
    size = by
    if t.is_signed:
        falls = f"(({step} < {nought}) && ({lower} > {upper}))"
        distance = d.select(falls, f"({low} - {high})", distance)
        size = d.select(f"({step} < {nought})", f"({zero} - {by})", by)
    w.put(d.var(wide, left, distance), d.let(wide, pace, size))
    stop = d.unless(_watched(w, op, f"{left} > {zero}"))
    rest = d.select(f"({left} > {pace})", f"({left} - {pace})", zero)
    return d.endless, [stop, "  break;", "}"], [following, f"{left} = {rest};"]


def _ends_inside(op: Any, t: DType, by: int) -> bool:
    """Whether a counter that steps over a constant end stays within its type."""
    low, high = t.bounds()
    end = op.upper.owner.value if isinstance(op.upper.owner, ConstOp) else None
    return by != 0 and end is not None and low <= end + by <= high


def _while(w: Writer, op: Any) -> None:
    go, *passed = op.test.terminator.operands
    targets = [_begin(w, arg, first) for arg, first in zip(op.test.args, w.all(op.initial), strict=True)]
    left = []
    for value, given in zip(op.results, passed, strict=True):
        if not value.uses:
            continue
        if given in op.test.args and value not in w.outs:
            w.names[value] = w.names[given]
        else:
            left.append((w.variable(value), given))
    mortal = w.mode is Mode.ACTIVE and is_mortal(op)
    with w.scope(w.dialect.endless), _inside(w, op, go, known=not mortal):
        early = _early(w, op, {given for _, given in left})
        if early:
            for inner in op.test.ops[:early]:
                w.op(inner)
            _leave(w, op, op.test.ops[early - 1].results[0], left)
            for inner in op.test.ops[early:-2]:
                w.op(inner)
            go = next(each for each in go.owner.operands if each.owner is not op.test.ops[early - 1])
        else:
            w.region(op.test)
        _leave(w, op, go, left)
        for arg, given in zip(op.body.args, passed, strict=True):
            w.names[arg] = w.of(given)
        w.known = True
        w.region(op.body)
        _assign(w, targets, op.body.terminator.operands)
    _after(w, op)


def _early(w: Writer, op: Any, leaving: set[Value]) -> int:
    """How many of a test's ops give the first of its two conditions, where it may end the loop at once.

    Where a processor plays the device, a jump that is foretold costs less than the second condition.
    """
    ops, go = op.test.ops[:-1], op.test.terminator.operands[0]
    both = go.owner
    if not (w.dialect.tests_in_turn and w.mode is Mode.PLAIN and isinstance(both, AndOp)):
        return 0
    if ops[-1:] != [both] or len(go.uses) > 1 or both.lhs is both.rhs:
        return 0
    conditions = both.lhs.owner, both.rhs.owner
    first = next((k + 1 for k, inner in enumerate(ops) if inner in conditions), 0)
    rest = ops[first:-1]
    return first if all(inner.traits & PURE and leaving.isdisjoint(inner.results) for inner in rest) else 0


def _leave(w: Writer, op: Op, go: Value, left: list[tuple[str, Value]]) -> None:
    """Break out of a loop unless `go`, with the values that it leaves."""
    with w.scope(w.dialect.unless(_watched(w, op, w.of(go)))):
        w.put(*(f"{name} = {w.of(given)};" for name, given in left), "break;")


def _begin(w: Writer, arg: Value, first: str) -> str:
    """A variable for a carried value."""
    w.names[arg] = name = w.fresh()
    w.put(w.dialect.var(arg.type, name, first))
    return name


WRITERS: dict[type, Callable[[Writer, Op], None]] = {
    flow.IfOp: _if,
    flow.ForOp: _for,
    flow.WhileOp: _while,
}
