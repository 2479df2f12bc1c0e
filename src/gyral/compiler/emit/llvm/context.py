"""The state of one emission: where the text stands, what is known of each value, which lanes are active.

A tile is `rows` x `cols` gangs of `width` lanes; a chain is one gang of it. A value is kept once for all
chains between which it does not differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from gyral.compiler.emit.llvm.form import LANE, ROW, Form, Guarded, Part, Scalar, Vector
from gyral.compiler.emit.llvm.host import Host
from gyral.compiler.emit.llvm.text import Text, literal
from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.ops.arith import ConstOp
from gyral.compiler.ir.verify import STRICT
from gyral.core.artifact import CompileOptions, Site
from gyral.core.dtypes import DType

Chain: TypeAlias = tuple[int, int]
Mask: TypeAlias = Mapping[Chain, str] | None
Given: TypeAlias = dict[Value, dict[Chain, Part]]


@dataclass(slots=True)
class Plan:
    """What is fixed for the whole function before any text is written."""

    host: Host
    options: CompileOptions
    function: Op
    width: int
    variance: dict[Value, int]
    written: set[Value]
    writers: Mapping[type[Op], Callable[[Context, Op], None]]
    sites: list[Site] = field(default_factory=list)
    site_numbers: dict[Op, int] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    scratch_bytes: int = 0
    checked: bool = False
    """Whether threads may fail and go dead."""
    rescues: bool = False
    """Whether threads that failed are made active again: nothing is reported then."""

    @property
    def fast(self) -> bool:
        """Whether the kernel allows re-association, contraction and approximate division."""
        return bool(self.function.attributes.get("fastmath"))

    def flags(self, op: Op) -> str:
        """Flags on an op's floating-point instruction; a maths function's own steps stay as written."""
        return "reassoc nsz arcp contract afn " if self.fast and not op.attributes.get(STRICT) else ""


@dataclass(slots=True)
class Context:
    """One body being written: its tile, its mask and its values."""

    plan: Plan
    text: Text
    rows: int = 1
    cols: int = 1
    mask: Mask = None
    values: dict[Value, dict[Chain, Part]] = field(default_factory=dict)
    alive: dict[Chain, str] = field(default_factory=dict)
    where: Any = None
    memories: dict[Value, Any] = field(default_factory=dict)
    spreads: dict[tuple[str, str], str] = field(default_factory=dict)
    noted: str = ""
    """In a kernel that rescues threads, where the block's lowest failing site is kept."""
    scalar_only: bool = False
    """Write only what is the same for the whole block."""

    @property
    def width(self) -> int:
        """Lanes of a gang."""
        return self.plan.width

    @property
    def chains(self) -> list[Chain]:
        """All gangs of the tile."""
        return [(r, c) for r in range(self.rows) for c in range(self.cols)]

    def bits(self, value: Value) -> int:
        """Variance of a value."""
        return self.plan.variance.get(value, 0)

    def keys(self, bits: int) -> list[Chain]:
        """The chains between which a value of this variance differs."""
        rows = self.rows if bits & ROW else 1
        cols = self.cols if bits & LANE else 1
        return [(r, c) for r in range(rows) for c in range(cols)]

    def members(self, key: Chain, bits: int) -> list[Chain]:
        """The chains that share the part at `key`."""
        return [
            (r, c)
            for r, c in self.chains
            if (not bits & ROW or r == key[0]) and (not bits & LANE or c == key[1])
        ]

    def set(self, value: Value, key: Chain, part: Part) -> None:
        """Note the part of a value for a chain."""
        self.values.setdefault(value, {})[key] = part

    def part(self, value: Value, chain: Chain) -> Part:
        """The part of a value that a chain sees."""
        bits = self.bits(value)
        key = (chain[0] if bits & ROW else 0, chain[1] if bits & LANE else 0)
        if value not in self.values and isinstance(value.owner, ConstOp):
            return Scalar(literal(value.type, value.owner.value))
        return self.values[value][key]

    def keeps(self, value: Value) -> bool:
        """Whether this context has the value at all."""
        return not self.scalar_only or not self.bits(value)

    def form(self, dtype: DType, vector: bool) -> Form:
        """A dtype as scalar or in lanes."""
        return Form(dtype, self.width if vector else 0, self.plan.options.index_bits)

    def scalar(self, value: Value, chain: Chain) -> str:
        """A value known to be one scalar for the chain."""
        part = self.part(value, chain)
        if not isinstance(part, Scalar):
            raise TypeError(f"{value} is not a scalar here")
        return part.name

    def vector(self, value: Value, chain: Chain) -> str:
        """A value in lanes, spread if need be."""
        return self.in_lanes(self.part(value, chain), value.type)

    def in_lanes(self, part: Part, dtype: DType) -> str:
        """Any part as a vector."""
        if isinstance(part, (Vector, Guarded)):
            return part.name
        form = self.form(dtype, True)
        if isinstance(part, Scalar):
            return self.spread(part.name, form, dtype)
        base = self.spread(part.base, form, dtype)
        if part.stride == 0:
            return base
        lanes = self.lane_numbers(form.element, part.stride)
        return lanes if part.base == "0" else self.text.let(f"add {form.llvm} {base}, {lanes}")

    def spread(self, name: str, form: Form, dtype: DType) -> str:
        """A scalar in every lane; `index` is narrowed to the width of lanes."""
        if not name.startswith("%"):
            return f"splat ({form.element} {name})"
        cached = self.spreads.get((name, self.text.label + form.element))
        if cached is not None:
            return cached
        narrow = name
        if dtype.kind == "index" and form.element != "i64":
            narrow = self.text.let(f"trunc i64 {name} to {form.element}")
        one = self.text.let(f"insertelement {form.llvm} poison, {form.element} {narrow}, i32 0")
        wide = self.text.let(
            f"shufflevector {form.llvm} {one}, {form.llvm} poison, <{self.width} x i32> zeroinitializer"
        )
        self.spreads[(name, self.text.label + form.element)] = wide
        return wide

    def lane_numbers(self, element: str, stride: int = 1) -> str:
        """The constant vector 0, stride, 2 stride, ..."""
        return "<" + ", ".join(f"{element} {lane * stride}" for lane in range(self.width)) + ">"

    @property
    def mask_type(self) -> str:
        """LLVM type of one chain's mask."""
        return f"<{self.width} x i1>"

    def active(self, chain: Chain) -> str | None:
        """The lanes of a chain with effects now: the control mask without the dead; None when all."""
        mask = None if self.mask is None else self.mask[chain]
        if chain not in self.alive:
            return mask
        bits = self.text.let(f"load i{self.width}, ptr {self.alive[chain]}")
        living = self.text.let(f"bitcast i{self.width} {bits} to {self.mask_type}")
        return living if mask is None else self.text.let(f"and {self.mask_type} {mask}, {living}")

    def wanted(self, members: Iterable[Chain]) -> str | None:
        """The lanes some of these chains want now, of a value that they share; None when all."""
        joined = ""
        for mask in map(self.active, members):
            if mask is None:
                return None
            joined = self.text.let(f"or {self.mask_type} {joined}, {mask}") if joined else mask
        return joined

    def any_of(self, masks: Iterable[str]) -> str:
        """Whether any lane of any of the masks is set."""
        joined = ""
        for mask in masks:
            joined = self.text.let(f"or {self.mask_type} {joined}, {mask}") if joined else mask
        bits = self.text.let(f"bitcast {self.mask_type} {joined} to i{self.width}")
        return self.text.let(f"icmp ne i{self.width} {bits}, 0")

    def both(self, chain: Chain, condition: str, invert: bool = False) -> str:
        """The current mask of a chain and a condition vector (or its complement)."""
        if invert:
            condition = self.text.let(f"xor {self.mask_type} {condition}, splat (i1 true)")
        if self.mask is None:
            return condition
        return self.text.let(f"and {self.mask_type} {self.mask[chain]}, {condition}")

    @contextmanager
    def under(self, mask: Mask) -> Iterator[None]:
        """Another mask while the context lasts."""
        kept, self.mask = self.mask, mask
        try:
            yield
        finally:
            self.mask = kept
