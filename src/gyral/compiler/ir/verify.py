"""Is this graph well formed? Reads the declarations; says what they cannot: scopes, regions, calls.

`verify` runs after the frontend, after each pass in tests, and on parsed text.
"""

from __future__ import annotations

from collections.abc import Callable

from gyral.compiler.ir.define import Field, Operation
from gyral.compiler.ir.graph import Block, Module, Op, Value
from gyral.compiler.ir.traits import TERMINATOR
from gyral.compiler.ir.types import MemType, Type
from gyral.core.dtypes import ArrayType
from gyral.core.errors import InternalError

OpCheck = Callable[[Op], None]

# Any op may carry this: its float arithmetic is exact as written even in a fastmath function.
STRICT = "strict"

# Where each terminator may stand: the ops whose regions it ends, and which of them.
_ENDS = {
    "control.if": ("control.yield", "control.yield"),
    "control.for": ("control.yield",),
    "control.while": ("control.test", "control.yield"),
    "control.func": ("control.return",),
}


def verify(module: Module, extra: OpCheck | None = None, after: str = "") -> None:
    """Raise InternalError when the module is not well formed; `after` names what made it.

    `extra` checks single ops further, raising ValueError (the intrinsics' signatures, say).
    """
    try:
        check(module, extra)
    except ValueError as fault:
        where = f" after {after}" if after else ""
        raise InternalError(f"the compiler built a malformed program{where}: {fault}") from fault


def check(module: Module, extra: OpCheck | None = None) -> None:
    """As `verify`, but raises ValueError with a sentence that names the op."""
    kernels = [f for f in module.functions.values() if f.attributes.get("kind") == "kernel"]
    if len(kernels) > 1:
        raise ValueError("a module holds at most one kernel")
    for symbol, function in module.functions.items():
        if function.name != "control.func" or function.attributes.get("symbol") != symbol:
            raise ValueError(f"{symbol!r} is not a function of that name")
        _Checker(module, extra).op(function)
    _check_calls(module)


class _Checker:
    """Walks one function with the set of values in scope."""

    def __init__(self, module: Module, extra: OpCheck | None) -> None:
        self.module = module
        self.extra = extra
        self.scope: set[Value] = set()

    def op(self, op: Op) -> None:
        try:
            for slot, value in enumerate(op.operands):
                if value not in self.scope:
                    raise ValueError(f"operand {slot} is used where it is not defined")
                if (op, slot) not in value.uses:
                    raise ValueError(f"operand {slot} does not know this use")
            _check_fields(op)
            _check_regions(op)
            if op.name == "control.call":
                _check_call(op, self.module)
            op.verify_()
            if self.extra is not None:
                self.extra(op)
        except ValueError as fault:
            raise ValueError(f"{op.name} at {op.span}: {fault}") from fault
        for region in op.regions:
            self.block(region)
        self.scope.update(op.results)

    def block(self, block: Block) -> None:
        local = set(block.args)
        self.scope |= local
        for op in block.ops:
            if op.parent is not block:
                raise ValueError(f"{op.name} at {op.span}: stands in another block than it thinks")
            self.op(op)
            local.update(op.results)
        self.scope -= local


def _check_fields(op: Op) -> None:
    if not isinstance(op, Operation):
        raise ValueError("is not a declared op")
    found: dict[str, Type] = {}
    counts = {"operand": len(op.operands), "result": len(op.results)}
    for field in op.fields.values():
        match field.part:
            case "operand" | "result":
                _check_single(op, field, found)
                counts[field.part] -= 1
            case "operands" | "results":
                values = (op.operands if field.part == "operands" else op.results)[field.slot :]
                for value in values:
                    _check_type(field, value.type, found)
                counts[field.part[:-1]] -= len(values)
            case _:
                continue
    for part, rest in counts.items():
        if rest:
            raise ValueError(f"{rest} {part}s too many")
    _check_attributes(op)


def _check_single(op: Op, field: Field, found: dict[str, Type]) -> None:
    values = op.operands if field.part == "operand" else op.results
    if field.slot >= len(values):
        raise ValueError(f"{field.part} {field.key!r} is missing")
    t = values[field.slot].type
    if field.part == "result" and field.default is not None and t is not field.default:
        raise ValueError(f"result {field.key!r} is {t}, not {field.default}")
    _check_type(field, t, found)
    found[field.key] = t


def _check_type(field: Field, t: Type, found: dict[str, Type]) -> None:
    if field.same_as:
        if t != found[field.same_as]:
            raise ValueError(f"{field.key!r} is {t}, but {field.same_as!r} is {found[field.same_as]}")
    elif not field.constraint.holds(t):
        raise ValueError(f"{field.key!r} is {t}, not {field.constraint.name}")


def _check_attributes(op: Operation) -> None:
    for key in op.attributes:
        if key == STRICT:
            continue
        if key not in op.fields or op.fields[key].part != "attr":
            raise ValueError(f"has no attribute {key!r}")
    for key, field in op.fields.items():
        if field.part != "attr":
            continue
        if key not in op.attributes:
            if not field.optional:
                raise ValueError(f"attribute {key!r} is missing")
            continue
        value = op.attributes[key]
        wanted = field.of if isinstance(field.of, tuple) else (field.of,)
        if type(value) not in wanted:
            raise ValueError(f"attribute {key!r} is {value!r}")
        if field.choices and value not in field.choices:
            raise ValueError(
                f"attribute {key!r} is {value!r}, not one of {', '.join(map(str, field.choices))}"
            )
        if key == "axis" and not 0 <= value < 4:
            raise ValueError(f"axis {value} does not exist")


