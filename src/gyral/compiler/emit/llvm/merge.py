"""One value from several: what a region gives, in the form its receiver is kept in."""

from __future__ import annotations

from collections.abc import Sequence

from gyral.compiler.emit.llvm.arith import select
from gyral.compiler.emit.llvm.context import Chain, Context
from gyral.compiler.emit.llvm.form import LANE, ROW, Part, Scalar, Vector
from gyral.compiler.ir.graph import Value
from gyral.core.dtypes import DType


def single(ctx: Context, value: Value) -> bool:
    """Whether a value is one scalar for the whole tile, by analysis or as it turned out."""
    if is_common_part(ctx, value):
        return True
    parts = {ctx.part(value, key) for key in ctx.keys(ctx.bits(value))}
    return len(parts) == 1 and isinstance(next(iter(parts)), Scalar)


def is_common_part(ctx: Context, value: Value) -> bool:
    """Whether the analysis says that a value is one scalar for the whole tile."""
    return not ctx.bits(value) & LANE and (ctx.rows == 1 or not ctx.bits(value) & ROW)


def in_form(ctx: Context, value: Value, target: Value, key: Chain) -> str:
    """`value` for a chain in the form `target` is kept in."""
    return ctx.vector(value, key) if ctx.bits(target) & LANE else ctx.scalar(value, key)


def held(ctx: Context, value: Value, name: str) -> Part:
    """A name as the part of `value`."""
    return Vector(name) if ctx.bits(value) & LANE else Scalar(name)


def llvm_type(ctx: Context, value: Value) -> str:
    """LLVM type a value is kept in."""
    return ctx.form(value.type, bool(ctx.bits(value) & LANE)).llvm


def yielded(
    ctx: Context, values: Sequence[Value], targets: Sequence[Value]
) -> dict[tuple[Value, Chain], str]:
    """What each target gets, in its own form, by chain."""
    found = {}
    for value, target in zip(values, targets, strict=True):
        if not ctx.keeps(target):
            continue
        for key in ctx.keys(ctx.bits(target)):
            found[target, key] = in_form(ctx, value, target, key)
    return found


def merge(
    ctx: Context, targets: Sequence[Value], sides: list[tuple[dict[tuple[Value, Chain], str], str]]
) -> None:
    """Phis for what two regions gave, each with the label it came from."""
    for target in filter(ctx.keeps, targets):
        for key in ctx.keys(ctx.bits(target)):
            phi = ctx.text.phi(llvm_type(ctx, target))
            for values, label in sides:
                phi.add(values[target, key], label)
            ctx.set(target, key, held(ctx, target, phi.name))


def copy(ctx: Context, source: Value, target: Value) -> None:
    """Give `target` what `source` holds."""
    if not ctx.keeps(target):
        return
    for key in ctx.keys(ctx.bits(target)):
        ctx.set(target, key, ctx.part(source, key))


def blended(ctx: Context, value: Value, new: dict[Chain, str], old: dict[Chain, str]) -> dict[Chain, str]:
    """By chain, the new name of a value in active lanes and the old one elsewhere."""
    form = ctx.form(value.type, bool(ctx.bits(value) & LANE))
    if not form.lanes or ctx.mask is None:
        return new
    return {key: select(ctx, form, ctx.mask[key], name, old[key]) for key, name in new.items()}


def zero(dtype: DType) -> str:
    """The scalar zero of a type."""
    return "0.0" if dtype.name in ("f32", "f64") else "false" if dtype.kind == "bool" else "0"
