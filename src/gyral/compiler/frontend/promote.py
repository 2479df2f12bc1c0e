"""Type rules of the language: what two types promote to, and which conversions happen by themselves."""

from __future__ import annotations

from gyral.core.dtypes import DType, bool_, f32, i8, i16, i32, i64, index, u8, u16, u32, u64

SIGNED = {8: i8, 16: i16, 32: i32, 64: i64}
UNSIGNED = {8: u8, 16: u16, 32: u32, 64: u64}


def promote(a: DType, b: DType) -> DType | None:
    """The type of `a + b`; None where there is none (u64 with a signed type).

    As NumPy among integers and among floats; an integer with a float takes its type; bool counts as u8;
    `index` stays with integers of up to 32 signed bits and gives i64 with wider ones.
    """
    if a is b:
        return u8 if a is bool_ else a
    if a is bool_ or b is bool_:
        return promote(u8 if a is bool_ else a, u8 if b is bool_ else b)
    if a.is_float and b.is_float:
        if a.bits == b.bits:
            return f32  # f16 with bf16
        return a if a.bits > b.bits else b
    if a.is_float or b.is_float:
        return a if a.is_float else b
    if a is index or b is index:
        return _with_index(b if a is index else a)
    return _integers(a, b)


def _with_index(other: DType) -> DType | None:
    if other is u64:
        return None
    return i64 if other is i64 or other is u32 else index


def _integers(a: DType, b: DType) -> DType | None:
    if a.kind == b.kind:
        return a if a.bits >= b.bits else b
    signed, unsigned = (a, b) if a.kind == "int" else (b, a)
    if signed.bits > unsigned.bits:
        return signed
    return SIGNED.get(unsigned.bits * 2)


def is_wide(t: DType) -> bool:
    """Whether an integer is 64 bits wide for the rules of floats; `index` is not."""
    return t is i64 or t is u64


def stores_into(source: DType, target: DType) -> bool:
    """Whether a store converts by itself: within a kind, bool or integer to float, bool to integer."""
    if source is target or source is bool_:
        return True
    if target is bool_:
        return False
    return not (source.is_float and target.is_integer)


def may_wrap(source: DType, target: DType) -> bool:
    """Whether an integer conversion can lose bits. `index` counts as 32 bits here."""
    if not (source.is_integer and target.is_integer):
        return False
    low, high = (i32 if source is index else source).bounds()
    lowest, highest = (i32 if target is index else target).bounds()
    return low < lowest or high > highest


def joins(a: DType, whole: DType) -> bool:
    """Whether a name of type `whole` may be assigned `a`: index stands for i32 too, i64 for index."""
    return a is whole or (whole is index and a is i32) or (whole is i64 and a is index)
