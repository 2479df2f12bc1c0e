"""Turn a module into one Python program: each function becomes a closure, values become its locals.

A function that waits for others (barriers, block and subgroup ops) becomes a generator that yields
(place, value, amount) and is sent the result. Regions nested too deep for Python are moved to functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gyral.compiler.interp.express import ENVIRONMENT, EXPRESSIONS, assign, literal, write
from gyral.compiler.interp.halves import join, split
from gyral.compiler.interp.memory import allocate, leaf_place
from gyral.compiler.interp.race import ACCESSES, Access
from gyral.compiler.interp.team import ends_early, guard, is_guarded, is_team, waits
from gyral.compiler.interp.wide import load_wide, store_wide
from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.ops.arith import AddOp, AndOp, MaxOp, MinOp, OrOp, SubOp, XorOp
from gyral.compiler.ir.traits import GANG, SYNC
from gyral.compiler.ir.types import MemType
from gyral.core.artifact import Site
from gyral.core.dtypes import ArrayType
from gyral.core.errors import InternalError

IDS = "g0, g1, g2, l0, l1, l2, lane, shared, alive"
_MAX_INDENT = 60
_MAX_LOOPS = 12
_NAME = re.compile(r"\b[vm]\d+\w*")
_COMBINE = {"add": AddOp, "sub": SubOp, "min": MinOp, "max": MaxOp, "and": AndOp, "or": OrOp, "xor": XorOp}


@dataclass(slots=True)
class Program:
    """A compiled module: `make(launch)` gives the thread function."""

    make: Callable[[Any], Callable[..., Any]]
    sites: list[Site]
    waits: list[Op]
    shared: list[MemType]
    accesses: list[Access]
    source: str
    team: bool

    @property
    def waiting(self) -> bool:
        """Whether threads are generators."""
        return bool(self.waits)

    @property
    def rescues(self) -> bool:
        """Whether threads that fail are made active again."""
        return any(op.name == "message.rescue" for op in self.waits)


@dataclass(slots=True)
class _Shared:
    """What the functions of one program have in common."""

    check: bool
    index_bits: int
    limited: bool
    watched: bool
    team: bool
    accesses: list[Access] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)
    waits: list[Op] = field(default_factory=list)
    shared: list[MemType] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    outlined: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    types: dict[str, MemType] = field(default_factory=dict)
    count: int = 0


def compile_module(
    module: Module, check: bool, index_bits: int, limited: bool, watched: bool = False
) -> Program:
    """Generate and compile the program of a module with a kernel; `watched` tells of every access."""
    team = is_team(module)
    common = _Shared(check, index_bits, limited, watched, team, waiting=_waiting_functions(module))
    common.numbers = {symbol: number for number, symbol in enumerate(module.functions)}
    functions: list[str] = []
    for symbol, function in module.functions.items():
        if function.attributes["kind"] == "func":
            functions += _Writer(common).function(function, f"f_{common.numbers[symbol]}")
    writer = _Writer(common)
    kernel = writer.kernel(module.kernel)
    lines = [
        "def make(launch):",
        " F = launch.rounding; fail = launch.fail; out = launch.out",
        " tick = launch.tick; clock = launch.clock",
        " S0, S1, S2 = launch.shape; B0, B1, B2 = launch.block; N0, N1, N2 = launch.grid",
        " SUB = launch.subgroup; span = launch.span; dies = launch.dies; Failed = launch.failure",
        *([" watch = launch.watch.of; touch = launch.watch.touch; fence = launch.watch.fence"] * watched),
        *(" " + line for line in [*functions, *common.outlined, *kernel]),
        " return thread",
    ]
    source = "\n".join(lines) + "\n"
    names = {**ENVIRONMENT, **common.types, "allocate": allocate}
    exec(compile(source, "<interpreted kernel>", "exec"), names)
    return Program(names["make"], common.sites, common.waits, common.shared, common.accesses, source, team)


def _waiting_functions(module: Module) -> set[str]:
    """Symbols of functions that wait for other threads, directly or through calls."""
    found: set[str] = set()
    grew = True
    while grew:
        grew = False
        for symbol, function in module.functions.items():
            if symbol not in found and any(waits(op, found) for op in function.walk()):
                found.add(symbol)
                grew = True
    return found


class _Writer:
    """Writes one function."""

    def __init__(self, common: _Shared) -> None:
        self.common = common
        self.names: dict[Value, str] = {}
        self.lines: list[str] = []
        self.indent = 1
        self.loops = 0
        self.checks = False

    def put(self, line: str) -> None:
        self.lines.append(" " * self.indent + line)

    def new(self, value: Value) -> str:
        prefix = "m" if isinstance(value.type, (ArrayType, MemType)) else "v"
        name = f"{prefix}{self.common.count}"
        self.common.count += 1
        self.names[value] = name
        return name

    def of(self, value: Value) -> str:
        return self.names[value]

    def all(self, values: list[Value]) -> list[str]:
        return [self.names[v] for v in values]

    def function(self, op: Op, name: str) -> list[str]:
        """A device function: ids first, then its parameters."""
        self.checks = self.common.check and not op.attributes.get("trusted")
        block = op.regions[0]
        parameters = "".join(f", {self.new(v)}" for v in block.args)
        self.bind_all(block.args)
        self.block(block)
        self.put(f"return ({''.join(f'{v}, ' for v in self.all(block.terminator.operands))})")
        return [f"def {name}({IDS}{parameters}):", *self.lines]

    def kernel(self, op: Op) -> list[str]:
        """The thread function, over parameters bound once per launch."""
        self.checks = self.common.check and not op.attributes.get("trusted")
        block = op.regions[0]
        self.indent = 0
        names = "".join(f"{self.new(v)}, " for v in block.args)
        if names:
            self.put(f"{names}= launch.arguments")
        self.bind_all(block.args)
        self.put(f"def thread({IDS}):")
        self.indent = 1
        self.block(block)
        self.put("return")
        return self.lines

    def bind_all(self, values: list[Value]) -> None:
        for value in values:
            if isinstance(value.type, (ArrayType, MemType)):
                self.bind(value)

    def bind(self, value: Value) -> None:
        """Give a memory's extents and its views, by leaf type, names of their own."""
        t: Any = value.type
        m = self.of(value)
        self.put(f"({''.join(f'{m}_n{k}, ' for k in range(t.rank))}) = {m}.shape")
        wanted: dict[str, None] = {}
        for op, _ in value.uses:
            if "leaf" in getattr(op, "fields", ()):
                wanted[leaf_place(t.elem, op.leaf)[0].name] = None
        for name in wanted:
            strides = "".join(f"{m}_{name}_s{k}, " for k in range(t.rank))
            self.put(f"{m}_{name}, {m}_{name}_b, ({strides}) = {m}.leaf(D_{name})")
        if self.common.watched:
            self.put(f"{m}_w = watch({m})")

    def block(self, block: Block) -> None:
        """All ops of a region but its terminator."""
        for op in block.ops[:-1]:
            self.op(op)

    def op(self, op: Op) -> None:
        if op.name == "arith.const":
            value = op.results[0]
            self.names[value] = literal(value.type, op.attributes["value"])
        elif op.name in EXPRESSIONS:
            if self.checks and op.name in ("arith.floordiv", "arith.mod"):
                self.check_division(op)
            args = self.all(op.operands)
            self.put(write(op, self.new(op.results[0]), args, self.common.index_bits))
        elif op.regions and (self.indent > _MAX_INDENT or self.loops > _MAX_LOOPS):
            self.outline(op)
        elif self.common.team and is_guarded(op) and not op.traits & (SYNC | GANG):
            kept, self.lines, indent, self.indent = self.lines, [], self.indent, 0
            _STATEMENTS[op.name](self, op)
            written, self.lines, self.indent = self.lines, kept, indent
            guard(self, op, written)
        elif op.name in _STATEMENTS:
            _STATEMENTS[op.name](self, op)
        elif op.traits & (SYNC | GANG):
            self.wait(op)
        else:
            raise InternalError(f"the interpreter does not know {op.name}")

    def site(self, op: Op, kind: str, text: str = "", axis: int = 0) -> int:
        self.common.sites.append(Site(kind, op.span, text, axis))
        return len(self.common.sites) - 1

    def check_division(self, op: Op) -> None:
        if op.results[0].type.is_integer:
            site = self.site(op, "divide")
            fails = f"dies(alive, (g0, g1, g2), Failed({site}, ()))" if self.common.team else f"fail({site})"
            self.put(f"if not {self.of(op.operands[1])}: {fails}")

    def wait(self, op: Op) -> None:
        """Yield the place, the value and the second operand; the scheduler sends the result."""
        place = len(self.common.waits)
        self.common.waits.append(op)
        args = [*self.all(op.operands), "None", "None"][:2]
        target = f"{self.new(op.results[0])} = " if op.results else ""
        self.put(f"{target}yield ({place}, {args[0]}, {args[1]})")

    def outline(self, op: Op) -> None:
        """Move a deeply nested region op into a function of its own."""
        first = self.common.count
        kept = self.lines, self.indent, self.loops
        self.lines, self.indent, self.loops = [], 1, 0
        _STATEMENTS[op.name](self, op)
        self.put(f"return ({''.join(f'{v}, ' for v in self.all(op.results))})")
        body = self.lines
        self.lines, self.indent, self.loops = kept
        used = dict.fromkeys(name for line in body for name in _NAME.findall(line))
        free = [n for n in used if int(re.match(r"[vm](\d+)", n)[1]) < first]  # type: ignore[index]
        results = "".join(f"{self.new(v)}, " for v in op.results)
        name = f"x_{self.common.count}"
        self.common.count += 1
        parameters = ", ".join([IDS, *free])
        self.common.outlined += [f"def {name}({parameters}):", *body]
        waiting = any(waits(inner, self.common.waiting) for inner in op.walk())
        call = f"(yield from {name}({parameters}))" if waiting else f"{name}({parameters})"
        self.put(f"{results}= {call}" if results else call)

    def access(self, op: Op, memory: Value, indices: list[Value], ahead: int = 0) -> str:
        """The place of an access, `ahead` on the last axis, in its typed view, after bounds checks."""
        m = self.of(memory)
        dtype, offset = leaf_place(memory.type.elem, op.leaf)
        terms = [f"{m}_{dtype.name}_b"]
        for axis, index in enumerate(indices):
            i = f"({self.of(index)} + {ahead})" if ahead and axis == memory.type.rank - 1 else self.of(index)
            site = self.site(op, "bounds", memory.hint, axis)
            self.put(f"if not 0 <= {i} < {m}_n{axis}: fail({site}, {i}, {m}_n{axis})")
            terms.append(f"{i} * {m}_{dtype.name}_s{axis}")
        if offset:
            terms.append(str(offset))
        place = " + ".join(terms)
        if self.common.watched:
            self.watch(op, memory, f"({place}) * {dtype.itemsize}", self.all(indices))
        return f"{m}_{dtype.name}[{place}]"

    def watch(self, op: Op, memory: Value, place: str, indices: list[str]) -> None:
        """Tell of an access, where its memory is one that threads share."""
        order = op.attributes.get("order", "")
        number = len(self.common.accesses)
        self.common.accesses.append(Access(op.span, memory.hint or "an array", ACCESSES[op.name], order))
        m, at = self.of(memory), "".join(f"{i}, " for i in indices)
        self.put(f"if {m}_w: touch({number}, {m}_w, {place}, ({at}), (g0, g1, g2))")

    def read(self, op: Op, memory: Value, place: str, target: str) -> None:
        name = leaf_place(memory.type.elem, op.leaf)[0].name
        self.put(
            f"{target} = {name}_from_bits({place})" if name in ("f16", "bf16") else f"{target} = {place}"
        )

    def store(self, op: Op, memory: Value, place: str, value: str) -> None:
        name = leaf_place(memory.type.elem, op.leaf)[0].name
        self.put(f"{place} = {name}_bits({value})" if name in ("f16", "bf16") else f"{place} = {value}")


