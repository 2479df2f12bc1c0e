"""CUDA C++ without a header: what it spells otherwise than the C that the family shares, and the frame.

Every slot of `core.abi` is one parameter of 8 bytes, arrays true pointers; the record's pointer is last where
there are sites. Static on-chip memory above 48 KiB is taken from the launch's dynamic memory instead:
`signature.shared_bytes` says how much. Contraction, and division under fastmath, are the assembler's flags.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import prod
from typing import ClassVar

from gyral.compiler.emit.base import Emitted
from gyral.compiler.emit.cfamily import program
from gyral.compiler.emit.cfamily.dialect import Dialect
from gyral.compiler.emit.cfamily.parts import Kernel, Memory, Place
from gyral.compiler.ir.graph import Module
from gyral.compiler.passes.target import TargetSpec
from gyral.core.abi import ENTRY
from gyral.core.artifact import CompileOptions
from gyral.core.dtypes import DType, bool_, f32, f64, i32, i64, u32, u64

STATIC_SHARED = 48 * 1024
"""Bytes of on-chip memory a kernel may declare itself."""

_TYPES = (
    ("i8", "signed char"), ("u8", "unsigned char"), ("i16", "short"), ("u16", "unsigned short"),
    ("i32", "int"), ("u32", "unsigned int"), ("i64", "long long"), ("u64", "unsigned long long"),
    ("f16", "unsigned short"), ("bf16", "unsigned short"), ("f32", "float"), ("f64", "double"),
)  # fmt: skip
_ROUNDED = {"+": "add", "-": "sub", "*": "mul", "/": "div"}
_BITWISE = {"and": "And", "or": "Or", "xor": "Xor"}
_AXES = "zyx"
_PTX = {
    "narrow_f16": ("u16", "f32", "cvt.rn.f16.f32 %0, %1;", "h", "f"),
    "widen_f16": ("f32", "u16", "cvt.f32.f16 %0, %1;", "f", "h"),
    "narrow_bf16": ("u16", "f32", "cvt.rn.bf16.f32 %0, %1;", "h", "f"),
    "roughroot_f32": ("f32", "f32", "sqrt.approx.f32 %0, %1;", "f", "f"),
}


def emit(module: Module, options: CompileOptions, spec: TargetSpec) -> Emitted:
    """Write the kernel of a legalised module as CUDA C++."""
    return program.emit(module, options, Cuda(options, spec))


class Cuda(Dialect):
    """CUDA C++ for the architecture among the features, "sm_90" and the like."""

    function: ClassVar[str] = "static __device__ __forceinline__ "
    long: ClassVar[str] = "LL"

    def __init__(self, options: CompileOptions, spec: TargetSpec) -> None:
        super().__init__(options, spec)
        found = (re.fullmatch(r"sm_(\d+)[af]?", word) for word in options.features)
        self.architecture = max((int(match[1]) for match in found if match), default=75)

    def as_bits(self, t: DType, a: str) -> str:
        return f"((u64)__double_as_longlong({a}))" if t is f64 else f"__float_as_uint({a})"

    def from_bits(self, t: DType, a: str) -> str:
        return f"__longlong_as_double((i64){a})" if t is f64 else f"__uint_as_float({a})"

    def floating(self, sign: str, t: DType, a: str, b: str, exact: bool) -> str:
        if exact and self.options.fastmath:
            return f"__{'d' if t is f64 else 'f'}{_ROUNDED[sign]}_rn({a}, {b})"
        return super().floating(sign, t, a, b, exact)

    def absolute(self, t: DType, a: str) -> str:
        return f"fabs({a})" if t is f64 else f"fabsf({a})"

    def to_integer(self, source: DType, target: DType, a: str) -> str:
        # The hardware saturates; NaN it takes to 0 between types of 32 bits alone.
        if target.bits < 32:
            return super().to_integer(source, target, a)
        word = f"{'float' if source is f32 else 'double'}2{_SHORT[target.name]}_rz"
        quick = f"__{word}({a})"
        return quick if source is f32 and target.bits == 32 else f"({a} != {a} ? ({target.name})0 : {quick})"

    def native(self, name: str, t: DType, arguments: Sequence[str], exact: bool) -> str:
        if name in ("popc", "clz", "ctz", "brev"):
            return f"({t.name}){self._count(name, t, arguments[0])}"
        if name == "sqrt" and t is f32 and not exact:
            return f"{self.helper('roughroot_f32')}({arguments[0]})"
        if not name.startswith("gyral_") and t is f32:
            name += "f"
        return super().native(name, t, arguments, exact)

    def _count(self, name: str, t: DType, a: str) -> str:
        """Counting and reversing bits; narrow values stand in the low end of a word."""
        if t.bits == 64:
            forms = {"popc": "__popcll({u})", "clz": "__clzll({i})", "brev": "__brevll({u})"}
            forms["ctz"] = "__clzll((i64)__brevll({u}))"
            return forms[name].format(u=f"(u64){a}", i=f"(i64){a}")
        u = f"(u32){a}" if t.bits == 32 else f"(u32)(u{t.bits}){a}"
        spare = 32 - t.bits
        if name == "popc":
            return f"__popc({u})"
        if name == "clz":
            return f"(__clz((i32)({u})) - {spare})"
        if name == "brev":
            return f"(__brev({u}) >> {spare})"
        return f"__clz((i32)__brev({u}{f' | {1 << t.bits}u' if spare else ''}))"

    def define(self, key: str) -> str:
        if key not in _PTX or (key == "narrow_bf16" and self.architecture < 80):
            return super().define(key)
        result, given, word, to, of = _PTX[key]
        return (
            f"{self.function}{result} gyral_{key}({given} a) {{\n"
            f'  {result} r;\n  asm("{word}" : "={to}"(r) : "{of}"(a));\n  return r;\n}}\n'
        )

    # Memory.

    def _pointee(self, memory: Memory, t: DType) -> str:
        """The type behind an array's pointer: one that may alias others where arrays overlap."""
        cell = self.cell_type(t, False)
        return cell if memory.alone else f"any_{cell}"

    def pointer(self, place: Place) -> list[str]:
        memory = place.memory
        if len(memory.dtypes) == 1:
            return []
        kind = f"{'const ' if memory.fixed else ''}{self._pointee(memory, place.dtype)} *"
        return [f"{kind}{_promise(memory)}const {self.pointer_name(place)} = ({kind}){memory.name};"]

    def load_wide(self, place: Place, count: int, name: str) -> tuple[list[str], list[str]]:
        vector = f"{_VECTORS[place.dtype.name]}{count}"
        memory = place.memory
        where = f"(const {vector} *)&{self.pointer_name(place)}[{place.index}]"
        read = f"__ldg({where})" if memory.alone and memory.fixed else f"*({where})"
        return [f"const {vector} {name} = {read};"], [f"{name}.{part}" for part in _PARTS[:count]]

    def store_wide(self, place: Place, values: Sequence[str]) -> list[str]:
        vector = f"{_VECTORS[place.dtype.name]}{len(values)}"
        where = f"*({vector} *)&{self.pointer_name(place)}[{place.index}]"
        return [f"{where} = make_{vector}({', '.join(values)});"]

    def _array(self, memory: Memory) -> str:
        """An array's parameter."""
        one = len(memory.dtypes) == 1
        held = self._pointee(memory, memory.dtypes[0]) if one else "unsigned char"
        return f"{'const ' if memory.fixed else ''}{held} *{_promise(memory)}{memory.name}"

    def slot(self, number: int, name: str, t: DType) -> str:
        value, real = f"p_{name}", self.real(t)
        if real is bool_:
            return f"(({value} & 1) != 0)"
        if real in (f32, f64):
            return self.from_bits(real, f"(u32){value}" if real is f32 else value)
        return f"({real.name}){value}"

    def block_id(self, axis: int) -> str:
        return f"blockIdx.{_AXES[axis]}"

    def native_blocks(self, axis: int) -> str:
        return f"gridDim.{_AXES[axis]}"

    def local_id(self, axis: int) -> str:
        return f"threadIdx.{_AXES[axis]}"

    def barrier(self) -> list[str]:
        return ["__syncthreads();"]

    def fence(self, scope: str) -> list[str]:
        return [f"__threadfence{ {'block': '_block', 'system': '_system'}.get(scope, '') }();"]

    def clock(self) -> str:
        return "(u64)clock64()"

    # Atomics.

    def atomic_native(self, kind: str, t: DType, space: str) -> str:
        word = "u64" if t.bits == 64 else "u32"
        if kind == "load":
            return f"(*(const volatile {t.name} *){{p}})"
        if kind == "store":
            return f"*(volatile {t.name} *){{p}} = {{v}}"
        if kind == "cas":
            return "atomicCAS({p}, {e}, {v})"
        if kind == "exchange":
            given = self.bits(t, u64 if t.bits == 64 else u32, "{v}")
            return self.bits(u64 if t.bits == 64 else u32, t, f"atomicExch(({word} *){{p}}, {given})")
        if t.is_float:
            return {"add": "atomicAdd({p}, {v})", "sub": "atomicAdd({p}, -{v})"}.get(kind, "")
        if kind in ("min", "max"):
            return f"atomic{kind.capitalize()}({{p}}, {{v}})"
        if kind == "sub":
            return f"({t.name})atomicAdd(({word} *){{p}}, ({word})0 - ({word}){{v}})"
        name = "Add" if kind == "add" else _BITWISE[kind]
        return f"({t.name})atomic{name}(({word} *){{p}}, ({word}){{v}})"

    # Subgroups.

    def ballot(self, value: str, mask: str) -> str:
        return f"__ballot_sync({mask}, {value})"

    def shuffle(self, t: DType, mode: str, value: str, amount: str, mask: str) -> str:
        word = {"index": "", "up": "_up", "down": "_down", "xor": "_xor"}[mode]
        real = self.real(t)
        if real.bits >= 32:
            return f"__shfl{word}_sync({mask}, {value}, {amount})"
        moved = f"__shfl{word}_sync({mask}, (i32){value}, {amount})"
        return f"({moved} != 0)" if real is bool_ else f"({real.name}){moved}"

    def reduce(self, t: DType, kind: str, value: str, mask: str) -> str:
        if self.architecture < 80 or t not in (i32, u32):
            return ""
        if kind in ("any", "all"):
            return f"({t.name})__reduce_{'or' if kind == 'any' else 'and'}_sync({mask}, (u32){value})"
        return f"__reduce_{'add' if kind == 'sum' else kind}_sync({mask}, {value})"

    # The whole.

    def kernel(self, kernel: Kernel) -> str:
        lines = [f"typedef {name} {ours};" for ours, name in _TYPES]
        if any(not memory.alone for memory in kernel.arrays):
            lines += [f"typedef {ours} any_{ours} __attribute__((may_alias));" for ours, _ in _TYPES]
        signature = kernel.signature
        dynamic = signature.shared_bytes > STATIC_SHARED
        if dynamic:
            lines.append("extern __shared__ __align__(16) unsigned char gyral_shared[];")
        lines += ["", *kernel.helpers]
        arrays = {memory.name: memory for memory in kernel.arrays}
        parameters = [
            self._array(arrays[name]) if name in arrays else f"const i64 p_{name}" for name in kernel.slots
        ]
        parameters += ["u32 *record"] * bool(signature.sites)
        lines.append(f'extern "C" __global__ void __launch_bounds__({prod(signature.threads)}) {ENTRY}(')
        lines += [f"  {text}," for text in parameters[:-1]] + [f"  {parameters[-1]}", ") {"]
        return "\n".join([*lines, *self._shared(kernel, dynamic), *kernel.prologue, *kernel.body, "}", ""])

    def _shared(self, kernel: Kernel, dynamic: bool) -> list[str]:
        lines, offset = [], 0
        for cells in kernel.shared:
            kind = self.cell_type(cells.dtype, cells.atomic)
            if dynamic:
                lines.append(f"  {kind} *const {cells.name} = ({kind} *)(gyral_shared + {offset});")
            else:
                lines.append(f"  __shared__ {kind} {cells.name}[{cells.count}];")
            offset += -(-cells.bytes // 16) * 16
        return lines


_SHORT = {i32.name: "int", u32.name: "uint", i64.name: "ll", u64.name: "ull"}


_VECTORS = {
    "f32": "float",
    "f64": "double",
    "i32": "int",
    "u32": "uint",
    "i64": "longlong",
    "u64": "ulonglong",
}
_PARTS = "xyzw"


def _promise(memory: Memory) -> str:
    return "__restrict__ " if memory.alone else ""
