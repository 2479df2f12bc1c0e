"""Code for arithmetic at its edges: division, shifts, conversions, and what old processors lack."""

import itertools

import numpy as np
import pytest
from tests.emitted import Trial, disagreement, hosts, trial

from gyral.compiler.emit.llvm.host import Host
from gyral.core.dtypes import DType, bool_, f16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64
from gyral.testing.sample import ALL, edges, mixed, numpy_type, spelled, zeros

WIDTHS = pytest.mark.parametrize("host", hosts(), ids=lambda host: f"{host.vector_bits}bits")


def divided(dtype: DType, a: np.ndarray, b: np.ndarray) -> Trial:
    """Quotients, remainders and shifts of pairs, in lanes, as scalars, and by constants."""
    high = dtype.bounds()[1]
    constants = [1, 2, 3, 7, 10, high, *([-1, -2, -7, -high] if dtype.is_signed else [])]
    array = f"gy.Array[gy.{dtype}]"
    results = [f"c{at}" for at in range(len(constants))]
    lines = [
        f"c{at}[i] = (a[i] // gy.{dtype}({value})) ^ (a[i] % gy.{dtype}({value}))"
        for at, value in enumerate(constants)
    ]
    lines += ["q[i] = a[i] // b[i]", "r[i] = a[i] % b[i]", "s[i] = a[i] << b[i]", "t[i] = a[i] >> b[i]"]
    lines += ["u[0] = a[5] // b[7] + a[3] % b[9]"]
    names = ", ".join(f"{name}: {array}" for name in ("a", "b", "q", "r", "s", "t", "u", *results))
    text = f"@gy.kernel\ndef k({names}):\n    i = gy.global_id()\n    " + "\n    ".join(lines) + "\n"
    return trial(text, a.size, a, b, *(zeros(dtype, a.size) for _ in range(5 + len(results))))


@pytest.mark.parametrize("dtype", [i8, u8], ids=str)
def test_every_pair_of_bytes_divides(dtype: DType) -> None:
    """Quotients, remainders and shifts of all pairs of bytes."""
    values = np.arange(256).astype(np.uint8).view(numpy_type(dtype))
    found = divided(dtype, np.repeat(values, 256), np.tile(values, 256))
    assert disagreement(found, hosts()[-1]) == ""


@WIDTHS
@pytest.mark.parametrize("dtype", [i16, i32, i64, u16, u32, u64], ids=str)
def test_division_at_the_edges(dtype: DType, host: Host) -> None:
    """Quotients, remainders and shifts of pairs at the edges of a type, zero and the lowest among them."""
    values = mixed(dtype, 40, 5)
    found = divided(dtype, np.repeat(values, values.size), np.tile(values, values.size))
    assert disagreement(found, host) == ""


def critical(dtype: DType) -> np.ndarray:
    """Values at which conversions round, tie, saturate, overflow and underflow."""
    kind = numpy_type(dtype)
    if dtype is bool_:
        return np.array([False, True])
    if dtype.is_float and dtype.bits == 16:
        return np.arange(0, 65536, 7).astype(np.uint16).view(kind)
    if dtype.is_float:
        near = [e + 2.0**-k for e, k in itertools.product((1.0, 1.5), (8, 9, 11, 12, 24, 25, 52))]
        near += [1 + 2**-9 + 2**-52, 1 + 2**-9 - 2**-52, 1 + 2**-11 + 2**-40, 1 + 2**-24 + 2**-52, 2 - 2**-52]
        powers = (0, 1, -14, -15, -24, -25, -126, -127, -133, -134, -149, -150, 15, 31, 32, 52, 63, 64, 127)
        values = [sign * n * 2.0**p for n in (*near, 1.0) for p in powers for sign in (1, -1)]
        with np.errstate(all="ignore"):
            return np.array([*edges(f64), *values, 65519.99, 65520, 3.3895e38], np.float64).astype(kind)
    low, high = dtype.bounds()
    found = set()
    for bit, away in itertools.product(range(dtype.bits), (-1, 0, 1)):
        for extra in (0, *(n << max(0, bit - k) for n in (1, 3) for k in (8, 9, 11, 12, 24, 53))):
            found.update((((1 << bit) + extra + away), -((1 << bit) + extra + away)))
    return np.array(sorted(value for value in found if low <= value <= high), dtype=kind)


