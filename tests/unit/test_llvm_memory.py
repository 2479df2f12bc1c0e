"""Code for loads, stores and atomics: layouts, overlaps, masks."""

from typing import Any

import numpy as np
import pytest
from tests.emitted import Trial, disagreement, hosts, ints, trial

from gyral.compiler.emit.llvm.host import Host
from gyral.core.dtypes import DType, bf16, f16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64
from gyral.testing.sample import numpy_type, zeros
from gyral.testing.source import define

WIDTHS = pytest.mark.parametrize("host", hosts(), ids=lambda host: f"{host.vector_bits}bits")

WHOLE = np.arange(60 * 70).reshape(60, 70).astype(np.int32)
VIEWS = {
    "backward": WHOLE[::-2, ::-3][:30, :23],
    "fortran": np.asfortranarray(WHOLE)[:30, :23],
    "every second": WHOLE[1:31, 2:48:2],
    "one row": np.broadcast_to(WHOLE[3, :23], (30, 23)),
    "transposed": WHOLE[:23, :30].T,
}
SHIFTED = """
@gy.kernel
def k(a: gy.Array[gy.i32, 2], o: gy.Array[gy.i32, 2], z: gy.Array[gy.i32, 2]):
    i, j = gy.global_ids(2)
    x = a[i, j]
    if j > 0 and i > 0:
        x += a[i - 1, j - 1] * 2
    o[i, j] = x
    z[j, i] = a[x % a.shape[0], x % a.shape[1]]
    if x % 3 == 0:
        o[i, j] += 1
"""


@WIDTHS
@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("view", VIEWS)
def test_layouts(view: str, bits: int, host: Host) -> None:
    """Views of every layout are read and written in place, by indices of either width."""
    target = np.zeros((60, 70), np.int32)[::2, ::-3][:30, :23]
    found = trial(SHIFTED, (30, 23), VIEWS[view], target, np.zeros((23, 30), np.int32, order="F"))
    assert disagreement(found, host, index_bits=bits) == ""


STRUCTS = """
@gy.struct
class S:
    a: gy.f32x3
    b: gy.u8
    c: gy.f64
@gy.kernel
def k(s: gy.Array[S, 2], o: gy.Array[S, 2], t: gy.Array[gy.f16], b: gy.Array[gy.bool_], h: gy.Array[gy.bf16]):
    i, j = gy.global_ids(2)
    e = s[j, i]
    e.a = e.a * 2.0
    e.b = e.b + gy.u8(j)
    if b[i] and e.b > 3:
        e.c = e.c + t[j]
        b[i + 20] = e.b % 2 == 0
    o[i, j] = e
    t[j + 40] = t[j] * gy.f16(e.b)
    h[j + 20] = h[j] + gy.bf16(i)
"""


@WIDTHS
def test_structs_flags_and_halves(host: Host) -> None:
    """Elements of many leaves, flags and 16-bit floats are read and written, under masks too."""
    kernel = define(STRUCTS, "k")
    source = np.zeros((17, 13), kernel.parameters[0].accepts.elem.dtype)
    source["a"] = np.random.default_rng(1).random((17, 13, 3))
    source["b"] = np.arange(221).reshape(17, 13)
    source["c"] = np.random.default_rng(2).random((17, 13))
    flags, halves = np.arange(40) % 2 == 0, np.arange(100).astype(np.float16)
    brains = np.arange(50).astype(numpy_type(bf16))
    arguments: list[Any] = [source, np.zeros((1, 17), source.dtype), halves, flags, brains]
    assert disagreement(Trial(kernel, (1, 17), arguments), host) == ""


OVERLAP = """
@gy.kernel
def k(a: gy.Array[gy.i32], o: gy.Array[gy.i32]):
    i = gy.global_id()
    o[i] = i * 3
    x = a[i]
    o[i] = x + 1
    y = a[i]
    if y > 20:
        o[i] = 0
    o[i + 100] = a[i] + y
"""


@WIDTHS
def test_a_thread_sees_its_stores_through_another_argument(host: Host) -> None:
    """Where arguments overlap, a load gives what the thread stored by another name."""
    whole = np.arange(200).astype(np.int32)
    assert disagreement(trial(OVERLAP, 100, whole[:100], whole), host) == ""


MEETING = """
@gy.kernel
def k(a: gy.Array[gy.i32], o: gy.Array[gy.i32]):
    i = gy.global_id()
    if a[i] > 2:
        o[0] = 7
        o[a[i] % 5 + 1] = a[i] % 5
    if a[i] > 1000:
        o[6] = 1
"""


@WIDTHS
def test_lanes_meet_at_one_place(host: Host) -> None:
    """Stores of many lanes to one place leave the value; a store no lane wants leaves nothing."""
    assert disagreement(trial(MEETING, 77, np.arange(77).astype(np.int32), ints(7)), host) == ""


@WIDTHS
@pytest.mark.parametrize("dtype", [i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64], ids=str)
def test_atomics(dtype: DType, host: Host) -> None:
    """Every atomic, at one place and at many, under masks, with its old value wanted and not."""
    words = ["add", "sub", "min", "max", *([] if dtype.is_float else ["and", "or", "xor"])]
    lines = [
        f"gy.atomic_{word}(c, {at}, v)\n    o[i, {at}] = gy.atomic_{word}(d, (i, {at}), v)\n"
        f"    gy.atomic_{word}(e, (i % 3, {at}), v)"
        for at, word in enumerate(words)
    ]
    lines += [
        "o[i, 9] = gy.atomic_exchange(d, (i, 9), v)",
        f"o[i, 10] = gy.atomic_compare_exchange(d, (i, 10), gy.{dtype}(i % 3), v)",
        "gy.atomic_store(d, (i, 11), v)",
        "o[i, 11] = gy.atomic_load(d, (i, 0))",
        "if i % 3 == 0:\n        gy.atomic_add(d, (i, 8), v)",
        "if i % 5 == 0:\n        gy.atomic_max(c, 8, v)",
    ]
    array = f"gy.Array[gy.{dtype}"
    head = f"@gy.kernel\ndef k(a: {array}], c: {array}], d: {array}, 2], e: {array}, 2], o: {array}, 2]):\n"
    text = head + "    i = gy.global_id()\n    v = a[i]\n    " + "\n    ".join(lines) + "\n"
    values = (np.arange(70) % 7 + 1).astype(numpy_type(dtype))
    cells = (np.arange(840).reshape(70, 12) % 5).astype(numpy_type(dtype))
    common = np.full(12, 3).astype(numpy_type(dtype))
    found = trial(text, 70, values, common, cells, zeros(dtype, 3, 12), zeros(dtype, 70, 12))
    assert disagreement(found, host) == ""
