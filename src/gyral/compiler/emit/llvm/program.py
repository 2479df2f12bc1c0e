"""A whole kernel as LLVM text, and the signature a launch of it needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gyral.compiler.emit.llvm import (
    atomic,
    block,
    branch,
    elementwise,
    flat,
    gang,
    grid,
    local,
    loop,
    memory,
    message,
    solo,
    tile,
)
from gyral.compiler.emit.llvm.context import Given, Plan
from gyral.compiler.emit.llvm.form import LANE, ROW, Scalar
from gyral.compiler.emit.llvm.host import Host
from gyral.compiler.emit.llvm.memory import Memory
from gyral.compiler.emit.llvm.text import SCALAR_TYPES, Text
from gyral.compiler.ir.graph import Module, Op, Value
from gyral.compiler.ir.ops import arith, subgroup
from gyral.compiler.ir.ops import control as flow
from gyral.compiler.ir.ops import grid as place
from gyral.compiler.ir.ops import memory as mem
from gyral.compiler.ir.ops import message as say
from gyral.compiler.ir.ops.atomic import AtomicCasOp, AtomicLoadOp, AtomicRmwOp, AtomicStoreOp
from gyral.compiler.ir.ops.memory import LoadOp
from gyral.compiler.passes.touch import is_ordered
from gyral.compiler.passes.uniform import OWN_RESULTS, Seed, analyse, is_alone, written_parameters
from gyral.core.artifact import ArrayParameter, CompileOptions, Parameter, ScalarParameter, Signature
from gyral.core.dtypes import ArrayType

ENTRY = "gyral_entry"
RECORD_SLOT = 9 * 8
"""Byte offset of the record pointer in the frame; argument slots follow it."""

WRITERS = {
    **dict.fromkeys(elementwise.SPELL, elementwise.emit_elementwise),
    arith.ConstOp: elementwise.emit_const,
    flow.IfOp: branch.emit_if,
    flow.ForOp: loop.emit_for,
    flow.WhileOp: loop.emit_while,
    mem.LoadOp: memory.load,
    mem.StoreOp: memory.store,
    mem.DimOp: memory.dim,
    mem.LocalOp: local.emit_local,
    mem.SharedOp: block.emit_shared,
    place.GlobalIdOp: grid.emit_id,
    place.LocalIdOp: grid.emit_id,
    place.GlobalSizeOp: grid.emit_extent,
    place.BlockIdOp: grid.emit_extent,
    place.BlockDimOp: grid.emit_extent,
    place.GridDimOp: grid.emit_extent,
    place.SpanOp: grid.emit_span,
    place.ClockOp: grid.emit_clock,
    place.FenceOp: atomic.emit_fence,
    AtomicRmwOp: atomic.emit_rmw,
    AtomicCasOp: atomic.emit_cas,
    AtomicLoadOp: atomic.emit_load,
    AtomicStoreOp: atomic.emit_store,
    say.RequireOp: message.emit_require,
    say.PrintOp: message.emit_print,
    subgroup.SubgroupSizeOp: gang.emit_size,
    subgroup.LaneIdOp: gang.emit_lane,
    subgroup.SubgroupReduceOp: gang.emit_reduce,
    subgroup.SubgroupBallotOp: gang.emit_ballot,
    subgroup.SubgroupShuffleOp: gang.emit_shuffle,
    subgroup.SubgroupScanOp: gang.emit_scan,
}


@dataclass(frozen=True, slots=True)
class Emitted:
    """LLVM text whose function `gyral_entry` follows the CPU calling convention of a launch."""

    text: str
    signature: Signature


def emit(module: Module, options: CompileOptions, host: Host) -> Emitted:
    """Write the kernel of a legalised, inlined module for a processor."""
    function = module.kernel
    rank = function.attributes.get("rank", 1)
    alone = is_alone(function)
    blocked = alone or block.needs_block(function)
    lanes = host.lanes if blocked else tile.lanes(function, host.lanes)
    plan = Plan(host, options, function, lanes, {}, written_parameters(function), WRITERS)
    plan.checked = options.check != "off" or any(isinstance(op, say.RequireOp) for op in function.walk())
    plan.rescues = any(isinstance(op, say.RescueOp) for op in function.walk())
    plan.variance = {} if alone else analyse(function, _seed(plan, blocked, rank))
    text = Text()
    given, memories, parameters = _parameters(plan, text)
    if alone:
        solo.emit_solo(plan, text, memories, given)
        item = (1, 1, 1)
    elif blocked:
        item = block.emit_blocks(plan, text, memories, given)
    else:
        rows, cols = options.tile or tile.choose(function, rank, host.registers, plan.variance)
        flat.emit_flat(plan, text, rows, cols, memories, given)
        item = (1, rows, cols * plan.width)
    text.do("ret void")
    signature = Signature(
        name=function.attributes["symbol"],
        rank=rank,
        parameters=_signature_of(function, plan.written),
        options=options,
        item=item,
        scratch_bytes=plan.scratch_bytes,
        cost_ns=tile.estimate(function, item),
        sites=tuple(plan.sites),
    )
    return Emitted(_module_text(plan, text, parameters), signature)


def _seed(plan: Plan, blocked: bool, rank: int) -> Seed:
    """Where threads of a tile differ: lanes lie along the last axis, rows along the one before.

    In blocks every lane-wise difference is also one between gangs, and loads from memory that others write
    are taken again by each gang.
    """
    own = LANE | ROW

    def seed(op: Op) -> int:
        if isinstance(op, place.GlobalIdOp) and not blocked:
            return LANE if op.axis == rank - 1 else ROW if op.axis == rank - 2 else 0
        if isinstance(op, (place.GlobalIdOp, place.LocalIdOp)):
            return block.id_variance(plan, op.axis)
        if isinstance(op, (subgroup.SubgroupReduceOp, subgroup.SubgroupBallotOp)):
            return ROW
        if isinstance(op, OWN_RESULTS):
            return own
        if isinstance(op, (place.SpanOp, subgroup.LaneIdOp)):
            return own if blocked else LANE
        if isinstance(op, LoadOp):
            array = isinstance(op.memory.type, ArrayType)
            if not array and op.memory.type.space == "local":
                return own
            apart = plan.options.noalias or not plan.written
            stable = array and op.memory not in plan.written and apart and not plan.checked
            return 0 if stable or not blocked else ROW
        return ROW if isinstance(op, place.ClockOp) and blocked else 0

    return seed


def _parameters(plan: Plan, text: Text) -> tuple[Given, dict[Value, Any], list[str]]:
    """Names for every parameter of the body function, in slot order; each entry is its LLVM type and name."""
    given: Given = {}
    memories: dict[Value, Any] = {}
    names: list[str] = []
    arrays = 0
    steady = plan.options.noalias and not any(is_ordered(op) for op in plan.function.walk())
    for number, value in enumerate(plan.function.regions[0].args):
        if isinstance(value.type, ArrayType):
            unit = arrays < len(plan.options.unit_stride) and plan.options.unit_stride[arrays]
            memories[value] = _array(plan, value, f"%a{number}", unit, names, steady)
            arrays += 1
        else:
            kind = SCALAR_TYPES[value.type.name]
            names.append(f"{kind} %a{number}")
            given[value] = {(0, 0): Scalar(f"%a{number}")}
    return given, memories, names


def _array(plan: Plan, value: Value, name: str, unit: bool, names: list[str], steady: bool) -> Memory:
    """`steady`: nobody changes during the launch what it does not write itself."""
    rank = value.type.rank
    promise = "noalias " if plan.options.noalias else ""
    names.append(f"ptr {promise}{name}")
    extents = tuple(f"{name}e{axis}" for axis in range(rank))
    strides = [f"{name}s{axis}" for axis in range(rank)]
    names += [f"i64 {n}" for n in (*extents, *strides)]
    if unit:
        strides[-1] = str(value.type.elem.itemsize)
    return Memory(name, extents, tuple(strides), steady and value not in plan.written)


def _signature_of(function: Op, written: set[Value]) -> tuple[Parameter, ...]:
    read = {v for op in function.walk() if op.name != "memory.store" for v in op.operands}
    found: list[Parameter] = []
    for value in function.regions[0].args:
        if isinstance(value.type, ArrayType):
            found.append(
                ArrayParameter(value.hint, value.type.elem, value.type.rank, value in read, value in written)
            )
        else:
            found.append(ScalarParameter(value.hint, value.type))
    return tuple(found)


def _module_text(plan: Plan, text: Text, parameters: list[str]) -> str:
    """The body as an internal function, whose array parameters carry the no-alias promise, and the entry."""
    fixed = ["i64 %s0", "i64 %s1", "i64 %s2", "i64 %begin", "i64 %end", "ptr noalias %scratch", "ptr %record"]
    lines = [
        "define internal void @gyral_body(" + ", ".join(parameters + fixed) + ") #1 {",
        text.render(),
        "}",
    ]
    lines += [f"define void @{ENTRY}(ptr %frame, i64 %begin, i64 %end, ptr %scratch) #0 {{", "entry:"]
    passed = []
    for axis in range(3):
        lines += _frame_load(f"%s{axis}", "i64", 8 * axis)
    lines += _frame_load("%record", "ptr", RECORD_SLOT)
    for slot, parameter in enumerate(parameters):
        kind, name = parameter.replace("noalias ", "").split(" ")
        if kind == "i1":
            lines += [
                *_frame_load(f"{name}.b", "i8", RECORD_SLOT + 8 + 8 * slot),
                f"  {name} = icmp ne i8 {name}.b, 0",
            ]
        else:
            lines += _frame_load(name, kind, RECORD_SLOT + 8 + 8 * slot)
        passed.append(f"{kind} {name}")
    call = ", ".join(passed + fixed).replace("noalias ", "")
    lines += [f"  call void @gyral_body({call})", "  ret void", "}"]
    lines += plan.functions.values()
    lines += text.declarations.values()
    return "\n".join([*lines, *_attributes(plan), "!0 = !{}", ""])


def _frame_load(name: str, kind: str, offset: int) -> list[str]:
    return [
        f"  {name}.at = getelementptr i8, ptr %frame, i64 {offset}",
        f"  {name} = load {kind}, ptr {name}.at",
    ]


def _attributes(plan: Plan) -> list[str]:
    shared = f'nounwind "prefer-vector-width"="{32 * plan.width}" "no-builtins" "no-jump-tables"="true"'
    if plan.fast:
        shared += ' "reciprocal-estimates"="vec-divf:1,vec-sqrtf:1,divf:1,sqrtf:1"'
    return [f"attributes #0 = {{ {shared} }}", f"attributes #1 = {{ noinline {shared} }}"]
