"""WGSL in the dialect of browsers: where it differs from the C that the family shares.

Buffers are arrays of u32 words, one binding each; arrays that share a buffer share a binding. Parameters are
a uniform struct of vec2<u32>, one per slot of `core.abi`. What the words of other types are say `scalars`.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import ClassVar

from gyral.compiler.emit.cfamily.dialect import Dialect, Literal
from gyral.compiler.emit.cfamily.parts import Cells, Kernel, Memory, Place
from gyral.compiler.emit.wgsl import cells, prelude
from gyral.compiler.emit.wgsl.cells import Store, from_word, to_word
from gyral.compiler.emit.wgsl.rounding import Rounding
from gyral.compiler.emit.wgsl.scalars import converted, fitted, is_literal, kept_as, literal
from gyral.compiler.passes.target import TargetSpec
from gyral.core.abi import ENTRY, OFFSETS, RAGGED
from gyral.core.artifact import ArrayParameter, CompileOptions, Signature
from gyral.core.dtypes import DType, bool_, f32, leaves
from gyral.core.errors import UnsupportedError

_AXES = "zyx"
_MAGNITUDE, _INFINITE = "0x7fffffffu", "0x7f800000u"


class Wgsl(Dialect):
    """WGSL for one kernel, whose arrays live in these buffers."""

    whole_blocks: bool = False  # lavapipe runs both sides of a branch, each with its barriers
    proves_uniform: ClassVar[bool] = True
    broadcast_barriers: ClassVar[bool] = False
    endless: ClassVar[str] = "loop {"

    def __init__(
        self, options: CompileOptions, spec: TargetSpec, buffers: dict[int, Store], written: set[int]
    ) -> None:
        """`buffers`: per array its buffer; `written`: numbers of arrays in buffers that are written."""
        super().__init__(options, spec)
        self.buffers, self.written = buffers, written
        self.stores: dict[str, Store] = {store.name: store for store in buffers.values()}
        self.has_barriers = False
        self.constants: dict[str, None] = {}
        self.rounding = Rounding(lambda a: f"{self.helper('held_f32')}({a}, nought)")

    # Types and literals.

    def type(self, t: DType) -> str:
        return kept_as(self.real(t))

    def literal(self, t: DType, value: Literal) -> str:
        text = literal(self.real(t), value)
        if text.startswith("gyral_constant"):
            self.helper("constant_f32")
        return text

    # Declarations and statements.

    def let(self, t: DType, name: str, value: str) -> str:
        self.rounding.named(name, value)
        return f"let {name}: {self.type(t)} = {value};"

    def var(self, t: DType, name: str, value: str = "") -> str:
        return f"var {name}: {self.type(t)}" + (f" = {value};" if value else ";")

    def counted(self, t: DType, name: str, start: str, go: str, step: int) -> str:
        move = {1: f"{name}++", -1: f"{name}--"}.get(step, f"{name} += {self.literal(t, step)}")
        return f"for (var {name}: {self.type(t)} = {start}; {go}; {move}) {{"

    # Expressions.

    def unless(self, condition: str) -> str:
        # Lavapipe takes as long for a negation as for the comparison.
        return f"if ({condition}) {{}} else {{"

    def whole_thread(self, condition: str) -> str:
        # Lavapipe runs both sides of a branch.
        self.constants[RAGGED] = None
        return f"{condition} || !{RAGGED}"

    def select(self, condition: str, on_true: str, on_false: str) -> str:
        return f"select({on_false}, {on_true}, {condition})"

    def wrapping(self, sign: str, t: DType, a: str, b: str) -> str:
        real = self.real(t)
        return fitted(real, f"({self._own(real, a, b)} {sign} {b})")

    def floating(self, sign: str, t: DType, a: str, b: str, exact: bool) -> str:
        if exact:
            a, b = self.rounding.held(sign, a, b)
        text = f"({self._own(t, a, b)} {sign} {b})"
        self.rounding.wrote(sign, text, a, b)
        return text

    def compare(self, sign: str, t: DType, a: str, b: str) -> str:
        # wgpu's compiler takes != for false on NaN.
        return f"(!({a} == {b}))" if sign == "!=" and t.is_float else f"({a} {sign} {b})"

    def shift(self, sign: str, t: DType, a: str, b: str) -> str:
        real = self.real(t)
        count = b if kept_as(real) == "u32" else f"u32({b})"
        return fitted(real, f"({self._own(real, a, b)} {sign} ({count} & {real.bits - 1}u))")

    def bitwise(self, sign: str, t: DType, a: str, b: str) -> str:
        return f"({a} {sign} {b})"

    def complement(self, t: DType, a: str) -> str:
        return fitted(self.real(t), f"(~{a})")

    def absolute(self, t: DType, a: str) -> str:
        return f"abs({a})"

    def cast(self, source: DType, target: DType, a: str) -> str:
        source, target = self.real(source), self.real(target)
        if source is target:
            return a
        if source.bits == 16 and source.is_float:
            return self.cast(f32, target, f"{self.helper(f'widen_{source.name}')}({a})")
        if target is bool_:
            if source.is_float:
                return f"((bitcast<u32>({a}) & {_MAGNITUDE}) != 0u)"
            return f"({a} != {literal(source, 0)})"
        if source is bool_:
            one, zero = (1.0, 0.0) if target.is_float else (1, 0)
            return self.select(a, self.literal(target, one), self.literal(target, zero))
        if target.bits == 16 and target.is_float:
            return f"{self.helper(f'narrow_{target.name}')}({self.cast(source, f32, a)})"
        if source.is_float and target.is_integer:
            return self.to_integer(source, target, a)
        if target is f32:
            return f"f32({a})"
        return fitted(target, a if kept_as(source) == kept_as(target) else f"{kept_as(target)}({a})")

    def bits(self, source: DType, target: DType, a: str) -> str:
        source, target = self.real(source), self.real(target)
        if source is target or source.bits == 64:
            return a
        if target is f32 and is_literal(a):
            return f"{self.helper('constant_f32')}({a if source.kind == 'uint' else f'bitcast<u32>({a})'})"
        if source.bits == 32:
            return converted(kept_as(source), kept_as(target), a)
        if target.kind == "int":
            return fitted(target, converted(kept_as(source), "i32", a))
        mask = "0xffu" if source.bits == 8 else "0xffffu"
        return f"({converted('i32', 'u32', a)} & {mask})" if source.kind == "int" else a

    def as_bits(self, t: DType, a: str) -> str:
        return f"bitcast<u32>({a})"

    def from_bits(self, t: DType, a: str) -> str:
        return f"bitcast<f32>({a})"

    def split(self, t: DType, a: str) -> tuple[str, str]:
        return f"{a}.x", f"{a}.y"

    def join(self, t: DType, low: str, high: str) -> str:
        return f"vec2<u32>({low}, {high})"

    def native(self, name: str, t: DType, arguments: Sequence[str], exact: bool) -> str:
        given = list(arguments)
        if name == "gyral_fma" and self.options.fastmath:
            # Rounded once or twice, as the device likes: the exact one costs some thirty times as much.
            text = f"fma({', '.join((*given[:2], self.rounding.held_addend(given[2])))})"
            self.rounding.wrote("+", text, given[0], given[2])
            return text
        if name.startswith("gyral_"):
            name = self.helper(f"{name.removeprefix('gyral_')}_{t.name}")
        elif all(is_literal(text) for text in given):
            given[0] = self._own(t, *given, *given)
        return f"{name}({', '.join(given)})"

    def define(self, key: str) -> str:
        memory = self.stores.get(key.rpartition("_")[2])
        return cells.define(memory, key) if memory is not None else prelude.define(key)

    # Memory.

    def load(self, place: Place) -> str:
        store, t, at = self._store(place), place.dtype, self._at(place)
        if store.word not in ("u32", "i32"):
            return store.read(at)
        if t.bits == 64:
            return f"{self.helper(f'load64_{store.name}')}({at})"
        if t.bits == 32 or place.memory.space != "global":
            return from_word(t, store.word, store.read(at))
        return from_word(t, store.word, f"{self.helper(f'load{max(8, t.bits)}_{store.name}')}({at})")

    def store(self, place: Place, value: str) -> list[str]:
        store, t, at = self._store(place), place.dtype, self._at(place)
        if store.word not in ("u32", "i32"):
            return [store.write(at, value)]
        if t.bits == 64 or (t.bits < 32 and place.memory.space == "global"):
            value = value if t.bits == 64 else to_word(t, store.word, value)
            return [f"{self.helper(f'store{max(8, t.bits)}_{store.name}')}({at}, {value});"]
        return [store.write(at, to_word(t, store.word, value))]

    def load_wide(self, place: Place, count: int, name: str) -> tuple[list[str], list[str]]:
        store, t = self._store(place), place.dtype
        if not (store.fours and count == 4 and t.bits == 32):
            return super().load_wide(place, count, name)
        parts = [from_word(t, store.word, f"{name}.{part}") for part in "xyzw"]
        return [f"let {name} = {store.four(self._at(place))};"], parts

    def store_wide(self, place: Place, values: Sequence[str]) -> list[str]:
        store, t = self._store(place), place.dtype
        if not (store.fours and len(values) == 4 and t.bits == 32):
            return super().store_wide(place, values)
        words = ", ".join(to_word(t, store.word, value) for value in values)
        return [f"{store.four(self._at(place))} = vec4<{store.word}>({words});"]

    def cell_type(self, t: DType, atomic: bool) -> str:
        if atomic and t.bits == 64:
            return "u32"  # two to a value
        return "u32" if t is bool_ or (atomic and t.kind != "int") else kept_as(t)

    def cell_bytes(self, t: DType, atomic: bool) -> int:
        return 8 if t.bits == 64 else 4

    def local(self, cells: Cells) -> str:
        return f"var {cells.name}: array<{self.cell_type(cells.dtype, False)}, {max(cells.count, 1)}>;"

    def pointer(self, place: Place) -> list[str]:
        self.constants[OFFSETS] = None
        name, slot = self.pointer_name(place), f"p.{place.memory.name}.x"
        none, some = ("0i", f"i32({slot} >> 2u)") if place.dtype.bits >= 32 else ("0u", slot)
        return [f"let {name} = select({none}, {some}, {OFFSETS});"]

    def _at(self, place: Place) -> str:
        """The number of a place's first word, an i32; of its first byte, a u32, where words are shared."""
        if place.memory.space != "global":
            paired = place.dtype.bits == 64 and self._store(place).word == "u32"
            return f"({place.index}) * 2i" if paired else place.index
        name, bits = self.pointer_name(place), place.dtype.bits
        if bits == 32:
            return f"{name} + {place.index}"
        if bits == 64:
            return f"{name} + ({place.index}) * 2i"
        return f"{name} + u32({place.index})" + (" * 2u" if bits == 16 else "")

    def _store(self, place: Place) -> Store:
        if place.memory.space == "global":
            return self.buffers[place.memory.number]
        atomic = place.atomic and place.memory.space == "shared"
        name = f"{place.memory.name}x{place.number}"
        return self.stores.setdefault(name, Store(name, self.cell_type(place.dtype, atomic), atomic, False))

    # Threads, blocks, order.

    def block_id(self, axis: int) -> str:
        return f"group.{_AXES[axis]}"

    def native_blocks(self, axis: int) -> str:
        return f"groups.{_AXES[axis]}"

    def local_id(self, axis: int) -> str:
        return f"inside.{_AXES[axis]}"

    def slot(self, number: int, name: str, t: DType) -> str:
        real = self.real(t)
        return f"p.{name}" if real.bits == 64 else from_word(real, "u32", f"p.{name}.x")

    def barrier(self) -> list[str]:
        self.has_barriers = True
        return ["gyral_barrier();"]

    def fence(self, scope: str) -> list[str]:
        raise UnsupportedError(
            "WGSL has no fences, and so no atomics with an order; "
            'use order="relaxed" and barriers, or run the kernel on another device'
        )

    def broadcast_load(self, place: Place) -> str:
        store = self._store(place)
        text = f"workgroupUniformLoad(&{store.name}[{place.index}])"
        return from_word(place.dtype, store.word, text) if store.word in ("u32", "i32") else text

    def is_proven(self, place: Place) -> bool:
        return place.memory.space == "global" and place.memory.number not in self.written

    # Atomics.

    def rmw(self, kind: str, place: Place, value: str) -> str:
        return f"{self._atomic(kind, place)}({self._at(place)}, {value})"

    def cas(self, place: Place, expected: str, value: str) -> str:
        return f"{self._atomic('cas', place)}({self._at(place)}, {expected}, {value})"

    def discard(self, t: DType, call: str) -> str:
        return f"_ = {call};"

    def atomic_load(self, place: Place) -> str:
        # Nothing comes between the halves of one word, and what is never written needs no atomic.
        return self.load(place)

    def atomic_store(self, place: Place, value: str) -> list[str]:
        return [f"{self._atomic('store', place)}({self._at(place)}, {value});"]

    def _atomic(self, kind: str, place: Place) -> str:
        if place.dtype.bits == 16 and place.dtype.is_float:
            self.helper(f"widen_{place.dtype.name}")
            self.helper(f"narrow_{place.dtype.name}")
        return self.helper(f"rmw_{kind}_{place.dtype.name}_{self._store(place).name}")

    # Records.

    def claim(self, kind: str, thread: str) -> str:
        return f"{self.helper(f'claim_{kind}')}({thread})"

    def word(self, t: DType, a: str) -> str:
        return to_word(t, "u32", a)

    def record(self, at: str, value: str) -> str:
        return f"atomicStore(&record[{at}], {value});"

    # The whole.

    def kernel(self, kernel: Kernel) -> str:
        item = kernel.signature.threads
        builtins = {"group": "workgroup_id", "groups": "num_workgroups", "inside": "local_invocation_id"}
        parameters = ", ".join(f"@builtin({word}) {name}: vec3<u32>" for name, word in builtins.items())
        lines = [f"override {name}: bool = true;" for name in self.constants]
        lines += ["struct Slots {", *(f"  {name}: vec2<u32>," for name in kernel.slots), "}"]
        lines += ["@group(0) @binding(0) var<uniform> p: Slots;", *self._bindings(kernel)]
        lines += [self._shared(cells) for cells in kernel.shared]
        lines += [*self.helpers.values(), *self._barrier(kernel.signature)]
        lines += [f"@compute @workgroup_size({item[2]}, {item[1]}, {item[0]})"]
        lines += [f"fn {ENTRY}({parameters}) {{"]
        # No launch sets the upper half of this slot, and no compiler can know.
        lines += ["  let nought = p.folded.y;"] if "held_f32" in self.helpers else []
        lines += [*kernel.prologue, *kernel.body, "}", ""]
        return "\n".join(lines)

    def _bindings(self, kernel: Kernel) -> list[str]:
        lines = []
        for memory in kernel.arrays:
            store = self.buffers[memory.number]
            access = "read_write" if memory.number in self.written else "read"
            number = int(store.name.removeprefix("m")) + 1
            lines.append(
                f"@group(0) @binding({number}) var<storage, {access}> {store.name}: array<{store.type}>;"
            )
        lines = list(dict.fromkeys(lines))
        if kernel.signature.sites:
            record = f"@group(0) @binding({len(lines) + 1}) var<storage, read_write> record: "
            lines.append(record + "array<atomic<u32>>;")
        return lines

    def _shared(self, cells: Cells) -> str:
        kept = self.cell_type(cells.dtype, cells.atomic)
        count = max(cells.count, 1) * (2 if kept == "u32" and cells.dtype.bits == 64 else 1)
        kept = f"atomic<{kept}>" if cells.atomic else kept
        return f"var<workgroup> {cells.name}: array<{kept}, {count}>;"

    def _barrier(self, signature: Signature) -> list[str]:
        """The block's barrier; where threads may read what others wrote to a buffer, for that as well."""
        if not self.has_barriers:
            return []
        arrays = [p for p in signature.parameters if isinstance(p, ArrayParameter)]
        storage = "storageBarrier(); " if any(p.writes for p in arrays) else ""
        return [f"fn gyral_barrier() {{ {storage}workgroupBarrier(); }}"]

    def _own(self, t: DType, a: str, *others: str) -> str:
        """`a`, hidden from WGSL's evaluation of constants where all operands are such."""
        if is_literal(a) and all(is_literal(b) for b in others):
            return f"{self.helper(f'own_{kept_as(self.real(t))}')}({a})"
        return a


def buffers_of(
    arrays: Sequence[Memory], groups: Sequence[int], wide: Container[int]
) -> tuple[dict[int, Store], set[int]]:
    """Per array number its buffer; and the numbers of all arrays that live in a written buffer.

    A buffer is one of atomics where an array in it is used by atomics, or written by less than whole words;
    else it is one of vectors where an array in it is among the `wide` ones.
    """
    written = {groups[memory.number] for memory in arrays if memory.writes}
    atomic = {groups[m.number] for m in arrays if m.writes and (m.atomics or _has_small(m))}
    fours = {groups[m.number] for m in arrays if m.number in wide}
    found = {}
    for memory in arrays:
        number = groups[memory.number]
        found[memory.number] = Store(f"m{number}", "u32", number in atomic, True, number in fours - atomic)
    return found, {memory.number for memory in arrays if groups[memory.number] in written}


def _has_small(memory: Memory) -> bool:
    return any(leaf.dtype.bits < 32 for leaf in leaves(memory.type.elem))
