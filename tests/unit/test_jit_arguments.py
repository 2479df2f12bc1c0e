"""Arguments of launches one by one: foreign arrays, scalars of every sort, and their bits."""

import array
import math
import struct
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import gyral as gy
from gyral.core import native
from gyral.core.artifact import Artifact, CompileOptions, Signature
from gyral.core.driver import Bits, Pointer
from gyral.core.errors import InternalError, UnsupportedError, UserError
from gyral.drivers.cpu.driver import CpuDriver
from gyral.drivers.cpu.slots import pack
from gyral.jit.arguments import ArrayGiven, ScalarGiven, StaticGiven, Weak, take
from gyral.jit.parameters import Parameter
from gyral.jit.scalars import bits_of
from gyral.jit.specialise import Terms, specialise, spell


class Foreign:
    """An array of some other library."""

    def __init__(self, host: np.ndarray) -> None:
        self.host = host
        self.__array_interface__ = host.__array_interface__


class Speaker:
    """One that speaks DLPack alone."""

    def __init__(self, host: np.ndarray) -> None:
        self.host = host

    def __dlpack__(self, **options: Any) -> Any:
        return self.host.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.host.__dlpack_device__()


F32 = gy.Array[gy.f32]


@pytest.mark.parametrize(
    "make",
    [Foreign, Speaker, lambda host: memoryview(array.array("f", host)), lambda host: host.view(np.matrix).A1],
)
@pytest.mark.parametrize("accepts", [F32, gy.Array, gy.In[F32], gy.In[gy.Array], None])
def test_foreign_arrays_are_used_in_place(make: Any, accepts: Any) -> None:
    """Anything in host memory that NumPy can see without a copy is an array argument."""
    given = take(Parameter("x", accepts), make(np.arange(4, dtype=np.float32)))
    assert isinstance(given, ArrayGiven)
    assert given.kind.elem == gy.f32
    assert (given.shape, given.strides, given.unit) == ((4,), (4,), True)
    assert given.kind.readonly == (accepts in (gy.In[F32], gy.In[gy.Array]))


def test_a_foreign_array_that_lies_elsewhere_is_refused() -> None:
    """A failing exchange is told with the argument's name."""

    class Broken(Speaker):
        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("on the moon")

    with pytest.raises(UserError, match=r"'x'.*on the moon"):
        take(Parameter("x", F32), Broken(np.zeros(2)))


@pytest.mark.parametrize(
    "value, kind",
    [
        (True, Weak.BOOL),
        (3, Weak.INT),
        (3.0, Weak.FLOAT),
        (np.float32(3), gy.f32),
        (np.float64(3), gy.f64),
        (np.int16(3), gy.i16),
        (np.bool_(True), gy.bool_),
        (np.array(3, np.uint8), gy.u8),
        (ml_dtypes.bfloat16(3), gy.bf16),
    ],
)
def test_a_bare_scalar_has_a_kind(value: Any, kind: Any) -> None:
    """Python numbers are weak, NumPy scalars keep their type."""
    given = take(Parameter("a", None), value)
    assert isinstance(given, ScalarGiven)
    assert given.kind == kind
    assert given.values == (value,)


@pytest.mark.parametrize("value", ["text", None, 1j, object(), {}, np.datetime64("2020")])
def test_what_is_no_argument_is_refused(value: Any) -> None:
    """The message names the argument."""
    with pytest.raises(UserError, match="'a'"):
        take(Parameter("a", None), value)


@pytest.mark.parametrize(
    "accepts, value, found",
    [
        (gy.Static[int], np.int64(4), 4),
        (gy.Static[float], 4, 4.0),
        (gy.Static[bool], True, True),
        (gy.Static[gy.u8], 260, 4),
        (gy.Static[tuple], (1, 2), (1, 2)),
    ],
)
def test_static_values(accepts: Any, value: Any, found: Any) -> None:
    """A static value is taken as its declared type."""
    given = take(Parameter("n", accepts), value)
    assert isinstance(given, StaticGiven)
    assert (given.kind.value, type(given.kind.value)) == (found, type(found))


@pytest.mark.parametrize(
    "accepts, value",
    [(gy.Static[int], True), (gy.Static[int], "4"), (gy.Static[gy.f32], "x"), (gy.Static[list], [])],
)
def test_static_values_of_the_wrong_type(accepts: Any, value: Any) -> None:
    """Another type, or a value that changes, is refused."""
    with pytest.raises(UserError, match="Static"):
        take(Parameter("n", accepts), value)


