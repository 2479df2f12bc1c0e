"""Loops. Where all lanes count alike a scalar counts; else a loop turns until no lane is left in it."""

from __future__ import annotations

from collections.abc import Sequence

from gyral.compiler.emit.llvm.arith import compare
from gyral.compiler.emit.llvm.branch import Write
from gyral.compiler.emit.llvm.carried import Carried, Ends
from gyral.compiler.emit.llvm.context import Chain, Context
from gyral.compiler.emit.llvm.form import ALL, LANE, ROW, Affine, Scalar
from gyral.compiler.emit.llvm.grid import lanes_before
from gyral.compiler.emit.llvm.merge import (
    blended,
    copy,
    held,
    in_form,
    is_common_part,
    llvm_type,
    single,
    yielded,
)
from gyral.compiler.emit.llvm.trips import lane_trips, trip_count
from gyral.compiler.emit.llvm.walk import emit_block
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Value
from gyral.compiler.ir.ops.arith import ConstOp
from gyral.compiler.ir.ops.grid import BlockDimOp, GlobalSizeOp, SpanOp
from gyral.core.dtypes import i64, index


def emit_for(ctx: Context, op: Operation) -> None:
    """A counted loop: by a scalar counter when all lanes count alike, else under a mask per turn."""
    if single(ctx, op.lower) and single(ctx, op.upper) and single(ctx, op.step):
        for_counted(ctx, op)
    elif _side_by_side(ctx, op):
        _for_lanes(ctx, op)
    else:
        _for_masked(ctx, op)


def for_counted(ctx: Context, op: Operation, write: Write = emit_block) -> None:
    """A loop with one counter for all lanes; `write` writes its body."""
    text = ctx.text
    scalar = ctx.form(op.lower.type, False)
    lower, upper, step = (ctx.scalar(v, (0, 0)) for v in (op.lower, op.upper, op.step))
    by_one = isinstance(op.step.owner, ConstOp) and op.step.owner.value == 1
    trips = "" if by_one else trip_count(ctx, op, lower, upper, step)
    head, body, done = (text.fresh_label(hint) for hint in ("loop", "body", "done"))
    carried = Carried(ctx, op.body.args[1:], op.initial)
    entry = text.label
    text.jump(head)
    text.begin(head)
    counter = text.phi(scalar.llvm)
    counter.add(lower, entry)
    left = None if by_one else text.phi("i64")
    carried.begin(entry)
    if left is None:
        again = compare(ctx, "lt", scalar, counter.name, upper)
    else:
        left.add(trips, entry)
        again = text.let(f"icmp ne i64 {left.name}, 0")
    text.branch(again, body, done)
    text.begin(body)
    for key in ctx.keys(ctx.bits(op.body.args[0])):
        ctx.set(op.body.args[0], key, Scalar(counter.name))
    write(ctx, op.body)
    exact = "nuw " if scalar.dtype.kind == "uint" else "nsw "
    following = text.let(f"add {exact if by_one else ''}{scalar.llvm} {counter.name}, {step}")
    fewer = "" if left is None else text.let(f"sub nuw i64 {left.name}, 1")
    carried.close(op.body.terminator.operands)
    counter.add(following, text.label)
    if left is not None:
        left.add(fewer, text.label)
    text.jump(head)
    text.begin(done)
    for arg, result in zip(op.body.args[1:], op.results, strict=True):
        copy(ctx, arg, result)


def _side_by_side(ctx: Context, op: Operation) -> bool:
    """Whether the lanes start one after another, step up together, and end at one place."""
    if op.lower.type is not index or not single(ctx, op.step) or not _is_positive(op.step):
        return False
    keys = ctx.keys(ctx.bits(op.lower))
    rows_apart = ctx.rows > 1 and ctx.bits(op.lower) & ROW and not isinstance(op.lower.owner, SpanOp)
    if rows_apart or not single(ctx, op.upper):
        return False
    starts = [ctx.part(op.lower, key) for key in keys]
    per_lane = all(
        ctx.bits(a) & LANE or not r.uses for a, r in zip(op.body.args[1:], op.results, strict=True)
    )
    return per_lane and all(isinstance(p, Affine) and p.stride == 1 for p in starts)


