"""Metal's language, MSL 2.4 and later: where it differs from the shared C.

Float arithmetic is always compiled as written (`math_mode(safe)`, no contraction); what fastmath allows is
written out. There is no f64: what is stored as one is its bits. Atomics are relaxed, as all of Metal's are;
fences between them need MSL 3.2.
"""

from __future__ import annotations

import linecache
import math
from collections.abc import Sequence
from typing import Any, ClassVar

from gyral.compiler.emit.base import Emitted
from gyral.compiler.emit.cfamily import program
from gyral.compiler.emit.cfamily.dialect import Dialect, Literal
from gyral.compiler.emit.cfamily.literals import pattern
from gyral.compiler.emit.cfamily.parts import Kernel, Place
from gyral.compiler.ir.graph import Module, Op
from gyral.compiler.ir.ops.grid import FenceOp
from gyral.compiler.passes.target import TargetSpec
from gyral.core.abi import ENTRY
from gyral.core.artifact import CompileOptions
from gyral.core.dtypes import DType, bool_, f32, f64, i32, index, u32, u64
from gyral.core.errors import CompileError, Diagnostic, InternalError

_HEAD = """#include <metal_stdlib>
using namespace metal;
#pragma METAL fp math_mode(safe)
#pragma METAL fp contract(off)
typedef char i8; typedef short i16; typedef int i32; typedef long i64;
typedef uchar u8; typedef ushort u16; typedef uint u32; typedef ulong u64;
typedef float f32; typedef u16 f16; typedef u16 bf16; typedef u64 f64;
"""
_AXES = "zyx"
_ATOMIC = {"add": "fetch_add", "sub": "fetch_sub", "min": "fetch_min", "max": "fetch_max"}
_ATOMIC |= {"and": "fetch_and", "or": "fetch_or", "xor": "fetch_xor", "exchange": "exchange"}
_BY_BITS = {"exchange", "load", "store"}
_SCOPES = {"block": "threadgroup", "device": "device", "system": "system"}


