"""Patterns on structured control: known conditions, selects for cheap branches, values that never change."""

from __future__ import annotations

from typing import Any

from gyral.compiler.ir.graph import Block, Op, Value
from gyral.compiler.ir.ops.arith import NotOp, SelectOp
from gyral.compiler.passes.rewrite import Rewriter, acts, constant_of, is_pure

# What a side of an `if` may cost and still be computed always, in units of one addition.
CHEAP = 10
_COSTS = {"arith.div": 4, "arith.floordiv": 8, "arith.mod": 8, "math.call": CHEAP + 1, "arith.const": 0}
_CHEAP_MATH = (
    "fabs",
    "copysign",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "fma",
    "isnan",
    "isinf",
    "isfinite",
    "sqrt",
)


def known_if(op: Op, rewriter: Rewriter) -> bool:
    """An `if` on a constant becomes its side; one without effects and with empty sides goes."""
    known = constant_of(op.operands[0])
    if known is None:
        return False
    side = op.regions[0 if known else 1]
    rewriter.replace(op, rewriter.inline_block(side, op, ()))
    return True


def negated_if(op: Op, rewriter: Rewriter) -> bool:
    """`if not c` becomes `if c` with the sides changed over."""
    inner = op.operands[0].owner
    if not isinstance(inner, NotOp):
        return False
    op.set_operand(0, inner.value)
    op.regions.reverse()
    return True


def settled_result(op: Op, rewriter: Rewriter) -> bool:
    """A result that is one outer value on both sides is that value; an unused one goes."""
    then, orelse = (region.terminator for region in op.regions)
    keep: list[int] = []
    for slot, value in enumerate(op.results):
        first, second = then.operands[slot], orelse.operands[slot]
        if value.uses and first is second:
            rewriter.replace_value(value, first)
        elif value.uses:
            keep.append(slot)
    if len(keep) == len(op.results):
        return False
    for terminator in (then, orelse):
        dropped = [v for slot, v in enumerate(terminator.operands) if slot not in keep]
        terminator.set_operands([terminator.operands[slot] for slot in keep])
        for value in dropped:
            rewriter.touch(value)
    _keep_results(op, keep)
    return True


def _keep_results(op: Op, keep: list[int]) -> None:
    op.results = [op.results[slot] for slot in keep]
    for number, value in enumerate(op.results):
        value.index = number


def empty_if(op: Op, rewriter: Rewriter) -> bool:
    """An `if` that does nothing and gives nothing goes."""
    if op.results or acts(op):
        return False
    rewriter.erase(op)
    return True


def _cost(block: Block) -> int:
    """Cost of a side in additions; too much when it cannot be computed always."""
    total = 0
    for op in block.ops[:-1]:
        if not is_pure(op):
            return CHEAP + 1
        cost = _COSTS.get(op.name, 1)
        if op.name == "math.call" and op.attributes["fn"] in _CHEAP_MATH:
            cost = 1
        total += cost
    return total


def select_for_if(op: Op, rewriter: Rewriter) -> bool:
    """An `if` whose sides are pure and cheap becomes selects."""
    if not op.results or _cost(op.regions[0]) + _cost(op.regions[1]) > CHEAP:
        return False
    condition = op.operands[0]
    on_true = rewriter.inline_block(op.regions[0], op, ())
    on_false = rewriter.inline_block(op.regions[1], op, ())
    builder = rewriter.builder(op)
    chosen = [
        a if a is b else builder.value(SelectOp, condition, a, b, hint=value.hint)
        for value, a, b in zip(op.results, on_true, on_false, strict=True)
    ]
    rewriter.replace(op, chosen)
    return True


def known_for(op: Op, rewriter: Rewriter) -> bool:
    """A loop without a turn gives its initial values; one of a single turn becomes its body."""
    lower, upper, step = map(constant_of, op.operands[:3])
    if step == 0 or (op.operands[0] is op.operands[1]):
        trips = 0
    elif lower is None or upper is None or step is None:
        return False
    else:
        trips = len(range(int(lower), int(upper), int(step)))
    if trips > 1:
        return False
    if trips == 0:
        rewriter.replace(op, op.operands[3:])
    else:
        values = [op.operands[0], *op.operands[3:]]
        rewriter.replace(op, rewriter.inline_block(op.regions[0], op, values))
    return True


