"""Fusion: what runs as one, what comes out, and what is refused."""

from typing import Any

import numpy as np
import pytest

import gyral as gy
from gyral.core.errors import CompileError, KernelFault, UserError
from gyral.core.events import Compiled, Event, listening
from gyral.jit.key import fingerprint
from gyral.testing.source import define


@gy.kernel
def scale(a: gy.f32, x: gy.Array[gy.f32], t: gy.Array[gy.f32]):
    i = gy.global_id()
    t[i] = a * x[i] + 1.0


@gy.kernel
def keep(t: gy.Array[gy.f32], u: gy.Array[gy.f32], least: gy.f32 = 0.0):
    i = gy.global_id()
    u[i] = t[i] if t[i] > least else 0.0


@gy.kernel
def total(u: gy.In[gy.Array[gy.f32]], out: gy.Array[gy.f64]):
    s = gy.block_sum(gy.f64(u[gy.global_id()]))
    if gy.local_id() == 0:
        gy.atomic_add(out, 0, s)


@gy.kernel
def compact(t: gy.Array[gy.f32], count: gy.Array[gy.i32], out: gy.Array[gy.f32]):
    i = gy.global_id()
    if t[i] > 0:
        out[gy.atomic_add(count, 0, 1)] = t[i]


@gy.kernel
def shifted(t: gy.Array[gy.f32], u: gy.Array[gy.f32]):
    i = gy.global_id()
    u[i] = t[i + 1]


@gy.kernel
def overwrite(x: gy.Array[gy.f32], v: gy.Array[gy.f32]):
    x[gy.global_id()] = v[gy.global_id()]


@gy.kernel
def generic(x, y):
    i = gy.global_id()
    y[i] = x[i] + x[i]


