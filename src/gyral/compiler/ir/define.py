"""Ops as declarations: fields say operands, results, attributes and regions; the rest is read from them.

    class AddOp(Operation):
        name = "arith.add"
        lhs = operand(NUMBER)
        rhs = operand(same_as="lhs")
        sum = result(same_as="lhs")
        traits = PURE | COMMUTATIVE

`AddOp.make(a, b)` infers the result type; `op.lhs`, `op.sum` read the fields.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from gyral.compiler.ir.graph import Block, Op, Value
from gyral.compiler.ir.traits import Trait
from gyral.compiler.ir.types import MemType, Type
from gyral.core.dtypes import ArrayType, DType, bool_, index, u32
from gyral.core.span import NOWHERE, Span


@dataclass(frozen=True, slots=True)
class Constraint:
    """A named set of types."""

    name: str
    holds: Callable[[Type], bool]


def _scalar(test: Callable[[DType], bool]) -> Callable[[Type], bool]:
    return lambda t: isinstance(t, DType) and test(t)


ANY = Constraint("any", lambda t: True)
SCALAR = Constraint("scalar", _scalar(lambda t: True))
NUMBER = Constraint("number", _scalar(lambda t: t is not bool_))
INTEGER = Constraint("integer", _scalar(lambda t: t.is_integer))
BITS = Constraint("integer or bool", _scalar(lambda t: t.is_integer or t is bool_))
FLOAT = Constraint("float", _scalar(lambda t: t.is_float))
BOOL = Constraint("bool", _scalar(lambda t: t is bool_))
INDEX = Constraint("index", _scalar(lambda t: t is index))
WORD = Constraint("u32", _scalar(lambda t: t is u32))
MEMORY = Constraint("memory", lambda t: isinstance(t, (ArrayType, MemType)))


@dataclass(slots=True)
class Field:
    """One declared part of an op; as a descriptor it reads that part of an instance."""

    part: str  # "operand", "operands", "result", "results", "attr", "region"
    constraint: Constraint = ANY
    same_as: str = ""
    of: type | tuple[type, ...] | None = None
    choices: tuple[Any, ...] = ()
    default: Any = None
    optional: bool = False
    key: str = ""
    slot: int = 0

    def __set_name__(self, owner: type, name: str) -> None:
        self.key = name

    def __get__(self, op: Op | None, owner: type) -> Any:
        if op is None:
            return self
        match self.part:
            case "operand":
                return op.operands[self.slot]
            case "operands":
                return op.operands[self.slot :]
            case "result":
                return op.results[self.slot]
            case "results":
                return op.results[self.slot :]
            case "attr":
                return op.attributes.get(self.key, self.default)
            case _:
                return op.regions[self.slot]


Declared: TypeAlias = Any


def operand(constraint: Constraint = ANY, same_as: str = "") -> Declared:
    """One operand, of a set of types or of the type of an earlier field."""
    return Field("operand", constraint, same_as)


def operands(constraint: Constraint = ANY, same_as: str = "") -> Declared:
    """All remaining operands; last of the operand fields."""
    return Field("operands", constraint, same_as)


def result(constraint: Constraint = ANY, same_as: str = "", of: DType | None = None) -> Declared:
    """One result; its type is inferred when `same_as` or `of` is given."""
    return Field("result", constraint, same_as, default=of)


def results(constraint: Constraint = ANY) -> Declared:
    """All remaining results; last of the result fields."""
    return Field("results", constraint)


def attr(
    of: type | tuple[type, ...], choices: tuple[Any, ...] = (), default: Any = None, optional: bool = False
) -> Declared:
    """One attribute; `default` stands when it is absent; without default and not optional it is required."""
    return Field("attr", of=of, choices=choices, default=default, optional=optional or default is not None)


def region() -> Declared:
    """One region of a single block."""
    return Field("region")


class Operation(Op):
    """Base of all declared ops."""

    __slots__ = ()
    traits: ClassVar[Trait] = Trait.NONE
    fields: ClassVar[dict[str, Field]] = {}
    registry: ClassVar[dict[str, type[Operation]]] = {}

    def __init_subclass__(cls) -> None:
        counts = {"operand": 0, "result": 0, "region": 0}
        fields = {k: f for k, f in cls.__dict__.items() if isinstance(f, Field)}
        for field in fields.values():
            group = field.part.rstrip("s") if field.part != "attr" else ""
            if group:
                field.slot = counts[group]
                counts[group] += 1
        cls.fields = fields
        if cls.name in Operation.registry:
            raise TypeError(f"two ops are named {cls.name}")
        Operation.registry[cls.name] = cls

    @classmethod
    def make(
        cls,
        *values: Value,
        types: Sequence[Type] | None = None,
        regions: Sequence[Block] = (),
        span: Span = NOWHERE,
        **attributes: Any,
    ) -> Operation:
        """Build an op; `types` are its result types where the declaration does not fix them."""
        if types is None:
            types = cls.infer(values)
        return cls(values, types, {k: v for k, v in attributes.items() if v is not None}, regions, span)

    @classmethod
    def infer(cls, values: Sequence[Value]) -> list[Type]:
        """Result types as the declaration fixes them."""
        found: list[Type] = []
        for field in cls.fields.values():
            if field.part == "result":
                if field.default is not None:
                    found.append(field.default)
                elif field.same_as:
                    found.append(values[cls.fields[field.same_as].slot].type)
                else:
                    raise TypeError(f"{cls.name} needs `types=`")
        return found

    def has(self, trait: Trait) -> bool:
        """Whether the declaration carries this trait."""
        return bool(self.traits & trait)

    def verify_(self) -> None:
        """Check what fields cannot say; raise ValueError with a sentence."""
