"""Subgroup words: a gang is a subgroup, so they are moves within one vector."""

from __future__ import annotations

from gyral.compiler.emit.llvm.arith import select
from gyral.compiler.emit.llvm.atomic import identity, reduce_lanes
from gyral.compiler.emit.llvm.context import Chain, Context
from gyral.compiler.emit.llvm.form import Form, Scalar, Vector
from gyral.compiler.emit.llvm.memory import memory_form
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.ops.arith import ConstOp
from gyral.core.dtypes import i32


def emit_size(ctx: Context, op: Operation) -> None:
    """Lanes of a gang."""
    ctx.set(op.out, (0, 0), Scalar(str(ctx.width)))


def emit_lane(ctx: Context, op: Operation) -> None:
    """0, 1, 2, ..."""
    for key in ctx.keys(ctx.bits(op.out)):
        ctx.set(op.out, key, Vector(ctx.lane_numbers("i32")))


def present(ctx: Context, value: str, form: Form, chain: Chain, neutral: bool | int | float) -> str:
    """Lanes that take part keep their value, the others give the neutral one."""
    mask = ctx.active(chain)
    return value if mask is None else select(ctx, form, mask, value, form.constant(neutral))


def emit_reduce(ctx: Context, op: Operation) -> None:
    """One value for the gang."""
    dtype = op.value.type
    form = ctx.form(dtype, True)
    for key in ctx.keys(ctx.bits(op.out)):
        value = present(ctx, ctx.vector(op.value, key), form, key, identity(op.kind, form))
        ctx.set(op.out, key, Scalar(reduce_lanes(ctx, op.kind, form, value)))


def emit_ballot(ctx: Context, op: Operation) -> None:
    """The gang's truths as bits."""
    for key in ctx.keys(ctx.bits(op.out)):
        value = ctx.vector(op.value, key)
        mask = ctx.active(key)
        if mask is not None:
            value = ctx.text.let(f"and {ctx.mask_type} {value}, {mask}")
        bits = ctx.text.let(f"bitcast {ctx.mask_type} {value} to i{ctx.width}")
        ctx.set(op.out, key, Scalar(ctx.text.let(f"zext i{ctx.width} {bits} to i64")))


def emit_shuffle(ctx: Context, op: Operation) -> None:
    """Another lane's value; one's own where that lane is outside or missing."""
    for chain in ctx.keys(ctx.bits(op.out)):
        amount = op.amount.owner.value if isinstance(op.amount.owner, ConstOp) else None
        value = ctx.vector(op.value, chain)
        if amount is not None and ctx.active(chain) is None:
            ctx.set(op.out, chain, Vector(_fixed(ctx, op, value, int(amount))))
        else:
            ctx.set(op.out, chain, Vector(_free(ctx, op, value, chain)))


def _fixed(ctx: Context, op: Operation, value: str, amount: int) -> str:
    form = ctx.form(op.value.type, True)
    sources = [_source(op.mode, lane, amount) for lane in range(ctx.width)]
    order = ", ".join(
        f"i32 {source if 0 <= source < ctx.width else lane}" for lane, source in enumerate(sources)
    )
    return ctx.text.let(
        f"shufflevector {form.llvm} {value}, {form.llvm} poison, <{ctx.width} x i32> <{order}>"
    )


def _source(mode: str, lane: int, amount: int) -> int:
    if mode == "index":
        return amount
    if mode == "xor":
        return lane ^ amount
    return lane - amount if mode == "up" else lane + amount