@gy.kernel
def blur(a: gy.Array[gy.f32, 2], t: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    t[i, j] = a[i, j] * 0.5


@gy.kernel
def turned(t: gy.Array[gy.f32, 2], b: gy.Array[gy.f32, 2]):
    i, j = gy.global_ids(2)
    b[i, j] = t[j, i]


@gy.kernel
def flat(t: gy.Array[gy.f32, 2], b: gy.Array[gy.f32]):
    i, j = gy.global_ids(2)
    b[i * gy.global_size(1) + j] = t[i, j] + 1


def data(n: int = 1000) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(n).astype(np.float32)


def refused(kernels: Any, shape: Any, *arguments: Any, **options: Any) -> CompileError:
    with pytest.raises(CompileError) as caught:
        gy.fuse(kernels, **options)[shape](*arguments)
    assert caught.value.code == "GY701"
    return caught.value


def test_map_filter_and_reduction_are_one_pass() -> None:
    """What the kernels hand on is no parameter, and reaches no memory."""
    fused = gy.fuse([scale, keep, total], temporaries=("t", "u"))
    x, out = data(), np.zeros(1, np.float64)
    fused[1000, 128](2.0, x, out)
    kept = 2 * x + 1
    np.testing.assert_allclose(out[0], kept[kept > 0].sum(dtype=np.float64), rtol=1e-12)
    assert [p.name for p in fused.parameters] == ["a", "x", "out", "least"]
    assert "memory.store" not in fused.ir(block=128, stage="dce")


def test_kept_arrays_are_written_and_not_read_again() -> None:
    """An intermediate array that stays a parameter holds what the kernel left, and one load is enough."""
    fused = gy.fuse([scale, keep])
    x, t, u = data(), np.zeros(1000, np.float32), np.zeros(1000, np.float32)
    fused[1000](2.0, x, t, u)
    np.testing.assert_array_equal(t, np.float32(2) * x + np.float32(1))
    np.testing.assert_array_equal(u, np.where(t > 0, t, 0))
    assert fused.ir(stage="dce").count("memory.load") == 1


def test_a_filter_compacts_behind_a_map() -> None:
    """Elements that one kernel picks may go anywhere in an array of its own."""
    fused = gy.fuse([scale, compact], temporaries=("t",))
    x, count, out = data(), np.zeros(1, np.int32), np.zeros(1000, np.float32)
    fused[1000](2.0, x, count, out)
    wanted = np.float32(2) * x + np.float32(1)
    np.testing.assert_array_equal(np.sort(out[: count[0]]), np.sort(wanted[wanted > 0]))


def test_loops_over_the_same_range_become_one() -> None:
    """grid_range(n) in each kernel is one loop; what stood between the loops comes behind it."""

    @gy.kernel
    def first(n: gy.i32, x: gy.Array[gy.f32], t: gy.Array[gy.f32]):
        for k in gy.grid_range(n):
            t[k] = x[k] * 2

    @gy.kernel
    def second(n: gy.i32, t: gy.Array[gy.f32], out: gy.Array[gy.f64]):
        s = gy.f64(0)
        for k in gy.grid_range(n):
            s += t[k]
        s = gy.block_sum(s)
        if gy.local_id() == 0:
            gy.atomic_add(out, 0, s)

    @gy.kernel
    def third(n: gy.i32, t: gy.Array[gy.f32], top: gy.Array[gy.f32]):
        m = gy.f32(0)
        for k in gy.grid_range(n):
            m = max(m, t[k])
        gy.atomic_max(top, 0, m)

    fused = gy.fuse([first, second, third], temporaries=("t",))
    x, out, top = data(1003), np.zeros(1, np.float64), np.zeros(1, np.float32)
    fused[64, 32](1003, x, out, top)
    np.testing.assert_allclose(out[0], (2 * x).sum(dtype=np.float64), rtol=1e-12)
    assert (top[0], fused.ir(block=32).count("control.for")) == (2 * x.max(), 1)


def test_loops_over_other_ranges_stay_apart() -> None:
    """Without a common range the array is kept in memory, and a temporary is refused."""

    @gy.kernel
    def first(n: gy.i32, t: gy.Array[gy.f32]):
        for k in gy.grid_range(n):
            t[k] = 1.0

    @gy.kernel
    def second(n: gy.i32, m: gy.i32, t: gy.Array[gy.f32]):
        for k in gy.grid_range(m):
            t[k] += 1.0

    assert "at another index" in str(refused([first, second], 8, 10, np.zeros(10, np.float32), 5))


def test_the_interpreter_runs_fused_kernels() -> None:
    """The meaning of a fusion is its kernels', one after another."""
    fused = gy.fuse([scale, keep, total], temporaries={"t": gy.f32, "u": gy.f32})
    x, out = data(20), np.zeros(1, np.float64)
    fused.interpret[20, 8](2.0, x, out)
    kept = 2 * x + 1
    np.testing.assert_allclose(out[0], kept[kept > 0].sum(dtype=np.float64), rtol=1e-12)


def test_two_axes_fuse_by_the_same_indices() -> None:
    """Two ids in the same places, and rows laid end to end, are each thread's own."""
    a, b = np.ones((6, 8), np.float32), np.zeros(48, np.float32)
    gy.fuse([blur, flat], temporaries=("t",))[6, 8](a, b)
    assert b.tolist() == [1.5] * 48


def test_renamed_parameters_join_kernels() -> None:
    """A member may call its parameters otherwise; one kernel may come twice."""
    fused = gy.fuse([(generic, {"y": "t"}), (generic, {"x": "t", "y": "z"})], temporaries={"t": gy.i32})
    x, z = np.arange(5, dtype=np.int32), np.zeros(5, np.int32)
    fused[5](x, z)
    assert (z.tolist(), [p.name for p in fused.parameters]) == ([0, 4, 8, 12, 16], ["x", "z"])


def test_a_fusion_can_be_fused() -> None:
    """Its kernels and temporaries become the new one's."""
    inner = gy.fuse([scale, keep], temporaries=("t",))
    x, out = data(), np.zeros(1, np.float64)
    gy.fuse([inner, total], temporaries=("u",))[1000, 64](2.0, x, out)
    kept = 2 * x + 1
    np.testing.assert_allclose(out[0], kept[kept > 0].sum(dtype=np.float64), rtol=1e-12)


def test_the_same_array_may_stand_on_both_sides() -> None:
    """In place is fine where each thread keeps to its element."""
    x, expected = data(), data()
    for _ in range(3):
        scale[1000](2.0, expected, expected)
        keep[1000](expected, expected)
    fused = gy.fuse([scale, keep])
    for _ in range(3):
        fused[1000](2.0, x, x, x)
    np.testing.assert_array_equal(x, expected)


def test_overlapping_arrays_are_refused() -> None:
    """Views that share memory without being the same would be met by two threads."""
    x = data()
    with pytest.raises(
        UserError, match="'x' and 't' of scale\\+keep\\(\\) overlap and are not the same array"
    ):
        gy.fuse([scale, keep])[999](2.0, x[:-1], x[1:], np.zeros(999, np.float32))


def test_read_arrays_may_overlap() -> None:
    """Arrays that no kernel writes may be views of each other."""
    x, y, z = data(), np.zeros(999, np.float32), np.zeros(999, np.float32)
    both = gy.fuse([(generic, {"x": "p"}), (generic, {"x": "q", "y": "z"})])
    both[999](x[1:], y, x[:-1], z)
    assert ((y == 2 * x[1:]).all(), (z == 2 * x[:-1]).all()) == (True, True)


def test_reading_a_neighbours_element_is_refused() -> None:
    """The error shows the read, the write, and the kernel to launch by itself."""
    x, t, u = data(), np.zeros(1000, np.float32), np.zeros(1000, np.float32)
    error = refused([scale, shifted], 1000, 2.0, x, t, u)
    assert "shifted reads 't' here, and scale writes it at another index" in str(error)
    assert "u[i] = t[i + 1]" in str(error)
    assert "t[i] = a * x[i] + 1.0" in str(error)


@pytest.mark.parametrize(
    "kernels, arguments, message",
    [
        (
            [shifted, (overwrite, {"x": "t"})],
            "tuv",
            "overwrite writes 't' here, and shifted reads it at another",
        ),
        ([compact, (keep, {"t": "out"})], "tcou", "at an index that is not each thread's own"),
        ([compact, (keep, {"t": "count", "u": "w"})], "", ""),
    ],
)
def test_what_keeps_kernels_apart(kernels: Any, arguments: str, message: str) -> None:
    """Writing what another thread read, and reading what anyone may have written, are refused."""
    if not arguments:
        with pytest.raises(UserError, match="'count' is Array\\[f32\\] in keep and Array\\[i32\\]"):
            gy.fuse(kernels)
        return
    arrays = {name: data(64) for name in "touv"} | {"c": np.zeros(1, np.int32)}
    assert message in str(refused(kernels, 32, *(arrays[name] for name in arguments)))


def test_transposed_access_is_refused() -> None:
    """The same axes in another order are another thread's element."""
    a = np.ones((8, 8), np.float32)
    error = refused([blur, turned], (8, 8), a, a.copy(), a.copy())
    assert "turned reads 't' here" in str(error)


def test_two_printing_kernels_are_refused() -> None:
    """Their lines would come in another order."""

    @gy.kernel
    def say(x: gy.Array[gy.f32]):
        print(x[gy.global_id()])

    assert "would change" in str(refused([say, (say, {"x": "y"})], 2, data(2), data(2)))


@pytest.mark.parametrize(
    "body, why",
    [
        ("u[i] = t.size + t[i]", "has no extent that could be asked for"),
        ("u[i] = gy.atomic_add(t, i, 1.0)", "is used by an atomic operation"),
        ("u[i] = t[0] + t[i]", "scale writes it at another index"),
    ],
)
def test_what_no_temporary_can_do(body: str, why: str) -> None:
    """A temporary is one value per thread."""
    head = "@gy.kernel\ndef use(t: gy.Array[gy.f32], u: gy.Array[gy.f32]):\n    i = gy.global_id()\n"
    use = define(f"{head}    {body}\n", "use")
    assert why in str(refused([scale, use], 9, 1.0, data(9), data(9), temporaries=("t",)))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: gy.fuse([]), "at least one kernel"),
        (lambda: gy.fuse([np.sin]), "takes kernels"),  # type: ignore[list-item]
        (lambda: gy.fuse([scale], temporaries=("q",)), "no kernel has a parameter 'q'"),
        (lambda: gy.fuse([scale], temporaries=("a",)), "only arrays are temporaries"),
        (lambda: gy.fuse([generic], temporaries=("y",)), "nothing says what the temporary 'y' holds"),
        (
            lambda: gy.fuse([scale], temporaries={"t": gy.f64}),
            "'t' is Array\\[f32\\] in its kernels, not of f64",
        ),
        (lambda: gy.fuse([(scale, {"q": "r"})]), "scale has no parameter 'q'"),
        (lambda: gy.fuse([(scale, {"x": "t"})]), "would be called the same"),
        (lambda: gy.fuse([scale, (keep, {"least": "t", "t": "x"})]), "'t' is f32 in keep"),
        (lambda: gy.fuse([scale, gy.kernel(fastmath=True)(scale.__gyral_kernel__)]), "fastmath"),
        (lambda: gy.fuse([(scale, {}), (blur, {"t": "s", "a": "b"})])[3](1.0, data(), data()), "'b'"),
    ],
)
def test_members_that_do_not_fit_together_are_refused(make: Any, message: str) -> None:
    """The error says which member, and what to change."""
    with pytest.raises(UserError, match=message):
        make()