def _if(w: _Writer, op: Op) -> None:
    targets = ", ".join([w.new(v) for v in op.results])
    w.put(f"if {w.of(op.operands[0])}:")
    for number, region in enumerate(op.regions):
        if number:
            if not targets and len(region.ops) == 1:
                return
            w.put("else:")
        w.indent += 1
        w.block(region)
        w.put(f"{targets} = {', '.join(w.all(region.terminator.operands))}" if targets else "pass")
        w.indent -= 1


def _begin(w: _Writer, args: list[Value], initial: list[Value]) -> str:
    """Give carried values their first values; the names as an assignment's target."""
    given = w.all(initial)
    names = [w.new(v) for v in args]
    if names:
        w.put(f"{', '.join(names)} = {', '.join(given)}")
    return ", ".join(names)


def _next(w: _Writer, targets: str, values: list[Value]) -> None:
    if targets:
        w.put(f"{targets} = {', '.join(w.all(values))}")


def _for(w: _Writer, op: Op) -> None:
    body = op.regions[0]
    lower, upper, step = w.all(op.operands[:3])
    iv, *carried = body.args
    targets = _begin(w, carried, op.operands[3:])
    trips = f"range({lower}, {upper}, {step}) if {step} else ()"
    w.put(f"for {w.new(iv)} in {trips}:")
    w.indent += 1
    w.loops += 1
    w.put("tick()" if w.common.limited else "pass")
    if w.common.team and ends_early(op, w.common.waiting):
        w.put("if not alive[0]: break")
    w.block(body)
    _next(w, targets, body.terminator.operands)
    w.indent -= 1
    w.loops -= 1
    for value, arg in zip(op.results, carried, strict=True):
        w.names[value] = w.of(arg)


