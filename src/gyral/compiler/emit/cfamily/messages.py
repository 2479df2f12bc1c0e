"""Failed checks and prints: entries of the launch's record (see `core.abi`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gyral.compiler.emit.cfamily import grid
from gyral.compiler.emit.cfamily.grid import thread_number
from gyral.compiler.emit.cfamily.structure import ALIVE, SOUND
from gyral.compiler.emit.cfamily.writer import Mode, Writer
from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.ops.message import NO_SITE, PrintOp, RequireOp, RescueOp
from gyral.core.artifact import Site
from gyral.core.dtypes import DType, bool_, u32
from gyral.core.errors import InternalError


def _require(w: Writer, op: Any) -> None:
    types = tuple(value.type for value in op.values)
    number = w.site(op, Site(op.check, op.span, op.text, op.axis, types=types))
    with w.scope(w.dialect.unless(w.of(op.condition))):
        if w.mode is Mode.ALL:
            with w.scope(f"if ({ALIVE}) {{"):
                _failed(w, number, op.values)
            w.put(f"{ALIVE} = false;", f"{SOUND} = false;")
        else:
            _failed(w, number, op.values)
            w.put("return;" if w.mode is Mode.PLAIN else f"{ALIVE} = false;")
    if w.mode is Mode.ACTIVE:
        w.known = False


def _failed(w: Writer, number: int, values: list[Value]) -> None:
    """Say where the thread failed: to its next rescue, if there is one in the kernel, else to the launch."""
    if w.rescues:
        w.put(f"{_noted(w)} = {w.word(number)};")
    else:
        _entry(w, "fault", number, values)


def _noted(w: Writer) -> str:
    """The variable that keeps the site where the thread failed."""
    return w.once("noted", [w.dialect.var(u32, "noted", w.word(NO_SITE))])


def _rescue(w: Writer, op: Any) -> None:
    """What the thread noted, and its life; what the block noted was written as a reduction of this."""
    if not op.own:
        raise InternalError("a rescue of the whole block reached the C family")
    if not w.mortal:
        w.set(op.site, w.word(NO_SITE))
        return
    there = grid.exists(w)
    w.once("present", [w.dialect.let(bool_, "present", there)])
    w.set(op.site, _noted(w))
    w.put(f"{_noted(w)} = {w.word(NO_SITE)};", f"{ALIVE} = present;", f"{SOUND} = true;")


def _print(w: Writer, op: Any) -> None:
    types = tuple(value.type for value in op.values)
    number = w.site(op, Site("print", op.span, parts=tuple(op.parts), types=types))
    with w.scope("{"):
        _entry(w, "print", number, op.values)


def _entry(w: Writer, kind: str, number: int, values: list[Value]) -> None:
    """Claim an entry and, if there is room, write thread, site and the values' words."""
    thread, at = thread_number(w), w.fresh("e")
    w.put(w.dialect.let(u32, at, w.dialect.claim(kind, thread)))
    words = [thread, w.word(number)]
    for value in values:
        words += _words(w, value.type, w.of(value))
    with w.scope(f"if ({at} != 0u) {{"):
        for place, word in enumerate(words):
            w.put(w.dialect.record(f"{at} + {place}u" if place else at, word))


def _words(w: Writer, t: DType, name: str) -> tuple[str, str]:
    """Low and high word: integers extended, floats by their bits."""
    real = w.dialect.real(t)
    if real.bits == 64:
        return w.dialect.split(real, name)
    low = w.dialect.word(real, name)
    if real.kind != "int":
        return low, "0u"
    return low, w.dialect.select(f"({name} < {w.dialect.literal(real, 0)})", "0xffffffffu", "0u")


WRITERS: dict[type, Callable[[Writer, Op], None]] = {
    RequireOp: _require,
    RescueOp: _rescue,
    PrintOp: _print,
}
