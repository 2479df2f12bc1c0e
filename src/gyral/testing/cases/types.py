"""Group B: scalars, vectors, structs, tuples and arrays of every rank."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from gyral.core.dtypes import DType
from gyral.testing import language as gy
from gyral.testing.case import Case, needs
from gyral.testing.compare import EXACT, Tolerance
from gyral.testing.sample import ALL, mixed, moderate, spelled, zeros
from gyral.testing.source import define

COUNT = 21


@gy.struct
class Body:
    pos: gy.f32x3
    mass: gy.f32


@gy.struct
class Mixed:
    flag: gy.bool_
    small: gy.i8
    wide: gy.f64
    half: gy.f16
    tag: gy.u32


@gy.struct
class Pair:
    left: Body
    right: Body
    weight: gy.f64


@gy.func
def body_at(x: gy.f32, mass: gy.f32) -> Body:
    return Body(gy.f32x3(x, x * 2, x * 3), mass)


@gy.func
def heavier(a: Body, b: Body) -> Body:
    if a.mass >= b.mass:
        return a
    return b


@gy.kernel
def vectors(x: gy.Array[gy.f32x3], y: gy.Array[gy.f32x3], out: gy.Array[gy.f32x3, 2], dots: gy.Array[gy.f32]):
    i = gy.global_id()
    a = x[i]
    b = y[i]
    out[0, i] = a + b
    out[1, i] = a * 2 - b / 4
    out[2, i] = gy.cross(a, b)
    c = gy.f32x3(a.z, b.y, a[0])
    c.y = 7
    out[3, i] = -c
    out[4, i].z = a.x * b.z
    dots[i] = gy.dot(a, b)


def vectors_reference(x: np.ndarray, y: np.ndarray, out: np.ndarray, dots: np.ndarray) -> None:
    f = np.float32
    out[0], out[1] = x + y, x * f(2) - y / f(4)
    out[2, :, 0] = x[:, 1] * y[:, 2] - x[:, 2] * y[:, 1]
    out[2, :, 1] = x[:, 2] * y[:, 0] - x[:, 0] * y[:, 2]
    out[2, :, 2] = x[:, 0] * y[:, 1] - x[:, 1] * y[:, 0]
    out[3, :, 0], out[3, :, 1], out[3, :, 2] = -x[:, 2], f(-7), -x[:, 0]
    out[4, :, 2] = x[:, 0] * y[:, 2]
    dots[:] = (x[:, 0] * y[:, 0] + x[:, 1] * y[:, 1]) + x[:, 2] * y[:, 2]


@gy.kernel
def lengths(x: gy.Array[gy.f32x4], out: gy.Array[gy.f32x4], size: gy.Array[gy.f32]):
    i = gy.global_id()
    size[i] = gy.length(x[i])
    out[i] = gy.normalize(x[i])


def lengths_reference(x: np.ndarray, out: np.ndarray, size: np.ndarray) -> None:
    size[:] = np.sqrt((x * x).sum(axis=1))
    out[:] = x / size[:, None]


@gy.kernel
def vector_index(x: gy.Array[gy.i32x4], at: gy.Array[gy.i32], out: gy.Array[gy.i32]):
    i = gy.global_id()
    v = x[i]
    total = 0
    for k in range(4):
        total = total * 10 + v[k]
    v[at[i] & 3] = 100
    out[i] = total + v[at[i] & 1] * 100000


def vector_index_reference(x: np.ndarray, at: np.ndarray, out: np.ndarray) -> None:
    for i in range(out.size):
        v = x[i].tolist()
        total = ((v[0] * 10 + v[1]) * 10 + v[2]) * 10 + v[3]
        v[at[i] & 3] = 100
        out[i] = total + v[at[i] & 1] * 100000


@gy.kernel
def short_vectors(a: gy.Array[gy.f32x2], b: gy.Array[gy.Vec[gy.i16, 3]], c: gy.Array[gy.Vec[gy.f64, 2]]):
    i = gy.global_id()
    b[i] = b[i] + gy.Vec[gy.i16, 3](1, 2, 3)
    a[i] = gy.f32x2(a[i].y, a[i].x)
    c[i] = c[i] * c[i]


def short_vectors_reference(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> None:
    a[:] = a[:, ::-1].copy()
    b += np.array([1, 2, 3], np.int16)
    c *= c


@gy.kernel
def move(bodies: gy.Array[Body], push: gy.f32x3, dt: gy.f32, out: gy.Array[Body]):
    i = gy.global_id()
    p = bodies[i]
    p.pos = p.pos + push * dt
    p.mass *= 2
    bodies[i].pos.y = p.mass
    bodies[i].mass += 1
    out[i] = p


def move_reference(bodies: np.ndarray, push: Any, dt: float, out: np.ndarray) -> None:
    f = np.float32
    out["pos"] = bodies["pos"] + np.array(push, f) * f(dt)
    out["mass"] = bodies["mass"] * f(2)
    bodies["pos"][:, 1] = out["mass"]
    bodies["mass"] += f(1)


@gy.kernel
def layouts(a: gy.Array[Mixed], b: gy.Array[Mixed]):
    i = gy.global_id()
    v = a[i]
    v.small += 1
    v.flag = not v.flag
    v.wide = v.wide / 3
    v.half = v.half * 2
    b[i] = v
    b[i].tag = a[i].tag ^ 0xFFFFFFFF


def layouts_reference(a: np.ndarray, b: np.ndarray) -> None:
    b["small"], b["flag"] = a["small"] + np.int8(1), ~a["flag"]
    b["wide"], b["half"], b["tag"] = a["wide"] / 3, a["half"] * np.float16(2), ~a["tag"]


@gy.kernel
def nested(x: gy.Array[gy.f32], out: gy.Array[Pair]):
    i = gy.global_id()
    a = body_at(x[i], 1.5)
    b = body_at(-x[i], x[i])
    pair = Pair(a, b, 0.5)
    pair.left.pos.x += 10
    pair.right = heavier(a, b)
    out[i] = pair
    out[i].weight = pair.right.mass + pair.left.pos.z


def nested_reference(x: np.ndarray, out: np.ndarray) -> None:
    f = np.float32
    for i, v in enumerate(x):
        a = ([v, v * f(2), v * f(3)], f(1.5))
        b = ([-v, -v * f(2), -v * f(3)], v)
        chosen = a if a[1] >= b[1] else b
        out[i] = (([v + f(10), a[0][1], a[0][2]], a[1]), chosen, np.float64(chosen[1] + a[0][2]))


@gy.func
def low_high(a: gy.i32, b: gy.i32) -> tuple[gy.i32, gy.i32]:
    return (a, b) if a < b else (b, a)


@gy.kernel
def tuples(x: gy.Array[gy.i32], y: gy.Array[gy.i32], out: gy.Array[gy.i32, 2]):
    i = gy.global_id()
    low, high = low_high(x[i], y[i])
    both = (low, high, low * high)
    a, (b, c) = both[0], (both[1], both[2])
    triple = both if a > 0 else (c, b, a)
    out[0, i] = triple[0]
    out[1, i] = triple[1] - low_high(b, c)[1]
    out[2, i] = len(both)
    out[3, i] += a * 3 + (1 + a) * 5


def tuples_reference(x: np.ndarray, y: np.ndarray, out: np.ndarray) -> None:
    low, high = np.minimum(x, y), np.maximum(x, y)
    product = low * high
    out[0] = np.where(low > 0, low, product)
    out[1] = high - np.maximum(high, product)
    out[2] = 3
    out[3] += low * 3 + (1 + low) * 5


SCALAR = """
@gy.kernel
def scalar(x: gy.Array[gy.{t}], s: gy.{t}, out: gy.Array[gy.{t}, 2]):
    i = gy.global_id()
    out[0, i] = x[i]
    out[1, i] = s
