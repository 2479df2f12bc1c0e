"""Vectors, structs, tuples and arrays in kernels."""

import numpy as np
from tests.frontend_programs import launch, lowered, ops

import gyral as gy
from gyral.compiler.frontend.annotations import StaticValue
from gyral.compiler.interp.launch import run
from gyral.core.dtypes import ArrayType, Vec, f32, i32


@gy.struct
class Ball:
    """A small record with a vector inside."""

    pos: gy.f32x3
    mass: gy.f32
    tag: gy.i32


F3 = Vec(f32, 3)


def balls(n: int) -> np.ndarray:
    """Records with fields that count up."""
    found = np.zeros(n, Ball.dtype)
    found["pos"] = np.arange(3 * n).reshape(n, 3)
    found["mass"] = np.arange(n) + 1
    return found


def of_balls(fn, *extra):
    """Run a kernel over three records and the given arrays."""
    data = balls(3)
    types = [
        ArrayType(Ball),
        *(ArrayType({np.dtype(np.float32): f32, np.dtype(np.int32): i32}[e.dtype]) for e in extra),
    ]
    run(lowered(fn, *types), (3,), None, [data, *extra])
    return data


def test_one_field_is_one_load() -> None:
    """Reading a part of an element loads that part alone, and so does writing it."""

    def kernel(p):
        i = gy.global_id()
        p[i].pos.y = p[i].pos.x + p[i].mass

    module = lowered(kernel, ArrayType(Ball))
    leaves = [(op.name, op.attributes["leaf"]) for op in module.walk() if op.name.startswith("memory.")]
    assert leaves == [("memory.load", 0), ("memory.load", 3), ("memory.store", 1)]


def test_fields_are_written_in_place() -> None:
    """`a[i].v.y += x` changes that component and nothing else."""

    def kernel(p):
        i = gy.global_id()
        p[i].pos.y += 100
        p[i].pos[2] = p[i].tag
        p[i].tag = 7

    expected = balls(3)
    expected["pos"][:, 1] += 100
    expected["pos"][:, 2] = 0
    expected["tag"] = 7
    assert of_balls(kernel).tobytes() == expected.tobytes()


def test_whole_records_are_values() -> None:
    """A record read from memory is a copy; changing it and storing it back are two things."""

    def kernel(p, out):
        i = gy.global_id()
        b = p[i]
        b.mass = b.mass * 10
        b.pos.x = -1
        out[i] = p[i].mass
        p[i] = b

    out = np.zeros(3, np.float32)
    data = of_balls(kernel, out)
    assert (out.tolist(), data["mass"].tolist(), data["pos"][:, 0].tolist()) == (
        [1, 2, 3],
        [10, 20, 30],
        [-1] * 3,
    )


def test_records_pass_through_branches_and_loops() -> None:
    """Records and vectors merge like numbers."""

    def kernel(p):
        i = gy.global_id()
        b = Ball(pos=gy.f32x3(0), mass=0, tag=i)
        for k in range(i + 1):
            b.mass += 1
            b.pos = b.pos + gy.f32x3(1, 2, k)
        if i == 1:
            b = p[0]
        p[i] = b

    data = of_balls(kernel)
    assert [(d["pos"].tolist(), d["mass"], d["tag"]) for d in data] == [
        ([1, 2, 0], 1, 0),
        ([1, 2, 0], 1, 0),
        ([3, 6, 3], 3, 2),
    ]


def test_functions_take_and_return_records() -> None:
    """A `@gy.func` takes and returns structs, vectors and tuples."""

    @gy.func
    def moved(b: Ball, by: gy.f32x3):
        b.pos += by
        return b, gy.length(by)

    def kernel(p, out):
        i = gy.global_id()
        p[i], out[i] = moved(p[i], gy.f32x3(3, 4, 0))

    out = np.zeros(3, np.float32)
    data = of_balls(kernel, out)
    assert (out.tolist(), data["pos"].tolist()) == ([5] * 3, (balls(3)["pos"] + [3, 4, 0]).tolist())