def _while(w: _Writer, op: Op) -> None:
    test, body = op.regions
    targets = _begin(w, test.args, op.operands)
    w.put("while True:")
    w.indent += 1
    w.loops += 1
    if w.common.limited:
        w.put("tick()")
    w.block(test)
    go, *passed = test.terminator.operands
    gone = " or not alive[0]" if w.common.team and ends_early(op, w.common.waiting) else ""
    w.put(f"if not {w.of(go)}{gone}: break")
    for arg, value in zip(body.args, passed, strict=True):
        w.names[arg] = w.of(value)
    w.block(body)
    _next(w, targets, body.terminator.operands)
    w.indent -= 1
    w.loops -= 1
    for value, given in zip(op.results, passed, strict=True):
        w.names[value] = w.of(given)


def _call(w: _Writer, op: Op) -> None:
    callee = op.attributes["callee"]
    arguments = ", ".join([IDS, *w.all(op.operands)])
    call = f"f_{w.common.numbers[callee]}({arguments})"
    if callee in w.common.waiting:
        call = f"(yield from {call})"
    targets = "".join(f"{w.new(v)}, " for v in op.results)
    w.put(f"{targets}= {call}" if targets else call)


def _load(w: _Writer, op: Op) -> None:
    place = w.access(op, op.operands[0], op.operands[1:])
    w.read(op, op.operands[0], place, w.new(op.results[0]))


