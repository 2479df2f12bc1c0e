"""Lower a Python function to IR: one pass after another until the types of its names settle."""

from __future__ import annotations

import ast
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.annotations import (
    WEAK_BOOL,
    WEAK_FLOAT,
    Argument,
    StaticValue,
    WeakKind,
    signature_of,
)
from gyral.compiler.frontend.assigned import Assignment, statements_in, stored_names
from gyral.compiler.frontend.constructs import refusals
from gyral.compiler.frontend.expr import evaluate
from gyral.compiler.frontend.frame import Binding, Frame, Promotion, Refused, Unit
from gyral.compiler.frontend.joins import Join
from gyral.compiler.frontend.matching import PatternRefused
from gyral.compiler.frontend.messages import Resident
from gyral.compiler.frontend.names import joined
from gyral.compiler.frontend.program import ResidentProgram
from gyral.compiler.frontend.resolve import lift
from gyral.compiler.frontend.scope import Numbering, Scope
from gyral.compiler.frontend.source import Source, source_of
from gyral.compiler.frontend.static import Static
from gyral.compiler.frontend.stmt import lower_block
from gyral.compiler.frontend.structure import MAX_NESTING, Node, Structurer, Way
from gyral.compiler.frontend.values import (
    ACTOR_PARTS,
    Actor,
    Const,
    Datum,
    Grid,
    Host,
    Memory,
    Nothing,
    Record,
    Scalar,
    Tuple,
    Vector,
    from_leaves,
    rebuilt,
    scalars,
)
from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.graph import Block, Module, Value
from gyral.compiler.ir.ops.control import CallOp, FuncOp, ReturnOp
from gyral.compiler.stdlib import resident
from gyral.core.dtypes import ArrayType, DType, GenericInput, bool_, f64, i64, index, leaves, u32
from gyral.core.errors import CompileError, Diagnostic

MAX_PASSES = 16

Parameters = Callable[[Block, "Frame | None"], list[tuple[str, Datum]]]


class Lowered(Module):
    """A module fresh from the frontend, with the conversions its user did not write."""

    def __init__(self) -> None:
        super().__init__()
        self.promotions: tuple[Promotion, ...] = ()


def lower_kernel(
    fn: Callable[..., Any],
    arguments: Sequence[Argument],
    *,
    rank: int | None = None,
    block: tuple[int, ...] | None = None,
    fastmath: bool = False,
    check: bool = False,
    frozen: MutableMapping[tuple[str, str], Any] | None = None,
    resident: Callable[[Frame], Value] | None = None,
) -> Lowered:
    """The IR of a kernel for one argument per parameter; CompileError with every finding.

    `rank` None takes it from the words the kernel names. `block` is that of the kernel or the launch, if any.
    `frozen` keeps captured values from one call to the next: give the same mapping for every specialisation.
    `resident` makes this a loop that stays on the device: see `Unit`.
    """
    module = Lowered()
    unit = Unit(
        fn.__name__,
        module,
        check,
        fastmath,
        block or (),
        {} if frozen is None else frozen,
        specialise=specialise,
        resident=resident,
    )
    source = source_of(fn)
    specs = signature_of(fn)
    if len(specs) != len(arguments):
        raise ValueError(f"{fn.__name__} has {len(specs)} parameters and is given {len(arguments)} arguments")

    def parameters(body: Block, f: Frame | None) -> list[tuple[str, Datum]]:
        named = []
        for spec, argument in zip(specs, arguments, strict=True):
            readonly = isinstance(spec.annotation, GenericInput) or getattr(
                spec.annotation, "readonly", False
            )
            named.append((spec.name, _argument(body, spec.name, argument, readonly, f, source.tree)))
        return named

    unit.stack.append(fn)
    body, _ = lower_body(unit, fn, source, parameters, is_kernel=True)
    found = _rank(unit, rank)
    if not unit.block and unit.named:
        raise CompileError(*unit.named.values())
    module.add(
        FuncOp.make(regions=[body], symbol=fn.__name__, kind="kernel", rank=found, block=unit.block,
                    fastmath=fastmath, trusted=unit.resident is not None or None,
                    span=source.span(source.tree))
    )  # fmt: skip
    _drop_uncalled(module)
    module.promotions = tuple(unit.promotions)
    return module


