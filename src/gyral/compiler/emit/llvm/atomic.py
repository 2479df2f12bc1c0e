"""Atomic accesses: one instruction where all lanes meet at one address and nobody asks for old values,

lane by lane otherwise. Shared memory belongs to one worker while its block runs, so plain accesses do there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from gyral.compiler.emit.llvm.arith import compare, select
from gyral.compiler.emit.llvm.cast import convert
from gyral.compiler.emit.llvm.context import Chain, Context
from gyral.compiler.emit.llvm.form import Form, Vector
from gyral.compiler.emit.llvm.lanes import for_each_lane, lane_of
from gyral.compiler.emit.llvm.memory import Address, Single, address, load_scalar, pointers_of, store_scalar
from gyral.compiler.emit.llvm.text import literal
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Value
from gyral.compiler.ir.types import MemType
from gyral.core.dtypes import DType, f32, i32, i64

ORDERS = {"relaxed": "monotonic", "acquire": "acquire", "release": "release", "acq_rel": "acq_rel"}
LaneAtomic: TypeAlias = Callable[[str, Chain, str], str]
PLAIN = {"add": "add", "sub": "sub", "and": "and", "or": "or", "xor": "xor", "exchange": "xchg"}
MERGED = {"add": "add", "sub": "add", "and": "and", "or": "or", "xor": "xor"}


def emit_fence(ctx: Context, op: Operation) -> None:
    """A fence of the processor: scopes are all the same here."""
    ctx.text.do("fence acq_rel")


def emit_rmw(ctx: Context, op: Operation) -> None:
    """Read, modify and write in one."""
    dtype = op.value.type

    def one(pointer: str, chain: Chain, lane: str) -> str:
        return rmw_at(ctx, op, pointer, lane_of(ctx, op.value, chain, lane))

    for chain in ctx.chains:
        place = address(ctx, op.memory, op.indices, op.leaf, chain)
        if isinstance(place, Single) and not op.old.uses and _can_merge(op, dtype):
            _merged(ctx, op, place.pointer, chain)
        else:
            _lane_by_lane(ctx, op, op.old, place, chain, one)


def _can_merge(op: Operation, dtype: DType) -> bool:
    if dtype.is_float:
        return op.kind in ("add", "sub") and dtype.bits >= 32
    return op.kind in MERGED or op.kind in ("min", "max")


def _merged(ctx: Context, op: Operation, pointer: str, chain: Chain) -> None:
    """All lanes' values combined first, then one atomic of the whole, if any lane takes part."""
    text, dtype = ctx.text, op.value.type
    form = ctx.form(dtype, True)
    kind: str = MERGED.get(op.kind) or op.kind
    value, mask = ctx.vector(op.value, chain), ctx.active(chain)
    if mask is not None:
        value = select(ctx, form, mask, value, form.constant(identity(kind, form)))
    total = reduce_lanes(ctx, kind, form, value)
    if mask is None:
        rmw_at(ctx, op, pointer, total)
        return
    some, none = text.fresh_label("some"), text.fresh_label("none")
    text.branch(ctx.any_of([mask]), some, none)
    text.begin(some)
    rmw_at(ctx, op, pointer, total)
    text.jump(none)
    text.begin(none)


def identity(kind: str, form: Form) -> bool | int | float:
    """The value that changes nothing under a reduction of lanes."""
    dtype = form.dtype
    if dtype.kind == "index":
        dtype = i32 if form.bits == 32 else i64
    if dtype.is_float and kind in ("add", "sum"):
        return -0.0 if kind == "add" else 0.0
    if kind in ("add", "sum", "or", "xor", "any"):
        return False if dtype.kind == "bool" else 0
    if kind == "all":
        return True
    if kind == "and":
        return -1 if dtype.is_signed else dtype.bounds()[1]
    infinity = float("inf") if dtype.is_float else dtype.bounds()[1]
    lowest = float("-inf") if dtype.is_float else dtype.bounds()[0]
    return infinity if kind == "min" else lowest


