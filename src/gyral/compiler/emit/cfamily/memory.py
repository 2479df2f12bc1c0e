"""Loads, stores, extents and on-chip memory."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from gyral.compiler.emit.cfamily.grid import broadcast
from gyral.compiler.emit.cfamily.parts import Cells, Memory, Place
from gyral.compiler.emit.cfamily.writer import Writer
from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.ops import atomic
from gyral.compiler.ir.ops import memory as mem
from gyral.compiler.passes.touch import is_ordered
from gyral.core.artifact import CompileOptions
from gyral.core.dtypes import ArrayType, index, leaves

_ATOMICS = (atomic.AtomicRmwOp, atomic.AtomicCasOp, atomic.AtomicLoadOp, atomic.AtomicStoreOp)


def arrays(function: Op, options: CompileOptions, written: set[Value]) -> dict[Value, Memory]:
    """The array parameters of a kernel."""
    found: dict[Value, Memory] = {}
    ordered = any(is_ordered(op) for op in function.walk())  # for what somebody outside writes meanwhile
    for number, value in enumerate(function.regions[0].args):
        if isinstance(value.type, ArrayType):
            place = len(found)
            unit = place < len(options.unit_stride) and options.unit_stride[place]
            atomics, writes = atomic_leaves(value), value in written
            found[value] = Memory(
                f"a{number}", value.type, "global", place, unit, writes,
                (options.noalias or not written) and (writes or not ordered), atomics,
                not (writes or atomics or ordered),
            )  # fmt: skip
    return found


def atomic_leaves(memory: Value) -> frozenset[int]:
    """Numbers of the leaves that atomic ops touch."""
    return frozenset(op.leaf for op, _ in memory.uses if isinstance(op, _ATOMICS))


def place_of(w: Writer, memory: Value, indices: list[Value], leaf: int) -> Place:
    """Where an access goes."""
    held = w.memories[memory]
    found = leaves(held.type.elem)[leaf]
    names = w.all(indices)
    if held.space != "global":
        return Place(held, found, leaf, _on_chip_index(w, held, names))
    place = Place(held, found, leaf, _array_index(w, held, names, found.dtype.itemsize, found.offset))
    lines = w.dialect.pointer(place)
    if lines:
        w.once(f"pointer {held.name} {found.dtype.name}", lines)
    return place


def _array_index(w: Writer, held: Memory, names: list[str], size: int, offset: int) -> str:
    """In units of the leaf's size, which divides the element's size, its strides and the leaf's offset."""
    terms: list[str] = []
    last = len(names) - 1
    for axis, name in enumerate(names):
        if axis == last and held.unit:
            step = held.type.elem.itemsize // size
            terms.append(name if step == 1 else f"{name} * {w.dialect.literal(index, step)}")
        else:
            terms.append(w.dialect.steps(name, stride(w, held, axis, size)))
    if offset:
        terms.append(w.dialect.literal(index, offset // size))
    return " + ".join(terms)


def stride(w: Writer, held: Memory, axis: int, size: int) -> str:
    """An array's stride in units of `size` bytes."""
    slot = f"{held.name}s{axis}"
    name = f"{slot}x{size}"
    if name not in w.prologue:
        w.once(name, [w.dialect.let(index, name, w.dialect.stride(w.slots[slot], slot, size))])
    return name


def _on_chip_index(w: Writer, held: Memory, names: list[str]) -> str:
    """The element's number, the last axis fastest; extents are constants."""
    terms, step = [], 1
    shape: Any = held.type.shape  # type: ignore[union-attr]
    for name, extent in zip(reversed(names), reversed(shape), strict=True):
        terms.append(name if step == 1 else f"{name} * {w.dialect.literal(index, step)}")
        step *= extent
    return " + ".join(reversed(terms))


def _load(w: Writer, op: Op) -> None:
    place, value = place_of(w, op.operands[0], op.operands[1:], op.leaf), op.results[0]
    text = w.dialect.load(place)
    alike = w.synced and w.together and not w.alone and not w.variance.get(value, 0)
    if alike and w.dialect.proves_uniform and not w.dialect.is_proven(place):
        name = w.fresh()
        w.put(w.dialect.let(value.type, name, text))
        broadcast(w, value, name, w.dialect.literal(index, 0))
    else:
        w.set(value, text)


def _store(w: Writer, op: Op) -> None:
    place = place_of(w, op.operands[1], op.operands[2:], op.leaf)
    w.put(*w.dialect.store(place, w.of(op.operands[0])))


def _load_wide(w: Writer, op: Op) -> None:
    place, name = place_of(w, op.operands[0], op.operands[1:], 0), w.fresh()
    lines, parts = w.dialect.load_wide(place, len(op.results), name)
    w.put(*lines)
    for value, part in zip(op.results, parts, strict=True):
        w.set(value, part)


def _store_wide(w: Writer, op: Op) -> None:
    memory, *rest = op.operands
    rank = memory.type.rank
    place = place_of(w, memory, rest[:rank], 0)
    w.put(*w.dialect.store_wide(place, w.all(rest[rank:])))


def _dim(w: Writer, op: Op) -> None:
    w.alias(op.results[0], w.slot(f"{w.memories[op.operands[0]].name}e{op.axis}"))


def on_chip(w: Writer, value: Value, name: str, space: Any) -> list[Cells]:
    """Name on-chip memory; its cells, one array per leaf."""
    t: Any = value.type
    atomics = atomic_leaves(value)
    w.memories[value] = Memory(name, t, space, atomics=atomics)
    found = []
    for number, leaf in enumerate(leaves(t.elem)):
        small = number in atomics
        size = prod(t.shape)
        cells = Cells(
            f"{name}x{number}", leaf.dtype, size, small, size * w.dialect.cell_bytes(leaf.dtype, small)
        )
        found.append(cells)
    return found


def _shared(w: Writer, op: Op) -> None:
    value = op.results[0]
    if value not in w.memories:
        for cells in on_chip(w, value, w.fresh("t"), "shared"):
            w.shared[cells.name] = cells


def _local(w: Writer, op: Op) -> None:
    for cells in on_chip(w, op.results[0], w.fresh("t"), "local"):
        w.put(w.dialect.local(cells))


WRITERS: dict[type, Callable[[Writer, Any], None]] = {
    mem.LoadOp: _load,
    mem.StoreOp: _store,
    mem.LoadWideOp: _load_wide,
    mem.StoreWideOp: _store_wide,
    mem.DimOp: _dim,
    mem.SharedOp: _shared,
    mem.LocalOp: _local,
}