"""

RANKS = """
@gy.kernel
def ranks(a: gy.Array[gy.f32], b: gy.Array[gy.i16, 2], c: gy.Array[gy.f64, 3], d: gy.Array[gy.u8, 4]):
    i, j, k = gy.global_ids(3)
    h, w, depth = c.shape
    a[(i * w + j) * depth + k] = c[i, j, k] + a.size
    if j == 0:
        b[i, k] += i + 1
    for m in range(d.shape[3]):
        d[i, j, k, m] = d[i, j, k, m] * 2 + len(d)
    c[i, j, k] = d.size + c.shape[1] * 100 + depth
"""


def ranks_reference(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> None:
    a[:] = c.reshape(-1) + a.size
    b += (np.arange(b.shape[0])[:, None] + 1).astype(np.int16)
    d *= 2
    d += d.shape[0]
    c[:] = d.size + c.shape[1] * 100 + c.shape[2]


def scalar_cases() -> Iterator[Case]:
    """Each scalar type through an array and as a parameter."""
    for dtype in ALL:
        kernel = define(SCALAR.format(t=spelled(dtype)), "scalar")
        values = mixed(dtype, 40)

        def arguments(values: np.ndarray = values, dtype: DType = dtype) -> tuple[Any, ...]:
            given = dtype(values[1]) if dtype.is_float else values[1].item()
            return values.copy(), given, zeros(dtype, 2, values.size)

        def reference(x: np.ndarray, s: Any, out: np.ndarray) -> None:
            out[0], out[1] = x, s

        yield Case(
            "B",
            "scalars",
            str(dtype),
            kernel,
            arguments,
            values.shape,
            None,
            reference,
            # What is only moved needs no arithmetic, which is what devices without f64 lack.
            requires=needs() if dtype is gy.f64 else needs(dtype),
        )


def vector_array(count: int, size: int, kind: Any, seed: int) -> np.ndarray:
    """Random vectors: a trailing axis of `size`."""
    return np.random.default_rng(seed).uniform(-9, 9, (count, size)).astype(kind)


def bodies() -> np.ndarray:
    """An array of structs filled with random values."""
    made = np.zeros(COUNT, Body.dtype)
    made["pos"] = vector_array(COUNT, 3, np.float32, 3)
    made["mass"] = moderate(gy.f32, COUNT, 4)
    return made


def mixed_records() -> np.ndarray:
    """Records whose fields are padded apart."""
    made = np.zeros(COUNT, Mixed.dtype)
    for seed, (name, dtype) in enumerate(
        (("flag", gy.bool_), ("small", gy.i8), ("wide", gy.f64), ("tag", gy.u32))
    ):
        made[name] = mixed(dtype, COUNT, seed)
    made["half"] = moderate(gy.f16, COUNT)
    return made


def f32_vectors(size: int, seed: int) -> np.ndarray:
    """Random f32 vectors, one for each thread."""
    return vector_array(COUNT, size, np.float32, seed)


Table: TypeAlias = tuple[tuple[str, Any, Any, Callable[[], tuple[Any, ...]], frozenset[str]], ...]

VECTORS: Table = (
    (
        "arithmetic, dot, cross, components",
        vectors,
        vectors_reference,
        lambda: (
            f32_vectors(3, 1),
            f32_vectors(3, 2),
            np.zeros((5, COUNT, 3), np.float32),
            zeros(gy.f32, COUNT),
        ),
        needs(),
    ),
    (
        "length and normalize",
        lengths,
        lengths_reference,
        lambda: (f32_vectors(4, 1), np.zeros((COUNT, 4), np.float32), zeros(gy.f32, COUNT)),
        needs(),
    ),
    (
        "indexed at run time",
        vector_index,
        vector_index_reference,
        lambda: (vector_array(COUNT, 4, np.int32, 1), np.arange(COUNT, dtype=np.int32), zeros(gy.i32, COUNT)),
        needs(),
    ),
    (
        "of two and of other scalars",
        short_vectors,
        short_vectors_reference,
        lambda: (
            f32_vectors(2, 1),
            vector_array(COUNT, 3, np.int16, 2),
            vector_array(COUNT, 2, np.float64, 3),
        ),
        needs(gy.i16, gy.f64),
    ),
)
STRUCTS: Table = (
    (
        "read, changed, written whole and by field",
        move,
        move_reference,
        lambda: (bodies(), (0.5, -1.0, 2.0), 0.125, np.zeros(COUNT, Body.dtype)),
        needs(),
    ),
    (
        "padding and mixed widths",
        layouts,
        layouts_reference,
        lambda: (mixed_records(), np.zeros(COUNT, Mixed.dtype)),
        needs(gy.i8, gy.f16, gy.f64),
    ),
    (
        "nested and returned",
        nested,
        nested_reference,
        lambda: (moderate(gy.f32, COUNT), np.zeros(COUNT, Pair.dtype)),
        needs(gy.f64),
    ),
)
TUPLES: Table = (
    (
        "packed, unpacked, returned",
        tuples,
        tuples_reference,
        lambda: (
            moderate(gy.i32, COUNT, 1, -9, 9),
            moderate(gy.i32, COUNT, 2, -9, 9),
            np.zeros((4, COUNT), np.int32),
        ),
        needs(),
    ),
)


def composite_cases() -> Iterator[Case]:
    """Vectors, structs and tuples, without a block and with one that does not divide the launch."""
    for row, table in (("vectors", VECTORS), ("structs", STRUCTS), ("tuples", TUPLES)):
        for name, kernel, reference, arguments, requires in table:
            near = Tolerance(ulp=4) if kernel is lengths else EXACT
            launch = (kernel, arguments, (COUNT,))
            yield Case("B", row, name, *launch, None, reference, EXACT, near, requires)
            yield Case("B", row, f"{name}, block 8", *launch, (8,), reference, EXACT, near, requires)


def rank_cases() -> Iterator[Case]:
    """Arrays of rank 1 to 4 in one kernel; dense, and as strided views."""
    ranks = define(RANKS, "ranks")

    def dense() -> tuple[np.ndarray, ...]:
        return (
            np.zeros(3 * 4 * 5, np.float32),
            np.zeros((3, 5), np.int16),
            np.arange(60, dtype=np.float64).reshape(3, 4, 5),
            np.arange(120, dtype=np.uint8).reshape(3, 4, 5, 2),
        )

    def strided() -> tuple[np.ndarray, ...]:
        return (
            np.zeros(3 * 4 * 5 * 3, np.float32)[::3],
            np.zeros((5, 3), np.int16).T,
            np.arange(120, dtype=np.float64).reshape(3, 4, 10)[:, ::-1, ::2],
            np.arange(240, dtype=np.uint8).reshape(2, 5, 4, 6).transpose(3, 2, 1, 0)[::2],
        )

    requires = needs(gy.i16, gy.u8, gy.f64)
    for name, arguments in (("dense", dense), ("strided views", strided)):
        yield Case(
            "B", "array ranks", name, ranks, arguments, (3, 4, 5), None, ranks_reference, requires=requires
        )
        yield Case(
            "B",
            "array ranks",
            f"{name}, blocked",
            ranks,
            arguments,
            (3, 4, 5),
            (2, 2, 4),
            ranks_reference,
            requires=requires,
        )


def cases() -> Iterator[Case]:
    """The rows of this file."""
    yield from scalar_cases()
    yield from composite_cases()
    yield from rank_cases()
