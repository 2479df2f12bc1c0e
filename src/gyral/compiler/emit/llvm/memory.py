"""Addresses, loads and stores. What an index looks like in lanes decides how memory is touched:

one address for all lanes is a scalar access, neighbours a plain vector move, the rest a gather or scatter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from gyral.compiler.emit.llvm.context import Chain, Context
from gyral.compiler.emit.llvm.form import ALL, Affine, Form, Guarded, Part, Scalar, Vector
from gyral.compiler.emit.llvm.text import SCALAR_TYPES
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Value
from gyral.core.dtypes import DType, Leaf, bool_, index, leaves, u8


@dataclass(frozen=True, slots=True)
class Memory:
    """Where the elements of an array or of shared memory are: pointer, extents, strides in bytes.

    Names are i64 scalars or integer literals.
    """

    pointer: str
    extents: tuple[str, ...]
    strides: tuple[str, ...]
    readonly: bool = False


@dataclass(frozen=True, slots=True)
class LocalMemory:
    """Memory of one thread per lane, kept lane beside lane: element e of lane l at (e * width + l).

    Every leaf has a region of its own; `pointers` holds each chain's.
    """

    pointers: dict[Chain, str]
    shape: tuple[int, ...]
    leaf_offsets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Single:
    """All lanes at one address."""

    pointer: str


@dataclass(frozen=True, slots=True)
class Row:
    """Lane l at pointer + l * itemsize."""

    pointer: str


@dataclass(frozen=True, slots=True)
class Scattered:
    """A vector of pointers."""

    pointers: str


Address: TypeAlias = Single | Row | Scattered


def address(
    ctx: Context, memory: Value, indices: list[Value], leaf_number: int, chain: Chain, near: bool = False
) -> Address:
    """Where a chain's lanes find a leaf of the element at `indices`; `near` trusts the guarded ones."""
    held = ctx.memories[memory]
    leaf = leaves(memory.type.elem)[leaf_number]
    parts = [_settled(ctx.part(i, chain), near) for i in indices]
    if isinstance(held, LocalMemory):
        return _local_address(ctx, held, parts, leaf, leaf_number, chain)
    return _array_address(ctx, held, parts, leaf)


def _settled(part: Part, near: bool) -> Part:
    if isinstance(part, Guarded):
        return part.near if near else Vector(part.name)
    return part


def _array_address(ctx: Context, held: Memory, parts: list[Part], leaf: Leaf) -> Address:
    offset, lane_bytes, terms = _Sum(ctx), 0, []
    offset.add_literal(leaf.offset)
    for part, stride in zip(parts, held.strides, strict=True):
        if isinstance(part, (Vector, Guarded)):
            terms.append((part.name, stride))
            continue
        base = part.name if isinstance(part, Scalar) else part.base
        offset.add_product(base, stride)
        if isinstance(part, Affine) and part.stride:
            if stride.lstrip("-").isdigit():
                lane_bytes += part.stride * int(stride)
            else:
                terms.append((ctx.in_lanes(Affine("0", part.stride), index), stride))
    pointer = offset.applied_to(held.pointer)
    if not terms and lane_bytes == 0:
        return Single(pointer)
    if not terms and lane_bytes == leaf.dtype.itemsize:
        return Row(pointer)
    if lane_bytes:
        terms.append((ctx.in_lanes(Affine("0", 1), index), str(lane_bytes)))
    return Scattered(_lane_pointers(ctx, pointer, terms))


def _lane_pointers(ctx: Context, pointer: str, terms: list[tuple[str, str]]) -> str:
    """pointer + sum of vector * stride, per lane; a single power-of-two stride becomes the access's scale."""
    form = ctx.form(index, True)
    if len(terms) == 1 and terms[0][1] in ("1", "2", "4", "8"):
        vector, stride = terms[0]
        return ctx.text.let(f"getelementptr i{8 * int(stride)}, ptr {pointer}, {form.llvm} {vector}")
    total = ""
    for vector, stride in terms:
        spread = ctx.spread(stride, form, index)
        scaled = ctx.text.let(f"mul {form.llvm} {vector}, {spread}")
        total = ctx.text.let(f"add {form.llvm} {total}, {scaled}") if total else scaled
    return ctx.text.let(f"getelementptr i8, ptr {pointer}, {form.llvm} {total}")