def _free(ctx: Context, op: Operation, value: str, chain: Chain) -> str:
    """Any lane from any lane, through memory."""
    text = ctx.text
    numbers = ctx.form(i32, True)
    own = ctx.lane_numbers("i32")
    amount = ctx.in_lanes(ctx.part(op.amount, chain), op.amount.type)
    if op.amount.type is not i32:
        wide = ctx.form(op.amount.type, True)
        if wide.bits >= 32:
            amount = _clamped(ctx, wide, amount)
        if wide.bits != 32:
            word = "trunc" if wide.bits > 32 else "sext" if op.amount.type.is_signed else "zext"
            amount = text.let(f"{word} {wide.llvm} {amount} to {numbers.llvm}")
    source = amount
    if op.mode != "index":
        word = {"xor": "xor", "up": "sub", "down": "add"}[op.mode]
        source = text.let(f"{word} {numbers.llvm} {own}, {amount}")
    inside = text.let(f"icmp ult {numbers.llvm} {source}, {numbers.constant(ctx.width)}")
    source = text.let(f"select {ctx.mask_type} {inside}, {numbers.llvm} {source}, {numbers.llvm} {own}")
    mask = ctx.active(chain)
    if mask is not None:
        alive = text.let(f"sext {ctx.mask_type} {mask} to {numbers.llvm}")
        heard = through_memory(ctx, numbers, alive, source)
        missing = text.let(f"icmp eq {numbers.llvm} {heard}, {numbers.constant(0)}")
        source = text.let(f"select {ctx.mask_type} {missing}, {numbers.llvm} {own}, {numbers.llvm} {source}")
    form = ctx.form(op.value.type, True)
    stored = memory_form(ctx, op.value.type)
    if stored.llvm != form.llvm:
        value = text.let(f"zext {form.llvm} {value} to {stored.llvm}")
    found = through_memory(ctx, stored, value, source)
    if stored.llvm != form.llvm:
        found = text.let(f"trunc {stored.llvm} {found} to {form.llvm}")
    return found


def _clamped(ctx: Context, form: Form, amount: str) -> str:
    """An amount beyond the gang, brought near enough for 32 bits."""
    if not form.dtype.is_signed:
        return _bounded(ctx, "umin", form, amount, ctx.width)
    return _bounded(ctx, "smax", form, _bounded(ctx, "smin", form, amount, ctx.width), -ctx.width)


def _bounded(ctx: Context, word: str, form: Form, value: str, bound: int) -> str:
    arguments = f"{form.llvm} {value}", f"{form.llvm} {form.spread(form.element, str(bound))}"
    return ctx.text.call(form.llvm, f"llvm.{word}.{form.suffix}", *arguments)


def through_memory(ctx: Context, form: Form, value: str, source: str) -> str:
    """value[source[l]] for every lane l."""
    text = ctx.text
    slot = text.alloca(form.llvm)
    text.do(f"store {form.llvm} {value}, ptr {slot}")
    places = text.let(f"getelementptr {form.element}, ptr {slot}, <{ctx.width} x i32> {source}")
    kind = f"llvm.masked.gather.{form.suffix}.v{ctx.width}p0"
    lanes = f"{ctx.mask_type} splat (i1 true)"
    pointers = f"<{ctx.width} x ptr> align {form.dtype.itemsize} {places}"
    return text.call(form.llvm, kind, pointers, lanes, f"{form.llvm} zeroinitializer")


def emit_scan(ctx: Context, op: Operation) -> None:
    """Sum over the lanes before."""
    dtype = op.value.type
    form = ctx.form(dtype, True)
    for chain in ctx.keys(ctx.bits(op.out)):
        value = present(ctx, ctx.vector(op.value, chain), form, chain, identity("add", form))
        ctx.set(op.out, chain, Vector(exclusive_sum(ctx, form, value)[0]))


def exclusive_sum(ctx: Context, form: Form, value: str) -> tuple[str, str]:
    """Sums of the lanes before each lane, and of all."""
    text, lanes = ctx.text, form.lanes
    word = f"fadd {form.llvm}" if form.dtype.is_float else f"add {form.llvm}"
    zero = form.constant(0.0 if form.dtype.is_float else 0)
    running, distance = value, 1
    while distance < lanes:
        running = text.let(f"{word} {running}, {_shifted(ctx, form, running, zero, distance)}")
        distance *= 2
    total = text.let(f"extractelement {form.llvm} {running}, i32 {lanes - 1}")
    return _shifted(ctx, form, running, zero, 1), total


def _shifted(ctx: Context, form: Form, value: str, fill: str, distance: int) -> str:
    """Lanes moved up by `distance`, `fill` below."""
    lanes = form.lanes
    order = ", ".join(f"i32 {lane - distance if lane >= distance else lanes}" for lane in range(lanes))
    return ctx.text.let(f"shufflevector {form.llvm} {value}, {form.llvm} {fill}, <{lanes} x i32> <{order}>")
