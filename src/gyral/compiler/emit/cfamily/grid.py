"""Where a thread stands, and what a block does together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gyral.compiler.emit.cfamily.parts import Cells, Memory, Place
from gyral.compiler.emit.cfamily.structure import ALIVE
from gyral.compiler.emit.cfamily.writer import Mode, Writer
from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.ops import grid
from gyral.compiler.ir.types import MemType
from gyral.core.dtypes import DType, bool_, index, leaves, u32, u64

AXES = (2, 1, 0)
"""Axes of launches and blocks as `core.abi` counts them, the fastest first."""
HERE = "here"
"""The variable that says that this block is one of the grid's."""


def axes(w: Writer) -> tuple[int, ...]:
    """The axes that the launch has, the fastest first."""
    return AXES[: w.rank]


def _aligned(w: Writer, axis: int) -> int:
    """A user's axis as `core.abi` counts it."""
    return 3 - w.rank + axis


def unsigned(w: Writer) -> DType:
    """The unsigned type as wide as an index."""
    return u64 if w.dialect.index.bits == 64 else u32


def block_id(w: Writer, axis: int) -> str:
    """The block's number along an axis, unsigned."""
    if w.dialect.folded:
        if "blocks" not in w.prologue:
            w.once("blocks", _unfold(w))
        return f"b{axis}"
    t, name = unsigned(w), f"b{axis}"
    return w.once(name, [w.dialect.let(t, name, w.dialect.cast(u32, t, w.dialect.block_id(axis)))])


def _unfold(w: Writer) -> list[str]:
    """The block's numbers from its number in a folded grid.

    Blocks beyond the launch's do what block 0 does, but no thread of theirs exists. To leave instead would
    be simpler, but compilers stumble over barriers behind it.
    """
    d, t = w.dialect, unsigned(w)
    counts = {axis: d.cast(index, t, w.slot(f"blocks{axis}")) for axis in axes(w)}
    x, y, z = (f"({d.cast(u32, t, d.block_id(axis))})" for axis in AXES)
    gx, gy = (f"({d.cast(u32, t, d.native_blocks(axis))})" for axis in AXES[:2])
    total = " * ".join(f"({count})" for count in counts.values())
    lines = [
        d.let(t, "bn", f"{x} + {gx} * ({y} + {gy} * {z})"),
        d.let(bool_, HERE, f"bn < {total}"),
        d.let(t, "bn2", d.select(HERE, "bn", d.literal(t, 0))),
    ]
    for axis in axes(w)[:-1]:
        lines.append(d.let(t, f"b{axis}", f"bn{axis} % ({counts[axis]})"))
        lines.append(d.let(t, f"bn{axis - 1}", f"bn{axis} / ({counts[axis]})"))
    last = axes(w)[-1]
    return [*lines, d.let(t, f"b{last}", f"bn{last}")]


def local_id(w: Writer, axis: int) -> str:
    """The thread's index in its block along an axis, unsigned."""
    t = unsigned(w)
    if w.block[axis] == 1:
        return w.dialect.literal(t, 0)
    name = f"l{axis}u"
    return w.once(name, [w.dialect.let(t, name, w.dialect.cast(u32, t, w.dialect.local_id(axis)))])


def global_id(w: Writer, axis: int) -> str:
    """The thread's index in the launch along an axis, unsigned; beyond the shape for missing threads."""
    t, name = unsigned(w), f"g{axis}u"
    first = f"{block_id(w, axis)} * {w.dialect.literal(t, w.block[axis])}"
    return w.once(name, [w.dialect.let(t, name, f"{first} + {local_id(w, axis)}")])


def signed(w: Writer, name: str, value: str) -> str:
    """An unsigned value of the prologue as an index."""
    return w.once(name, [w.dialect.let(index, name, w.dialect.cast(unsigned(w), index, value))])


def exists(w: Writer) -> str:
    """The condition that this thread is one of the launch's."""
    found = [HERE] if w.dialect.folded else []
    for axis in axes(w):
        first = global_id(w, axis)
        if axis == 2 and w.coarse > 1:
            first = f"{first} * {w.dialect.literal(unsigned(w), w.coarse)}"
        found.append(f"({first} < {_unsigned(w, w.slot(f'shape{axis}'))})")
    return " && ".join(found)


def is_whole(w: Writer) -> str:
    """The condition that every thread of this block is one of the launch's; the same for the block."""
    t = unsigned(w)
    found = [HERE] if w.dialect.folded else []
    for axis in axes(w):
        extent = w.dialect.literal(t, w.block[axis])
        size = _unsigned(w, w.slot(f"shape{axis}"))
        found.append(f"({size} - {block_id(w, axis)} * {extent} >= {extent})")
    return " && ".join(found)


def _unsigned(w: Writer, value: str) -> str:
    return f"({w.dialect.cast(index, unsigned(w), value)})"


def linear_local(w: Writer) -> str:
    """The thread's number in its whole block, the last axis fastest; an index."""
    t = unsigned(w)
    text, step = "", 1
    for axis in AXES:
        if w.block[axis] > 1:
            term = local_id(w, axis) if step == 1 else f"{local_id(w, axis)} * {w.dialect.literal(t, step)}"
            text = f"{text} + {term}" if text else term
        step *= w.block[axis]
    text = text or w.dialect.literal(t, 0)
    return signed(w, "number", f"({text})")