def _is_positive(step: Value) -> bool:
    owner = step.owner
    if isinstance(owner, ConstOp):
        return owner.value > 0
    return isinstance(owner, (SpanOp, GlobalSizeOp, BlockDimOp))


def _for_lanes(ctx: Context, op: Operation) -> None:
    """Lanes side by side that step together: whole vectors while the last gang has one, then masked ones."""
    text = ctx.text
    keys = ctx.keys(ctx.bits(op.lower))
    step = ctx.scalar(op.step, keys[0])
    bases = {key: part.base for key in keys if isinstance(part := ctx.part(op.lower, key), Affine)}
    upper = ctx.scalar(op.upper, keys[0])
    apart = {key: text.let(f"sub nsw i64 {bases[key]}, {bases[keys[0]]}") for key in keys[1:]}
    start = bases[keys[0]]
    carried_values: Sequence[Value] = op.initial
    for whole in (True, False):
        head, body, done = (text.fresh_label(hint) for hint in ("lanes", "body", "done"))
        carried = Carried(ctx, op.body.args[1:], carried_values)
        entry = text.label
        text.jump(head)
        text.begin(head)
        counter = text.phi("i64")
        counter.add(start, entry)
        carried.begin(entry)
        at = {keys[0]: counter.name}
        at.update({key: text.let(f"add nsw i64 {counter.name}, {gap}") for key, gap in apart.items()})
        decisive = keys[-1] if whole else keys[0]
        reach = text.let(f"add nsw i64 {at[decisive]}, {ctx.width - 1}") if whole else at[decisive]
        text.branch(text.let(f"icmp slt i64 {reach}, {upper}"), body, done)
        text.begin(body)
        for key, name in at.items():
            ctx.set(op.body.args[0], key, Affine(name, 1))
        with ctx.under(ctx.mask if whole else lanes_before(ctx, op.body.args[0], op.upper)):
            emit_block(ctx, op.body)
            if not whole:
                _blend(ctx, op, carried)
        following = text.let(f"add nsw i64 {counter.name}, {step}")
        carried.close(op.body.terminator.operands if whole else carried.args)
        counter.add(following, text.label)
        text.jump(head)
        text.begin(done)
        start = counter.name
        _restore(ctx, carried)
        carried_values = carried.args
    for arg, result in zip(op.body.args[1:], op.results, strict=True):
        copy(ctx, arg, result)


def _blend(ctx: Context, op: Operation, carried: Carried) -> None:
    """Next values where the mask holds, the old ones elsewhere, noted as the carried values themselves."""
    following = yielded(ctx, op.body.terminator.operands, carried.args)
    for arg in carried.args:
        keys = ctx.keys(ctx.bits(arg))
        new = {key: following[arg, key] for key in keys}
        old = {key: carried.phis[arg, key].name for key in keys}
        for key, name in blended(ctx, arg, new, old).items():
            ctx.set(arg, key, held(ctx, arg, name))


def _restore(ctx: Context, carried: Carried) -> None:
    for (arg, key), phi in carried.phis.items():
        ctx.set(arg, key, held(ctx, arg, phi.name))