def test_vectors_compute_by_component() -> None:
    """Arithmetic, functions, products and components of vectors."""

    def kernel(out):
        v = gy.f32x3(1, -2, 3)
        w = gy.Vec[gy.f32, 3](4)
        u = -v * 2 + w / 4 - 0.5
        out[0], out[1], out[2] = u
        out[3] = gy.dot(v, w)
        out[4], out[5], out[6] = gy.cross(v, w)
        out[7] = abs(v).y + max(v, 2).x
        out[8] = v.zx.x
        out[9] = len(v)
        n = gy.normalize(gy.f32x2(3, 4))
        out[10] = n[1]
        v.y = 9
        v[2] += 1
        out[11], out[12] = v.y, v.z

    out = np.zeros(13, np.float32)
    launch(kernel, 1, out)
    assert out.tolist() == [-1.5, 4.5, -5.5, 8, -20, 8, 12, 4, 3, 3, np.float32(0.8), 9, 4]


def test_vector_components_at_run_time() -> None:
    """A component can be chosen and set at run time."""

    def kernel(n, out):
        i = gy.global_id()
        v = gy.i32x3(10, 20, 30)
        v[n[i]] += i + 1
        out[i] = v[n[i]] * 1000 + v.x

    n, out = np.array([0, 1, 2], np.int32), np.zeros(3, np.int32)
    launch(kernel, 3, n, out)
    assert out.tolist() == [11011, 22010, 33010]


def test_tuples_unpack_and_merge() -> None:
    """Tuples exist while compiling; they unpack, index by constants and join item by item."""

    def kernel(out):
        i = gy.global_id()
        t = (1, 2.5, i)
        if i > 0:
            t = (2, 0, 5)
        a, (b, c) = t[0], (t[1], t[-1])
        out[i] = a * 100 + b * 10 + c + len(t)

    out = np.zeros(2, np.float32)
    launch(kernel, 2, out)
    assert out.tolist() == [128, 208]


def test_arrays_know_their_shape() -> None:
    """shape, size, len, ndim and dtype of an array; on-chip memory knows them when compiling."""

    def kernel(a, out):
        h, w = a.shape
        tile = gy.local((4, a.ndim), a.dtype)
        tile[3, 1] = a[1, 2]
        out[0], out[1], out[2], out[3] = h, w, a.size, len(a)
        out[4] = tile[3, 1] + tile.size + len(tile)

    out = np.zeros(5, np.int64)
    launch(kernel, 1, np.arange(12, dtype=np.int64).reshape(3, 4), out)
    assert out.tolist() == [3, 4, 12, 3, 6 + 8 + 4]


def test_an_index_tuple_is_spread() -> None:
    """A tuple indexes like the indices it holds."""

    def kernel(a):
        at = gy.global_ids(2)
        a[at] = a[at] * 2

    a = np.arange(6, dtype=np.int32).reshape(2, 3)
    launch(kernel, (2, 3), a)
    assert a.tolist() == [[0, 2, 4], [6, 8, 10]]


def test_augmented_elements_compute_their_index_once() -> None:
    """`a[f(i)] += x` calls f once."""

    @gy.func
    def other(a, i):
        a[0] += 1
        return i + 1

    def kernel(a):
        a[other(a, gy.global_id())] += 5

    a = np.zeros(2, np.int32)
    launch(kernel, 1, a)
    assert a.tolist() == [1, 5]


def test_array_of_vectors() -> None:
    """`Array[f32x3]` is read and written whole and by component."""

    def kernel(v):
        i = gy.global_id()
        v[i] = v[i] * 2
        v[i].z = v[i][0] + v[i].y

    module = lowered(kernel, ArrayType(F3))
    v = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    run(module, (2,), None, [v])
    assert v.tolist() == [[2, 4, 6], [8, 10, 18]]


def test_a_static_size_shapes_memory_and_prunes_branches() -> None:
    """A Static parameter sizes memory, and the branch it rules out is not even typed."""

    def kernel(x, n: gy.Static[int]):
        t = gy.local(n * 2, gy.f32)
        if n > 3:
            t[0] = no_such_name(x)  # noqa: F821
        elif n == 3:
            t[5] = 1.0
        x[0] = t[5] + n

    module = lowered(kernel, ArrayType(f32), StaticValue(3))
    assert ("control.if" in ops(module), ops(module).count("memory.store")) == (False, 2)
