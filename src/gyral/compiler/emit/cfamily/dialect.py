"""What a language of the C family differs in. The base spells the C that CUDA, OpenCL and Metal share;

a language overrides the rest. Types go by our own names in all of them (`i32`, `f64`), as typedefs where the
language has others. An f16 or bf16 value is its bits unless a language says otherwise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from gyral.compiler.emit.cfamily import exchange, literals, prelude
from gyral.compiler.emit.cfamily.parts import Cells, Kernel, Place
from gyral.compiler.passes.target import TargetSpec
from gyral.core.artifact import FOLDED, CompileOptions
from gyral.core.dtypes import DType, bool_, f32, f64, i32, i64, index, u8, u16, u32, u64
from gyral.core.errors import InternalError, UnsupportedError

Literal = bool | int | float


class Dialect(ABC):
    """One language, for one kernel. Expressions given to it are names, literals or in parentheses."""

    function: ClassVar[str] = "static inline "
    """What stands before a helper function."""
    long: ClassVar[str] = "L"
    """Suffix of a 64-bit literal."""
    spaces: ClassVar[dict[str, str]] = {"global": "", "shared": "", "local": ""}
    """What stands before the type of a pointer into each space."""
    barriers_close: bool = False
    """Whether a barrier must stand at the end of a side of a branch that has others in it."""
    whole_blocks: bool = True
    """Whether a body with barriers is written twice: without guards too, for blocks with all threads."""
    tests_in_turn: ClassVar[bool] = False
    """Whether a loop that goes on under two conditions is left by each as soon as it is known."""
    proves_uniform: ClassVar[bool] = False
    """Whether the language refuses barriers it cannot prove to be in uniform control: see `is_proven`."""
    broadcast_barriers: ClassVar[bool] = True
    """Whether `broadcast_load` needs barriers before and behind it."""

    def __init__(self, options: CompileOptions, spec: TargetSpec) -> None:
        self.options = options
        self.spec = spec
        self.folded = FOLDED in options.features
        self.index = i32 if options.index_bits == 32 else i64
        self.helpers: dict[str, str] = {}

    # Types and literals.

    def real(self, t: DType) -> DType:
        """The type that stands for `t` in code: `index` is i32 or i64."""
        return self.index if t is index else t

    def type(self, t: DType) -> str:
        """A value's type."""
        return self.real(t).name

    def literal(self, t: DType, value: Literal) -> str:
        """A constant as an operand."""
        return literals.c_literal(self, self.real(t), value)

    # Declarations and statements, each a whole line.

    def let(self, t: DType, name: str, value: str) -> str:
        """A name for a value."""
        return f"const {self.type(t)} {name} = {value};"

    def var(self, t: DType, name: str, value: str = "") -> str:
        """A variable, with its first value unless that does not matter."""
        return f"{self.type(t)} {name} = {value};" if value else f"{self.type(t)} {name};"

    def counted(self, t: DType, name: str, start: str, go: str, step: int) -> str:
        """The head of a loop over a variable: from `start` while `go`, adding `step`, perhaps negative."""
        move = {1: f"++{name}", -1: f"--{name}"}.get(step, f"{name} += {self.literal(t, step)}")
        return f"for ({self.type(t)} {name} = {start}; {go}; {move}) {{"

    endless: ClassVar[str] = "for (;;) {"
    """The head of a loop that only `break` leaves."""

    # Expressions.

    def unless(self, condition: str) -> str:
        """The head of lines that run where a condition does not hold."""
        return f"if (!({condition})) {{"

    def whole_thread(self, condition: str) -> str:
        """The condition that the launch has all elements of a thread that does several."""
        return condition

    def select(self, condition: str, on_true: str, on_false: str) -> str:
        """One of two values, both computed."""
        return f"({condition} ? {on_true} : {on_false})"

    def wrapping(self, sign: str, t: DType, a: str, b: str) -> str:
        """a + b, a - b or a * b of integers, reduced to the type; `index` is exact and so plain."""
        if t is index or t in (u32, u64):
            return f"({a} {sign} {b})"
        wide = "u64" if t.bits == 64 else "u32"
        return f"({t.name})(({wide}){a} {sign} ({wide}){b})"

    def floating(self, sign: str, t: DType, a: str, b: str, exact: bool) -> str:
        """a + b, a - b, a * b or a / b of f32 or f64; `exact`: as written even under fastmath."""
        return f"({a} {sign} {b})"

    def shift(self, sign: str, t: DType, a: str, b: str) -> str:
        """a << b or a >> b, the count masked; >> is arithmetic for signed types."""
        real = self.real(t)
        count = f"({b} & {self.literal(real, real.bits - 1)})"
        if sign == ">>":
            return f"({real.name})({a} >> {count})"
        return f"({real.name})(({'u64' if real.bits == 64 else 'u32'}){a} << {count})"

    def compare(self, sign: str, t: DType, a: str, b: str) -> str:
        """A comparison of numbers; with NaN all are false but `!=`."""
        return f"({a} {sign} {b})"

    def bitwise(self, sign: str, t: DType, a: str, b: str) -> str:
        """a & b, a | b or a ^ b of integers."""
        real = self.real(t)
        return f"({a} {sign} {b})" if real.bits >= 32 else f"({real.name})({a} {sign} {b})"

    def complement(self, t: DType, a: str) -> str:
        """~a of an integer."""
        real = self.real(t)
        return f"(~{a})" if real.bits >= 32 else f"({real.name})(~{a})"

    def negative(self, t: DType, a: str) -> str:
        """-a of f32 or f64, the sign of a NaN aside."""
        return f"(-{a})"

    def absolute(self, t: DType, a: str) -> str:
        """|a| of f32 or f64, the sign of a NaN aside."""
        return f"fabs({a})"

    def cast(self, source: DType, target: DType, a: str) -> str:
        """A value of one type converted to another, as `cast.convert` means it."""
        source, target = self.real(source), self.real(target)
        if source is target:
            return a
        if target is bool_:
            return f"({a} != {self.literal(source, 0.0 if source.is_float else 0)})"
        if source is bool_:
            one, zero = (1.0, 0.0) if target.is_float else (1, 0)
            return self.select(a, self.literal(target, one), self.literal(target, zero))
        if target.bits == 16 and target.is_float:
            return f"{self.helper(f'narrow_{target.name}')}({a})"
        if source.bits == 16 and source.is_float:
            return f"{self.helper(f'widen_{source.name}')}({a})"
        if source.is_float and target.is_integer:
            return self.to_integer(source, target, a)
        return f"({target.name}){a}"

    def to_integer(self, source: DType, target: DType, a: str) -> str:
        """f32 or f64 toward zero, saturating, NaN to 0."""
        return f"{self.helper(f'truncate_{source.name}_{target.name}')}({a})"

    def bits(self, source: DType, target: DType, a: str) -> str:
        """The same bits as another type of the same width."""
        source, target = self.real(source), self.real(target)
        if source is target:
            return a
        word = {16: u16, 32: u32, 64: u64, 8: u8}[source.bits]
        if source in (f32, f64):
            return self.bits(word, target, self.as_bits(source, a))
        if target in (f32, f64):
            return self.from_bits(target, a if source is word else f"(({word.name}){a})")
        return f"(({target.name}){a})"

    @abstractmethod
    def as_bits(self, t: DType, a: str) -> str:
        """f32 or f64 as u32 or u64."""

    @abstractmethod
    def from_bits(self, t: DType, a: str) -> str:
        """u32 or u64 as f32 or f64."""

    def split(self, t: DType, a: str) -> tuple[str, str]:
        """Low and high word of a 64-bit value, as u32."""
        word = self.bits(t, u64, a)
        return f"((u32){word})", f"((u32)({word} >> 32))"

    def join(self, t: DType, low: str, high: str) -> str:
        """The 64-bit value of two u32 words."""
        return self.bits(u64, t, f"((u64){low} | ((u64){high} << 32))")

    def native(self, name: str, t: DType, arguments: Sequence[str], exact: bool) -> str:
        """Call what a cell of the intrinsics table names, on operands of type `t`.

        A name such as "gyral_ctz" is the helper function of that key for the type.
        """
        if name.startswith("gyral_"):
            name = self.helper(f"{name.removeprefix('gyral_')}_{t.name}")
        return f"{name}({', '.join(arguments)})"

    def contracted(self, t: DType, a: str, b: str, c: str) -> str:
        """a * b + c rounded once, where that is as quick as one operation; "" where it is not."""
        return ""

    # Helper functions.

    def helper(self, key: str) -> str:
        """Put the helper function of this key, and those it calls, into the program; the name to call."""
        if key not in self.helpers:
            text = self.define(key)
            self.helpers[key] = text
        return f"gyral_{key}"

    def define(self, key: str) -> str:
        """The text of a helper function: `prelude` and `exchange` say what the keys mean."""
        if key.startswith("rmw_"):
            return exchange.define(self, key)
        return prelude.define(self, key)

    # Memory.

    def load(self, place: Place) -> str:
        """The value at a place."""
        cell = self.cell(place)
        if place.dtype is bool_:
            return f"({cell} != 0)"
        worded = place.memory.space != "global" and place.atomic and place.dtype.bits < 32
        return f"({place.dtype.name}){cell}" if worded else cell

    def store(self, place: Place, value: str) -> list[str]:
        """Write a value."""
        if place.dtype is bool_:
            value = self.select(value, "1", "0")
        return [f"{self.cell(place)} = {value};"]

    def cell(self, place: Place) -> str:
        """A place as something that can be read and assigned."""
        memory = place.memory
        if memory.space == "global":
            return f"{self.pointer_name(place)}[{place.index}]"
        return f"{memory.name}x{place.number}[{place.index}]"

    def pointer_name(self, place: Place) -> str:
        """The typed pointer through which an array's leaves of this type are reached."""
        memory = place.memory
        return memory.name if len(memory.dtypes) == 1 else f"{memory.name}_{place.dtype.name}"

    def cell_type(self, t: DType, atomic: bool) -> str:
        """What a value of this type is kept as on chip, and in arrays where not `atomic`."""
        if atomic and t.bits < 32:
            return "u32"
        return "u8" if t is bool_ else t.name

    def cell_bytes(self, t: DType, atomic: bool) -> int:
        """Bytes of such a cell."""
        return 4 if atomic and t.bits < 32 else t.itemsize

    def local(self, cells: Cells) -> str:
        """Declare memory of one thread."""
        return f"{self.cell_type(cells.dtype, cells.atomic)} {cells.name}[{cells.count}];"

    def load_wide(self, place: Place, count: int, name: str) -> tuple[list[str], list[str]]:
        """Lines that read `count` neighbours from an aligned place on, under a free `name`; each value."""
        return [], [self.load(ahead(place, k)) for k in range(count)]

    def store_wide(self, place: Place, values: Sequence[str]) -> list[str]:
        """Write neighbours from an aligned place on."""
        return [line for k, value in enumerate(values) for line in self.store(ahead(place, k), value)]

    # Threads, blocks, order.

    @abstractmethod
    def block_id(self, axis: int) -> str:
        """Native number of the block as u32; axis 2 is x, the fastest."""

    @abstractmethod
    def native_blocks(self, axis: int) -> str:
        """Number of blocks of the native grid along an axis, as u32."""

    @abstractmethod
    def local_id(self, axis: int) -> str:
        """The thread's number in its block along an axis, as u32."""

    @abstractmethod
    def slot(self, number: int, name: str, t: DType) -> str:
        """An argument slot as a value of type `t` (of the index type for extents, sizes and strides)."""

    def stride(self, number: int, name: str, size: int) -> str:
        """The slot of a stride in units of `size` bytes, a power of two that divides it, as an index."""
        value = self.slot(number, name, index)
        if size == 1:
            return value
        # Exact, so that a shift will do; a signed division by lanes is dear.
        return self.shift(">>", index, value, self.literal(index, size.bit_length() - 1))

    def steps(self, number: str, stride: str) -> str:
        """So many steps of a stride, as a term of a subscript."""
        return f"{number} * {stride}"

    def pointer(self, place: Place) -> list[str]:
        """Lines of the prologue that make the pointer of `place.memory` for leaves of its type, if any."""
        return []

    @abstractmethod
    def barrier(self) -> list[str]:
        """All threads of the block arrive; memory is seen by the block."""

    @abstractmethod
    def fence(self, scope: str) -> list[str]:
        """Order memory accesses for the scope "block", "device" or "system"."""

    def broadcast_load(self, place: Place) -> str:
        """A block-uniform value from a shared place that one thread stored to."""
        return self.load(place)

    def is_proven(self, place: Place) -> bool:
        """Whether the language sees that a load at a block-uniform index is uniform."""
        return True

    def clock(self) -> str:
        """A counter that only grows, as u64."""
        raise UnsupportedError("this device has no clock that kernels can read")

    # Atomics. Values are of the leaf's type; all give the value that stood before.

    def rmw(self, kind: str, place: Place, value: str) -> str:
        """Read, modify, write."""
        return f"{self.helper(self.atomic_key(kind, place))}({self.atomic_place(place)}, {value})"

    def cas(self, place: Place, expected: str, value: str) -> str:
        """Compare and exchange, floats by bits."""
        key = self.atomic_key("cas", place)
        return f"{self.helper(key)}({self.atomic_place(place)}, {expected}, {value})"

    def discard(self, t: DType, call: str) -> str:
        """A call whose result nobody wants, as a statement."""
        return f"{call};"

    def atomic_load(self, place: Place) -> str:
        """Read one value whole."""
        return f"{self.helper(self.atomic_key('load', place))}({self.atomic_place(place)})"

    def atomic_store(self, place: Place, value: str) -> list[str]:
        """Write one value whole."""
        return [f"{self.helper(self.atomic_key('store', place))}({self.atomic_place(place)}, {value});"]

    def atomic_key(self, kind: str, place: Place) -> str:
        """An atomic's helper: "rmw_<kind>_<type>_<space>", then "_cell" where small values have words."""
        own = "_cell" if place.memory.space != "global" and place.dtype.bits < 32 else ""
        return f"rmw_{kind}_{place.dtype.name}_{place.memory.space}{own}"

    def atomic_place(self, place: Place) -> str:
        """A pointer to the place."""
        return f"&{self.cell(place)}"

    def atomic_native(self, kind: str, t: DType, space: str) -> str:
        """How the language says an atomic of 32 or 64 bits, on {p}, {v} and for "cas" {e}; "" if it cannot.

        Kinds are those of `atomic.rmw`, "load", "store" and "cas"; "cas" is asked for u32 and u64 alone and
        must be there. What is missing is written as a loop of "cas".
        """
        raise InternalError(f"this language spells its atomics by other means, and was asked for {kind}")

    def guess(self, t: DType, pointer: str, space: str) -> str:
        """What a loop of compare and exchange begins with at a u32 or u64 pointer, and verifies."""
        return f"*{pointer}"

    # Subgroups, where they are native. Lanes that do not take part were given the identity.

    def lane(self) -> str:
        """The thread's lane as i32, where it is not its linear number modulo the subgroup's size."""
        return ""

    def reduce(self, t: DType, kind: str, value: str, mask: str) -> str:
        """A subgroup's reduction in one instruction, for kinds and types that have one; else ""."""
        return ""

    def ballot(self, value: str, mask: str) -> str:
        """Bits of the lanes whose value is true, as u32; `mask`: the lanes that exist, as u32."""
        raise InternalError("this language has no subgroups of its own")

    def shuffle(self, t: DType, mode: str, value: str, amount: str, mask: str) -> str:
        """The value of another lane, own where up or down leave the subgroup; modes of `subgroup.shuffle`.

        `amount`: an i32 within 0..31; `mask`: the lanes that exist, as u32. What a lane that does not exist
        would give is of no account.
        """
        raise InternalError("this language has no subgroups of its own")

    # Records (see `core.abi`).

    def claim(self, kind: str, thread: str) -> str:
        """Claim an entry of the record, "fault" or "print": the number of its first word, 0 for none; u32."""
        return f"{self.helper(f'claim_{kind}')}(record, {thread})"

    def word(self, t: DType, a: str) -> str:
        """A value of at most 32 bits as a record's low word, u32; signed ones extended."""
        if t is bool_:
            return self.select(a, "1u", "0u")
        if t.is_float:
            word = u32 if t.bits == 32 else u16
            return self.cast(word, u32, self.bits(t, word, a))
        return self.cast(t, u32, a)

    def record(self, at: str, value: str) -> str:
        """Write one u32 word of the record."""
        return f"record[{at}] = {value};"

    # The whole.

    @abstractmethod
    def kernel(self, kernel: Kernel) -> str:
        """The program's text."""


def ahead(place: Place, count: int) -> Place:
    """The place so many elements on."""
    return replace(place, index=f"{place.index} + {count}") if count else place