def reduce_lanes(ctx: Context, kind: str, form: Form, value: str) -> str:
    """One scalar from all lanes."""
    text, dtype = ctx.text, form.dtype
    argument = f"{form.llvm} {value}"
    if dtype.is_float and kind in ("add", "sum"):
        start = literal(dtype, -0.0)
        return text.call(
            form.element,
            f"llvm.vector.reduce.fadd.{form.suffix}",
            f"{form.element} {start}",
            argument,
            flags="reassoc ",
        )
    if dtype.is_float:
        return _halving(ctx, kind, form, value)
    sign = "s" if dtype.is_signed else "u"
    word = {"sum": "add", "any": "or", "all": "and", "min": sign + "min", "max": sign + "max"}.get(kind, kind)
    total = text.call(form.element, f"llvm.vector.reduce.{word}.{form.suffix}", argument)
    narrow = dtype.kind == "index" and form.element != "i64"
    return text.let(f"sext {form.element} {total} to i64") if narrow else total


def _halving(ctx: Context, kind: str, form: Form, value: str) -> str:
    """Float minimum or maximum by Python's rule, half against half."""
    text, lanes = ctx.text, form.lanes
    half = lanes // 2
    while half:
        order = ", ".join(f"i32 {(lane + half) % lanes}" for lane in range(lanes))
        other = text.let(f"shufflevector {form.llvm} {value}, {form.llvm} poison, <{lanes} x i32> <{order}>")
        better = compare(ctx, "lt" if kind == "min" else "gt", form, other, value)
        value = select(ctx, form, better, other, value)
        half //= 2
    return text.let(f"extractelement {form.llvm} {value}, i32 0")


def _lane_by_lane(
    ctx: Context, op: Operation, result: Value | None, place: Address, chain: Chain, one: LaneAtomic
) -> None:
    """Run `one(pointer, chain, lane)` for every active lane, and gather its results where they are wanted."""
    text, dtype = ctx.text, op.value.type if op.name != "atomic.load" else op.out.type
    pointers = pointers_of(ctx, place, dtype.itemsize)
    form = ctx.form(dtype, True)
    wanted = result if result is not None and result.uses else None
    slot = text.alloca(form.llvm) if wanted else ""
    if wanted:
        text.do(f"store {form.llvm} zeroinitializer, ptr {slot}")

    def turn(lane: str) -> None:
        pointer = text.let(f"extractelement <{ctx.width} x ptr> {pointers}, i32 {lane}")
        old = one(pointer, chain, lane)
        if wanted:
            own = text.let(f"getelementptr {form.element}, ptr {slot}, i32 {lane}")
            text.do(f"store {form.element} {old}, ptr {own}")

    for_each_lane(ctx, ctx.active(chain), turn)
    if wanted:
        ctx.set(wanted, chain, Vector(text.let(f"load {form.llvm}, ptr {slot}")))


def rmw_at(ctx: Context, op: Operation, pointer: str, value: str) -> str:
    """Read, modify and write one element; the old value."""
    text, dtype = ctx.text, op.value.type
    order = ORDERS[op.order]
    form = ctx.form(dtype, False)
    if isinstance(op.memory.type, MemType):
        old = load_scalar(ctx, dtype, pointer)
        store_scalar(ctx, dtype, _combine(ctx, op.kind, form, old, value), pointer)
        return old
    if dtype.is_float and (dtype.bits == 16 or op.kind not in ("add", "sub", "exchange")):
        return _rmw_by_swap(ctx, op, pointer, value)
    word = PLAIN.get(op.kind) or ("" if dtype.is_signed else "u") + op.kind
    if dtype.is_float and op.kind != "exchange":
        word = "f" + word
    return text.let(f"atomicrmw {word} ptr {pointer}, {form.element} {value} {order}, align {dtype.itemsize}")


def _rmw_by_swap(ctx: Context, op: Operation, pointer: str, value: str) -> str:
    """What the processor has no instruction for: compute the new value and swap until nobody came between."""
    text, dtype = ctx.text, op.value.type
    form, bits = ctx.form(dtype, False), f"i{dtype.bits}"
    again, done = text.fresh_label("again"), text.fresh_label("swapped")
    start = text.let(f"load atomic {bits}, ptr {pointer} monotonic, align {dtype.itemsize}")
    entry = text.label
    text.jump(again)
    text.begin(again)
    seen = text.phi(bits)
    seen.add(start, entry)
    old = seen.name if form.element == bits else text.let(f"bitcast {bits} {seen.name} to {form.element}")
    new = _combine(ctx, op.kind, form, old, value)
    raw = new if form.element == bits else text.let(f"bitcast {form.element} {new} to {bits}")
    order = ORDERS[op.order]
    failure = "monotonic" if order in ("monotonic", "release") else "acquire"
    pair = text.let(
        f"cmpxchg ptr {pointer}, {bits} {seen.name}, {bits} {raw} {order} {failure}, align {dtype.itemsize}"
    )
    now = text.let(f"extractvalue {{ {bits}, i1 }} {pair}, 0")
    won = text.let(f"extractvalue {{ {bits}, i1 }} {pair}, 1")
    seen.add(now, text.label)
    text.branch(won, done, again)
    text.begin(done)
    return old


