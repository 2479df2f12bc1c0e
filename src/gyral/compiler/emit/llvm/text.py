"""LLVM assembly as it grows: lines, names, labels, phis and declarations."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from gyral.core.dtypes import DType, bool_, round_float


class Phi:
    """A phi whose incoming values are added as the blocks that give them appear."""

    __slots__ = ("incoming", "name", "type")

    def __init__(self, name: str, type: str) -> None:
        self.name = name
        self.type = type
        self.incoming: list[tuple[str, str]] = []

    def add(self, value: str, label: str) -> None:
        """One more predecessor and the value it brings."""
        self.incoming.append((value, label))

    def __str__(self) -> str:
        pairs = ", ".join(f"[ {value}, %{label} ]" for value, label in self.incoming)
        return f"  {self.name} = phi {self.type} {pairs}"


@dataclass(slots=True)
class Text:
    """One function's body under construction. Declarations are shared by the module."""

    declarations: dict[str, str] = field(default_factory=dict)
    lines: list[str | Phi] = field(default_factory=list)
    allocas: list[str] = field(default_factory=list)
    label: str = "entry"
    names: int = 0
    safe: str = ""

    def fresh(self) -> str:
        """A new value name."""
        self.names += 1
        return f"%v{self.names}"

    def fresh_label(self, hint: str) -> str:
        """A new label; `hint` is one of our own words."""
        self.names += 1
        return f"{hint}{self.names}"

    def let(self, code: str) -> str:
        """Name the value of an instruction."""
        name = self.fresh()
        self.lines.append(f"  {name} = {code}")
        return name

    def do(self, code: str) -> None:
        """An instruction without a value."""
        self.lines.append(f"  {code}")

    def begin(self, label: str) -> None:
        """Start a basic block."""
        self.lines.append(f"{label}:")
        self.label = label

    def jump(self, label: str) -> None:
        """End the block with a jump."""
        self.do(f"br label %{label}")

    def branch(self, condition: str, then: str, otherwise: str) -> None:
        """End the block with a conditional jump."""
        self.do(f"br i1 {condition}, label %{then}, label %{otherwise}")

    def phi(self, type: str) -> Phi:
        """A phi at this point, to be filled."""
        phi = Phi(self.fresh(), type)
        self.lines.append(phi)
        return phi

    def alloca(self, type: str, align: int = 64) -> str:
        """Stack memory of the function."""
        self.names += 1
        name = f"%m{self.names}"
        self.allocas.append(f"  {name} = alloca {type}, align {align}")
        return name

    def nowhere(self) -> str:
        """Memory that may be read and written to no effect, where an access must not happen."""
        if not self.safe:
            self.safe = self.alloca("[8 x i64]")
            self.allocas.append(f"  store [8 x i64] zeroinitializer, ptr {self.safe}")
        return self.safe

    def call(self, returns: str, function: str, *arguments: str, flags: str = "") -> str:
        """Call an intrinsic; arguments are written with their types."""
        self.declare(returns, function, arguments)
        return self.let(f"call {flags}{returns} @{function}({', '.join(arguments)})")

    def call_void(self, function: str, *arguments: str) -> None:
        """Call an intrinsic without a result."""
        self.declare("void", function, arguments)
        self.do(f"call void @{function}({', '.join(arguments)})")

    def declare(self, returns: str, function: str, arguments: tuple[str, ...]) -> None:
        """Note an external declaration from the typed arguments of a call."""
        if function not in self.declarations:
            types = ", ".join(_type_of(argument) for argument in arguments)
            self.declarations[function] = f"declare {returns} @{function}({types})"

    def render(self) -> str:
        """The body, stack memory first."""
        return "\n".join(["entry:", *self.allocas, *map(str, self.lines)])


def _type_of(argument: str) -> str:
    if argument.startswith("<"):
        return argument[: argument.index(">") + 1]
    immediate = " immarg" if argument.startswith("i1 ") and argument[3:] in ("true", "false") else ""
    return argument.split(" ", 1)[0] + immediate


SCALAR_TYPES = {
    "bool": "i1", "i8": "i8", "u8": "i8", "i16": "i16", "u16": "i16", "i32": "i32", "u32": "i32",
    "i64": "i64", "u64": "i64", "index": "i64", "f16": "i16", "bf16": "i16", "f32": "float", "f64": "double",
}  # fmt: skip


def literal(dtype: DType, value: bool | int | float) -> str:
    """A constant as LLVM spells it; f16 and bf16 as their bits."""
    if dtype is bool_:
        return "true" if value else "false"
    if dtype.is_integer:
        return str(dtype.wrap(int(value)) if dtype.name != "index" else int(value))
    if dtype.name == "f16":
        return str(int.from_bytes(struct.pack("<e", round_float(dtype, value)), "little"))
    if dtype.name == "bf16":
        return str(int.from_bytes(struct.pack("<f", round_float(dtype, value)), "little") >> 16)
    return f"0x{int.from_bytes(struct.pack('<d', value), 'little'):016X}"
