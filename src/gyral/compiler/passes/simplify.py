"""Identities of arithmetic: each pattern holds bit for bit, for NaN, infinities and signed zeros too."""

from __future__ import annotations

import math
from typing import Any

from gyral.compiler.ir.graph import Op, Value
from gyral.compiler.ir.ops.arith import (
    AbsOp,
    AddOp,
    AndOp,
    CmpOp,
    MulOp,
    NegOp,
    NotOp,
    ShrOp,
    SubOp,
    zero_of,
)
from gyral.compiler.ir.ops.cast import JoinOp
from gyral.compiler.ir.traits import COMMUTATIVE
from gyral.compiler.ir.verify import STRICT
from gyral.compiler.passes.rewrite import Pattern, Rewriter, constant_of, has, is_const
from gyral.core.dtypes import DType, bool_, index, round_float

_INVERSE = {"eq": "ne", "ne": "eq", "lt": "ge", "le": "gt", "gt": "le", "ge": "lt"}
_SWAPPED = {"eq": "eq", "ne": "ne", "lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
_TRUE_OF_SAME = ("eq", "le", "ge")


def constant_last(op: Op, rewriter: Rewriter) -> bool:
    """2 + x becomes x + 2."""
    lhs, rhs = op.operands
    if constant_of(lhs) is None or constant_of(rhs) is not None:
        return False
    if isinstance(op, CmpOp):
        op.attributes["predicate"] = _SWAPPED[op.predicate]
    elif not has(op, COMMUTATIVE):
        return False
    op.set_operands((rhs, lhs))
    return True


def neutral(op: Op, rewriter: Rewriter) -> bool:
    """x + 0, x - 0, x * 1, x / 1, x | 0, x ^ 0, x << 0, x & -1 become x; floats only where no bit changes."""
    lhs, rhs = op.operands
    t: Any = lhs.type
    what = op.name.partition(".")[2]
    if t.is_float:
        neutrals = {"add": -0.0, "sub": 0.0, "mul": 1.0, "div": 1.0}
    elif t is bool_:
        neutrals = {"and": True, "or": False, "xor": False}
    else:
        ones = (1 << t.bits) - 1 if t.kind == "uint" else -1
        neutrals = {
            "add": 0,
            "sub": 0,
            "mul": 1,
            "floordiv": 1,
            "or": 0,
            "xor": 0,
            "shl": 0,
            "shr": 0,
            "and": ones,
        }
    if what not in neutrals or not is_const(rhs, neutrals[what]):
        return False
    rewriter.replace(op, [lhs])
    return True


def absorbing(op: Op, rewriter: Rewriter) -> bool:
    """On integers x * 0, x & 0, x % 1 become 0; x | -1 becomes -1."""
    rhs, t = op.operands[1], op.operands[1].type
    what = op.name.partition(".")[2]
    if t.is_float:
        return False
    if what in ("mul", "and") and is_const(rhs, 0):
        rewriter.replace(op, [rhs])
        return True
    if what == "or" and is_const(rhs, 1 if t is bool_ else -1):
        rewriter.replace(op, [rhs])
        return True
    if what == "mod" and is_const(rhs, 1):
        rewriter.replace(op, [rewriter.constant(op, t, 0)])
        return True
    return False


def itself(op: Op, rewriter: Rewriter) -> bool:
    """x & x, x | x, min(x, x) become x; on integers x - x and x ^ x become 0, x == x true."""
    lhs, rhs = op.operands
    if lhs is not rhs:
        return False
    t: Any = lhs.type
    what = op.name.partition(".")[2]
    if what in ("and", "or", "min", "max"):
        rewriter.replace(op, [lhs])
        return True
    if t.is_float or what not in ("sub", "xor", "cmp"):
        return False
    if isinstance(op, CmpOp):
        rewriter.replace(op, [rewriter.constant(op, bool_, op.predicate in _TRUE_OF_SAME)])
    else:
        rewriter.replace(op, [rewriter.constant(op, t, zero_of(t))])
    return True


def gather_constants(op: Op, rewriter: Rewriter) -> bool:
    """(x + 1) + 2 becomes x + 3 and (x + 1) - 1 becomes x + 0, on integers."""
    lhs, rhs = op.operands
    t: Any = lhs.type
    outer = constant_of(rhs)
    if t.is_float or outer is None or not isinstance(lhs.owner, (AddOp, SubOp)):
        return False
    inner = constant_of(lhs.owner.rhs)
    if inner is None:
        return False
    total = sum(-c if isinstance(by, SubOp) else c for by, c in ((lhs.owner, inner), (op, outer)))
    if t is index and not -(1 << 31) < total < 1 << 31:
        return False
    constant = rewriter.constant(op, t, t.wrap(total) if t is not index else total)
    rewriter.replace(op, [rewriter.builder(op).value(AddOp, lhs.owner.lhs, constant)])
    return True


def power_of_two(op: Op, rewriter: Rewriter) -> bool:
    """x // 8 becomes x >> 3 and x % 8 becomes x & 7, on integers."""
    lhs, rhs = op.operands
    t: Any = lhs.type
    divisor = constant_of(rhs)
    if t.is_float or divisor is None or divisor <= 1 or int(divisor) & int(divisor) - 1:
        return False
    if op.name == "arith.floordiv":
        count = rewriter.constant(op, t, int(divisor).bit_length() - 1)
        rewriter.replace(op, [rewriter.builder(op).value(ShrOp, lhs, count)])
    else:
        mask = rewriter.constant(op, t, int(divisor) - 1)
        rewriter.replace(op, [rewriter.builder(op).value(AndOp, lhs, mask)])
    return True


def reciprocal(op: Op, rewriter: Rewriter) -> bool:
    """x / 4.0 becomes x * 0.25 where the reciprocal is exact."""
    divisor = constant_of(op.operands[1])
    t: Any = op.operands[0].type
    if not divisor or not math.isfinite(divisor) or abs(math.frexp(divisor)[0]) != 0.5:
        return False
    inverse = round_float(t, 1.0 / divisor)
    if not math.isfinite(inverse) or inverse * divisor != 1.0 or abs(inverse) < _lowest_normal(t):
        return False
    constant = rewriter.constant(op, t, inverse)
    rewriter.replace(op, [rewriter.builder(op).value(MulOp, op.operands[0], constant)])
    return True


def _lowest_normal(t: DType) -> float:
    return {"f16": 2.0**-14, "f64": 2.0**-1022}.get(t.name, 2.0**-126)


def fast_reciprocal(op: Op, rewriter: Rewriter) -> bool:
    """Under fastmath x / 3.0 becomes x * (1 / 3)."""
    divisor = constant_of(op.operands[1])
    t: Any = op.operands[0].type
    if not divisor or not math.isfinite(divisor) or STRICT in op.attributes:
        return False
    inverse = round_float(t, 1.0 / divisor)
    if not math.isfinite(inverse) or abs(inverse) < _lowest_normal(t):
        return False
    constant = rewriter.constant(op, t, inverse)
    rewriter.replace(op, [rewriter.builder(op).value(MulOp, op.operands[0], constant)])
    return True


def twice(op: Op, rewriter: Rewriter) -> bool:
    """not not x and -(-x) become x."""
    inner = op.operands[0].owner
    if not isinstance(inner, Op) or inner.name != op.name:
        return False
    rewriter.replace(op, [inner.operands[0]])
    return True


def magnitude(op: Op, rewriter: Rewriter) -> bool:
    """abs(-x) and abs(abs(x)) become abs(x), but for unsigned integers, whose abs is nothing."""
    inner = op.operands[0].owner
    t: Any = op.operands[0].type
    if not isinstance(inner, (NegOp, AbsOp)) or not t.is_signed:
        return False
    op.set_operands((inner.operands[0],))
    return True


def inverted(op: Op, rewriter: Rewriter) -> bool:
    """not (a < b) becomes a >= b on integers; == and != turn on floats too."""
    inner = op.operands[0].owner
    if not isinstance(inner, CmpOp) or op.operands[0].type is not bool_:
        return False
    t: Any = inner.lhs.type
    if t.is_float and inner.predicate not in ("eq", "ne"):
        return False
    made = rewriter.builder(op).value(CmpOp, inner.lhs, inner.rhs, predicate=_INVERSE[inner.predicate])
    rewriter.replace(op, [made])
    return True


def known_truth(op: Op, rewriter: Rewriter) -> bool:
    """x == True and x != False become x on bools."""
    lhs, rhs = op.operands
    value = constant_of(rhs)
    if lhs.type is not bool_ or value is None or op.attributes["predicate"] not in ("eq", "ne"):
        return False
    keeps = (op.attributes["predicate"] == "eq") == bool(value)
    rewriter.replace(op, [lhs if keeps else rewriter.builder(op).value(NotOp, lhs)])
    return True


def choice(op: Op, rewriter: Rewriter) -> bool:
    """A select with a known condition, equal sides, or sides that are the condition."""
    condition, on_true, on_false = op.operands
    known = constant_of(condition)
    if known is not None:
        rewriter.replace(op, [on_true if known else on_false])
    elif on_true is on_false:
        rewriter.replace(op, [on_true])
    elif on_true.type is bool_ and constant_of(on_true) is True and constant_of(on_false) is False:
        rewriter.replace(op, [condition])
    elif on_true.type is bool_ and constant_of(on_true) is False and constant_of(on_false) is True:
        rewriter.replace(op, [rewriter.builder(op).value(NotOp, condition)])
    elif isinstance(condition.owner, NotOp):
        op.set_operands((condition.owner.value, on_false, on_true))
    else:
        return False
    return True


def conversion(op: Op, rewriter: Rewriter) -> bool:
    """A conversion to the own type, or there and back through a type that holds every value."""
    value: Value = op.operands[0]
    target: Any = op.results[0].type
    if value.type is target:
        rewriter.replace(op, [value])
        return True
    inner = value.owner
    if not isinstance(inner, Op) or inner.name != op.name or inner.operands[0].type is not target:
        return False
    if op.name == "cast.convert" and not _holds(value.type, target):
        return False
    rewriter.replace(op, [inner.operands[0]])
    return True


def _holds(wide: Any, narrow: Any) -> bool:
    """Whether every value of `narrow` is one of `wide`, at both widths of `index`."""
    if narrow is bool_:
        return True
    if narrow is index:
        return False
    if wide.is_float != narrow.is_float:
        return False
    if wide.is_float:
        return wide.bits > narrow.bits
    bits = 32 if wide is index else wide.bits
    if wide.is_signed and not narrow.is_signed:
        return bits > narrow.bits
    return wide.is_signed == narrow.is_signed and bits >= narrow.bits


def rejoined(op: Op, rewriter: Rewriter) -> bool:
    """The words of a value that was joined of words are these words."""
    joined = op.operands[0].owner
    if not isinstance(joined, JoinOp):
        return False
    rewriter.replace(op, joined.operands)
    return True


def power(op: Op, rewriter: Rewriter) -> bool:
    """pow(x, 2) becomes x * x, pow(x, 1) x and pow(x, 0) 1."""
    if op.attributes["fn"] != "pow":
        return False
    base, exponent = op.operands
    if is_const(exponent, 2.0):
        rewriter.replace(op, [rewriter.builder(op).value(MulOp, base, base)])
    elif is_const(exponent, 1.0):
        rewriter.replace(op, [base])
    elif constant_of(exponent) == 0.0:
        rewriter.replace(op, [rewriter.constant(op, base.type, 1.0)])
    else:
        return False
    return True


_SHARED: tuple[Pattern, ...] = (constant_last, neutral, absorbing, itself)
IDENTITIES: dict[str, tuple[Pattern, ...]] = {
    "arith.add": (*_SHARED, gather_constants),
    "arith.sub": (*_SHARED, gather_constants),
    "arith.mul": _SHARED,
    "arith.div": (neutral, reciprocal),
    "arith.floordiv": (neutral, power_of_two),
    "arith.mod": (absorbing, power_of_two),
    "arith.and": _SHARED,
    "arith.or": _SHARED,
    "arith.xor": _SHARED,
    "arith.shl": (neutral,),
    "arith.shr": (neutral,),
    "arith.min": (itself,),
    "arith.max": (itself,),
    "arith.neg": (twice,),
    "arith.abs": (magnitude,),
    "arith.not": (twice, inverted),
    "arith.cmp": (constant_last, itself, known_truth),
    "arith.select": (choice,),
    "cast.convert": (conversion,),
    "cast.bits": (conversion,),
    "cast.split": (rejoined,),
    "math.call": (power,),
}