@WIDTHS
@pytest.mark.parametrize("dtype", ALL, ids=str)
def test_conversions_to_every_type(dtype: DType, host: Host) -> None:
    """A type's critical values become every other type as the language says, in lanes and as scalars."""
    values = critical(dtype)
    names = [f"o{at}: gy.Array[gy.{spelled(target)}]" for at, target in enumerate(ALL)]
    lines = [f"o{at}[i] = gy.{spelled(target)}(a[i])" for at, target in enumerate(ALL)]
    lines += ["if i == 0:"] + [
        f"    for q in range(min(len(a), 300)):\n            p{at}[q] = gy.{spelled(target)}(a[q])"
        for at, target in enumerate(ALL)
    ]
    names += [f"p{at}: gy.Array[gy.{spelled(target)}]" for at, target in enumerate(ALL)]
    head = f"@gy.kernel\ndef k(a: gy.Array[gy.{spelled(dtype)}], {', '.join(names)}):\n"
    text = head + "    i = gy.global_id()\n    " + "\n    ".join(lines) + "\n"
    targets = [zeros(target, values.size) for target in ALL] + [zeros(target, 300) for target in ALL]
    assert disagreement(trial(text, values.size, values, *targets), host) == ""


def factors(dtype: DType, count: int) -> list[np.ndarray]:
    """Three columns for a * b + c: edges, sums that nearly cancel, and products that are barely denormal."""
    source = np.random.default_rng(5)
    kind = numpy_type(dtype)
    special = [1.0, 1 + 2**-23, 1 + 2**-52, 3.0, -1.0, 2**-540, 1e-320, 2.0**1000, 2**-75, 0.1, -0.0, np.inf]
    with np.errstate(all="ignore"):
        pairs = [(mixed(dtype, count, at), source.choice(special, count).astype(kind)) for at in range(3)]
        drawn = [np.where(source.random(count) < 0.5, *pair) for pair in pairs]
        a, b, c = (column.astype(kind) for column in drawn)
        cancel = (-a * b * (1 + source.integers(-3, 4, count) * np.finfo(kind).eps)).astype(kind)
        c = np.where(source.random(count) < 0.4, cancel, c)
        low, least = ((-560, -500), -1070) if dtype is f64 else ((-80, -60), -145)
        tiny = source.random(count) < 0.2
        power = source.integers(*low, count)
        a = np.where(tiny, np.ldexp(source.random(count) + 1, power).astype(kind), a)
        b = np.where(tiny, np.ldexp(source.random(count) - 2, power).astype(kind), b)
        c = np.where(tiny, np.ldexp(source.random(count), least).astype(kind), c)
    return [a, b, c]


FUSED = """
@gy.kernel
def k(a: gy.Array[gy.{0}], b: gy.Array[gy.{0}], c: gy.Array[gy.{0}], o: gy.Array[gy.{0}],
      p: gy.Array[gy.{0}]):
    i = gy.global_id()
    o[i] = gy.fma(a[i], b[i], c[i])
    p[0] = gy.fma(a[0], b[3], c[7])
"""


@WIDTHS
@pytest.mark.parametrize("dtype", [f32, f64], ids=str)
def test_multiply_and_add_rounds_once(dtype: DType, host: Host) -> None:
    """fma rounds once, where the processor has it and where it has not."""
    columns = factors(dtype, 5000)
    found = trial(FUSED.format(dtype), 5000, *columns, zeros(dtype, 5000), zeros(dtype, 1))
    assert disagreement(found, host) == ""


WIDEN = """
@gy.kernel
def k(a: gy.Array[gy.f16], o: gy.Array[gy.f32]):
    i = gy.global_id()
    o[i] = gy.f32(a[i])
"""
NARROW = """
@gy.kernel
def k(a: gy.Array[gy.f32], o: gy.Array[gy.f16]):
    i = gy.global_id()
    o[i] = gy.f16(a[i])
"""


@pytest.mark.parametrize("host", hosts()[:2], ids=lambda host: f"{host.vector_bits}bits")
def test_every_half_becomes_single(host: Host) -> None:
    """All f16 values become the same f32, with and without an instruction for it."""
    halves = np.arange(65536).astype(np.uint16).view(np.float16)
    assert disagreement(trial(WIDEN, halves.size, halves, zeros(f32, halves.size)), host) == ""


@pytest.mark.parametrize("host", hosts()[:2], ids=lambda host: f"{host.vector_bits}bits")
def test_singles_round_to_halves(host: Host) -> None:
    """f32 values at and beside the middle of two f16 values round to even, by instruction or not."""
    below, above = (np.arange(at, 31745 + at, 7).astype(np.uint16).view(np.float16) for at in (0, 1))
    with np.errstate(all="ignore"):
        middle = ((below.astype(np.float64) + above.astype(np.float64)) / 2).astype(np.float32)
        beside = [np.nextafter(middle, np.float32(limit)) for limit in (9e9, 0)]
    last = np.array([65519.996, 65520, 65536, 1e30, np.inf, np.nan], np.float32)
    values = np.concatenate([middle, *beside, -middle, last])
    assert disagreement(trial(NARROW, values.size, values, zeros(f16, values.size)), host) == ""
