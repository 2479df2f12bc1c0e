"""WGSL text: bindings, words that small values share, constants, and what drivers must not see."""

from __future__ import annotations

import re

import pytest
from tests import tint

import gyral as gy
from gyral.compiler.emit.wgsl.rounding import Rounding
from gyral.compiler.emit.wgsl.scalars import literal
from gyral.core.dtypes import BY_NAME
from gyral.core.errors import CompileError


@gy.kernel
def add(x: gy.Array[gy.f32], y: gy.Array[gy.f32], out: gy.Array[gy.f32]):
    i = gy.global_id()
    out[i] = x[i] + y[i]


@gy.kernel
def lighten(image: gy.Array[gy.u8]):
    i = gy.global_id()
    image[i] = image[i] + gy.u8(1)


@gy.kernel
def cancel(x: gy.Array[gy.f32], out: gy.Array[gy.f32]):
    i = gy.global_id()
    big = x[i] + 12582912.0
    out[i] = big - 12582912.0


@gy.kernel
def polynomial(x: gy.Array[gy.f32], out: gy.Array[gy.f32]):
    i = gy.global_id()
    out[i] = (x[i] * 2.0 + 3.0) * x[i] + 1.0


@gy.kernel(block=64)
def steered(x: gy.Array[gy.i32], n: gy.Array[gy.i32]):
    i = gy.global_id()
    total = i
    for _ in range(n[0]):
        total = gy.block_sum(total)
    x[i] = total


def test_arrays_have_a_binding_each_that_says_what_is_written() -> None:
    """Arrays that are only read are bound for reading."""
    found = re.findall(r"@binding\((\d)\) var<storage, (\w+)> (m\d)", add.source("wgsl"))
    assert found == [("1", "read", "m0"), ("2", "read", "m1"), ("3", "read_write", "m2")]


def test_small_values_are_written_in_atomic_steps() -> None:
    """Threads that write neighbouring bytes do not undo one another."""
    text = lighten.source("wgsl")
    assert ("array<atomic<u32>>" in text, "atomicAnd(" in text, "atomicOr(" in text) == (True, True, True)


def test_a_cancelling_sum_is_hidden_from_the_driver() -> None:
    """Rounding by a large constant survives compilers that would undo it."""
    assert "gyral_held_f32(" in cancel.source("wgsl")


def test_a_polynomial_costs_nothing_more() -> None:
    """Products plus constants are written as they are."""
    assert "gyral_held_f32(" not in polynomial.source("wgsl")


def test_no_extension_is_asked_for() -> None:
    """Every browser takes the text."""
    assert "enable" not in lighten.source("wgsl")


@pytest.mark.parametrize(
    "name, value, text",
    [
        ("i32", -(2**31), "i32(-2147483648)"),
        ("i32", -5, "(-5i)"),
        ("u32", 2**32 - 1, "4294967295u"),
        ("u64", 2**32 + 7, "vec2<u32>(7u, 1u)"),
        ("i64", -1, "vec2<u32>(4294967295u, 4294967295u)"),
        ("f16", 1.0, "15360u"),
        ("f32", 0.5, "0.5f"),
        ("f32", -0.0, "bitcast<f32>(0x80000000u)"),
        ("f32", float("inf"), "gyral_constant_f32(0x7f800000u)"),
        ("f32", 2.0**-149, "bitcast<f32>(0x1u)"),
        ("bool", True, "true"),
    ],
)
def test_constants(name: str, value: float, text: str) -> None:
    """Each constant in the form that WGSL takes and does not change."""
    assert literal(BY_NAME[name], value) == text


@pytest.mark.parametrize(
    "sign, a, b, held",
    [
        ("-", "v1", "v1", ("hold(v1)", "v1")),
        ("+", "v1", "0.0f", ("v1", "hold(0.0f)")),
        ("-", "sum", "v1", ("hold(sum)", "v1")),
        ("+", "product", "product", ("product", "hold(product)")),
        ("*", "scaled", "2.0f", ("hold(scaled)", "2.0f")),
        ("*", "sum", "v1", ("sum", "v1")),
        ("+", "product", "2.0f", ("product", "2.0f")),
    ],
)
def test_what_is_hidden(sign: str, a: str, b: str, held: tuple[str, str]) -> None:
    """Exactly the operands that a driver's compiler could use to compute otherwise."""
    rounding = Rounding(lambda text: f"hold({text})")
    for kind, sample in (("sum", ("+", "x + y")), ("product", ("*", "x * y")), ("scaled", ("*", "x * 3.0f"))):
        rounding.wrote(sample[0], sample[1], *sample[1].split()[::2])
        rounding.named(kind, sample[1])
    assert rounding.held(sign, a, b) == held


@pytest.mark.skipif(bool(tint.REASON), reason=tint.REASON)
def test_control_by_what_was_written_is_made_uniform() -> None:
    """A block-uniform branch on a buffer that the kernel writes goes through one thread's word."""
    (told,) = tint.validate([steered.source("wgsl")])
    assert told is None


def test_fences_are_refused_by_name() -> None:
    """WGSL has no fences, no atomics with an order and no clock; the refusal shows each line."""

    @gy.kernel
    def fenced(x: gy.Array[gy.i32], y: gy.Array[gy.i64]):
        gy.atomic_add(x, 0, 1, order="release")
        gy.fence("device")
        y[0] = gy.clock()

    with pytest.raises(CompileError, match="a fence is needed, on wgsl") as caught:
        fenced.source("wgsl")
    lines = [d.source_line.strip() for d in caught.value.diagnostics]
    assert lines == ['gy.atomic_add(x, 0, 1, order="release")', 'gy.fence("device")', "y[0] = gy.clock()"]