def lower_resident(program: ResidentProgram) -> Lowered:
    """The loop of a program of actors: a kernel of the arena, each class's arrays, `budget` and `spins`."""
    module = Lowered()
    unit = Unit(
        resident.loop.__name__, module, True, False, program.block, {},
        plain_functions=True, specialise=specialise, resident=Resident(program), way=program.way,
    )  # fmt: skip
    source = source_of(resident.loop)

    def parameters(body: Block, f: Frame | None) -> list[tuple[str, Datum]]:
        arena = Memory(body.add_arg(ArrayType(u32, 1), "arena"), "arena")
        world = []
        for cls in program.classes:
            shapes = [("state", cls.record, 1)]
            shapes += [(one.name, one.type, 1 + len(one.shape)) for one in cls.arrays]
            made = ((f"{cls.name}.{name}", ArrayType(t, rank)) for name, t, rank in shapes)
            world.append(Tuple(tuple(Memory(body.add_arg(t, name), name) for name, t in made)))
        counts = [(name, Scalar(body.add_arg(u32, name))) for name in ("budget", "spins")]
        return [("arena", arena), ("world", Tuple(tuple(world))), *counts]

    unit.stack.append(resident.loop)
    body, _ = lower_body(unit, resident.loop, source, parameters, is_kernel=True)
    module.add(
        FuncOp.make(regions=[body], symbol="loop", kind="kernel", rank=1, block=program.block, trusted=True,
                    span=source.span(source.tree))
    )  # fmt: skip
    _drop_uncalled(module)
    return module


def lower_function(
    fn: Callable[..., Any], arguments: Sequence[DType], *, symbol: str, fastmath: bool = False
) -> Module:
    """The IR of a function of scalars by itself, with every function it calls; plain functions may be called.

    This is how the bodies of the standard library are compiled.
    """
    module = Module()
    unit = Unit(fn.__name__, module, False, fastmath, (), {}, plain_functions=True, specialise=specialise)
    names = [spec.name for spec in signature_of(fn)]

    def parameters(body: Block, f: Frame | None) -> list[tuple[str, Datum]]:
        return [(name, Scalar(body.add_arg(t, name))) for name, t in zip(names, arguments, strict=True)]

    _lower_called(unit, fn, parameters, symbol)
    return module


def specialise(unit: Unit, fn: Callable[..., Any], data: list[tuple[str, Datum]]) -> tuple[str, Datum]:
    """Lower a called function for the form of its arguments; its symbol, and the form of its result."""

    def parameters(body: Block, f: Frame | None) -> list[tuple[str, Datum]]:
        return [(name, _parameter(body, name, datum)) for name, datum in data]

    return _lower_called(unit, fn, parameters, f"{fn.__name__}.{len(unit.specialisations)}")


def _lower_called(
    unit: Unit, fn: Callable[..., Any], parameters: Parameters, symbol: str
) -> tuple[str, Datum]:
    source = source_of(fn, methods=unit.resident is not None)
    unit.stack.append(fn)
    try:
        body, result = lower_body(unit, fn, source, parameters, is_kernel=False)
    finally:
        unit.stack.pop()
    returns = tuple(s.dtype for s in scalars(result))
    while symbol in unit.module.functions:
        symbol += "_"
    unit.module.add(
        FuncOp.make(regions=[body], symbol=symbol, kind="func", returns=returns, fastmath=unit.fastmath,
                    trusted=unit.is_trusted(fn) or None, span=source.span(source.tree))
    )  # fmt: skip
    return symbol, result


def _argument(
    body: Block, name: str, argument: Argument, readonly: bool, f: Frame | None, node: ast.AST
) -> Datum:
    """A kernel's parameter as block arguments: one per scalar leaf, one per array."""
    if isinstance(argument, ArrayType):
        t = ArrayType(argument.elem, argument.rank, argument.readonly or readonly)
        return Memory(body.add_arg(t, name), name)
    if isinstance(argument, WeakKind):
        if argument is WEAK_BOOL:
            return Scalar(body.add_arg(bool_, name))
        return Scalar(body.add_arg(f64 if argument is WEAK_FLOAT else i64, name), "given")
    if isinstance(argument, StaticValue):
        return _static(argument.value, name, f, node)
    values = [body.add_arg(leaf.dtype, ".".join((name, *leaf.path))) for leaf in leaves(argument)]
    return from_leaves(argument, iter(values))