class Metal(Dialect):
    """MSL."""

    spaces: ClassVar[dict[str, str]] = {"global": "device ", "shared": "threadgroup ", "local": "thread "}

    def literal(self, t: DType, value: Literal) -> str:
        """Nine digits say a float exactly; hexadecimal ones are of a later C++ than Metal's."""
        if t is f64:
            return super().literal(u64, pattern(f64, value))
        if t is not f32 or not math.isfinite(value):
            return super().literal(t, value)
        text = f"{value:.9g}"
        text += "f" if "." in text or "e" in text else ".0f"
        return f"({text})" if text.startswith("-") else text

    def native(self, name: str, t: DType, arguments: Sequence[str], exact: bool) -> str:
        """Roots are rounded correctly where they are asked for by that name."""
        if name == "sqrt":
            name = "precise::sqrt" if exact else "fast::sqrt"
        return super().native(name, t, arguments, exact)

    def floating(self, sign: str, t: DType, a: str, b: str, exact: bool) -> str:
        """Division is the slow one; the rest is as quick when it is right."""
        return f"fast::divide({a}, {b})" if sign == "/" and not exact else f"({a} {sign} {b})"

    def contracted(self, t: DType, a: str, b: str, c: str) -> str:
        """All of Metal's devices have the instruction."""
        return f"fma({a}, {b}, {c})"

    def as_bits(self, t: DType, a: str) -> str:
        return a if t is f64 else f"as_type<u32>({a})"

    def from_bits(self, t: DType, a: str) -> str:
        return a if t is f64 else f"as_type<f32>({a})"

    def block_id(self, axis: int) -> str:
        return f"group.{_AXES[axis]}"

    def native_blocks(self, axis: int) -> str:
        return f"groups.{_AXES[axis]}"

    def local_id(self, axis: int) -> str:
        return f"at.{_AXES[axis]}"

    def slot(self, number: int, name: str, t: DType) -> str:
        word, real = f"p.{name}", self.real(t)
        if real is bool_:
            return f"(({word} & 1) != 0)"
        return f"as_type<f32>((u32){word})" if real is f32 else f"({real.name}){word}"

    def pointer(self, place: Place) -> list[str]:
        memory, name = place.memory, self.pointer_name(place)
        kept = self.cell_type(place.dtype, False)
        const = "const " if memory.fixed else ""
        kind = f"{self.spaces['global']}{const}{kept} *"
        return [f"{kind}const {name} = ({kind})(m{memory.number} + p.{memory.name});"]

    def barrier(self) -> list[str]:
        return ["threadgroup_barrier(mem_flags::mem_device | mem_flags::mem_threadgroup);"]

    def fence(self, scope: str) -> list[str]:
        flags = "mem_flags::mem_device | mem_flags::mem_threadgroup"
        return [f"atomic_thread_fence({flags}, memory_order_seq_cst, thread_scope_{_SCOPES[scope]});"]

    def atomic_native(self, kind: str, t: DType, space: str) -> str:
        """On 32 bits; Metal has no 64-bit atomics that give the old value."""
        if t.bits != 32:
            if kind == "cas":
                raise InternalError("64-bit atomics should have been refused for Metal")
            return ""
        if kind == "cas":
            return f"{self.helper(f'swap_{space}')}({{p}}, {{e}}, {{v}})"
        pointer = f"({self.spaces[space]}atomic_{'int' if t is i32 else 'uint'} *){{p}}"
        if t is f32:
            if kind in ("add", "sub") and space == "global" and "f32_atomics" in self.options.features:
                pointer = pointer.replace("uint", "float")
                return f"atomic_{_ATOMIC[kind]}_explicit({pointer}, {{v}}, memory_order_relaxed)"
            if kind not in _BY_BITS:
                return ""
        given = "as_type<u32>({v})" if t is f32 else "{v}"
        if kind == "store":
            return f"atomic_store_explicit({pointer}, {given}, memory_order_relaxed)"
        if kind == "load":
            text = f"atomic_load_explicit({pointer}, memory_order_relaxed)"
        else:
            text = f"atomic_{_ATOMIC[kind]}_explicit({pointer}, {given}, memory_order_relaxed)"
        return f"as_type<f32>({text})" if t is f32 else text

    def guess(self, t: DType, pointer: str, space: str) -> str:
        """Whole, though it need not be right: plain reads beside atomics are undefined in Metal."""
        return self.atomic_native("load", t, space).format(p=pointer)

    def define(self, key: str) -> str:
        """Besides the shared helpers: swap_<space>, compare and exchange that fails for no other reason."""
        if not key.startswith("swap_"):
            return super().define(key)
        q = self.spaces[key.removeprefix("swap_")]
        return f"""static inline u32 gyral_{key}({q}u32 *p, u32 e, u32 v) {{
  u32 seen = e;
  while (!atomic_compare_exchange_weak_explicit(({q}atomic_uint *)p, &seen, v, memory_order_relaxed,
                                                memory_order_relaxed) && seen == e) {{}}
  return seen;
}}
"""

    def lane(self) -> str:
        return "(i32)place"

    def reduce(self, t: DType, kind: str, value: str, mask: str) -> str:
        """32-bit integers."""
        word = {"sum": "sum", "min": "min", "max": "max", "any": "or", "all": "and"}[kind]
        return f"simd_{word}({value})" if t in (i32, u32) else ""

    def ballot(self, value: str, mask: str) -> str:
        return f"((u32)(u64)simd_ballot({value}))"

    def shuffle(self, t: DType, mode: str, value: str, amount: str, mask: str) -> str:
        """By the number of the lane in every mode: the others want one amount for the whole simdgroup."""
        match mode:
            case "up":
                lane = f"((i32)place < {amount} ? (i32)place : (i32)place - {amount})"
            case "down":
                lane = f"((i32)place + {amount} > 31 ? (i32)place : (i32)place + {amount})"
            case "xor":
                lane = f"((i32)place ^ {amount})"
            case _:
                lane = amount
        source = f"(u16){lane}"
        if t.bits == 64:
            low, high = self.split(t, value)
            return self.join(t, f"simd_shuffle({low}, {source})", f"simd_shuffle({high}, {source})")
        if t.bits == 32:
            return f"simd_shuffle({value}, {source})"
        if t is bool_:
            return f"(simd_shuffle((u32){value}, {source}) != 0)"
        return f"({t.name})simd_shuffle((u32){value}, {source})"

    def kernel(self, kernel: Kernel) -> str:
        threads = math.prod(kernel.signature.item)
        bindings = [f"device uchar *m{memory.number}" for memory in kernel.arrays]
        if kernel.signature.sites:
            bindings.append("device u32 *record")
        bindings.append("constant Slots &p")
        parameters = [f"{text} [[buffer({number})]]" for number, text in enumerate(bindings)]
        parameters += [
            "uint3 group [[threadgroup_position_in_grid]]",
            "uint3 groups [[threadgroups_per_grid]]",
            "uint3 at [[thread_position_in_threadgroup]]",
            "uint place [[thread_index_in_simdgroup]]",
        ]
        shared = [
            f"  threadgroup {self.cell_type(c.dtype, c.atomic)} {c.name}[{c.count}];" for c in kernel.shared
        ]
        lines = [
            f"[[kernel, max_total_threads_per_threadgroup({threads})]]",
            f"void {ENTRY}(",
            *(f"    {text}," for text in parameters[:-1]),
            f"    {parameters[-1]}) {{",
            *shared,
            *kernel.prologue,
            *kernel.body,
            "}",
        ]
        struct = ["struct Slots {", *(f"  i64 {name};" for name in kernel.slots), "};", ""]
        return _HEAD + "\n".join([*struct, *kernel.helpers, *lines, ""])


