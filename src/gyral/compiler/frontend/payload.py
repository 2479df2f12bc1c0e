"""Messages as words: a struct's leaves read from and written to u32 memory, laid out as in C."""

from __future__ import annotations

from collections.abc import Callable

from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.values import Datum, Memory, from_leaves, scalars
from gyral.compiler.ir.graph import Value
from gyral.compiler.ir.ops.arith import AddOp, AndOp, CmpOp, OrOp, ShlOp, ShrOp
from gyral.compiler.ir.ops.cast import BitcastOp, CastOp
from gyral.compiler.ir.ops.memory import LoadOp, StoreOp
from gyral.core.dtypes import DType, Leaf, StructType, bool_, index, leaves, u8, u16, u32, u64

UNSIGNED = {1: u8, 2: u16, 4: u32, 8: u64}


def words_of(t: StructType) -> int:
    """How many words a message of this type takes."""
    return -(-t.itemsize // 4)


def unpack(f: Frame, memory: Memory, at: Value, t: StructType) -> Datum:
    """The message of type `t` whose words begin at `at`."""
    cells: dict[int, Value] = {}

    def word(number: int) -> Value:
        if number not in cells:
            cells[number] = load_word(f, memory, at, number)
        return cells[number]

    return from_leaves(t, iter([_leaf(f, leaf, word) for leaf in leaves(t)]))


def pack(f: Frame, memory: Memory, at: Value, datum: Datum, t: StructType) -> None:
    """Write a message's words from `at` on."""
    cells: dict[int, Value] = {}

    def put(number: int, value: Value) -> None:
        cells[number] = f.emit(OrOp, cells[number], value) if number in cells else value

    for leaf, scalar in zip(leaves(t), scalars(datum), strict=True):
        _spread(f, leaf, scalar.value, put)
    for number in range(words_of(t)):
        value = cells[number] if number in cells else f.const(u32, 0)
        f.builder.op(StoreOp, value, memory.value, place(f, at, number))


def load_word(f: Frame, memory: Memory, at: Value, number: int) -> Value:
    """The word `number` behind `at`."""
    return f.emit(LoadOp, memory.value, place(f, at, number), type=u32)


def place(f: Frame, at: Value, number: int) -> Value:
    """`at` + `number` as an index."""
    where = f.emit(AddOp, at, f.const(u32, number)) if number else at
    return f.emit(CastOp, where, type=index)


def _leaf(f: Frame, leaf: Leaf, take: Callable[[int], Value]) -> Value:
    """A leaf's value from the words it lies in."""
    number, shift = divmod(leaf.offset, 4)
    t = leaf.dtype
    if t.itemsize == 8:
        low, high = (f.emit(CastOp, take(number + k), type=u64) for k in (0, 1))
        whole = f.emit(OrOp, low, f.emit(ShlOp, high, f.const(u64, 32)))
        return _as(f, whole, t)
    value = take(number)
    if t.itemsize == 4:
        return _as(f, value, t)
    if shift:
        value = f.emit(ShrOp, value, f.const(u32, 8 * shift))
    if t is bool_:
        return f.emit(CmpOp, f.emit(AndOp, value, f.const(u32, 0xFF)), f.const(u32, 0), predicate="ne")
    return _as(f, f.emit(CastOp, value, type=UNSIGNED[t.itemsize]), t)


def _spread(f: Frame, leaf: Leaf, value: Value, put: Callable[[int, Value], None]) -> None:
    """Put a leaf's bits into the words it lies in."""
    number, shift = divmod(leaf.offset, 4)
    t = leaf.dtype
    if t is bool_:
        bits = f.emit(CastOp, value, type=u32)
    else:
        bits = _as(f, value, UNSIGNED[t.itemsize])
    if t.itemsize == 8:
        put(number, f.emit(CastOp, bits, type=u32))
        high = f.emit(ShrOp, bits, f.const(u64, 32))
        put(number + 1, f.emit(CastOp, high, type=u32))
        return
    if t.itemsize < 4 and t is not bool_:
        bits = f.emit(CastOp, bits, type=u32)
    if shift:
        bits = f.emit(ShlOp, bits, f.const(u32, 8 * shift))
    put(number, bits)


def _as(f: Frame, value: Value, t: DType) -> Value:
    """The bits of a value as another type of the same width."""
    return value if value.type is t else f.emit(BitcastOp, value, type=t)