@pytest.mark.parametrize(
    "dtype, value, bits",
    [
        (gy.f32, 1.5, struct.unpack("<I", struct.pack("<f", 1.5))[0]),
        (gy.f64, 1, struct.unpack("<Q", struct.pack("<d", 1.0))[0]),
        (gy.f16, 65504.0, 0x7BFF),
        (gy.bf16, 1.0, 0x3F80),
        (gy.f32, math.inf, 0x7F800000),
        (gy.f32, -0.0, 0x80000000),
        (gy.i8, -1, 0xFF),
        (gy.i64, -1, 0xFFFFFFFFFFFFFFFF),
        (gy.u64, 1 << 63, 1 << 63),
        (gy.i32, True, 1),
        (gy.bool_, True, 1),
        (gy.bool_, 0, 0),
    ],
)
def test_bits(dtype: Any, value: Any, bits: int) -> None:
    """A number becomes the bits that the parameter's type has for it."""
    assert bits_of("a", dtype, value, typed=False) == bits


@pytest.mark.parametrize(
    "dtype, value",
    [(gy.i8, 128), (gy.u8, -1), (gy.i32, 1.0), (gy.f16, 1e6), (gy.f32, 10**400), (gy.bool_, 2)],
)
def test_numbers_that_do_not_fit(dtype: Any, value: Any) -> None:
    """A Python number that the type does not hold is refused by name."""
    with pytest.raises(UserError, match="'a'"):
        bits_of("a", dtype, value, typed=False)


def test_typed_numbers_convert_as_stores() -> None:
    """NumPy scalars wrap and overflow as a store in a kernel does."""
    assert bits_of("a", gy.u8, 300, typed=True) == 44
    assert bits_of("a", gy.f16, 1e6, typed=True) == 0x7C00


def test_every_kind_is_spelled_differently() -> None:
    """The spelling in cache keys tells all kinds apart."""
    one = gy.struct(type("P", (), {"__annotations__": {"x": gy.f32}}))
    two = gy.struct(type("P", (), {"__annotations__": {"x": gy.f64}}))
    values = [1, 1.0, True, gy.f32, gy.f32x2, (1, 2)]
    statics = [take(Parameter("n", gy.Static[type(v)]), v).kind for v in values if not isinstance(v, (bool,))]
    kinds = [one, two, gy.f32, gy.f32x2, F32, gy.In[F32], gy.Array[one], gy.Array[two], *Weak, *statics]
    assert len({spell(kind) for kind in kinds}) == len(kinds)


@pytest.mark.parametrize(
    "shape, block, folded",
    [((255,), (), ()), ((256 * 7,), (), ()), ((256 * 7 + 1,), (), ("folded",)), ((8,), (1,), ("folded",)),
     ((5 * 8, 7 * 32), (), ()), ((5 * 8 + 1, 1), (), ("folded",)), ((3, 1, 1), (1, 1, 1), ()),
     ((4, 1, 1), (1, 1, 1), ("folded",))],
)  # fmt: skip
def test_only_a_grid_over_the_limit_is_compiled_as_folded(
    shape: tuple[int, ...], block: tuple[int, ...], folded: tuple[str, ...]
) -> None:
    """Within it a launch shares its code with launches of any size; the default block counts like another."""
    terms = Terms("cuda", block, max_grid=(7, 5, 3))
    assert specialise([], shape, terms).options.features == folded


def test_packing() -> None:
    """Arrays take pointer, extents and strides, scalars their bits, eight bytes each."""
    packed = pack([Pointer(16, (3, 2), (-8, 4)), Bits(7)])
    assert struct.unpack("<QQQqqQ", packed) == (16, 3, 2, -8, 4, 7)


def test_the_cpu_copies_bytes() -> None:
    """copy_in and copy_out move host bytes, at once or on a queue."""
    driver = CpuDriver()
    memory = driver.allocate(8)
    assert driver.address(memory) % 64 == 0
    out = bytearray(8)
    for queue in (None, driver.queue()):
        driver.copy_in(queue, driver.address(memory), memoryview(b"12345678"))
        driver.copy_out(queue, memoryview(out), driver.address(memory))
        if queue is not None:
            driver.wait(driver.mark(queue))
        assert bytes(out) == b"12345678"
        out[:] = bytes(8)
    driver.free(memory)
    driver.close()


def test_the_cpu_runs_its_own_code_only() -> None:
    """An artifact for another kind of device is refused."""
    with pytest.raises(InternalError, match="cuda"):
        CpuDriver().load(Artifact("cuda", b"", 0, Signature("k", 1, (), CompileOptions())))


def test_without_the_native_module_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing extension makes the CPU device unavailable, with the remedy."""
    monkeypatch.setattr(native, "module", None)
    with pytest.raises(UnsupportedError, match="C compiler"):
        CpuDriver()