def linear(w: Writer, ids: dict[int, str], sizes: dict[int, str]) -> str:
    """Number among `sizes` of the thread at `ids`, the last axis fastest; all unsigned."""
    text = ""
    for axis in reversed(axes(w)):
        text = f"({text}) * {sizes[axis]} + {ids[axis]}" if text else ids[axis]
    return text


def launch_number(w: Writer) -> str:
    """The thread's number in the launch, unsigned."""
    ids = {axis: global_id(w, axis) for axis in axes(w)}
    sizes = {axis: _unsigned(w, w.slot(f"shape{axis}")) for axis in axes(w)}
    t = unsigned(w)
    return w.once("among", [w.dialect.let(t, "among", linear(w, ids, sizes))])


def thread_number(w: Writer) -> str:
    """The thread's number in the launch, as records have it: u32."""
    number = launch_number(w)
    return number if unsigned(w) is u32 else f"({w.dialect.cast(u64, u32, number)})"


def _global_id(w: Writer, op: Any) -> None:
    axis = _aligned(w, op.axis)
    w.alias(op.out, signed(w, f"g{axis}", global_id(w, axis)))


def _local_id(w: Writer, op: Any) -> None:
    axis = _aligned(w, op.axis)
    text = signed(w, f"l{axis}", local_id(w, axis)) if w.block[axis] > 1 else w.dialect.literal(index, 0)
    w.alias(op.out, text)


def _block_id(w: Writer, op: Any) -> None:
    axis = _aligned(w, op.axis)
    w.alias(op.out, signed(w, f"b{axis}s", block_id(w, axis)))


def _global_size(w: Writer, op: Any) -> None:
    w.alias(op.out, w.slot(f"shape{_aligned(w, op.axis)}"))


def _grid_dim(w: Writer, op: Any) -> None:
    w.alias(op.out, w.slot(f"blocks{_aligned(w, op.axis)}"))


def _block_dim(w: Writer, op: Any) -> None:
    w.alias(op.out, w.dialect.literal(index, w.block[_aligned(w, op.axis)]))


def _span(w: Writer, op: Any) -> None:
    """Strided over the threads that exist in the scope, in linear order."""
    d, t = w.dialect, unsigned(w)
    if op.scope == "grid":
        lower = launch_number(w)
        sizes = {axis: _unsigned(w, w.slot(f"shape{axis}")) for axis in axes(w)}
    else:
        sizes = {axis: _present(w, axis) for axis in axes(w)}
        lower = linear(w, {axis: local_id(w, axis) for axis in axes(w)}, sizes)
    w.set(op.lower, d.cast(t, index, f"({lower})"))
    w.alias(op.upper, w.of(op.count))
    w.set(op.step, d.cast(t, index, f"({' * '.join(sizes.values())})"))


def _present(w: Writer, axis: int) -> str:
    """Threads of the block along an axis that exist."""
    t, name = unsigned(w), f"present{axis}"
    extent = w.dialect.literal(t, w.block[axis])
    left = f"({_unsigned(w, w.slot(f'shape{axis}'))} - {block_id(w, axis)} * {extent})"
    return w.once(name, [w.dialect.let(t, name, w.dialect.select(f"({left} < {extent})", left, extent))])


def _active(w: Writer, op: Any) -> None:
    if w.mode is not Mode.PLAIN and w.mortal:
        w.set(op.out, ALIVE)
    else:
        w.alias(op.out, "true" if w.mode is Mode.PLAIN else ALIVE)


def _barrier(w: Writer, op: Any) -> None:
    w.put(*w.dialect.barrier())


def slot_of(w: Writer, t: DType) -> Place:
    """A shared place for one value of a type, for the block's own exchange."""
    t = w.dialect.real(t)
    memory = Memory(f"s_{t.name}", MemType(t, (1,), "shared"), "shared")
    name = f"{memory.name}x0"
    w.shared.setdefault(name, Cells(name, t, 1, False, w.dialect.cell_bytes(t, False)))
    return Place(memory, leaves(t)[0], 0, w.dialect.literal(index, 0))


def broadcast(w: Writer, value: Value, source: str, thread: str) -> None:
    """Give every thread of the block what the one numbered `thread` has in `source`."""
    place = slot_of(w, value.type)
    with w.scope(f"if ({linear_local(w)} == {thread}) {{"):
        w.put(*w.dialect.store(place, source))
    if w.dialect.broadcast_barriers:
        w.put(*w.dialect.barrier())
    w.set(value, w.dialect.broadcast_load(place))
    if w.dialect.broadcast_barriers:
        w.put(*w.dialect.barrier())


def _broadcast(w: Writer, op: Any) -> None:
    broadcast(w, op.out, w.of(op.value), w.of(op.thread))


def _uniform(w: Writer, op: Any) -> None:
    if w.dialect.proves_uniform and w.together and not w.alone:
        broadcast(w, op.out, w.of(op.value), w.dialect.literal(index, 0))
    else:
        w.alias(op.out, w.of(op.value))


def _clock(w: Writer, op: Any) -> None:
    w.set(op.out, w.dialect.clock())


WRITERS: dict[type, Callable[[Writer, Op], None]] = {
    grid.GlobalIdOp: _global_id,
    grid.LocalIdOp: _local_id,
    grid.BlockIdOp: _block_id,
    grid.GlobalSizeOp: _global_size,
    grid.GridDimOp: _grid_dim,
    grid.BlockDimOp: _block_dim,
    grid.SpanOp: _span,
    grid.ActiveOp: _active,
    grid.BarrierOp: _barrier,
    grid.BlockBroadcastOp: _broadcast,
    grid.UniformOp: _uniform,
    grid.ClockOp: _clock,
}
