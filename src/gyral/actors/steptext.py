"""The text of a simulation's kernel: the loop of `actors.stepping` with the calls of one step function."""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gyral.actors.halo import SEGMENT, Division
from gyral.actors.stepping import loop
from gyral.compiler.words import grid
from gyral.core.dtypes import Array, DType, In, i32, u32
from gyral.jit.func import func
from gyral.jit.kernel import Kernel


@dataclass(frozen=True)
class Program:
    """A step function, the types of what it is given, and where each of its parameters comes from.

    `sources`: the parameter, then a word such as "field u", "before u", "value feed", "grid damping", "cell"
    or "step".
    """

    step: Any
    fields: Mapping[str, DType]
    values: Mapping[str, DType]
    grids: Mapping[str, DType]
    sources: tuple[tuple[str, str], ...]

    @property
    def levels(self) -> int:
        """States that are kept: one more than a step reads."""
        return 3 if any(source.startswith("before ") for _, source in self.sources) else 2

    @property
    def name(self) -> str:
        """The step function's name."""
        return self.step.__gyral_func__.__name__


def kernel_of(program: Program, division: Division, *, block: int, resident: bool) -> Kernel:
    """The kernel that steps a division of the grid, for a size of block."""
    layout = division.layout
    text = text_of(program, len(layout.shape), layout.shape)
    names: dict[str, Any] = {
        "func": func, "loop": loop, "grid": grid, "Array": Array, "In": In, "u32": u32, "i32": i32,
        "step": program.step, "STRIDES": layout.strides, "REACH": layout.reach, "RESIDENT": resident,
        "FORM": (
            program.levels, layout.size, len(division.edges), division.edges_at, division.run, layout.reach
        ),
    }  # fmt: skip
    names |= {f"type_{name}": t for kind in (program.fields, program.values, program.grids)
              for name, t in kind.items()}  # fmt: skip
    return Kernel(_compiled(text, program.name, names), rank=1, block=block)


def text_of(program: Program, rank: int, shape: tuple[int, ...]) -> str:
    """The kernel as Python."""
    fields, values, grids = list(program.fields), list(program.values), list(program.grids)
    arrays = [f"field_{n}" for n in fields] + [f"grid_{n}" for n in grids] + [f"value_{n}" for n in values]
    declared = [f"field_{n}: Array[type_{n}]" for n in fields]
    declared += [f"grid_{n}: In[Array[type_{n}]]" for n in grids]
    declared += [f"value_{n}: type_{n}" for n in values]
    unpacked = f"    {', '.join(arrays)}, = arrays"
    given = [f"{name}={_argument(source, rank, shape)}" for name, source in program.sources]
    made = [f"next_{n}" for n in fields]
    lines = [
        "@func",
        "def cell(arrays, read, before, write, at, number, row, x):",
        unpacked,
        f"    {', '.join(made)} = step({', '.join(given)})",
        *(f"    field_{n}[write + at] = next_{n}" for n in fields),
        "@func",
        "def copy(arrays, to, source):",
        unpacked,
        *(f"    field_{n}[to] = field_{n}[source]" for n in fields),
        f"def run(words: Array[u32], table: In[Array[u32]], first: u32, turns: u32, {', '.join(declared)}):",
        f"    loop(words, table, first, turns, RESIDENT, FORM, cell, copy, ({', '.join(arrays)},))",
    ]
    return "\n".join(lines) + "\n"


def _argument(source: str, rank: int, shape: tuple[int, ...]) -> str:
    kind, _, name = source.partition(" ")
    if kind == "field":
        return f'grid(field_{name}, read + at, STRIDES, REACH, "{name}")'
    if kind == "before":
        return f'grid(field_{name}, before + at, STRIDES, REACH, "{name}_before")'
    if kind == "grid":
        return f'grid(grid_{name}, at, STRIDES, REACH, "{name}")'
    if kind == "value":
        return f"value_{name}"
    if kind == "step":
        return "number"
    if rank == 1:
        return f"(i32(row) * {SEGMENT} + i32(x),)"
    if rank == 2:
        return "(i32(row), i32(x))"
    return f"(i32(row // {shape[1]}), i32(row % {shape[1]}), i32(x))"


def _compiled(text: str, name: str, names: dict[str, Any]) -> Callable[..., Any]:
    """The kernel's function, with a text that the compiler and tracebacks find."""
    file = f"<simulation of {name}, {hashlib.sha256(text.encode()).hexdigest()[:12]}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    names["__name__"] = __name__
    exec(compile(text, file, "exec"), names)
    names["run"].__name__ = name
    return names["run"]
