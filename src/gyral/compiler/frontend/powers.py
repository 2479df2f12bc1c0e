"""`**`: products for small constant exponents, a loop among integers, `pow` for floats."""

from __future__ import annotations

import ast

from gyral.compiler.frontend import codes
from gyral.compiler.frontend.convert import adopt, common, weakness
from gyral.compiler.frontend.frame import Frame
from gyral.compiler.frontend.values import Const, Number, Scalar
from gyral.compiler.ir.graph import Block, Value
from gyral.compiler.ir.ops.arith import AndOp, CmpOp, DivOp, MulOp, SelectOp, ShrOp
from gyral.compiler.ir.ops.control import TestOp, WhileOp, YieldOp
from gyral.compiler.ir.ops.math import MathOp
from gyral.core.dtypes import DType, bool_, u8

PRODUCT_LIMIT = 4


def power(f: Frame, base: Number, exponent: Number, node: ast.AST) -> Scalar:
    """base ** exponent. An integer to a negative power is rounded toward zero: 0 but for 1 and -1."""
    dtype, weak = common(f, node, base, exponent)
    f.at(node)
    kind = weakness(base, exponent) if weak else ""
    if dtype is bool_:
        dtype = u8
    constant = exponent.value if isinstance(exponent, Const) else None
    if isinstance(constant, float) and constant.is_integer():
        constant = int(constant)
    if dtype.is_float:
        x = adopt(f, base, dtype, node)
        if isinstance(constant, int) and -2 <= constant <= PRODUCT_LIMIT:
            return Scalar(_float_product(f, x, dtype, constant), kind)
        y = adopt(f, exponent, dtype, node)
        return Scalar(f.emit(MathOp, x, y, type=dtype, fn="pow"), kind)
    if isinstance(constant, int):
        if constant < 0:
            advice = "convert the base to a float first, such as `gy.f32(…)`"
            f.refuse(codes.OPERAND, node, op="**", what="an integer with a negative exponent", advice=advice)
        x = adopt(f, base, dtype, node)
        return Scalar(_product(f, x, dtype, int(constant)), kind)
    return Scalar(_integer_power(f, adopt(f, base, dtype, node), adopt(f, exponent, dtype, node), dtype))


def _float_product(f: Frame, x: Value, dtype: DType, n: int) -> Value:
    one = f.const(dtype, 1.0)
    if n < 0:
        return f.emit(DivOp, one, _product(f, x, dtype, -n))
    return _product(f, x, dtype, n)


def _product(f: Frame, x: Value, dtype: DType, n: int) -> Value:
    """x**n by squaring; exact in wrapping integers, at most n/2 roundings in floats."""
    if n == 0:
        return f.const(dtype, 1.0 if dtype.is_float else 1)
    found: Value | None = None
    while True:
        if n & 1:
            found = x if found is None else f.emit(MulOp, found, x)
        n >>= 1
        if n == 0 and found is not None:
            return found
        x = f.emit(MulOp, x, x)


def _integer_power(f: Frame, x: Value, n: Value, dtype: DType) -> Value:
    """Square and multiply over the exponent's bits; exponents below 0 give 0, or +-1 for a base of +-1."""
    zero, one = f.const(dtype, 0), f.const(dtype, 1)
    test, body = Block([dtype] * 3), Block([dtype] * 3)
    with f.builder.inside(test):
        go = f.emit(CmpOp, test.args[1], zero, predicate="gt")
        f.builder.op(TestOp, go, *test.args)
    with f.builder.inside(body):
        base, left, found = body.args
        odd = f.emit(CmpOp, f.emit(AndOp, left, one), zero, predicate="ne")
        kept = f.emit(SelectOp, odd, f.emit(MulOp, found, base), found)
        f.builder.op(YieldOp, f.emit(MulOp, base, base), f.emit(ShrOp, left, one), kept)
    loop = f.builder.op(WhileOp, x, n, one, types=[dtype] * 3, regions=[test, body])
    found = loop.results[2]
    if not dtype.is_signed:
        return found
    negative = f.emit(CmpOp, n, zero, predicate="lt")
    return f.emit(SelectOp, negative, _inverse(f, x, n, dtype), found)


def _inverse(f: Frame, x: Value, n: Value, dtype: DType) -> Value:
    """x**n for n < 0: 1 for 1, the sign of an odd or even power for -1, else 0."""
    zero, one, minus = f.const(dtype, 0), f.const(dtype, 1), f.const(dtype, -1)
    odd = f.emit(CmpOp, f.emit(AndOp, n, one), zero, predicate="ne")
    sign = f.emit(SelectOp, odd, minus, one)
    is_minus = f.emit(CmpOp, x, minus, predicate="eq")
    is_one = f.emit(CmpOp, x, one, predicate="eq")
    return f.emit(SelectOp, is_one, one, f.emit(SelectOp, is_minus, sign, zero))
