"""Who does what in a block whose threads wait for one another.

All threads of the block go through the code, as all must reach every barrier; those beyond the shape and
those that failed have no effects. What decides where the block goes is computed by all: values that are the
same for the block, and the control around barriers. The rest is done under `if (alive)`, neighbours together;
values that are wanted behind it stand before it with a zero.
"""

from __future__ import annotations

from typing import Any

from gyral.compiler.emit.cfamily.structure import ALIVE, SOUND, is_mortal
from gyral.compiler.emit.cfamily.writer import Mode, Writer
from gyral.compiler.ir.graph import Block, Op, Value
from gyral.compiler.ir.ops import control as flow
from gyral.compiler.ir.ops.arith import zero_of
from gyral.compiler.ir.ops.grid import ActiveOp, ClockOp, FenceOp, UniformOp
from gyral.compiler.ir.ops.memory import LoadOp, LocalOp, SharedOp
from gyral.compiler.ir.ops.message import RequireOp
from gyral.compiler.ir.traits import EFFECT, GANG, PURE, READS, SYNC, WRITES


def is_common(op: Op) -> bool:
    """Whether every thread of the block must come by, alive or not."""
    return any(bool(inner.traits & (SYNC | GANG)) or inner.attributes.get("whole") for inner in op.walk())


def write(w: Writer, block: Block) -> None:
    """The ops of a region but its terminator."""
    ops = block.ops[:-1]
    if w.mode is Mode.PLAIN:
        for op in ops:
            w.op(op)
        return
    run: list[Op] = []
    for op in ops:
        if w.mode is Mode.ACTIVE and w.known:
            w.op(op)
        elif _is_free(op):
            w.op(op)
        elif w.mode is Mode.ALL and _for_all(w, op):
            run = _flush(w, run)
            _together(w, op)
        elif w.mode is Mode.ALL and op.results and op.traits & PURE and not _differs(w, op):
            w.op(op)  # needs nothing of the run, whose results all differ
        else:
            run.append(op)
            if is_mortal(op):
                run = _flush(w, run)
    _flush(w, run)


def _is_free(op: Op) -> bool:
    """Declarations, and what is there already."""
    return isinstance(op, (LocalOp, SharedOp, ActiveOp)) or op.name in ("arith.const", "memory.dim")


def _differs(w: Writer, op: Op) -> bool:
    return any(w.variance.get(value, 0) for value in op.results)


def _for_all(w: Writer, op: Op) -> bool:
    """Whether all threads do it, here where all of them are."""
    if is_common(op) or isinstance(op, (UniformOp, FenceOp)):
        return True
    if isinstance(op, RequireOp):
        return w.together and not w.variance.get(op.condition, 0)
    if not op.results or op.traits & PURE:
        return False
    return not isinstance(op, ClockOp) and not all(w.variance.get(value, 0) for value in op.results)


def _together(w: Writer, op: Op) -> None:
    if w.mortal and isinstance(op, LoadOp) and not op.attributes.get("whole"):
        _under(w, SOUND, [op], _outs(w, [op]))
    else:
        w.op(op)


def needs_guard(op: Op) -> bool:
    """Whether a thread without effects must pass this op by; a loop, as its turns might not end."""
    if isinstance(op, (flow.ForOp, flow.WhileOp)):
        return True
    if isinstance(op, flow.IfOp):
        return any(needs_guard(inner) for side in op.regions for inner in side.ops[:-1])
    return bool(op.traits & (READS | WRITES | EFFECT)) and not isinstance(op, (ActiveOp, FenceOp, ClockOp))


def _flush(w: Writer, run: list[Op]) -> list[Op]:
    """Write a run of ops; what needs no guard and nothing guarded stands before it."""
    guarded: list[Op] = []
    tainted: set[Value] = set()
    for op in run:
        asked = {value for inner in op.walk() for value in inner.operands}
        if needs_guard(op) or asked & tainted:
            guarded.append(op)
            tainted.update(op.results)
        else:
            w.op(op)
    end = max((k + 1 for k, op in enumerate(guarded) if needs_guard(op)), default=0)
    section, rest = guarded[:end], guarded[end:]
    if section:
        _under(w, ALIVE, section, _outs(w, section))
    for op in rest:
        w.op(op)
    return []


def _outs(w: Writer, section: list[Op]) -> list[Value]:
    """Results that are used outside of a section."""
    inside = {inner for op in section for inner in op.walk()}
    return [v for op in section for v in op.results if any(user not in inside for user, _ in v.uses)]


def _under(w: Writer, flag: str, section: list[Op], outs: list[Value]) -> None:
    """Ops under a condition; `outs` are declared before it with a zero."""
    for value in outs:
        t: Any = value.type
        w.names[value] = name = w.fresh()
        w.put(w.dialect.var(t, name, w.dialect.literal(t, zero_of(t))))
    w.outs.update(outs)
    kept = w.mode, w.known
    if flag == ALIVE:
        w.mode, w.known = Mode.ACTIVE, True
    with w.scope(f"if ({flag}) {{"):
        for op in section:
            w.op(op)
    w.mode, w.known = kept
    w.outs.difference_update(outs)
