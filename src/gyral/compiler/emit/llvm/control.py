"""Structured control under masks.

A condition that is the same for all lanes is a jump. One that differs runs both sides under masks and skips a
side no lane wants; a loop runs until no lane is left in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from gyral.compiler.emit.llvm.arith import compare, select
from gyral.compiler.emit.llvm.cast import convert
from gyral.compiler.emit.llvm.context import Chain, Context, Mask
from gyral.compiler.emit.llvm.form import LANE, ROW, Affine, Part, Scalar, Vector
from gyral.compiler.emit.llvm.text import Phi
from gyral.compiler.emit.llvm.walk import emit_block, emit_op
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Block, Value
from gyral.compiler.ir.ops.arith import ConstOp
from gyral.compiler.ir.ops.grid import BlockDimOp, GlobalSizeOp, SpanOp
from gyral.compiler.ir.traits import PURE
from gyral.core.dtypes import DType, i64, index

CHEAP = 12
Write: TypeAlias = Callable[[Context, Block], None]


def single(ctx: Context, value: Value) -> bool:
    """Whether a value is one scalar for the whole tile, by analysis or as it turned out."""
    if _is_common(ctx, value):
        return True
    parts = {ctx.part(value, key) for key in ctx.keys(ctx.bits(value))}
    return len(parts) == 1 and isinstance(next(iter(parts)), Scalar)


def _is_common(ctx: Context, value: Value) -> bool:
    return not ctx.bits(value) & LANE and (ctx.rows == 1 or not ctx.bits(value) & ROW)


def emit_if(ctx: Context, op: Operation) -> None:
    """An if, by a jump or under masks."""
    if single(ctx, op.condition):
        if_jump(ctx, op)
    elif all(_is_cheap(region) for region in op.regions):
        _if_both(ctx, op)
    else:
        _if_masked(ctx, op)


def _is_cheap(region: Block) -> bool:
    ops = region.ops[:-1]
    return len(ops) <= CHEAP and all(op.has(PURE) and not op.regions for op in ops)


def if_jump(ctx: Context, op: Operation, write: Write = emit_block) -> None:
    """An if whose condition is one scalar; `write` writes a region."""
    text = ctx.text
    then, orelse, done = (text.fresh_label(hint) for hint in ("then", "else", "done"))
    text.branch(ctx.scalar(op.condition, (0, 0)), then, orelse)
    sides = []
    for label, region in zip((then, orelse), op.regions, strict=True):
        text.begin(label)
        write(ctx, region)
        sides.append((yielded(ctx, region.terminator.operands, op.results), text.label))
        text.jump(done)
    text.begin(done)
    _merge(ctx, op.results, sides)


def yielded(ctx: Context, values: Sequence[Value], targets: Sequence[Value]) -> dict[tuple[Value, Chain], str]:
    """What each target gets, in its own form, by chain."""
    found = {}
    for value, target in zip(values, targets, strict=True):
        if not ctx.keeps(target):
            continue
        for key in ctx.keys(ctx.bits(target)):
            found[target, key] = in_form(ctx, value, target, key)
    return found


def in_form(ctx: Context, value: Value, target: Value, key: Chain) -> str:
    """`value` for a chain in the form `target` is kept in."""
    return ctx.vector(value, key) if ctx.bits(target) & LANE else ctx.scalar(value, key)


def _merge(ctx: Context, targets: Sequence[Value], sides: list[tuple[dict[tuple[Value, Chain], str], str]]) -> None:
    for target in filter(ctx.keeps, targets):
        for key in ctx.keys(ctx.bits(target)):
            phi = ctx.text.phi(llvm_type(ctx, target))
            for values, label in sides:
                phi.add(values[target, key], label)
            ctx.set(target, key, held(ctx, target, phi.name))


def held(ctx: Context, value: Value, name: str) -> Part:
    """A name as the part of `value`."""
    return Vector(name) if ctx.bits(value) & LANE else Scalar(name)


def llvm_type(ctx: Context, value: Value) -> str:
    """LLVM type a value is kept in."""
    return ctx.form(value.type, bool(ctx.bits(value) & LANE)).llvm


def _conditions(ctx: Context, condition: Value) -> dict[Chain, str]:
    return {chain: ctx.vector(condition, chain) for chain in ctx.chains}


def _if_both(ctx: Context, op: Operation) -> None:
    for region in op.regions:
        for inner in region.ops[:-1]:
            emit_op(ctx, inner)
    for slot, target in enumerate(op.results):
        then, orelse = (region.terminator.operands[slot] for region in op.regions)
        _choose(ctx, target, op.condition, then, orelse)


def _choose(ctx: Context, target: Value, condition: Value, then: Value, orelse: Value) -> None:
    bits = ctx.bits(target)
    form = ctx.form(target.type, bool(bits & LANE))
    for key in ctx.keys(bits):
        test = in_form(ctx, condition, target, key)
        a, b = in_form(ctx, then, target, key), in_form(ctx, orelse, target, key)
        ctx.set(target, key, held(ctx, target, a if a == b else select(ctx, form, test, a, b)))


def _if_masked(ctx: Context, op: Operation) -> None:
    tests = _conditions(ctx, op.condition)
    results = []
    for region, invert in zip(op.regions, (False, True), strict=True):
        mask = {chain: ctx.both(chain, tests[chain], invert) for chain in ctx.chains}
        results.append(_side(ctx, op, region, mask))
    for target in op.results:
        form = ctx.form(target.type, bool(ctx.bits(target) & LANE))
        for key in ctx.keys(ctx.bits(target)):
            test = in_form(ctx, op.condition, target, key)
            a, b = (side[target, key] for side in results)
            ctx.set(target, key, held(ctx, target, a if a == b else select(ctx, form, test, a, b)))


def _side(ctx: Context, op: Operation, region: Block, mask: Mask) -> dict[tuple[Value, Chain], str]:
    """One side of a masked if, skipped when no lane wants it; its values are then arbitrary."""
    if not region.ops[:-1]:
        return yielded(ctx, region.terminator.operands, op.results)
    text = ctx.text
    some, none = text.fresh_label("some"), text.fresh_label("none")
    before = text.label
    text.branch(ctx.any_of(mask.values()), some, none)
    text.begin(some)
    with ctx.under(mask):
        emit_block(ctx, region)
    values = yielded(ctx, region.terminator.operands, op.results)
    end = text.label
    text.jump(none)
    text.begin(none)
    merged = {}
    for (target, key), name in values.items():
        phi = text.phi(llvm_type(ctx, target))
        phi.add(name, end)
        phi.add("zeroinitializer" if ctx.bits(target) & LANE else _zero(target.type), before)
        merged[target, key] = phi.name
    return merged


def _zero(dtype: DType) -> str:
    return "0.0" if dtype.name in ("f32", "f64") else "false" if dtype.kind == "bool" else "0"


class Carried:
    """The phis of values carried round a loop."""

    def __init__(self, ctx: Context, args: Sequence[Value], initial: Sequence[Value]) -> None:
        self.ctx = ctx
        self.args = list(args)
        self.entries = yielded(ctx, initial, self.args)
        self.phis: dict[tuple[Value, Chain], Phi] = {}

    def begin(self, entry: str) -> None:
        """Write the phis at the top of the loop."""
        for (arg, key), name in self.entries.items():
            phi = self.ctx.text.phi(llvm_type(self.ctx, arg))
            phi.add(name, entry)
            self.phis[arg, key] = phi
            self.ctx.set(arg, key, held(self.ctx, arg, phi.name))

    def close(self, values: Sequence[Value]) -> None:
        """Bring the next values round from the current block."""
        names = yielded(self.ctx, values, self.args)
        for place, phi in self.phis.items():
            phi.add(names[place], self.ctx.text.label)


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
        _copy(ctx, arg, result)


def trip_count(ctx: Context, op: Operation, lower: str, upper: str, step: str) -> str:
    """Turns of range(lower, upper, step) as an i64, exact for every range of the type; 0 for step 0."""
    text = ctx.text
    form = ctx.form(op.lower.type, False)
    wide = form.of(i64)
    low, high, stride = (convert(ctx, form, wide, name) for name in (lower, upper, step))
    up = text.let(f"sub i64 {high}, {low}")
    down = text.let(f"sub i64 {low}, {high}")
    rising = "true" if form.dtype.kind == "uint" else text.let(f"icmp sgt i64 {stride}, 0")
    negated = text.let(f"sub i64 0, {stride}")
    size = text.let(f"select i1 {rising}, i64 {stride}, i64 {negated}")
    gap = text.let(f"select i1 {rising}, i64 {up}, i64 {down}")
    some_up = compare(ctx, "lt", form, lower, upper)
    some_down = compare(ctx, "gt", form, lower, upper)
    some = text.let(f"select i1 {rising}, i1 {some_up}, i1 {some_down}")
    nonzero = text.let(f"icmp ne i64 {stride}, 0")
    divisor = text.let(f"select i1 {nonzero}, i64 {size}, i64 1")
    whole = text.let(f"udiv i64 {text.let(f'sub i64 {gap}, 1')}, {divisor}")
    turns = text.let(f"add i64 {whole}, 1")
    return text.let(f"select i1 {text.let(f'and i1 {some}, {nonzero}')}, i64 {turns}, i64 0")


def _copy(ctx: Context, source: Value, target: Value) -> None:
    """Give `target` what `source` holds."""
    if not ctx.keeps(target):
        return
    for key in ctx.keys(ctx.bits(target)):
        ctx.set(target, key, ctx.part(source, key))


def _side_by_side(ctx: Context, op: Operation) -> bool:
    """Whether the lanes start one after another, step up together, and end at one place."""
    if op.lower.type is not index or not single(ctx, op.step) or not _is_positive(op.step):
        return False
    keys = ctx.keys(ctx.bits(op.lower))
    rows_apart = ctx.rows > 1 and ctx.bits(op.lower) & ROW and not isinstance(op.lower.owner, SpanOp)
    if rows_apart or not single(ctx, op.upper):
        return False
    starts = [ctx.part(op.lower, key) for key in keys]
    per_lane = all(ctx.bits(a) & LANE or not r.uses for a, r in zip(op.body.args[1:], op.results, strict=True))
    return per_lane and all(isinstance(p, Affine) and p.stride == 1 for p in starts)


def _is_positive(step: Value) -> bool:
    owner = step.owner
    if isinstance(owner, ConstOp):
        return owner.value > 0
    return isinstance(owner, (SpanOp, GlobalSizeOp, BlockDimOp))


def _for_lanes(ctx: Context, op: Operation) -> None:
    """Lanes side by side that step together: whole vectors while the last gang has one, then a masked rest."""
    text = ctx.text
    keys = ctx.keys(ctx.bits(op.lower))
    step = ctx.scalar(op.step, keys[0])
    bases = {key: ctx.part(op.lower, key).base for key in keys}
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
        with ctx.under(ctx.mask if whole else _below(ctx, op.body.args[0], op.upper)):
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
        _copy(ctx, arg, result)


def _below(ctx: Context, counter: Value, upper: Value) -> dict[Chain, str]:
    form = ctx.form(index, True)
    masks = {}
    for chain in ctx.chains:
        limit = ctx.vector(upper, chain)
        masks[chain] = ctx.both(chain, compare(ctx, "lt", form, ctx.vector(counter, chain), limit))
    return masks


def _blend(ctx: Context, op: Operation, carried: Carried) -> None:
    """Next values where the mask holds, the old ones elsewhere, noted as the carried values themselves."""
    following = yielded(ctx, op.body.terminator.operands, carried.args)
    for arg in carried.args:
        keys = ctx.keys(ctx.bits(arg))
        new = {key: following[arg, key] for key in keys}
        old = {key: carried.phis[arg, key].name for key in keys}
        for key, name in blended(ctx, arg, new, old).items():
            ctx.set(arg, key, held(ctx, arg, name))


def blended(ctx: Context, value: Value, new: dict[Chain, str], old: dict[Chain, str]) -> dict[Chain, str]:
    """By chain, the new name of a value in active lanes and the old one elsewhere."""
    form = ctx.form(value.type, bool(ctx.bits(value) & LANE))
    if not form.lanes or ctx.mask is None:
        return new
    return {key: select(ctx, form, ctx.mask[key], name, old[key]) for key, name in new.items()}


def _restore(ctx: Context, carried: Carried) -> None:
    for (arg, key), phi in carried.phis.items():
        ctx.set(arg, key, held(ctx, arg, phi.name))


def _for_masked(ctx: Context, op: Operation) -> None:
    """Every lane counts its own turns."""
    text = ctx.text
    counter = op.body.args[0]
    wide = ctx.form(op.lower.type, True)
    turns = {chain: _lane_trips(ctx, op, chain) for chain in ctx.chains}
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


def _lane_trips(ctx: Context, op: Operation, chain: Chain) -> str:
    """Turns of each lane as i64, exact for every range of the type; 0 for step 0."""
    text = ctx.text
    form = ctx.form(op.lower.type, True)
    wide = form.of(i64)
    low, high, stride = (
        convert(ctx, form, wide, ctx.vector(v, chain)) for v in (op.lower, op.upper, op.step)
    )
    zero, one = wide.constant(0), wide.constant(1)
    lower, upper = ctx.vector(op.lower, chain), ctx.vector(op.upper, chain)
    some = compare(ctx, "lt", form, lower, upper)
    gap = text.let(f"sub {wide.llvm} {high}, {low}")
    if isinstance(op.step.owner, ConstOp) and op.step.owner.value == 1:
        return select(ctx, wide, some, gap, zero)
    rising = text.let(f"icmp sgt {wide.llvm} {stride}, {zero}")
    if form.dtype.kind == "uint":
        rising = "splat (i1 true)"
    falling = compare(ctx, "gt", form, lower, upper)
    some = text.let(f"select {ctx.mask_type} {rising}, {ctx.mask_type} {some}, {ctx.mask_type} {falling}")
    nonzero = text.let(f"icmp ne {wide.llvm} {stride}, {zero}")
    some = text.let(f"and {ctx.mask_type} {some}, {nonzero}")
    back = text.let(f"sub {wide.llvm} {low}, {high}")
    gap = select(ctx, wide, rising, gap, back)
    size = select(ctx, wide, rising, stride, text.let(f"sub {wide.llvm} {zero}, {stride}"))
    size = select(ctx, wide, nonzero, size, one)
    whole = text.let(f"udiv {wide.llvm} {text.let(f'sub {wide.llvm} {gap}, {one}')}, {size}")
    return select(ctx, wide, some, text.let(f"add {wide.llvm} {whole}, {one}"), zero)


def _living(ctx: Context, masks: dict[Chain, str]) -> dict[Chain, str]:
    if not ctx.alive:
        return masks
    with ctx.under(masks):
        return {chain: ctx.active(chain) for chain in ctx.chains}


class Ends:
    """Values that leave a loop at different turns in different lanes: the last one each lane saw."""

    def __init__(self, ctx: Context, results: list[Value], sources: list[Value]) -> None:
        self.ctx = ctx
        self.pairs = [(r, s) for r, s in zip(results, sources, strict=True) if r.uses]
        self.phis: dict[tuple[Value, Chain], Phi] = {}
        self.latest: dict[tuple[Value, Chain], str] = {}
        self.masks: dict[Chain, Phi] = {}

    def begin(self, entry: str) -> None:
        """Write the phis at the top of the loop; nothing has left yet."""
        for result, _ in self.pairs:
            for key in self.ctx.keys(self.ctx.bits(result)):
                phi = self.ctx.text.phi(llvm_type(self.ctx, result))
                wide = self.ctx.bits(result) & LANE
                phi.add("zeroinitializer" if wide else _zero(result.type), entry)
                self.phis[result, key] = phi
        for chain in self.ctx.chains:
            phi = self.ctx.text.phi(self.ctx.mask_type)
            phi.add("splat (i1 true)" if self.ctx.mask is None else self.ctx.mask[chain], entry)
            self.masks[chain] = phi

    def note(self) -> None:
        """Lanes still in the loop see the sources' values now; so does a row while any of its lanes is."""
        ctx = self.ctx
        for result, source in self.pairs:
            bits = ctx.bits(result)
            form = ctx.form(result.type, bool(bits & LANE))
            for key in ctx.keys(bits):
                now = in_form(ctx, source, result, key)
                if bits:
                    members = [self.masks[chain].name for chain in ctx.members(key, bits)]
                    inside = members[0] if form.lanes else ctx.any_of(members)
                    now = select(ctx, form, inside, now, self.phis[result, key].name)
                self.latest[result, key] = now

    def close(self, masks: dict[Chain, str]) -> None:
        """Bring the noted values and the lanes that stayed round from the current block."""
        for place, phi in self.phis.items():
            phi.add(self.latest[place], self.ctx.text.label)
        for chain, phi in self.masks.items():
            phi.add(masks[chain], self.ctx.text.label)

    def finish(self) -> None:
        """After the loop the results are what was last noted."""
        for (result, key), name in self.latest.items():
            self.ctx.set(result, key, held(self.ctx, result, name))


def emit_while(ctx: Context, op: Operation) -> None:
    """A loop with its test inside."""
    go, *passed = op.test.terminator.operands
    if _is_common(ctx, go) and not ctx.alive:
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
        _copy(ctx, value, arg)
        _copy(ctx, value, result)
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
        _copy(ctx, value, arg)
    text.branch(ctx.any_of(_living(ctx, masks).values()), body, done)
    text.begin(body)
    with ctx.under(masks):
        emit_block(ctx, op.body)
        carried.close(op.body.terminator.operands)
    ends.close(masks)
    text.jump(head)
    text.begin(done)
    ends.finish()