def steady_for(op: Op, rewriter: Rewriter) -> bool:
    """A carried value that every turn leaves alone is its initial value; one nobody looks at goes."""
    body = op.regions[0]
    terminator = body.terminator
    keep: list[int] = []
    for slot, arg in enumerate(body.args[1:]):
        following = terminator.operands[slot]
        if following is arg or following is op.operands[3 + slot]:
            rewriter.replace_value(arg, op.operands[3 + slot])
            rewriter.replace_value(op.results[slot], op.operands[3 + slot])
        elif arg.uses or op.results[slot].uses:
            keep.append(slot)
    if len(keep) == len(op.results):
        return False
    drop_for_slots(op, keep)
    for value in terminator.operands:
        rewriter.touch(value)
    rewriter.queue_all(op)
    return True


def drop_for_slots(op: Op, keep: list[int]) -> None:
    """Keep only some of the carried values of a `for`."""
    body = op.regions[0]
    terminator = body.terminator
    terminator.set_operands([terminator.operands[slot] for slot in keep])
    op.set_operands([*op.operands[:3], *(op.operands[3 + slot] for slot in keep)])
    body.args = [body.args[0], *(body.args[1 + slot] for slot in keep)]
    for number, arg in enumerate(body.args):
        arg.index = number
    _keep_results(op, keep)


def known_while(op: Op, rewriter: Rewriter) -> bool:
    """A loop whose test is false at once becomes its test."""
    test = op.regions[0]
    if constant_of(test.terminator.operands[0]) is not False:
        return False
    _, *passed = rewriter.inline_block(test, op, op.operands)
    rewriter.replace(op, passed)
    return True


def steady_while(op: Op, rewriter: Rewriter) -> bool:
    """A carried value that comes back as it went is its initial value; an outer value is not passed."""
    test, body = op.regions
    changed = False
    passed = test.terminator.operands[1:]
    for slot, value in enumerate(passed):
        outer = not _inside(value, op)
        if outer and (body.args[slot].uses or op.results[slot].uses):
            rewriter.replace_value(body.args[slot], value)
            rewriter.replace_value(op.results[slot], value)
            changed = True
    for slot, arg in enumerate(test.args):
        following = body.terminator.operands[slot]
        back = following.owner is body and passed[following.index] is arg
        if (back or following is op.operands[slot]) and arg.uses:
            rewriter.replace_value(arg, op.operands[slot])
            changed = True
    changed |= _drop_while_slots(op)
    if changed:
        rewriter.queue_all(op)
    return changed


def _inside(value: Value, op: Op) -> bool:
    block: Any = value.owner if isinstance(value.owner, Block) else value.owner.parent
    while block is not None:
        if block.parent is op:
            return True
        block = block.parent.parent if block.parent is not None else None
    return False


def _drop_while_slots(op: Op) -> bool:
    """Take out passed values nobody looks at and carried values the test does not."""
    test, body = op.regions
    kept = [s for s, arg in enumerate(body.args) if arg.uses or op.results[s].uses]
    taken = [s for s, arg in enumerate(test.args) if arg.uses]
    return drop_while_slots(op, taken, kept)


def drop_while_slots(op: Op, carried: list[int], passed: list[int]) -> bool:
    """Keep only some of the carried and of the passed values of a `while`."""
    test, body = op.regions
    same = len(carried) == len(test.args) and len(passed) == len(body.args)
    if same:
        return False
    test.args = [test.args[s] for s in carried]
    op.set_operands([op.operands[s] for s in carried])
    body.terminator.set_operands([body.terminator.operands[s] for s in carried])
    ends = test.terminator.operands
    test.terminator.set_operands([ends[0], *(ends[1 + s] for s in passed)])
    body.args = [body.args[s] for s in passed]
    for block in (test, body):
        for number, arg in enumerate(block.args):
            arg.index = number
    _keep_results(op, passed)
    return True


CONTROL = {
    "control.if": (known_if, negated_if, settled_result, empty_if, select_for_if),
    "control.for": (known_for, steady_for),
    "control.while": (known_while, steady_while),
}
