"""The state of one kernel being written: names of values, lines, and what goes before the body."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from gyral.compiler.emit.cfamily.dialect import Dialect
from gyral.compiler.emit.cfamily.parts import Cells, Memory
from gyral.compiler.ir.graph import Block, Op, Value
from gyral.compiler.ir.ops.message import RescueOp
from gyral.compiler.ir.verify import STRICT
from gyral.compiler.passes.uniform import Variance, is_alone
from gyral.core.artifact import CompileOptions, Site
from gyral.core.dtypes import DType, index, u32
from gyral.core.errors import InternalError

Write: TypeAlias = Callable[["Writer", Any], None]


class Mode(Enum):
    """Who runs the lines being written.

    PLAIN: threads of the launch alone, or a whole block: nothing needs a guard. ALL: every thread of the
    block, those beyond the shape and those that failed too. ACTIVE: threads that were active at the start.
    """

    PLAIN = "plain"
    ALL = "all"
    ACTIVE = "active"


@dataclass(slots=True)
class Writer:
    """One kernel under way.

    `synced`: threads of a block wait for one another, so that none may leave early; `mortal`: they may fail.
    `known`: in mode ACTIVE, no check came since the start that could have made the thread inactive.
    `together`: no branch or loop around here that the block's threads may take differently.
    """

    dialect: Dialect
    options: CompileOptions
    function: Op
    block: tuple[int, int, int]
    slots: dict[str, int]
    variance: Variance
    writers: dict[type, Write]
    synced: bool
    memories: dict[Value, Memory]
    mortal: bool = False
    mode: Mode = Mode.PLAIN
    known: bool = True
    together: bool = True
    lines: list[str] = field(default_factory=list)
    depth: int = 1
    names: dict[Value, str] = field(default_factory=dict)
    prologue: dict[str, list[str]] = field(default_factory=dict)
    shared: dict[str, Cells] = field(default_factory=dict)
    sites: list[Site] = field(default_factory=list)
    site_numbers: dict[Op, int] = field(default_factory=dict)
    outs: set[Value] = field(default_factory=set)
    count: int = 0
    rescues: bool = field(init=False)
    """Whether threads that failed are made active again: nothing is reported then."""
    alone: bool = field(init=False)
    """Whether blocks are of one thread, in which all is uniform that it does."""

    def __post_init__(self) -> None:
        self.alone = is_alone(self.function)
        self.rescues = any(isinstance(op, RescueOp) for op in self.function.walk())

    @property
    def rank(self) -> int:
        """Axes of the launch."""
        return self.function.attributes.get("rank", 1)

    @property
    def coarse(self) -> int:
        """Elements of the last axis that one thread does."""
        return self.function.attributes.get("coarse", 1)

    def put(self, *lines: str) -> None:
        """Add lines at the present depth."""
        self.lines += ["  " * self.depth + line for line in lines]

    @contextmanager
    def scope(self, head: str) -> Iterator[None]:
        """Lines inside braces after `head`, which ends in one."""
        self.put(head)
        self.depth += 1
        yield
        self.depth -= 1
        self.put("}")

    def fresh(self, letter: str = "v") -> str:
        """A name that nothing else has."""
        self.count += 1
        return f"{letter}{self.count}"

    def of(self, value: Value) -> str:
        """The expression of a value."""
        return self.names[value]

    def all(self, values: list[Value]) -> list[str]:
        """The expressions of values."""
        return [self.names[value] for value in values]

    def set(self, value: Value, text: str) -> None:
        """Declare a value; one that is wanted outside the guard around it was declared there."""
        if value in self.outs:
            self.put(f"{self.names[value]} = {text};")
            return
        self.names[value] = name = self.fresh()
        self.put(self.dialect.let(value.type, name, text))

    def alias(self, value: Value, text: str) -> None:
        """Let a value be an expression that is already there; it is one for as long as it is used."""
        if value in self.outs:
            self.put(f"{self.names[value]} = {text};")
        else:
            self.names[value] = text

    def variable(self, value: Value, first: str = "") -> str:
        """Declare a variable for a value that is assigned in several places."""
        if value in self.outs:
            if first:
                self.put(f"{self.names[value]} = {first};")
            return self.names[value]
        self.names[value] = name = self.fresh()
        self.put(self.dialect.var(value.type, name, first))
        return name

    def op(self, op: Op) -> None:
        """Write one op."""
        write = self.writers.get(type(op))
        if write is None:
            raise InternalError(f"the C family has no word for {op.name}")
        write(self, op)

    def once(self, name: str, lines: list[str]) -> str:
        """Put lines that define `name` at the kernel's start, once."""
        if name not in self.prologue:
            self.prologue[name] = lines
        return name

    def slot(self, name: str, t: DType = index) -> str:
        """An argument slot as a constant of the prologue."""
        if name in self.prologue:
            return name
        return self.once(name, [self.dialect.let(t, name, self.dialect.slot(self.slots[name], name, t))])

    def word(self, value: int) -> str:
        """A u32 constant."""
        return self.dialect.literal(u32, value)

    def site(self, op: Op, site: Site) -> int:
        """The op's number among the kernel's sites, the same in every copy of the body."""
        if op not in self.site_numbers:
            self.site_numbers[op] = len(self.sites)
            self.sites.append(site)
        return self.site_numbers[op]

    def exact(self, op: Op) -> bool:
        """Whether float arithmetic is as written: always but under fastmath, and there for some ops too."""
        return not self.function.attributes.get("fastmath") or bool(op.attributes.get(STRICT))

    def region(self, block: Block) -> None:
        """Write a region's ops but its terminator, by `guards.write`."""
        self.writers[Block](self, block)