class CoherentMetal(Metal):
    """MSL 3.2 whose plain stores to arrays reach other blocks by way of fences."""

    spaces: ClassVar[dict[str, str]] = {**Metal.spaces, "global": "coherent(device) device "}


def emit(module: Module, options: CompileOptions, spec: TargetSpec) -> Emitted:
    """A legalised kernel in MSL. CompileError GY601 names the lines of what Metal cannot say."""
    ops = list(module.kernel.walk())
    gaps = [_gap(op, why) for op in ops if (why := _lacking(op, options.features))]
    if gaps:
        raise CompileError(*gaps)
    dialect = CoherentMetal if any(map(_orders_blocks, ops)) else Metal
    return program.emit(module, options, dialect(options, spec))


def _lacking(op: Op, features: tuple[str, ...]) -> str:
    if op.name.startswith("atomic.") and any(v.type.bits == 64 for v in _accessed(op)):
        return "atomics of 64 bits"
    if "msl_3.2" not in features and (isinstance(op, FenceOp) or _order(op) != "relaxed"):
        return "fences and no atomics with an order, which macOS 15 brings (MSL 3.2)"
    return ""


def _accessed(op: Op) -> list[Any]:
    """The values that an atomic op moves."""
    return [*op.results, *(v for v in op.operands[:2] if isinstance(v.type, DType) and v.type is not index)]


def _order(op: Op) -> str:
    return str(op.attributes.get("order", "relaxed"))


def _orders_blocks(op: Op) -> bool:
    """Whether plain accesses before and after must be seen by other blocks."""
    ordered = isinstance(op, FenceOp) or _order(op) != "relaxed"
    return ordered and op.attributes.get("scope") != "block"


def _gap(op: Op, what: str) -> Diagnostic:
    line = linecache.getline(op.span.file, op.span.line).rstrip("\n")
    return Diagnostic("GY601", f"Metal has no {what}", "run it on another device", op.span, line)