def _for_masked(ctx: Context, op: Operation) -> None:
    """Every lane counts its own turns."""
    text = ctx.text
    counter = op.body.args[0]
    wide = ctx.form(op.lower.type, True)
    turns = {chain: lane_trips(ctx, op, chain) for chain in ctx.chains}
    lanes = ctx.form(i64, True)
    head, body, done = (text.fresh_label(hint) for hint in ("each", "body", "done"))
    carried = Carried(ctx, op.body.args[1:], op.initial)
    ends = Ends(ctx, list(op.results), carried.args)
    per_lane = bool(ctx.bits(counter) & LANE)
    starts = {key: in_form(ctx, op.lower, counter, key) for key in ctx.keys(ctx.bits(counter))}
    entry = text.label
    text.jump(head)
    text.begin(head)
    count = text.phi("i64")
    count.add("0", entry)
    counters = {key: text.phi(llvm_type(ctx, counter)) for key in starts}
    for key, phi in counters.items():
        phi.add(starts[key], entry)
        ctx.set(counter, key, held(ctx, counter, phi.name))
    carried.begin(entry)
    ends.begin(entry)
    ends.note()
    spread = ctx.spread(count.name, lanes, i64)
    masks = {}
    for chain in ctx.chains:
        inside = text.let(f"icmp ult {lanes.llvm} {spread}, {turns[chain]}")
        masks[chain] = ctx.both(chain, inside)
    # The turn's own mask stands for everything after the first turn: lanes never come back.
    text.branch(ctx.any_of(_living(ctx, masks).values()), body, done)
    text.begin(body)
    with ctx.under(masks):
        emit_block(ctx, op.body)
        names = {}
        for key, phi in counters.items():
            step = in_form(ctx, op.step, counter, key)
            kind = wide if per_lane else ctx.form(counter.type, False)
            names[key] = text.let(f"add {kind.llvm} {phi.name}, {step}")
    following = text.let(f"add nuw i64 {count.name}, 1")
    carried.close(op.body.terminator.operands)
    ends.close(masks)
    for key, phi in counters.items():
        phi.add(names[key], text.label)
    count.add(following, text.label)
    text.jump(head)
    text.begin(done)
    ends.finish()


def _living(ctx: Context, masks: dict[Chain, str]) -> dict[Chain, str]:
    """The lanes of the masks that are not dead."""
    if not ctx.alive:
        return masks
    with ctx.under(masks):
        return {chain: ctx.active(chain) or ALL for chain in ctx.chains}


def emit_while(ctx: Context, op: Operation) -> None:
    """A loop with its test inside."""
    go, *passed = op.test.terminator.operands
    if is_common_part(ctx, go) and not ctx.alive:
        while_jump(ctx, op)
    else:
        _while_masked(ctx, op, go, passed)


def while_jump(ctx: Context, op: Operation, write: Write = emit_block) -> None:
    """A while whose test is one scalar; `write` writes its regions."""
    go, *passed = op.test.terminator.operands
    text = ctx.text
    head, body, done = (text.fresh_label(hint) for hint in ("test", "body", "done"))
    carried = Carried(ctx, op.test.args, op.initial)
    entry = text.label
    text.jump(head)
    text.begin(head)
    carried.begin(entry)
    write(ctx, op.test)
    for value, arg, result in zip(passed, op.body.args, op.results, strict=True):
        copy(ctx, value, arg)
        copy(ctx, value, result)
    text.branch(ctx.scalar(go, (0, 0)), body, done)
    text.begin(body)
    write(ctx, op.body)
    carried.close(op.body.terminator.operands)
    text.jump(head)
    text.begin(done)


def _while_masked(ctx: Context, op: Operation, go: Value, passed: list[Value]) -> None:
    text = ctx.text
    head, body, done = (text.fresh_label(hint) for hint in ("test", "body", "done"))
    carried = Carried(ctx, op.test.args, op.initial)
    ends = Ends(ctx, list(op.results), passed)
    entry = text.label
    text.jump(head)
    text.begin(head)
    carried.begin(entry)
    ends.begin(entry)
    staying = {chain: phi.name for chain, phi in ends.masks.items()}
    with ctx.under(staying):
        emit_block(ctx, op.test)
        masks = {chain: ctx.both(chain, ctx.vector(go, chain)) for chain in ctx.chains}
        ends.note()
    for value, arg in zip(passed, op.body.args, strict=True):
        copy(ctx, value, arg)
    text.branch(ctx.any_of(_living(ctx, masks).values()), body, done)
    text.begin(body)
    with ctx.under(masks):
        emit_block(ctx, op.body)
        carried.close(op.body.terminator.operands)
    ends.close(masks)
    text.jump(head)
    text.begin(done)
    ends.finish()
