"""Conversions in LLVM. f16 and bf16 travel as their bits, so that no helper call can come of them."""

from __future__ import annotations

from gyral.compiler.emit.llvm import soft
from gyral.compiler.emit.llvm.arith import compare, select
from gyral.compiler.emit.llvm.context import Context
from gyral.compiler.emit.llvm.form import Form
from gyral.compiler.ir.define import Operation
from gyral.compiler.ir.ops.cast import BitcastOp, CastOp
from gyral.core.dtypes import DType, bool_, f32, f64


def _convert(ctx: Context, op: Operation, form: Form, v: list[str]) -> str:
    return convert(ctx, form.of(op.operands[0].type), form, v[0])


def convert(ctx: Context, source: Form, target: Form, value: str) -> str:
    """A value of `source` as the dtype of `target`, in the same shape."""
    a, b = source.dtype, target.dtype
    if a is b:
        return value
    if b is bool_:
        if a.is_float and a.bits == 16:
            value, source = convert(ctx, source, source.of(f32), value), source.of(f32)
        return compare(ctx, "ne", source, value, source.spread(source.element, _zero(source.dtype)))
    if b.is_float:
        return _to_float(ctx, source, target, value)
    if a.is_float:
        return _float_to_int(ctx, source, target, value)
    return _between_integers(ctx, source, target, value)


def _zero(dtype: DType) -> str:
    return "0.0" if dtype.is_float else "0"


def _between_integers(ctx: Context, source: Form, target: Form, value: str) -> str:
    narrow, wide = source.bits, target.bits
    if narrow == wide:
        return value
    if narrow > wide:
        return ctx.text.let(f"trunc {source.llvm} {value} to {target.llvm}")
    word = "sext" if source.dtype.is_signed and source.dtype is not bool_ else "zext"
    return ctx.text.let(f"{word} {source.llvm} {value} to {target.llvm}")


def _to_float(ctx: Context, source: Form, target: Form, value: str) -> str:
    a, b = source.dtype, target.dtype
    if b.bits == 16:
        return _to_half(ctx, source, target, value)
    if not a.is_float:
        word = "sitofp" if a.is_signed and a is not bool_ else "uitofp"
        return ctx.text.let(f"{word} {source.llvm} {value} to {target.llvm}")
    if a.bits == 16:
        single = _from_half(ctx, source, value)
        return single if b is f32 else convert(ctx, source.of(f32), target, single)
    word = "fpext" if b is f64 else "fptrunc"
    return ctx.text.let(f"{word} {source.llvm} {value} to {target.llvm}")


def _from_half(ctx: Context, source: Form, value: str) -> str:
    """f16 or bf16 bits to f32, exact."""
    single = source.vector_of("float")
    if source.dtype.name == "bf16":
        word = source.vector_of("i32")
        wide = ctx.text.let(f"zext {source.llvm} {value} to {word}")
        high = ctx.text.let(f"shl {word} {wide}, {source.spread('i32', '16')}")
        return ctx.text.let(f"bitcast {word} {high} to {single}")
    if not ctx.plan.host.halves:
        return soft.half_to_single(ctx, source, value)
    half = source.vector_of("half")
    short = ctx.text.let(f"bitcast {source.llvm} {value} to {half}")
    return ctx.text.let(f"fpext {half} {short} to {single}")


def _to_half(ctx: Context, source: Form, target: Form, value: str) -> str:
    """Any number to f16 or bf16 bits with one rounding: through f32, to odd where f32 is not exact."""
    a = source.dtype
    if a.is_float and a.bits == 16:
        value, a, source = _from_half(ctx, source, value), f32, source.of(f32)
    if a is not f32:
        exact = a is bool_ or (a.is_integer and source.bits <= 16)
        if exact:
            value = convert(ctx, source, source.of(f32), value)
        else:
            value = _single_to_odd(ctx, source, value)
    single = source.of(f32)
    if target.dtype.name == "f16" and not ctx.plan.host.halves:
        return soft.single_to_half(ctx, single, target, value)
    if target.dtype.name == "f16":
        half = target.vector_of("half")
        rounded = ctx.text.let(f"fptrunc {single.llvm} {value} to {half}")
        return ctx.text.let(f"bitcast {half} {rounded} to {target.llvm}")
    return _single_to_bf16(ctx, single, target, value)


