"""64-bit integers as two words, and float formats by their bits: the library's bodies against Python."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from gyral.compiler.interp.launch import run
from gyral.compiler.interp.number import bf16_bits, f16_bits, float_to_int, int_to_float
from gyral.compiler.ir.builder import Builder
from gyral.compiler.ir.graph import Block, Module
from gyral.compiler.ir.ops.control import CallOp, FuncOp, ReturnOp
from gyral.compiler.ir.ops.grid import GlobalIdOp
from gyral.compiler.ir.ops.memory import LoadOp, StoreOp
from gyral.compiler.pipeline import library
from gyral.core.dtypes import ArrayType, bf16, f16, f32, i64, round_float, u64

MASK = (1 << 64) - 1
EDGES = (0, 1, 2, 3, 7, 255, 1 << 31, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, (1 << 53) + 1, 1 << 62)
EDGES += ((1 << 63) - 1, 1 << 63, (1 << 63) + 1, MASK - 1, MASK, 0xFFFFFF8000000000, 0xFFFFFF8000000001)


@cache
def _module(name: str) -> Module:
    """A kernel that calls one function over arrays of its arguments."""
    function = library().get(name)
    assert function is not None
    takes = [a.type for a in function.regions[0].args]
    gives = list(function.attributes["returns"])
    body = Block([ArrayType(t) for t in (*takes, *gives)])
    build = Builder(body)
    thread = build.value(GlobalIdOp, axis=0)
    given = [build.value(LoadOp, a, thread, type=t) for a, t in zip(body.args, takes, strict=False)]
    call = build.op(CallOp, *given, types=gives, callee=name)
    for value, out in zip(call.results, body.args[len(takes) :], strict=True):
        build.op(StoreOp, value, out, thread)
    build.op(ReturnOp)
    return Module([function, FuncOp.make(regions=[body], symbol="k", kind="kernel")])


def results(name: str, *columns: list[Any]) -> list[tuple[Any, ...]]:
    """What a function gives, call by call."""
    module = _module(name)
    types = [a.type.elem for a in module.kernel.regions[0].args]
    count = len(columns[0])
    arrays = [bytearray(struct.pack(f"<{count}{t.code}", *c)) for t, c in zip(types, columns, strict=False)]
    outs = [bytearray(count * t.itemsize) for t in types[len(columns) :]]
    views = [memoryview(a).cast("B").cast(t.code) for a, t in zip((*arrays, *outs), types, strict=True)]
    run(module, (count,), None, views)
    return list(zip(*(view.tolist() for view in views[len(columns) :]), strict=True))


def words(values: list[int]) -> tuple[list[int], list[int]]:
    """Low and high words of bit patterns."""
    return [v & 0xFFFFFFFF for v in values], [v >> 32 & 0xFFFFFFFF for v in values]


def samples(count: int, seed: int) -> list[int]:
    """64-bit patterns of every length, edges among them."""
    rng = random.Random(seed)
    return [rng.choice(EDGES) if k % 3 else rng.getrandbits(rng.randint(1, 64)) for k in range(count)]


def signed(value: int) -> int:
    """A bit pattern as a signed number."""
    return i64.wrap(value)


def plain(value: int) -> int:
    """A bit pattern as an unsigned number."""
    return value & MASK


BINARY: dict[str, Callable[[int, int], Any]] = {
    "wide_add": lambda a, b: a + b,
    "wide_sub": lambda a, b: a - b,
    "wide_mul": lambda a, b: a * b,
    "wide_floordiv_u": lambda a, b: a // b if b else 0,
    "wide_mod_u": lambda a, b: a % b if b else a,
    "wide_floordiv_s": lambda a, b: signed(a) // signed(b) if b else 0,
    "wide_mod_s": lambda a, b: signed(a) % signed(b) if b else a,
}
COUNTED: dict[str, Callable[[int, int], int]] = {
    "wide_shl": lambda a, n: a << n,
    "wide_shr_u": lambda a, n: a >> n,
    "wide_shr_s": lambda a, n: signed(a) >> n,
    "wide_rotl": lambda a, n: a << n | a >> 64 - n,
}


@pytest.mark.parametrize("name", BINARY)
def test_two_words_count_like_a_long_integer(name: str) -> None:
    """Arithmetic wraps at 64 bits; division rounds down and bears zero."""
    a, b = samples(700, 1), samples(700, 2)
    got = [low | high << 32 for low, high in results(name, *words(a), *words(b))]
    assert got == [BINARY[name](x, y) & MASK for x, y in zip(a, b, strict=True)]


@pytest.mark.parametrize("name", COUNTED)
def test_shifts_mask_their_count(name: str) -> None:
    """Any count shifts by its lowest six bits."""
    a = samples(700, 3)
    counts = [(k * 7) % 131 for k in range(700)]
    got = [low | high << 32 for low, high in results(name, *words(a), counts)]
    assert got == [COUNTED[name](x, n & 63) & MASK for x, n in zip(a, counts, strict=True)]


@pytest.mark.parametrize(("name", "form"), [("wide_lt_u", plain), ("wide_lt_s", signed)])
def test_the_order_is_that_of_the_numbers(name: str, form: Callable[[int], int]) -> None:
    """Unsigned and signed order, equal numbers among them."""
    a, b = samples(700, 4), samples(700, 5)
    got = [bool(value) for (value,) in results(name, *words(a), *words(b))]
    assert got == [form(x) < form(y) for x, y in zip(a, b, strict=True)]


@pytest.mark.parametrize(("name", "form"), [("wide_f32_u", plain), ("wide_f32_s", signed)])
def test_the_nearest_float_is_found(name: str, form: Callable[[int], int]) -> None:
    """One rounding, ties to even."""
    a = [*samples(500, 6), *((1 << 40) + (k << 14) for k in range(40)), *((1 << 63) - k for k in range(9))]
    got = [value for (value,) in results(name, *words(a))]
    assert got == [int_to_float(f32, form(x)) for x in a]


@pytest.mark.parametrize(
    ("name", "low", "high", "bits"),
    [
        (f"wide_of_{f}_{s}", *bounds, b)
        for f, b in (("f32", 32), ("f64", 64))
        for s, bounds in (("u", u64.bounds()), ("s", i64.bounds()))
    ],
)
def test_floats_turn_toward_zero_and_saturate(name: str, low: int, high: int, bits: int) -> None:
    """Each power of two with neighbours, both signs; what is beyond saturates, NaN gives 0."""
    values = [
        s * math.ldexp(m, e)
        for e in range(-3, 70)
        for m in (1.0, 1.4375, 1.9999998807907104)
        for s in (1, -1)
    ]
    values += [math.inf, -math.inf, math.nan, 0.0, -0.0]
    got = [a | b << 32 for a, b in results(name, values)]
    assert got == [float_to_int(low, high, v) & MASK for v in values]


def _floats(count: int) -> list[float]:
    rng = random.Random(8)
    bits = [rng.getrandbits(32) for _ in range(count)]
    bits += [rng.getrandbits(23) >> rng.randrange(23) for _ in range(count // 4)]
    bits += [0x3F800000 + k for k in range(9)] + [0x33000000, 0x33000001, 0x33800000, 0x477FEFFF, 0x477FF000]
    bits += [0x7F800000, 0xFF800000, 0x7FC00000, 0x80000000, 0, 1, 0x7F7FFFFF, 0x7F7F8000, 0x7F7F7FFF]
    return [struct.unpack("<f", struct.pack("<I", b))[0] for b in bits]


def _same(expected: float, got: float) -> bool:
    return (expected != expected and got != got) or struct.pack("<f", expected) == struct.pack("<f", got)


@pytest.mark.parametrize(
    ("name", "form", "bits"), [("half_of_f32", f16, f16_bits), ("bfloat_of_f32", bf16, bf16_bits)]
)
def test_short_floats_are_rounded_once(name: str, form: Any, bits: Callable[[float], int]) -> None:
    """The bits are those of the nearest value; NaN stays one."""
    values = _floats(1500)
    got = [value for (value,) in results(name, values)]
    numbers = [(v, g) for v, g in zip(values, got, strict=True) if v == v]
    assert [g for _, g in numbers] == [bits(round_float(form, v)) for v, _ in numbers]


@pytest.mark.parametrize(("name", "code", "shift"), [("f32_of_half", "<e", 0), ("f32_of_bfloat", "<f", 16)])
def test_every_short_float_is_read_exactly(name: str, code: str, shift: int) -> None:
    """All patterns of a coarse comb, denormals and infinities among them."""
    patterns = [*range(0, 65536, 37), *range(32), 0x7C00, 0xFC00, 0x7F80, 0xFF80, 0x7E00]
    size = "<I" if shift else "<H"
    expected = [struct.unpack(code, struct.pack(size, p << shift))[0] for p in patterns]
    got = [value for (value,) in results(name, patterns)]
    assert all(_same(e, g) for e, g in zip(expected, got, strict=True))


def test_a_double_is_rounded_to_the_nearest_float() -> None:
    """Ties, denormals, overflow, infinities and NaN."""
    rng = random.Random(9)
    values = [
        math.ldexp(rng.choice((1.0, -1.0)) * (1 + rng.random()), rng.randint(-152, 129)) for _ in range(1500)
    ]
    for v in _floats(300):
        if v == v and abs(v) < 3e38:
            values += [v, v + math.ldexp(abs(v) or 1e-45, -25), v - math.ldexp(abs(v) or 1e-45, -24)]
    values += [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 1e300, -1e300, 3.4028235677973366e38]
    got = [value for (value,) in results("f32_of_double", *words([_bits(v) for v in values]))]
    assert [(v, g) for v, g in zip(values, got, strict=True) if not _same(round_float(f32, v), g)] == []


def _bits(value: float) -> int:
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def test_a_float_is_widened_exactly() -> None:
    """Every kind of f32 gives the f64 of the same value."""
    values = [v for v in _floats(1000) if v == v]
    got = [low | high << 32 for low, high in results("double_of_f32", values)]
    assert got == [_bits(v) for v in values]


def test_a_not_a_number_stays_one() -> None:
    """NaN widens to NaN."""
    ((low, high),) = results("double_of_f32", [math.nan])
    assert math.isnan(struct.unpack("<d", struct.pack("<II", low, high))[0])
