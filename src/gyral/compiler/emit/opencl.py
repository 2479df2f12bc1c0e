"""OpenCL C 1.2: what it spells differently from the C that the family shares, and the kernel's frame.

Arrays come as `global uchar *m0, ...`, one per array, then the record where there are sites, then all slots
of `core.abi` as a struct by value; an array's address slot is the byte offset inside its buffer.
"""

from __future__ import annotations

from math import prod
from typing import ClassVar

from gyral.compiler.emit.base import Emitted, is_relaxed
from gyral.compiler.emit.cfamily import program
from gyral.compiler.emit.cfamily.dialect import Dialect
from gyral.compiler.emit.cfamily.parts import Kernel, Place
from gyral.compiler.ir.graph import Module
from gyral.compiler.passes.target import TargetSpec
from gyral.core.abi import ENTRY
from gyral.core.artifact import CompileOptions
from gyral.core.dtypes import DType, bool_, f32, f64, index

_TYPES = (
    ("i8", "char"), ("u8", "uchar"), ("i16", "short"), ("u16", "ushort"), ("i32", "int"), ("u32", "uint"),
    ("i64", "long"), ("u64", "ulong"), ("f32", "float"), ("f16", "ushort"), ("bf16", "ushort"),
)  # fmt: skip
_KINDS = {
    "add": "add", "sub": "sub", "min": "min", "max": "max", "and": "and", "or": "or", "xor": "xor",
    "exchange": "xchg",
}  # fmt: skip
_CONTRACTED = "fma"


def emit(module: Module, options: CompileOptions, spec: TargetSpec) -> Emitted:
    """Write the kernel of a legalised module as OpenCL C."""
    return program.emit(module, options, OpenCl(options, spec, is_relaxed(module, options)))


class OpenCl(Dialect):
    """OpenCL C 1.2, 64-bit floats and atomics by extension.

    `relaxed`: the compiler may contract and re-associate everything, and does that better than we.
    """

    tests_in_turn: ClassVar[bool] = True
    spaces: ClassVar[dict[str, str]] = {
        "global": "volatile global ",
        "shared": "volatile local ",
        "local": "",
    }

    def __init__(self, options: CompileOptions, spec: TargetSpec, relaxed: bool = False) -> None:
        super().__init__(options, spec)
        self.relaxed = relaxed
        self.whole_blocks = (
            "branched_barriers" in options.features
        )  # PoCL 3 loses stores behind such barriers
        # And conditions at the end of such branches; a thread alone waits for nobody.
        self.barriers_close = not self.whole_blocks and prod(options.block) != 1

    def as_bits(self, t: DType, a: str) -> str:
        return f"as_{'ulong' if t is f64 else 'uint'}({a})"

    def from_bits(self, t: DType, a: str) -> str:
        return f"as_{'double' if t is f64 else 'float'}({a})"

    def contracted(self, t: DType, a: str, b: str, c: str) -> str:
        """Where all is relaxed, one expression, within which FP_CONTRACT contracts what it likes."""
        if self.relaxed:
            return f"({a} * {b} + {c})"
        return f"fma({a}, {b}, {c})" if _CONTRACTED in self.options.features else ""

    def pointer(self, place: Place) -> list[str]:
        memory, t = place.memory, self.cell_type(place.dtype, False)
        t = t if memory.alone else f"any_{t}"
        name = self.pointer_name(place)
        kind = f"global {'const ' if memory.fixed else ''}{t} *"
        promise = "restrict " if memory.alone else ""
        return [f"{kind}{promise}const {name} = ({kind})(m{memory.number} + {self._slot(memory.name)});"]

    def _slot(self, name: str) -> str:
        return f"p.{name}"

    def stride(self, number: int, name: str, size: int) -> str:
        # Narrowed after the division: of a plain shift LLVM's vectoriser guesses that it gives 1, and makes
        # loops over rows fast for that case alone.
        return f"({self.real(index).name})({self._slot(name)} / {size})"

    def steps(self, number: str, stride: str) -> str:
        # As wide as an address, so that compilers find what the subscripts of a row have in common.
        return f"(i64){number} * {stride}"

    def slot(self, number: int, name: str, t: DType) -> str:
        value, real = self._slot(name), self.real(t)
        if real is bool_:
            return f"(({value} & 1) != 0)"
        if real is f32:
            return f"as_float((u32){value})"
        return f"as_double({value})" if real is f64 else f"({real.name}){value}"

    def block_id(self, axis: int) -> str:
        return f"(u32)get_group_id({2 - axis})"

    def native_blocks(self, axis: int) -> str:
        return f"(u32)get_num_groups({2 - axis})"

    def local_id(self, axis: int) -> str:
        return f"(u32)get_local_id({2 - axis})"

    def barrier(self) -> list[str]:
        return ["barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);"]

    def fence(self, scope: str) -> list[str]:
        return ["mem_fence(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);"]

    def atomic_native(self, kind: str, t: DType, space: str) -> str:
        if t.is_float:
            return ""
        word = "atom" if t.bits == 64 else "atomic"
        if kind == "cas":
            return f"{word}_cmpxchg({{p}}, {{e}}, {{v}})"
        if kind == "load":
            return f"{word}_add({{p}}, 0)"
        if kind == "store":
            return f"{word}_xchg({{p}}, {{v}})"
        if t.bits == 64 and kind not in ("add", "sub", "exchange"):
            return ""  # of the extended extension, which need not be there
        return f"{word}_{_KINDS[kind]}({{p}}, {{v}})"

    def kernel(self, kernel: Kernel) -> str:
        shared = [
            f"  local {self.cell_type(cells.dtype, cells.atomic)} {cells.name}[{cells.count}];"
            for cells in kernel.shared
        ]
        lines = (*shared, *kernel.prologue, *kernel.body, *kernel.helpers)
        wide = any("f64" in line or "double" in line for line in lines)
        text = "\n".join((*kernel.body, *kernel.helpers))
        lines = []
        if wide:
            lines.append("#pragma OPENCL EXTENSION cl_khr_fp64 : enable")
        if "atom_" in text:
            lines.append("#pragma OPENCL EXTENSION cl_khr_int64_base_atomics : enable")
        lines.append(f"#pragma OPENCL FP_CONTRACT {'ON' if self.relaxed else 'OFF'}")
        lines += [f"typedef {name} {ours};" for ours, name in _TYPES]
        if wide:
            lines.append("typedef double f64;")
        if any(not memory.alone for memory in kernel.arrays):
            names = [ours for ours, _ in _TYPES] + ["f64"] * wide
            lines += [f"typedef {ours} any_{ours} __attribute__((may_alias));" for ours in names]
        lines += ["", "typedef struct {", *(f"  long {name};" for name in kernel.slots), "} Slots;", ""]
        lines += kernel.helpers
        b0, b1, b2 = kernel.signature.threads
        lines.append(f"__attribute__((reqd_work_group_size({b2}, {b1}, {b0})))")
        parameters = [f"global uchar *m{array.number}" for array in kernel.arrays]
        parameters += ["volatile global u32 *record"] * bool(kernel.signature.sites)
        lines.append(f"kernel void {ENTRY}({', '.join([*parameters, 'const Slots p'])}) {{")
        return "\n".join([*lines, *shared, *kernel.prologue, *kernel.body, "}", ""])