def _store(w: _Writer, op: Op) -> None:
    place = w.access(op, op.operands[1], op.operands[2:])
    w.store(op, op.operands[1], place, w.of(op.operands[0]))


def _rmw(w: _Writer, op: Op) -> None:
    value, memory, *indices = op.operands
    place = w.access(op, memory, indices)
    old = w.new(op.results[0])
    w.read(op, memory, place, old)
    given = w.of(value)
    kind = op.attributes["kind"]
    if kind != "exchange":
        text = EXPRESSIONS[_COMBINE[kind].name](op, [old, given], w.common.index_bits)
        given = f"{old}_new"
        w.put(assign(given, text, op.results[0].type, kind in ("add", "sub")))
    w.store(op, memory, place, given)


def _cas(w: _Writer, op: Op) -> None:
    expected, value, memory, *indices = op.operands
    place = w.access(op, memory, indices)
    old = w.new(op.results[0])
    w.read(op, memory, place, old)
    t: Any = op.results[0].type
    same = f"{old} == {w.of(expected)}"
    if t.is_float:
        same = f"bits_of(D_{t.name}, {old}) == bits_of(D_{t.name}, {w.of(expected)})"
    w.put(f"if {same}:")
    w.indent += 1
    w.store(op, memory, place, w.of(value))
    w.indent -= 1