def _local_address(
    ctx: Context, held: LocalMemory, parts: list[Part], leaf: Leaf, number: int, chain: Chain
) -> Address:
    size = leaf.dtype.itemsize
    pointer = held.pointers[chain]
    strides, run = [], ctx.width * size
    for extent in reversed(held.shape):
        strides.insert(0, str(run))
        run *= extent
    memory = Memory(pointer, (), tuple(strides))
    offset = Leaf(leaf.path, held.leaf_offsets[number], leaf.dtype)
    found = _array_address(ctx, memory, parts, offset)
    if isinstance(found, Single):
        return Row(found.pointer)
    lanes = ctx.in_lanes(Affine("0", size), index)
    form = ctx.form(index, True)
    if isinstance(found, Row):
        lanes = ctx.in_lanes(Affine("0", 2 * size), index)
        return Scattered(ctx.text.let(f"getelementptr i8, ptr {found.pointer}, {form.llvm} {lanes}"))
    pointers = f"<{ctx.width} x ptr> {found.pointers}"
    return Scattered(ctx.text.let(f"getelementptr i8, {pointers}, {form.llvm} {lanes}"))


class _Sum:
    """A sum of i64 products, folding literals."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.literal = 0
        self.name = ""

    def add_literal(self, value: int) -> None:
        self.literal += value

    def add_product(self, a: str, b: str) -> None:
        if _is_literal(a) and _is_literal(b):
            self.literal += int(a) * int(b)
        elif a != "0" and b != "0":
            product = a if b == "1" else self.ctx.text.let(f"mul nsw i64 {a}, {b}")
            self.name = self.ctx.text.let(f"add nsw i64 {self.name}, {product}") if self.name else product

    def applied_to(self, pointer: str) -> str:
        if self.name:
            pointer = self.ctx.text.let(f"getelementptr i8, ptr {pointer}, i64 {self.name}")
        if self.literal:
            pointer = self.ctx.text.let(f"getelementptr i8, ptr {pointer}, i64 {self.literal}")
        return pointer


def _is_literal(name: str) -> bool:
    return name.lstrip("-").isdigit()


def load(ctx: Context, op: Operation) -> None:
    """Write a load for every chain that needs its own."""
    bits = ctx.bits(op.out)
    for key in ctx.keys(bits):
        guards = [part.when for i in op.indices if isinstance(part := ctx.part(i, key), Guarded)]
        if guards:
            ctx.set(op.out, key, Vector(_load_near_or_far(ctx, op, key, guards)))
            continue
        place = address(ctx, op.memory, op.indices, op.leaf, key)
        held = ctx.memories[op.memory]
        note = ", !invariant.load !0" if isinstance(held, Memory) and held.readonly else ""
        if isinstance(place, Single):
            name = _load_single(ctx, op.out.type, place.pointer, ctx.members(key, bits), note)
            ctx.set(op.out, key, Scalar(name))
        else:
            mask = ctx.wanted(ctx.members(key, bits))
            ctx.set(op.out, key, Vector(load_lanes(ctx, op.out.type, place, mask, note)))


def _load_near_or_far(ctx: Context, op: Operation, chain: Chain, guards: list[str]) -> str:
    """Neighbours in one move while no guard is broken, as inside an image; a gather at its edges."""
    text, dtype = ctx.text, op.out.type
    near, mask = guards[0], ctx.wanted(ctx.members(chain, ctx.bits(op.out)))
    for guard in guards[1:]:
        near = text.let(f"and i1 {near}, {guard}")
    labels = text.fresh_label("near"), text.fresh_label("far")
    done = text.fresh_label("loaded")
    text.branch(near, *labels)
    found = []
    for label in labels:
        text.begin(label)
        place = address(ctx, op.memory, op.indices, op.leaf, chain, near=label == labels[0])
        found.append((load_lanes(ctx, dtype, place, mask), text.label))
        text.jump(done)
    text.begin(done)
    phi = text.phi(ctx.form(dtype, True).llvm)
    for name, label in found:
        phi.add(name, label)
    return phi.name


def _load_single(ctx: Context, dtype: DType, pointer: str, members: list[Chain], note: str) -> str:
    """A scalar load. Where no chain that shares it may be active it reads from a safe place instead."""
    shared_by_all = len(members) == len(ctx.chains)
    if ctx.alive or (ctx.mask is not None and not shared_by_all):
        some = ctx.any_of(ctx.active(chain) or ALL for chain in members)
        pointer = ctx.text.let(f"select i1 {some}, ptr {pointer}, ptr {ctx.text.nowhere()}")
        note = ""
    return load_scalar(ctx, dtype, pointer, note)


def load_scalar(ctx: Context, dtype: DType, pointer: str, note: str = "") -> str:
    """One value from memory, bool from its byte."""
    if dtype is bool_:
        byte = ctx.text.let(f"load i8, ptr {pointer}, align 1{note}")
        return ctx.text.let(f"icmp ne i8 {byte}, 0")
    return ctx.text.let(f"load {SCALAR_TYPES[dtype.name]}, ptr {pointer}, align {dtype.itemsize}{note}")


def memory_form(ctx: Context, dtype: DType) -> Form:
    """How a dtype's lanes stand in memory: bool as bytes."""
    form = ctx.form(dtype, True)
    return Form(u8, form.lanes, form.index_bits) if dtype is bool_ else form