def _combine(ctx: Context, kind: str, form: Form, old: str, value: str) -> str:
    if kind == "exchange":
        return value
    if not form.dtype.is_float and kind in PLAIN:
        return ctx.text.let(f"{PLAIN[kind]} {form.llvm} {old}, {value}")
    single = form.of(f32) if form.dtype.bits == 16 else form
    a, b = convert(ctx, form, single, old), convert(ctx, form, single, value)
    if kind in ("add", "sub"):
        new = ctx.text.let(f"f{kind} {single.llvm} {a}, {b}")
    else:
        new = select(ctx, single, compare(ctx, "lt" if kind == "min" else "gt", single, b, a), b, a)
    return convert(ctx, single, form, new)


def emit_cas(ctx: Context, op: Operation) -> None:
    """Compare and exchange; floats by their bits."""

    def one(pointer: str, chain: Chain, lane: str) -> str:
        expected, value = (lane_of(ctx, v, chain, lane) for v in (op.expected, op.value))
        return cas_at(ctx, op, pointer, expected, value)

    for chain in ctx.chains:
        place = address(ctx, op.memory, op.indices, op.leaf, chain)
        _lane_by_lane(ctx, op, op.old, place, chain, one)


def cas_at(ctx: Context, op: Operation, pointer: str, expected: str, value: str) -> str:
    """Compare and exchange one element; the old value."""
    text, dtype = ctx.text, op.value.type
    form, bits = ctx.form(dtype, False), f"i{dtype.bits}"
    if form.element != bits:
        expected, value = (text.let(f"bitcast {form.element} {name} to {bits}") for name in (expected, value))
    if isinstance(op.memory.type, MemType):
        raw = text.let(f"load {bits}, ptr {pointer}, align {dtype.itemsize}")
        same = text.let(f"icmp eq {bits} {raw}, {expected}")
        new = text.let(f"select i1 {same}, {bits} {value}, {bits} {raw}")
        text.do(f"store {bits} {new}, ptr {pointer}, align {dtype.itemsize}")
        return raw if form.element == bits else text.let(f"bitcast {bits} {raw} to {form.element}")
    order = ORDERS[op.order]
    failure = "monotonic" if order in ("monotonic", "release") else "acquire"
    exchanged = f"{bits} {expected}, {bits} {value}"
    swap = f"cmpxchg ptr {pointer}, {exchanged} {order} {failure}, align {dtype.itemsize}"
    old = text.let(f"extractvalue {{ {bits}, i1 }} {text.let(swap)}, 0")
    return old if form.element == bits else text.let(f"bitcast {bits} {old} to {form.element}")


def emit_load(ctx: Context, op: Operation) -> None:
    """An atomic load, lane by lane."""
    for chain in ctx.chains:
        place = address(ctx, op.memory, op.indices, op.leaf, chain)
        _lane_by_lane(ctx, op, op.out, place, chain, lambda pointer, chain, lane: load_at(ctx, op, pointer))


def load_at(ctx: Context, op: Operation, pointer: str) -> str:
    """Read one element whole."""
    dtype = op.out.type
    order = "acquire" if op.order in ("acquire", "acq_rel") else "monotonic"
    kind = ctx.form(dtype, False).element
    return ctx.text.let(f"load atomic {kind}, ptr {pointer} {order}, align {dtype.itemsize}")


def emit_store(ctx: Context, op: Operation) -> None:
    """An atomic store, lane by lane."""

    def one(pointer: str, chain: Chain, lane: str) -> str:
        value = lane_of(ctx, op.value, chain, lane)
        store_at(ctx, op, pointer, value)
        return value

    for chain in ctx.chains:
        place = address(ctx, op.memory, op.indices, op.leaf, chain)
        _lane_by_lane(ctx, op, None, place, chain, one)


def store_at(ctx: Context, op: Operation, pointer: str, value: str) -> None:
    """Write one element whole."""
    dtype = op.value.type
    order = "release" if op.order in ("release", "acq_rel") else "monotonic"
    kind = ctx.form(dtype, False).element
    ctx.text.do(f"store atomic {kind} {value}, ptr {pointer} {order}, align {dtype.itemsize}")
