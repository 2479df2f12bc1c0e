"""What a kernel shows besides launching: sources, IR, interpretation, structs, functions, building ahead."""

from pathlib import Path

import numpy as np
import pytest

import gyral as gy
from gyral.core.errors import UserError
from gyral.jit.ahead import build
from gyral.jit.cache import DiskCache
from gyral.jit.codec import decode
from gyral.jit.inspection import promotions
from gyral.jit.parameters import parameters_of


@gy.func
def half(x):
    return x * 0.5


@gy.kernel
def shrink(x: gy.Array[gy.f32], n: gy.Static[int] = 2):
    i = gy.global_id()
    for _ in range(n):
        x[i] = half(x[i])


@gy.kernel
def generic(x, y):
    x[gy.global_id()] = y


def test_a_kernel_looks_like_its_function() -> None:
    """Name and module are the function's; the repr says what it is."""
    assert (shrink.__name__, shrink.__module__) == ("shrink", __name__)
    assert repr(shrink) == "<kernel shrink>"
    assert repr(half) == "<func half>"


def test_sources() -> None:
    """LLVM text and assembly come without launching."""
    assert "define" in shrink.source("llvm")
    assert "ret" in shrink.source("asm")


def test_ir_at_every_stage() -> None:
    """The IR is shown as the frontend gives it or after a stage."""
    assert "control.call" in shrink.ir()
    assert "control.call" not in shrink.ir(stage="inline")


def test_types_are_given_or_annotated() -> None:
    """Bare parameters need types, one per parameter, of the right sort."""
    assert "f64" in generic.ir(gy.Array[gy.f64], gy.f64)
    assert "i32" in generic.ir(gy.Array[gy.i32], int)
    for types, message in [
        ((), "needs a type"),
        ((gy.f32,), "2 parameters"),
        ((gy.Array[gy.f32], "f32"), "no type"),
    ]:
        with pytest.raises(UserError, match=message):
            generic.ir(*types)
    assert shrink.ir(gy.Array[gy.f32], 5) != shrink.ir()


def test_compiling_without_launching() -> None:
    """compile() gives the artifact for a device."""
    artifact = shrink.compile("cpu")
    assert artifact.form == "cpu-image"
    assert artifact.signature.name == "shrink"


def test_the_interpreter_runs_kernels() -> None:
    """interpret[shape] changes NumPy arrays as a device would, for each form of shape."""

    @gy.kernel
    def grid(x: gy.Array[gy.i32, 2]):
        i, j = gy.global_ids(2)
        x[i, j] = i * 10 + j

    x = np.ones(4, np.float32)
    shrink.interpret[4](x, 3)
    assert x.tolist() == [0.125] * 4
    y = np.zeros((2, 2), np.int32)
    grid.interpret[2, 2](y)
    assert y.tolist() == [[0, 1], [10, 11]]
    y[:] = 0
    grid.interpret[(2, 2), (1, 2)](y)
    assert y.tolist() == [[0, 1], [10, 11]]


def test_the_interpreter_takes_arrays_of_the_cpu() -> None:
    """Device arrays in host memory work too, others are refused."""
    x = gy.array(np.ones(2, np.float32))
    shrink.interpret[2](x)
    assert x.numpy().tolist() == [0.25, 0.25]
    with pytest.raises(gy.UnsupportedError, match="host memory"):
        shrink.interpret[2](x.to("null"))


def test_functions_are_for_kernels() -> None:
    """Calling a @func on the host is refused."""
    with pytest.raises(UserError, match="inside kernels"):
        half(2.0)
    with pytest.raises(UserError, match="plain function"):
        gy.func(3)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="plain function"):
        gy.kernel(len)


def test_options_of_the_decorator() -> None:
    """rank and check are looked at when the kernel is defined."""
    for options, message in [({"rank": 4}, "rank"), ({"check": "maybe"}, "check is")]:
        with pytest.raises(UserError, match=message):
            gy.kernel(**options)(lambda: None)
    fast = gy.kernel(fastmath=True)
    assert fast(shrink.__gyral_kernel__).fastmath
    assert fast(shrink.__gyral_kernel__) is not fast(shrink.__gyral_kernel__)


def test_words_outside_kernels() -> None:
    """A word called on the host says where it belongs; an unknown name is an AttributeError."""
    with pytest.raises(UserError, match="outside a kernel"):
        gy.global_id()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        gy.nothing  # noqa: B018
    assert "global_id" in dir(gy)


def test_a_struct_has_a_layout_and_a_constructor() -> None:
    """Fields keep C offsets, records are made on the host by order or name."""

    @gy.struct
    class Mixed:
        """A record."""

        small: gy.u8
        wide: "gy.f64"
        inner: gy.f32x2

    assert Mixed.dtype.itemsize == 24
    assert [Mixed.dtype.fields[n][1] for n in ("small", "wide", "inner")] == [0, 8, 16]
    record = Mixed(7, inner=(1, 2))
    assert (record["small"], record["wide"], record["inner"].tolist()) == (7, 0.0, [1, 2])
    for call, message in [
        (lambda: Mixed(1, 2, 3, 4), "3 fields"),
        (lambda: Mixed(nothing=1), "no field"),
        (lambda: Mixed(1, small=1), "given twice"),
    ]:
        with pytest.raises(UserError, match=message):
            call()


def test_structs_that_are_none() -> None:
    """A struct has fields, each of an element type."""
    with pytest.raises(UserError, match="no fields"):
        gy.struct(type("Empty", (), {"__annotations__": {}}))
    with pytest.raises(UserError, match="'x'"):
        gy.struct(type("Wrong", (), {"__annotations__": {"x": list}}))
    with pytest.raises(UserError, match="nowhere"):
        gy.struct(type("Lost", (), {"__annotations__": {"x": "nowhere"}}))


def test_parameters_are_read() -> None:
    """Annotations, texts and defaults of a function's parameters are found without the compiler."""

    def plain(a, b: float, c: "gy.Array[gy.i8]" = None, *, d: gy.Static[int] = 3):
        pass

    found = [(p.name, p.accepts, p.default) for p in parameters_of(plain)]
    assert [(name, accepts) for name, accepts, _ in found] == [
        ("a", None), ("b", gy.f32), ("c", gy.Array[gy.i8]), ("d", gy.Static[int]),
    ]  # fmt: skip
    assert [default for _, _, default in found[2:]] == [None, 3]


def test_annotations_that_are_no_types() -> None:
    """A wrong annotation is refused with its place."""

    @gy.kernel
    def wrong(x: "list[int]"):
        pass

    @gy.kernel
    def lost(x: "gy.f33"):
        pass

    for kernel in (wrong, lost):
        with pytest.raises(UserError, match="x"):
            kernel[1](1)


def test_building_ahead_fills_a_cache(tmp_path: Path) -> None:
    """The folder holds the artifact under the key that a launch will ask for."""
    paths = build(shrink, (), "cpu", tmp_path)
    assert len(paths) == 1
    key = paths[0].parent.name + paths[0].stem
    payload = DiskCache(str(tmp_path), 1 << 20).read(key)
    assert payload is not None
    assert decode(payload).signature.name == "shrink"


def test_promotions_are_listed() -> None:
    """Conversions to f64 that nobody wrote are found with their lines."""

    @gy.kernel
    def wide(x: gy.Array[gy.f32], y: gy.Array[gy.f64]):
        i = gy.global_id()
        y[i] = x[i] * y[i]

    found = promotions(wide, ())
    assert [(each.source, each.target) for each in found] == [(gy.f32, gy.f64)]
    assert found[0].span.file == __file__