def _static(value: Any, name: str, f: Frame | None, node: ast.AST) -> Datum:
    if isinstance(value, tuple):
        return Tuple(tuple(_static(item, name, f, node) for item in value))
    if type(value) in (bool, int, float):
        return Const(value)
    return Host(value) if f is None else lift(f, value, f"{name} =", node)


def _parameter(body: Block, name: str, datum: Datum) -> Datum:
    """A called function's parameter in the form of the argument it is given."""
    if isinstance(datum, Memory):
        return Memory(body.add_arg(datum.value.type, name), name, datum.readonly)
    if isinstance(datum, Grid):
        memory = Memory(body.add_arg(datum.memory.value.type, name), datum.name, True)
        return Grid(memory, Scalar(body.add_arg(index, f"{name}.at")), datum.strides, datum.reach, datum.name)
    if isinstance(datum, Tuple):
        return Tuple(tuple(_parameter(body, name, item) for item in datum.items))
    if isinstance(datum, Actor):
        parts = zip(ACTOR_PARTS, datum.parts.items, strict=True)
        made = tuple(_parameter(body, f"{name}.{part}", item) for part, item in parts)
        return Actor(datum.role, datum.role_number, Tuple(made))
    if isinstance(datum, (Scalar, Vector, Record)):
        return rebuilt(datum, (body.add_arg(s.dtype, name) for s in scalars(datum)))
    return datum


@dataclass(slots=True)
class Plan:
    """A function ready to be lowered: its structured statements and the webs of its names."""

    nodes: list[Node]
    scope: Scope
    forms: dict[tuple[int, str], Binding] = field(default_factory=dict)
    joins: dict[int, Join] = field(default_factory=dict)


def lower_body(
    unit: Unit, fn: Callable[..., Any], source: Source, parameters: Parameters, *, is_kernel: bool
) -> tuple[Block, Datum]:
    """The body of a function and its result; CompileError when anything in it was refused."""
    try:
        return _settled_body(unit, fn, source, parameters, is_kernel)
    except RecursionError:
        raise CompileError(source.diagnostic(codes.TOO_DEEP, source.tree, limit=MAX_NESTING)) from None


def _settled_body(
    unit: Unit, fn: Callable[..., Any], source: Source, parameters: Parameters, is_kernel: bool
) -> tuple[Block, Datum]:
    """Passes over a function until the types of its names stand."""
    found = refusals(source, is_kernel)
    if found:
        raise CompileError(*found)
    plan = _plan(unit, fn, source, dict(parameters(Block(), None)))
    for _ in range(MAX_PASSES):
        f, body, result = _pass(unit, fn, source, plan, parameters, is_kernel)
        joins = plan.joins.values()
        changed = [join.name for join in joins if join.settle()]
        if not changed and not f.incomplete:
            if not f.unsettled:
                break
            for join in joins:
                join.harden()
        elif f.diagnostics and not changed:
            break
        for join in joins:
            join.begin()
    else:
        raise CompileError(source.diagnostic(codes.UNSETTLED, source.tree))
    findings = [*f.diagnostics, *_conflicts(f, plan)]
    if findings:
        raise CompileError(*sorted(findings, key=lambda d: (d.span.file != source.file, d.span.line)))
    return body, result


def _pass(
    unit: Unit, fn: Callable[..., Any], source: Source, plan: Plan, parameters: Parameters, is_kernel: bool
) -> tuple[Frame, Block, Datum]:
    """One pass over a function with the types assumed so far."""
    body = Block()
    f = Frame(unit, fn, source, plan.scope, plan.joins, plan.forms, Builder(body), body, evaluate, is_kernel)
    f.at(source.tree)
    for name, datum in parameters(body, f):
        _enter(f, name, datum, source.tree)
    lower_block(f, plan.nodes)
    f.at(source.tree)
    binding = f.names.get("$value")
    result = Nothing(f"{fn.__name__}()") if binding is None else _settle_result(f, binding[0], source)
    f.builder.op(ReturnOp, *(s.value for s in scalars(result)))
    return f, body, result


def _enter(f: Frame, name: str, datum: Datum, node: ast.AST) -> None:
    """Bind a parameter; one that is assigned again joins its type with the rest."""
    web = f.scope.parameters.get(name)
    if web is not None and web in f.scope.shared:
        join = f.joins.get(web)
        if join is None:
            join = f.joins[web] = Join(name)
        try:
            f.names[name] = joined(f, join, datum, node), join
        except Refused as refused:
            f.diagnostics.append(refused.diagnostic)
            f.poisoned.add(name)
    else:
        f.names[name] = datum, None