def test_where_a_kernel_runs_holds_for_its_fusion() -> None:
    """The devices that one member names are the fusion's; members that name others do not fit together."""
    here = gy.kernel(devices=["cpu"])(scale.__gyral_kernel__)
    there = gy.kernel(devices=["opencl"])(keep.__gyral_kernel__)
    assert gy.fuse([here, keep]).placement == here.placement
    with pytest.raises(UserError, match="cannot run as one: scale has placement="):
        gy.fuse([here, there])


def test_a_fusion_can_be_tuned() -> None:
    """The tuner tries blocks and tiles of it as of any kernel."""
    fused = gy.fuse([scale, keep], temporaries=("t",))
    x, u = data(), np.zeros(1000, np.float32)
    fused.variation((64,), ())[1000](2.0, x, u)
    np.testing.assert_array_equal(u, np.maximum(np.float32(2) * x + np.float32(1), 0))


def test_kernels_of_two_ranks_are_refused() -> None:
    """One launch has one number of axes."""
    a = np.ones((2, 2), np.float32)
    fused = gy.fuse([scale, (blur, {"t": "s", "a": "b"})])
    with pytest.raises(UserError, match="the same axes; here: scale over 1, blur over 2"):
        fused.launch((2, 2), 1.0, data(), data(), a, a)


