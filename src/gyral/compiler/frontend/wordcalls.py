"""Calls of words: where a thread stands, memory, order, atomics, what blocks and subgroups do together."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from gyral.compiler.frontend import codes, maths
from gyral.compiler.frontend.access import located, writable
from gyral.compiler.frontend.arguments import option
from gyral.compiler.frontend.convert import adopt, known_int, number, settled, store_value, truth_value
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.values import (
    Const,
    Datum,
    Host,
    Memory,
    Nothing,
    Part,
    Scalar,
    Tuple,
    Vector,
    describe,
)
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Value
from gyral.compiler.ir.ops.atomic import ORDERS, SCOPES, AtomicCasOp, AtomicLoadOp, AtomicRmwOp, AtomicStoreOp
from gyral.compiler.ir.ops.cast import BitcastOp
from gyral.compiler.ir.ops.grid import (
    BarrierOp,
    BlockBroadcastOp,
    BlockDimOp,
    BlockIdOp,
    BlockReduceOp,
    BlockScanOp,
    ClockOp,
    FenceOp,
    GlobalIdOp,
    GlobalSizeOp,
    GridDimOp,
    LocalIdOp,
)
from gyral.compiler.ir.ops.memory import LocalOp, SharedOp
from gyral.compiler.ir.ops.message import RescueOp
from gyral.compiler.ir.ops.subgroup import (
    LaneIdOp,
    SubgroupBallotOp,
    SubgroupReduceOp,
    SubgroupScanOp,
    SubgroupShuffleOp,
    SubgroupSizeOp,
)
from gyral.compiler.ir.types import MemType
from gyral.compiler.words import WAYS, Word
from gyral.core.dtypes import DType, StructType, Vec, bool_, i32, index

Handler: TypeAlias = Callable[[Frame, Word, list[Datum], ast.Call], Datum]

IDS: dict[str, type[Operation]] = {
    "global_id": GlobalIdOp,
    "global_size": GlobalSizeOp,
    "local_id": LocalIdOp,
    "block_id": BlockIdOp,
    "block_dim": BlockDimOp,
    "grid_dim": GridDimOp,
}
BLOCK_WORDS = ("local_id", "block_id", "shared")
MAX_RANK = 3
MAX_MEMORY = 1 << 24


def needs_block(f: Frame, word: Word, node: ast.Call) -> None:
    """Note a word that has no meaning without a block."""
    if word.name in BLOCK_WORDS and word.name not in f.unit.named:
        f.unit.named[word.name] = f.finding(codes.NEEDS_BLOCK, node, name=f.unit.name, word=word.name)


def identity(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """A thread's or block's place along an axis, or an extent."""
    needs_block(f, word, node)
    axis = known_int(f, args[0], node, f"the axis of {word.name}")
    if not 0 <= axis < MAX_RANK:
        f.refuse(codes.RANK, node, what=f"a launch has axes 0 to {MAX_RANK - 1}, not {axis}")
    what = f"{word.name} names axis {axis}, which the launch does not have"
    f.unit.axes.setdefault(axis, f.finding(codes.RANK, node, what=what))
    return Scalar(f.emit(IDS[word.name], axis=axis))


def global_ids(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """All of a thread's indices."""
    n = known_int(f, args[0], node, "the n of global_ids")
    if not 1 <= n <= MAX_RANK:
        f.refuse(codes.RANK, node, what=f"a launch has 1 to {MAX_RANK} axes, not {n}")
    what = f"global_ids({n}) does not fit the rank of the launch"
    f.unit.ids.setdefault(n, f.finding(codes.RANK, node, what=what))
    return Tuple(tuple(Scalar(f.emit(GlobalIdOp, axis=axis)) for axis in range(n)))


