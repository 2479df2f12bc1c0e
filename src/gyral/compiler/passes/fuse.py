"""Several kernels as one: each thread does the work of its namesakes, one kernel after another."""

from __future__ import annotations

import linecache
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.graph import Block, Module, Op
from gyral.compiler.ir.ops.arith import ConstOp
from gyral.compiler.ir.ops.control import FuncOp, ReturnOp
from gyral.compiler.ir.ops.memory import LoadOp, LocalOp, StoreOp
from gyral.compiler.ir.types import MemType, Type
from gyral.compiler.passes.clone import clone
from gyral.compiler.passes.inline import Inline
from gyral.compiler.passes.merge_loops import merge_loops
from gyral.compiler.passes.place import Place, Places, by_counter, is_own
from gyral.compiler.passes.touch import Touch, operands_of, touches
from gyral.core.dtypes import ArrayType, index
from gyral.core.errors import CompileError, Diagnostic
from gyral.core.span import Span

REFUSED = "GY701"


class NotFusedError(CompileError):
    """Kernels that cannot run as one. `part` is the first that does not go with those before it; `temporary`
    the array that cannot be one, where that is the reason."""

    def __init__(self, finding: Diagnostic, part: int | None = None, temporary: str | None = None) -> None:
        super().__init__(finding)
        self.part = part
        self.temporary = temporary


@dataclass(frozen=True, slots=True)
class Part:
    """One kernel of several: its lowered module, and which parameter of the whole each of its own is."""

    name: str
    module: Module
    parameters: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fuse:
    """Join kernels over one launch shape where no thread meets what another one left behind.

    Before: `t[i] = x[i] * a` and `y[i] = t[i] + b`, two kernels. After: `t[i] = x[i] * a; y[i] = t[i] + b`,
    and, with `t` among the temporaries, `u = x[i] * a; y[i] = u + b`. Loops over the same `grid_range` are
    merged into one.

    `apart`: different array parameters share no memory; otherwise they may be the same array.
    `narrow`: indices fit 32 bits. `temporaries`: parameters of the whole that live in the launch alone.
    """

    parameters: tuple[tuple[str, Type], ...]
    temporaries: frozenset[int] = frozenset()
    apart: bool = True
    narrow: bool = True

    name = "fuse"

    def run(self, symbol: str, parts: Sequence[Part]) -> Module:
        """One module of all parts; NotFusedError for the first access that keeps two apart."""
        for part in parts:
            Inline().run(part.module)
        whole = _Whole(self, [p.name for p in parts])
        for part in parts:
            whole.append(part)
        whole.check()
        merge_loops(whole.body, whole.part_of, whole.places, self.apart)
        for number in sorted(self.temporaries, reverse=True):
            whole.drop(number)
        first = parts[0].module.kernel
        whole.body.append(ReturnOp.make(span=first.span))
        kept = {k: v for k, v in first.attributes.items() if k in ("rank", "block", "fastmath")}
        made = FuncOp.make(regions=[whole.body], symbol=symbol, kind="kernel", span=first.span, **kept)
        return Module([made])