def test_a_fusion_is_cached_by_all_its_kernels() -> None:
    """Two fusions are told apart by their kernels, order, names and temporaries, and the same one is not."""

    def key(*members: Any, **options: Any) -> str:
        return fingerprint(gy.fuse(members, **options).__gyral_kernel__).text

    pairs = (generic, {"x": "a", "y": "b"}), (generic, {"x": "b", "y": "c"})
    keys = [
        key(*pairs),
        key(*reversed(pairs)),
        key(pairs[0]),
        key(*pairs, temporaries={"b": gy.f32}),
        key(*pairs, temporaries={"b": gy.f64}),
        key(pairs[0], (keep, {"t": "b"})),
    ]
    assert (len(set(keys)), key(*pairs)) == (len(keys), keys[0])


def test_a_second_launch_compiles_nothing() -> None:
    """Fused kernels are kept like any other."""
    fused = gy.fuse([scale, keep])
    arguments = 2.0, data(), data(), data()
    fused[1000](*arguments)
    seen: list[Event] = []
    with listening(seen.append):
        fused[1000](*arguments)
        gy.fuse([scale, keep])[1000](*arguments)
    assert [e.origin for e in seen if isinstance(e, Compiled)] == ["disk"]


def test_checks_name_the_line_of_the_kernel_that_failed() -> None:
    """Under check the fused kernel reports like its kernels."""
    with pytest.raises(KernelFault, match="index 5 is outside axis 0 of 't'"), gy.options(check=True):
        gy.fuse([scale, keep])[8](1.0, data(8), data(5), data(8))