def loop_only(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """`grid_range` and `block_range` stand in a `for`."""
    f.refuse(codes.ITERATION, node, what=f"gy.{word.name} outside of `for`")


def memory(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """On-chip memory of a shape known when compiling; made at the start of the function."""
    needs_block(f, word, node)
    shape = _shape(f, word, args[0], node)
    elem = args[1].obj if isinstance(args[1], Host) else None
    if not isinstance(elem, (DType, Vec, StructType)):
        f.refuse(codes.MEMORY_SHAPE, node, what=f"{describe(args[1])} is no element type", word=word.name)
    made = MemType(elem, shape, "shared" if word.name == "shared" else "local")
    op = (SharedOp if word.name == "shared" else LocalOp).make(types=[made], span=f.builder.span)
    f.entry.ops.insert(0, op)
    op.parent = f.entry
    return Memory(op.result, word.name)


def _shape(f: Frame, word: Word, datum: Datum, node: ast.Call) -> tuple[int, ...]:
    items = datum.items if isinstance(datum, Tuple) else (datum,)
    shape = tuple(known_int(f, item, node, f"the shape of gy.{word.name}") for item in items)
    size = 1
    for n in shape:
        size *= n
    if not 1 <= len(shape) <= 4 or min(shape) < 1 or size > MAX_MEMORY:
        limits = f"1 to 4 extents, each 1 or more, {MAX_MEMORY} elements at most"
        what = f"{shape} is no shape of on-chip memory: {limits}"
        f.refuse(codes.MEMORY_SHAPE, node, what=what, word=word.name)
    return shape


def barrier(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """Every thread of the block arrives before any goes on."""
    f.builder.op(BarrierOp)
    return Nothing("gy.barrier()")


def fence(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """Order of accesses as seen by a scope."""
    f.builder.op(FenceOp, scope=option(f, args[0], SCOPES, "gy.fence", "scope", node))
    return Nothing("gy.fence()")


def clock(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """The device's counter."""
    return Scalar(f.emit(ClockOp))


def bitcast(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """The same bits as another type."""
    target = args[1].obj if isinstance(args[1], Host) else None
    if not isinstance(target, DType):
        f.refuse(
            codes.OPERAND, node, op="bitcast", what=describe(args[1]), advice="name a type, such as gy.u32"
        )
    given = settled(f, number(f, args[0], node), node)
    if given.dtype.bits != target.bits or index in (given.dtype, target):
        f.refuse(codes.BITCAST_WIDTH, node, source=given.dtype, target=target)
    if given.dtype is target:
        return given
    return Scalar(f.emit(BitcastOp, given.value, type=target))


def _target(
    f: Frame, args: list[Datum], node: ast.Call, writes: bool
) -> tuple[Memory, tuple[Value, ...], DType]:
    """The element an atomic works on."""
    owner, key = args[0], args[1]
    if not isinstance(owner, (Memory, Part)):
        f.refuse(codes.ATOMIC_TARGET, node, what=f"an atomic works on memory, not on {describe(owner)}")
    memory_ = owner.memory if isinstance(owner, Part) else owner
    elem = memory_.type.elem
    if not isinstance(elem, DType):
        f.refuse(codes.ATOMIC_TARGET, node, what=f"an atomic works on scalars, not on {elem}")
    if isinstance(memory_.type, MemType) and memory_.type.space == "local":
        f.refuse(codes.ATOMIC_TARGET, node, what="local memory belongs to one thread and needs no atomics")
    if writes:
        writable(f, memory_, node)
    items = key.items if isinstance(key, Tuple) else (key,)
    at = node.args[1] if len(node.args) > 1 else node
    return memory_, located(f, owner, [(item, at) for item in items], node).indices, elem


def _order(f: Frame, args: list[Datum], word: Word, node: ast.Call) -> dict[str, Any]:
    name = f"gy.{word.name}"
    found = {
        "order": option(f, args[-2], ORDERS, name, "order", node),
        "scope": option(f, args[-1], SCOPES, name, "scope", node),
    }
    if f.unit.is_trusted(f.fn):
        if f.unit.way == "batched":  # nobody else reads in a superstep what is written in it
            found["order"] = "relaxed"
        elif f.unit.way == "endless":  # the other end may be the host's
            found["scope"] = "system"
    return found


def way(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """Whether the loop stays in the way that the word names."""
    return Const(f.unit.way == word.name)


def atomic_rmw(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """Change an element at once; the old value."""
    target, indices, elem = _target(f, args, node, writes=True)
    kind = word.name.removeprefix("atomic_")
    if kind in ("and", "or", "xor") and elem.is_float:
        f.refuse(codes.OPERAND, node, op=word.name, what=f"{elem} elements", advice="use an integer array")
    if elem is bool_ and kind in ("add", "sub", "min", "max"):
        f.refuse(codes.OPERAND, node, op=word.name, what="bool elements", advice="use an integer array")
    value = store_value(f, number(f, args[2], node), elem, node)
    f.at(node)
    options = _order(f, args, word, node)
    return Scalar(f.builder.value(AtomicRmwOp, value, target.value, *indices, kind=kind, **options))


def atomic_cas(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """Replace an element if it is what was expected; the old value."""
    target, indices, elem = _target(f, args, node, writes=True)
    expected, value = (store_value(f, number(f, arg, node), elem, node) for arg in args[2:4])
    f.at(node)
    return Scalar(f.emit(AtomicCasOp, expected, value, target.value, *indices, **_order(f, args, word, node)))


def atomic_load(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """Read an element whole."""
    target, indices, elem = _target(f, args, node, writes=False)
    f.at(node)
    return Scalar(f.emit(AtomicLoadOp, target.value, *indices, type=elem, **_order(f, args, word, node)))


def atomic_store(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """Write an element whole."""
    target, indices, elem = _target(f, args, node, writes=True)
    value = store_value(f, number(f, args[2], node), elem, node)
    f.at(node)
    f.builder.op(AtomicStoreOp, value, target.value, *indices, **_order(f, args, word, node))
    return Nothing("gy.atomic_store()")


def _each(f: Frame, datum: Datum, node: ast.Call, apply: Callable[[Value], Value], conditions: bool) -> Datum:
    """Apply to a number, or each component of a vector; to a condition for any and all, else True is 1."""
    if isinstance(datum, Vector) and not conditions:
        return Vector(datum.type, tuple(Scalar(apply(item.value)) for item in datum.items))
    if conditions:
        return Scalar(apply(truth_value(f, datum, node)))
    given = number(f, datum, node)
    if isinstance(given, Const) and isinstance(given.value, bool):
        given = Const(int(given.value))
    return Scalar(apply(settled(f, given, node).value))


def _countable(f: Frame, datum: Datum) -> Datum:
    """A bool as i32, so that sums count."""
    if isinstance(datum, Scalar) and datum.dtype is bool_:
        return Scalar(f.cast(datum.value, i32))
    return datum


def reduction(op: type[Operation], prefix: str) -> Handler:
    """Sum, min, max, any or all over a block or subgroup."""

    def handler(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
        kind = word.name.removeprefix(prefix)
        logical = kind in ("any", "all")
        datum = args[0] if logical else _countable(f, args[0])
        return _each(f, datum, node, lambda v: f.builder.value(op, v, kind=kind), logical)

    return handler


def scan(op: type[Operation]) -> Handler:
    """The sum over the threads or lanes before."""

    def handler(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
        return _each(f, _countable(f, args[0]), node, lambda v: f.emit(op, v), False)

    return handler


def broadcast(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """One thread's value for the whole block."""
    thread = adopt(f, number(f, args[1], node), index, node)
    return _plain(f, args[0], node, lambda v: f.emit(BlockBroadcastOp, v, thread))


def _plain(f: Frame, datum: Datum, node: ast.Call, apply: Callable[[Value], Value]) -> Datum:
    """Apply to a number of any type, or to each component of a vector."""
    if isinstance(datum, Vector):
        return Vector(datum.type, tuple(Scalar(apply(item.value)) for item in datum.items))
    return Scalar(apply(settled(f, number(f, datum, node), node).value))


def shuffle(mode: str) -> Handler:
    """Another lane's value."""

    def handler(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
        amount = store_value(f, number(f, args[1], node), i32, node)
        return _plain(f, args[0], node, lambda v: f.emit(SubgroupShuffleOp, v, amount, mode=mode))

    return handler


def ballot(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """The lanes whose value is true, as bits."""
    return Scalar(f.emit(SubgroupBallotOp, truth_value(f, args[0], node)))


def simple(op: type[Operation]) -> Handler:
    """A word without arguments that gives a number."""
    return lambda f, word, args, node: Scalar(f.emit(op))


def plain(fn: Callable[[Frame, Sequence[Datum], ast.AST], Datum]) -> Handler:
    """A function of maths as a word."""
    return lambda f, word, args, node: fn(f, args, node)


def extreme(f: Frame, word: Word, args: list[Datum], node: ast.Call) -> Datum:
    """`gy.min` and `gy.max` of two."""
    return maths.extreme(f, word.name, args, node)


HANDLERS: dict[str, Handler] = {
    **dict.fromkeys(IDS, identity),
    "global_ids": global_ids,
    "grid_range": loop_only,
    "block_range": loop_only,
    "shared": memory,
    "local": memory,
    "bitcast": bitcast,
    "clock": clock,
    "barrier": barrier,
    "fence": fence,
    **{f"atomic_{k}": atomic_rmw for k in ("add", "sub", "min", "max", "and", "or", "xor", "exchange")},
    "atomic_compare_exchange": atomic_cas,
    "atomic_load": atomic_load,
    "atomic_store": atomic_store,
    "subgroup_size": simple(SubgroupSizeOp),
    "lane_id": simple(LaneIdOp),
    **{
        f"subgroup_{k}": reduction(SubgroupReduceOp, "subgroup_") for k in ("sum", "min", "max", "any", "all")
    },
    "subgroup_ballot": ballot,
    "subgroup_broadcast": shuffle("index"),
    "subgroup_shuffle": shuffle("index"),
    "subgroup_shuffle_up": shuffle("up"),
    "subgroup_shuffle_down": shuffle("down"),
    "subgroup_shuffle_xor": shuffle("xor"),
    "subgroup_exclusive_sum": scan(SubgroupScanOp),
    **{f"block_{k}": reduction(BlockReduceOp, "block_") for k in ("sum", "min", "max", "any", "all")},
    "block_broadcast": broadcast,
    "block_exclusive_sum": scan(BlockScanOp),
    "rescue": simple(RescueOp),
    **dict.fromkeys(WAYS, way),
    "dot": plain(maths.dot),
    "cross": plain(maths.cross),
    "length": plain(maths.length),
    "normalize": plain(maths.normalize),
    "abs": plain(maths.absolute),
    "min": extreme,
    "max": extreme,
    "round": plain(maths.rounded),
}
