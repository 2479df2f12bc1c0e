"""IR as text. One generic form, read from the declarations; `parser` reads it back.

    control.func {symbol = "scale", kind = "kernel"} (%a: f32, %y: array<f32, 1>) {
      %0 = grid.global_id {axis = 0} : index
      %1 = memory.load %y, %0 : f32
      %2 = arith.mul %a, %1 : f32
      memory.store %2, %y, %0
      control.return
    }

Floats are hexadecimal, strings are JSON, everything is ASCII. Spans are not part of the text, so two modules
print alike when they mean the same under the same names.
"""

from __future__ import annotations

import json
import re
import struct
from typing import Any

from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.types import MemType, Type
from gyral.core.dtypes import ArrayType, DType, ElementType, StructType, Vec

_PLAIN_NAN = 0x7FF8000000000000


def print_module(module: Module) -> str:
    """All functions of a module."""
    return "\n".join(print_op(function) for function in module.functions.values())


def print_op(op: Op) -> str:
    """One op with everything inside it."""
    printer = _Printer()
    printer.op(op, "")
    return "\n".join(printer.lines) + "\n"


def print_type(t: Type | ElementType) -> str:
    """A type as the text form spells it: `f32`, `array<f32x3, 2, readonly>`, `shared<f32, 16x16>`."""
    match t:
        case DType() | Vec():
            return t.name
        case StructType():
            fields = "".join(f", {json.dumps(name)}: {print_type(inner)}" for name, inner in t.fields)
            return f"struct<{json.dumps(t.name)}{fields}>"
        case ArrayType():
            return f"array<{print_type(t.elem)}, {t.rank}{', readonly' if t.readonly else ''}>"
        case MemType():
            shape = "x".join(map(str, t.shape)) or "scalar"
            return f"{t.space}<{print_type(t.elem)}, {shape}>"
    raise TypeError(f"{t!r} is not an IR type")


def print_attribute(value: Any) -> str:
    """An attribute's value: bool, int, float, string, type, or a tuple of these."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return print_float(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, tuple):
        return f"({', '.join(print_attribute(v) for v in value)})"
    return print_type(value)


def print_float(value: float) -> str:
    """Hexadecimal, exact; a NaN with an unusual sign or payload names its bits."""
    if value != value:
        bits = struct.unpack("<Q", struct.pack("<d", value))[0]
        return "nan" if bits == _PLAIN_NAN else f"nan<{bits:#x}>"
    return value.hex()


class _Printer:
    """Gives every value a name of its own, in order of appearance."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[Value, str] = {}
        self.taken: dict[str, int] = {}
        self.unnamed = 0

    def define(self, value: Value) -> str:
        hint = re.sub(r"[^A-Za-z0-9_.]", "_", value.hint)
        if not hint or not (hint[0].isalpha() or hint[0] == "_"):
            name = f"%{self.unnamed}"
            self.unnamed += 1
        else:
            seen = self.taken.get(hint, 0)
            self.taken[hint] = seen + 1
            name = f"%{hint}#{seen}" if seen else f"%{hint}"
        self.names[value] = name
        return name

    def op(self, op: Op, indent: str) -> None:
        parts: list[str] = []
        operands = ", ".join(self.names.get(v, "%?") for v in op.operands)
        if op.results:
            parts += [", ".join(map(self.define, op.results)), "="]
        parts.append(op.name)
        if operands:
            parts.append(operands)
        if op.attributes:
            inner = ", ".join(f"{k} = {print_attribute(v)}" for k, v in op.attributes.items())
            parts.append(f"{{{inner}}}")
        if op.results:
            parts += [":", ", ".join(print_type(v.type) for v in op.results)]
        line = indent + " ".join(parts)
        for region in op.regions:
            line = self.block(region, line, indent)
        self.lines.append(line)

    def block(self, block: Block, head: str, indent: str) -> str:
        """Print a region after `head`; the line it ends in is returned unfinished."""
        arguments = ", ".join(f"{self.define(v)}: {print_type(v.type)}" for v in block.args)
        self.lines.append(f"{head} ({arguments}) {{" if arguments else f"{head} {{")
        for op in block.ops:
            self.op(op, indent + "  ")
        return indent + "}"