def load_lanes(ctx: Context, dtype: DType, place: Address, mask: str | None, note: str = "") -> str:
    """A vector of values from memory under a mask (None for all)."""
    form, text = memory_form(ctx, dtype), ctx.text
    if isinstance(place, Row) and mask is None:
        value = text.let(f"load {form.llvm}, ptr {place.pointer}, align {dtype.itemsize}{note}")
    else:
        lanes = f"{ctx.mask_type} {mask or ALL}"
        if not isinstance(place, Scattered):
            kind, where = f"llvm.masked.load.{form.suffix}.p0", f"ptr align {dtype.itemsize} {place.pointer}"
        else:
            kind = f"llvm.masked.gather.{form.suffix}.v{ctx.width}p0"
            where = f"<{ctx.width} x ptr> align {dtype.itemsize} {place.pointers}"
        value = text.call(form.llvm, kind, where, lanes, f"{form.llvm} zeroinitializer")
    if dtype is bool_:
        return text.let(f"icmp ne {form.llvm} {value}, zeroinitializer")
    return value


def store(ctx: Context, op: Operation) -> None:
    """Write a store for every chain; where lanes or chains meet at one address the last one stands."""
    for chain in ctx.chains:
        place = address(ctx, op.memory, op.indices, op.leaf, chain)
        mask = ctx.active(chain)
        part = ctx.part(op.value, chain)
        if isinstance(place, Single) and isinstance(part, Scalar):
            _store_single(ctx, op.value.type, part.name, place.pointer, mask)
        else:
            store_lanes(ctx, op.value.type, ctx.in_lanes(part, op.value.type), place, mask)


def _store_single(ctx: Context, dtype: DType, name: str, pointer: str, mask: str | None) -> None:
    if mask is not None:
        pointer = ctx.text.let(f"select i1 {ctx.any_of([mask])}, ptr {pointer}, ptr {ctx.text.nowhere()}")
    store_scalar(ctx, dtype, name, pointer)


def store_scalar(ctx: Context, dtype: DType, name: str, pointer: str) -> None:
    """One value to memory, bool as a byte."""
    if dtype is bool_:
        name = ctx.text.let(f"zext i1 {name} to i8")
        ctx.text.do(f"store i8 {name}, ptr {pointer}, align 1")
    else:
        ctx.text.do(f"store {SCALAR_TYPES[dtype.name]} {name}, ptr {pointer}, align {dtype.itemsize}")


def store_lanes(ctx: Context, dtype: DType, value: str, place: Address, mask: str | None) -> None:
    """A vector of values to memory under a mask (None for all)."""
    form, text = memory_form(ctx, dtype), ctx.text
    if dtype is bool_:
        value = text.let(f"zext {ctx.mask_type} {value} to {form.llvm}")
    if isinstance(place, Row) and mask is None:
        text.do(f"store {form.llvm} {value}, ptr {place.pointer}, align {dtype.itemsize}")
        return
    lanes = f"{ctx.mask_type} {mask or ALL}"
    if isinstance(place, Row):
        where = f"ptr align {dtype.itemsize} {place.pointer}"
        text.call_void(f"llvm.masked.store.{form.suffix}.p0", f"{form.llvm} {value}", where, lanes)
        return
    pointers = place.pointers if isinstance(place, Scattered) else _all_at(ctx, place.pointer)
    where = f"<{ctx.width} x ptr> align {dtype.itemsize} {pointers}"
    kind = f"llvm.masked.scatter.{form.suffix}.v{ctx.width}p0"
    text.call_void(kind, f"{form.llvm} {value}", where, lanes)


def _all_at(ctx: Context, pointer: str) -> str:
    kind = f"<{ctx.width} x ptr>"
    one = ctx.text.let(f"insertelement {kind} poison, ptr {pointer}, i32 0")
    return ctx.text.let(f"shufflevector {kind} {one}, {kind} poison, <{ctx.width} x i32> zeroinitializer")


def dim(ctx: Context, op: Operation) -> None:
    """The extent of an array, a scalar."""
    ctx.set(op.out, (0, 0), Scalar(ctx.memories[op.array].extents[op.axis]))


def pointers_of(ctx: Context, place: Address, size: int) -> str:
    """Any address as a vector of pointers."""
    if isinstance(place, Scattered):
        return place.pointers
    if isinstance(place, Single):
        return _all_at(ctx, place.pointer)
    form = ctx.form(index, True)
    lanes = ctx.in_lanes(Affine("0", size), index)
    return ctx.text.let(f"getelementptr i8, ptr {place.pointer}, {form.llvm} {lanes}")