@dataclass(slots=True)
class _Whole:
    """The joined body as it grows; `part_of` tells which kernel each of its outermost ops comes from."""

    asked: Fuse
    names: Sequence[str]
    body: Block = field(default_factory=Block)
    part_of: dict[Op, int] = field(default_factory=dict)
    places: Places = field(init=False)
    rank: int = 0
    count: int = 0

    def __post_init__(self) -> None:
        for name, t in self.asked.parameters:
            self.body.add_arg(t, name)
        self.places = Places({arg: f"argument{k}" for k, arg in enumerate(self.body.args)}, self.asked.narrow)

    def append(self, part: Part) -> None:
        """Copy a kernel's body behind what is there."""
        kernel = part.module.kernel
        self.rank = kernel.attributes.get("rank", 1)
        (source,) = kernel.regions
        mapping = {
            own: self.body.args[number] for own, number in zip(source.args, part.parameters, strict=True)
        }
        for op in source.ops[:-1]:
            self.part_of[self.body.append(clone(op, mapping))] = self.count
        self.count += 1

    def check(self) -> None:
        """Refuse what one thread does to another one's elements from kernel to kernel."""
        found = [
            list(touches((op for op, at in self.part_of.items() if at == part), self.places))
            for part in range(self.count)
        ]
        for first, second in sorted(combinations(range(self.count), 2), key=lambda pair: pair[1]):
            for one in found[first]:
                for other in found[second]:
                    self._check_pair(one, other, first, second)
        self._check_prints()
        for number in self.asked.temporaries:
            self._check_temporary(number, [t for each in found for t in each])

    def _check_pair(self, one: Touch, other: Touch, first: int, second: int) -> None:
        same = one.array is other.array
        if not (one.writes or other.writes) or not (same or not self.asked.apart):
            return
        if one.place is not None and one.place == other.place and is_own(one.place, self.rank):
            return
        what, then = ("writes" if t.writes else "reads" for t in (one, other))
        name, then_name = one.array.hint, other.array.hint
        known = one.place is not None and other.place is not None and one.place != other.place
        where = "at another index" if known else "at an index that is not each thread's own"
        where = where if same else f"and {then_name!r} may be the same array"
        message = (
            f"{self.names[second]} {then} {then_name!r} here, and {self.names[first]} {what} "
            f"{'it' if same else repr(name)} {where}: in one launch, another thread may not be that far"
        )
        advice = (
            f"launch {self.names[second]} by itself, or let both use the element of the thread's own index, "
            f"such as {then_name}[gy.global_id()]"
        )
        note = (f"{self.names[first]} {what} {name!r} here", one.op.span, _line(one.op.span))
        raise NotFusedError(_refusal(message, advice, other.op.span, note), second)

    def _check_prints(self) -> None:
        prints = {at: op for outer, at in self.part_of.items() for op in outer.walk() if "print" in op.name}
        if len(prints) > 1:
            _, last = sorted(prints)[:2]
            message = f"{self.names[last]} prints, and so does a kernel before it: the order would change"
            raise NotFusedError(_refusal(message, "launch one of them by itself", prints[last].span), last)

    def _check_temporary(self, number: int, found: Sequence[Touch]) -> None:
        """A temporary has one element per thread, or per number that a loop counts."""
        memory = self.body.args[number]
        name = memory.hint
        for op, _ in memory.uses:
            if op.name == "memory.dim":
                raise self._no_temporary(name, "has no extent that could be asked for", op.span)
        used = [t for t in found if t.array is memory]
        places: dict[Place | None, Touch] = {t.place: t for t in reversed(used)}
        for touch in used:
            if not isinstance(touch.op, (LoadOp, StoreOp)):
                raise self._no_temporary(name, "is used by an atomic operation", touch.op.span)
            if touch.place is None or not is_own(touch.place, self.rank):
                raise self._no_temporary(
                    name, "is used at an index that is not each thread's own", touch.op.span
                )
        if len(places) > 1:
            raise self._no_temporary(
                name, "is used at more than one index", list(places.values())[-1].op.span
            )

    def _no_temporary(self, name: str, why: str, span: Span) -> NotFusedError:
        message = f"{name!r} is a temporary of this fusion and {why}"
        return NotFusedError(_refusal(message, f"give {name!r} as an array instead", span), temporary=name)

    def drop(self, number: int) -> None:
        """Put a value of the thread's own in the place of a temporary array."""
        memory = self.body.args[number]
        uses = [op for op, _ in memory.uses]
        counted = any(by_counter(self.places.place(operands_of(op)[1])) for op in uses)
        loops = {_share_around(op) for op in uses} if counted else {None}
        if len(loops) > 1:
            raise self._no_temporary(
                memory.hint, "lives in loops that could not be merged into one", uses[-1].span
            )
        kind: ArrayType = memory.type
        builder = Builder(self.body, self.body.ops[0] if self.body.ops else None)
        local = builder.value(LocalOp, type=MemType(kind.elem, (1,), "local"), hint=memory.hint)
        zero = builder.value(ConstOp, type=index, value=0)
        for op in uses:
            slot = op.operands.index(memory)
            op.set_operands([*op.operands[:slot], local, zero])
        self.body.args.remove(memory)
        for at, arg in enumerate(self.body.args):
            arg.index = at


def _share_around(op: Op) -> Op | None:
    """The loop over a share of the launch in which an op stands."""
    while op.parent is not None and op.parent.parent is not None:
        op = op.parent.parent
        first = op.operands[0].owner if op.name == "control.for" else None
        if isinstance(first, Op) and first.name == "grid.span":
            return op
    return None


def _refusal(message: str, advice: str, span: Span, *notes: tuple[str, Span, str]) -> Diagnostic:
    return Diagnostic(REFUSED, message, advice, span, _line(span), notes)


def _line(span: Span) -> str:
    return linecache.getline(span.file, span.line).rstrip("\n")


def types_of(parts: Sequence[Part], names: Mapping[int, str]) -> tuple[tuple[str, Type], ...]:
    """The parameters of the whole: an array is read-only when no part may write it."""
    found: dict[int, Type] = {}
    for part in parts:
        for own, number in zip(part.module.kernel.regions[0].args, part.parameters, strict=True):
            t: Type = own.type
            before = found.get(number)
            if before is None or (isinstance(before, ArrayType) and before.readonly):
                found[number] = t
    return tuple((names[number], found[number]) for number in sorted(found))