def _dim(w: _Writer, op: Op) -> None:
    w.names[op.results[0]] = f"{w.of(op.operands[0])}_n{op.attributes['axis']}"


def _shared(w: _Writer, op: Op) -> None:
    w.put(f"{w.new(op.results[0])} = shared[{len(w.common.shared)}]")
    w.common.shared.append(op.results[0].type)
    w.bind(op.results[0])


def _local(w: _Writer, op: Op) -> None:
    t: Any = op.results[0].type
    key = f"T_{w.common.count}"
    w.common.types[key] = t
    w.put(f"{w.new(op.results[0])} = allocate({key})")
    w.bind(op.results[0])


def _require(w: _Writer, op: Op) -> None:
    condition, *values = w.all(op.operands)
    a = op.attributes
    site = w.site(op, a["check"], a.get("text", ""), a.get("axis", 0))
    w.put(f"if not {condition}: fail({', '.join([str(site), *values])})")


def _print(w: _Writer, op: Op) -> None:
    types: Any = tuple(v.type for v in op.operands)
    w.common.sites.append(Site("print", op.span, parts=op.attributes["parts"], types=types))
    values = "".join(f"{v}, " for v in w.all(op.operands))
    w.put(f"out({len(w.common.sites) - 1}, (g0, g1, g2), ({values}))")


def _same(w: _Writer, op: Op) -> None:
    w.names[op.results[0]] = w.of(op.operands[0])


def _fence(w: _Writer, op: Op) -> None:
    if w.common.watched:
        w.put("fence((g0, g1, g2))")


def _axis(form: str) -> Callable[[_Writer, Op], None]:
    def name(w: _Writer, op: Op) -> None:
        w.names[op.results[0]] = form.format(op.attributes.get("axis", 0))

    return name


def _span(w: _Writer, op: Op) -> None:
    targets = ", ".join([w.new(v) for v in op.results])
    scope = op.attributes["scope"] == "grid"
    w.put(f"{targets} = span({scope}, {w.of(op.operands[0])}, g0, g1, g2)")


_STATEMENTS: dict[str, Callable[[_Writer, Op], None]] = {
    "control.if": _if,
    "control.for": _for,
    "control.while": _while,
    "control.call": _call,
    "memory.load": _load,
    "memory.store": _store,
    "memory.load_wide": load_wide,
    "memory.store_wide": store_wide,
    "memory.dim": _dim,
    "memory.shared": _shared,
    "memory.local": _local,
    "atomic.rmw": _rmw,
    "atomic.cas": _cas,
    "atomic.load": _load,
    "atomic.store": _store,
    "message.require": _require,
    "message.print": _print,
    "grid.global_id": _axis("g{}"),
    "grid.global_size": _axis("S{}"),
    "grid.local_id": _axis("l{}"),
    "grid.block_id": _axis("(g{0} // B{0})"),
    "grid.block_dim": _axis("B{}"),
    "grid.grid_dim": _axis("N{}"),
    "grid.span": _span,
    "grid.fence": _fence,
    "grid.active": lambda w, op: w.put(f"{w.new(op.results[0])} = alive[0]"),
    "grid.uniform": _same,
    "cast.split": split,
    "cast.join": join,
    "grid.clock": lambda w, op: w.put(f"{w.new(op.results[0])} = clock()"),
    "subgroup.size": _axis("SUB"),
    "subgroup.lane_id": _axis("lane"),
}