def _settle_result(f: Frame, datum: Datum, source: Source) -> Datum:
    """A function's result: names that met nothing typed have their default type from here on."""
    if isinstance(datum, Scalar):
        return Scalar(datum.value, "" if datum.weak == "joined" else datum.weak)
    if isinstance(datum, Tuple):
        return Tuple(tuple(_settle_result(f, item, source) for item in datum.items))
    if isinstance(datum, Memory):
        f.diagnostics.append(source.diagnostic(codes.RETURNED, source.tree, what=f"the array {datum.name!r}"))
        return Nothing(source.name)
    return datum


def _plan(unit: Unit, fn: Callable[..., Any], source: Source, parameters: dict[str, Datum]) -> Plan:
    """Structure a function's statements, check that its names are set, and find its webs."""
    tree = source.tree
    local = stored_names(tree.body)
    static = Static(unit, fn, parameters, local)

    def too_deep(node: ast.AST) -> None:
        raise CompileError(source.diagnostic(codes.TOO_DEEP, node, limit=MAX_NESTING))

    structurer = Structurer(static.truth, too_deep)
    try:
        nodes = structurer.function(tree.body)
    except PatternRefused as refused:
        raise CompileError(source.diagnostic(refused.code, refused.node, what=refused.what)) from None
    except RecursionError:
        raise CompileError(source.diagnostic(codes.TOO_DEEP, tree, limit=MAX_NESTING)) from None
    _check_returns(source, structurer)
    assignment = Assignment(local | set(parameters), static.truth)
    assignment.block(tree.body, set(parameters))
    if assignment.unset:
        unique = {(n.lineno, n.col_offset): n for n in assignment.unset}
        places = [unique[key] for key in sorted(unique)]
        raise CompileError(*(source.diagnostic(codes.MAYBE_UNSET, n, name=n.id) for n in places))
    numbering = Numbering(parameters)
    numbering.block(nodes)
    numbering.read(ast.Name("$value", ast.Load()))
    scope = numbering.resolve()
    scope.local = local | set(parameters)
    return Plan(nodes, scope)


def _check_returns(source: Source, structurer: Structurer) -> None:
    """Refuse a function that returns a value on some paths only."""
    returns = [n for n in statements_in(source.tree.body) if isinstance(n, ast.Return)]
    valued = [n for n in returns if n.value is not None]
    if valued and (len(valued) < len(returns) or structurer.flow(source.tree.body) & Way.FALL):
        is_none = all(isinstance(n.value, ast.Constant) and n.value.value is None for n in valued)
        if not is_none:
            raise CompileError(source.diagnostic(codes.PARTIAL_RETURN, valued[0], name=source.name))


def _conflicts(f: Frame, plan: Plan) -> list[Diagnostic]:
    """Names that are assigned types which have no join."""
    found = []
    for join in plan.joins.values():
        conflict = join.conflict()
        if conflict is not None:
            t, node, other, place = conflict
            note = None if place is None else (f"{join.name!r} is {other} here", place)
            name = join.name if not join.name.startswith("$") else "the result"
            found.append(f.finding(codes.REBOUND, node, note, name=name, new=t, old=other))
    return found


def _rank(unit: Unit, given: int | None) -> int:
    """The rank of the launch: given, said by global_ids, or one more than the highest axis named."""
    if len(unit.ids) > 1:
        raise CompileError(*unit.ids.values())
    rank = given or next(iter(unit.ids), 0) or 1 + max(unit.axes, default=0)
    wrong = [unit.ids[n] for n in unit.ids if n > rank] + [
        unit.axes[a] for a in sorted(unit.axes) if a >= rank
    ]
    if wrong:
        raise CompileError(*wrong)
    return rank


def _drop_uncalled(module: Module) -> None:
    """Drop functions that only passes before the last one called; the kernel stands last."""
    pending: list[Operation] = [f for f in module.functions.values() if f.attributes["kind"] == "kernel"]  # type: ignore[misc]
    reached: set[str] = set()
    while pending:
        for op in pending.pop().walk():
            if isinstance(op, CallOp) and op.callee not in reached:
                reached.add(op.callee)
                pending.append(module.functions[op.callee])  # type: ignore[arg-type]
    for symbol in [s for s, f in module.functions.items() if f.attributes["kind"] != "kernel"]:
        if symbol not in reached:
            del module.functions[symbol]