def _single_to_odd(ctx: Context, source: Form, value: str) -> str:
    """f64 or a wide integer to f32, rounded to odd: later rounding to fewer bits is then right."""
    text = ctx.text
    double = source.of(f64)
    if source.dtype is not f64:
        value = _double_to_odd(ctx, source, value)
    single = source.of(f32)
    near = text.let(f"fptrunc {double.llvm} {value} to {single.llvm}")
    back = text.let(f"fpext {single.llvm} {near} to {double.llvm}")
    inexact = text.let(f"fcmp one {double.llvm} {back}, {value}")
    word = source.vector_of("i32")
    bits = text.let(f"bitcast {single.llvm} {near} to {word}")
    size_back = text.call(double.llvm, f"llvm.fabs.{double.suffix}", f"{double.llvm} {back}")
    size = text.call(double.llvm, f"llvm.fabs.{double.suffix}", f"{double.llvm} {value}")
    above = text.let(f"fcmp ogt {double.llvm} {size_back}, {size}")
    kind = source.vector_of("i1")
    over = text.let(f"and {kind} {above}, {inexact}")
    step = text.let(f"zext {kind} {over} to {word}")
    toward = text.let(f"sub {word} {bits}, {step}")
    sticky = text.let(f"or {word} {toward}, {text.let(f'zext {kind} {inexact} to {word}')}")
    return text.let(f"bitcast {word} {sticky} to {single.llvm}")


def _double_to_odd(ctx: Context, source: Form, value: str) -> str:
    """An integer to f64; exact up to 53 bits, beyond that the low bits are folded into a sticky one."""
    text, t = ctx.text, source.llvm
    if source.bits == 64:
        low = text.let(f"and {t} {value}, {source.spread('i64', '4095')}")
        some = text.let(f"icmp ne {t} {low}, {source.spread('i64', '0')}")
        sticky = text.let(f"zext {source.vector_of('i1')} {some} to {t}")
        high = text.let(f"and {t} {value}, {source.spread('i64', '-4096')}")
        folded = text.let(f"or {t} {high}, {text.let(f'shl {t} {sticky}, ' + source.spread('i64', '11'))}")
        size = text.let(f"ashr {t} {value}, {source.spread('i64', '52')}")
        if source.dtype.is_signed:
            near_zero = text.let(f"icmp ult {t} {text.let(f'add {t} {size}, ' + source.spread('i64', '1'))}, "
                                 f"{source.spread('i64', '2')}")  # fmt: skip
        else:
            near_zero = text.let(f"icmp eq {t} {size}, {source.spread('i64', '0')}")
        value = select(ctx, source, near_zero, value, folded)
    word = "sitofp" if source.dtype.is_signed else "uitofp"
    return text.let(f"{word} {t} {value} to {source.vector_of('double')}")


def _single_to_bf16(ctx: Context, source: Form, target: Form, value: str) -> str:
    """Round the low half of f32 bits away, to even; NaN stays NaN."""
    text = ctx.text
    word = source.vector_of("i32")
    bits = text.let(f"bitcast {source.llvm} {value} to {word}")
    high = text.let(f"lshr {word} {bits}, {source.spread('i32', '16')}")
    odd = text.let(f"and {word} {high}, {source.spread('i32', '1')}")
    bias = text.let(f"add {word} {odd}, {source.spread('i32', '32767')}")
    rounded = text.let(f"lshr {word} {text.let(f'add {word} {bits}, {bias}')}, {source.spread('i32', '16')}")
    quiet = text.let(f"or {word} {high}, {source.spread('i32', '64')}")
    nan = text.let(f"fcmp uno {source.llvm} {value}, {source.spread('float', '0.0')}")
    kind = source.vector_of("i1")
    chosen = text.let(f"select {kind} {nan}, {word} {quiet}, {word} {rounded}")
    return text.let(f"trunc {word} {chosen} to {target.llvm}")


def _float_to_int(ctx: Context, source: Form, target: Form, value: str) -> str:
    """Toward zero, saturating, NaN to 0."""
    if source.dtype.bits == 16:
        value, source = _from_half(ctx, source, value), source.of(f32)
    sign = "s" if target.dtype.is_signed else "u"
    name = f"llvm.fpto{sign}i.sat.{target.suffix}.{source.suffix}"
    return ctx.text.call(target.llvm, name, f"{source.llvm} {value}")


def _bits(ctx: Context, op: Operation, form: Form, v: list[str]) -> str:
    source = form.of(op.operands[0].type)
    if source.llvm == form.llvm:
        return v[0]
    return ctx.text.let(f"bitcast {source.llvm} {v[0]} to {form.llvm}")


SPELL = {CastOp: _convert, BitcastOp: _bits}