def _types(values: list[Value]) -> list[Type]:
    return [v.type for v in values]


def _check_regions(op: Op) -> None:
    ends = _ENDS.get(op.name, ())
    if len(op.regions) != len(ends):
        raise ValueError(f"has {len(op.regions)} regions, not {len(ends)}")
    for region, end in zip(op.regions, ends, strict=True):
        if region.parent is not op:
            raise ValueError("a region belongs to another op")
        if not region.ops or region.ops[-1].name != end:
            raise ValueError(f"a region does not end in {end}")
        for inner in region.ops[:-1]:
            if getattr(inner, "traits", TERMINATOR) & TERMINATOR:
                raise ValueError(f"{inner.name} stands in the middle of a region")
    rule = _RULES.get(op.name)
    if rule is not None:
        rule(op)


def _expect(what: str, got: list[Type], wanted: list[Type]) -> None:
    if got != wanted:
        raise ValueError(f"{what} {_spell(got)}, not {_spell(wanted)}")


def _spell(types: list[Type]) -> str:
    return f"({', '.join(map(str, types))})"


def _check_if(op: Op) -> None:
    for region in op.regions:
        _expect("a side takes", _types(region.args), [])
        _expect("a side yields", _types(region.ops[-1].operands), _types(op.results))


def _check_for(op: Op) -> None:
    carried = _types(op.operands[3:])
    (body,) = op.regions
    _expect("the body takes", _types(body.args), [op.operands[0].type, *carried])
    _expect("the body yields", _types(body.ops[-1].operands), carried)
    _expect("results are", _types(op.results), carried)


def _check_while(op: Op) -> None:
    test, body = op.regions
    _expect("the test takes", _types(test.args), _types(op.operands))
    passed = _types(test.ops[-1].operands[1:])
    _expect("the body takes", _types(body.args), passed)
    _expect("results are", _types(op.results), passed)
    _expect("the body yields", _types(body.ops[-1].operands), _types(op.operands))


def _check_func(op: Op) -> None:
    returns = list(op.attributes.get("returns", ()))
    if op.attributes.get("kind") == "kernel" and returns:
        raise ValueError("a kernel returns nothing")
    if not 1 <= op.attributes.get("rank", 1) <= 3:
        raise ValueError("a launch has one to three axes")
    _expect("returns", _types(op.regions[0].ops[-1].operands), returns)


def _check_memory(op: Op) -> None:
    t, space = op.results[0].type, op.name.partition(".")[2]
    if not isinstance(t, MemType) or t.space != space:
        raise ValueError(f"gives {t}, not {space} memory")
    if any(extent < 1 for extent in t.shape):
        raise ValueError("on-chip memory has no empty axis")


def _check_dim(op: Op) -> None:
    if op.attributes.get("axis", 0) >= op.operands[0].type.rank:
        raise ValueError("the array has no such axis")


def _check_print(op: Op) -> None:
    parts = op.attributes.get("parts", ())
    if len(parts) != 2 * len(op.operands) + 1 or not all(isinstance(part, str) for part in parts):
        raise ValueError("parts do not alternate text and one spec per value")


_RULES: dict[str, OpCheck] = {
    "control.if": _check_if,
    "control.for": _check_for,
    "control.while": _check_while,
    "control.func": _check_func,
    "memory.shared": _check_memory,
    "memory.local": _check_memory,
    "memory.dim": _check_dim,
    "message.print": _check_print,
}


def _check_call(op: Op, module: Module) -> None:
    callee = module.functions.get(op.attributes.get("callee", ""))
    if callee is None:
        raise ValueError(f"no function {op.attributes.get('callee')!r}")
    if callee.attributes.get("kind") != "func":
        raise ValueError("a kernel cannot be called")
    wanted = callee.regions[0].args
    fits = len(wanted) == len(op.operands) and all(
        _accepts(w.type, given.type) for w, given in zip(wanted, op.operands, strict=True)
    )
    if not fits:
        raise ValueError(f"passes {_spell(_types(op.operands))} where {_spell(_types(wanted))} is taken")
    _expect("results are", _types(op.results), list(callee.attributes.get("returns", ())))


def _accepts(wanted: Type, given: Type) -> bool:
    if isinstance(wanted, ArrayType) and isinstance(given, ArrayType):
        same = (wanted.elem, wanted.rank) == (given.elem, given.rank)
        return same and (wanted.readonly or not given.readonly)
    return wanted == given


def _check_calls(module: Module) -> None:
    """No function reaches itself."""
    callees = {
        symbol: {op.attributes["callee"] for op in function.walk() if op.name == "control.call"}
        for symbol, function in module.functions.items()
    }
    done: set[str] = set()
    while len(done) < len(callees):
        ready = {symbol for symbol, called in callees.items() if symbol not in done and called <= done}
        if not ready:
            raise ValueError(
                f"functions call each other in a circle: {', '.join(sorted(callees.keys() - done))}"
            )
        done |= ready
