"""Bad input, line by line: each gives the right result or one clear error, and nothing is lost."""

import linecache
import os
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.processes import LAUNCH, SAXPY, run, script

import gyral as gy


@gy.kernel
def saxpy(a: gy.f32, x: gy.Array[gy.f32], y: gy.Array[gy.f32]):
    i = gy.global_id()
    y[i] = a * x[i] + y[i]


@gy.kernel
def scale(x: gy.Array[gy.f32, 2], by: gy.f32):
    i, j = gy.global_ids(2)
    x[i, j] *= by


@gy.kernel
def size_of(x: gy.Array[gy.f32, 2], out: gy.Array[gy.i64]):
    out[gy.global_id()] = x.size + 10 * x.shape[0] + 100 * x.shape[1]


def cell(text: str, name: str = "<cell>") -> dict[str, Any]:
    """Run a notebook's cell: its text is known under a name that the next cell may take over."""
    source = textwrap.dedent(text)
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    scope: dict[str, Any] = {"gy": gy, "__name__": "notebook"}
    exec(compile(source, name, "exec"), scope)
    return scope


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0)])
def test_arrays_of_nothing_are_launched_over(shape: tuple[int, int]) -> None:
    """A launch over an empty array, of NumPy or of a device, runs no thread."""
    scale[shape](np.zeros(shape, np.float32), 2.0)
    device = gy.zeros(shape, gy.f32)
    scale[shape](device, 2.0)
    assert device.numpy().shape == shape


def test_arrays_of_nothing_tell_their_extents() -> None:
    """A thread may ask an empty array for its size."""
    out = np.zeros(2, np.int64)
    size_of[2](np.zeros((0, 3), np.float32), out)
    assert out.tolist() == [300, 300]


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a.T,
        lambda a: a[::-1, ::-2],
        lambda a: a[1:, 1:3],
        lambda a: np.asfortranarray(a),
        lambda a: np.lib.stride_tricks.as_strided(a, (2, 2), (a.strides[0] * 2, 8)),
    ],
)
def test_views_without_order_are_written_in_place(view: Any) -> None:
    """Transposed, reversed, cut and stepped views are used where they stand."""
    array = np.arange(20, dtype=np.float32).reshape(4, 5)
    expected = array.copy()
    seen, right = view(array), view(expected)
    right *= 3
    scale[seen.shape](seen, 3.0)
    np.testing.assert_array_equal(seen, right)
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("shift", [1, 3, 7, 16, 17, 64])
def test_overlapping_arrays_give_what_the_threads_compute(shift: int) -> None:
    """A kernel that writes behind what it reads gets each element as some thread left it: no lane is lost."""

    @gy.kernel
    def mark(x: gy.Array[gy.i32], y: gy.Array[gy.i32], seen: gy.Array[gy.i32]):
        i = gy.global_id()
        y[i] = i + 1
        seen[i] = x[i]

    memory = np.zeros(200, np.int32)
    seen = np.zeros(100, np.int32)
    mark[100](memory[:100], memory[shift : shift + 100], seen)
    np.testing.assert_array_equal(memory[shift : shift + 100], np.arange(1, 101))
    allowed = [{0} if k < shift else {0, k - shift + 1} for k in range(100)]
    assert [k for k in range(100) if int(seen[k]) not in allowed[k]] == []


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((-1,), "not negative"),
        ((1 << 63,), "more than 64 bits count"),
        ((1 << 70,), "more than 64 bits count"),
        ((-(1 << 70),), "not negative"),
    ],
)
def test_impossible_shapes_are_refused(shape: tuple[int, ...], message: str) -> None:
    """What is no number of threads is refused before anything runs, by native launches too."""
    x, y = np.ones(8, np.float32), np.ones(8, np.float32)
    saxpy[8](1.0, x, y)
    with pytest.raises(gy.UserError, match=message):
        saxpy[shape](1.0, x, y)
    with pytest.raises(gy.UserError, match="64 bits count"):
        scale[1 << 40, 1 << 40](np.ones((2, 2), np.float32), 1.0)
    assert y.tolist() == [2.0] * 8


def test_devices_that_are_not_there_are_named() -> None:
    """A device by a name nobody knows is an error that lists those there are."""
    for name in ("bogus", "cuda:x", "cpu:1", ""):
        with pytest.raises(gy.UserError, match="device"):
            gy.zeros(4, gy.f32, device=name)


def test_a_card_of_a_known_kind_that_is_not_there_is_named() -> None:
    """The eighth card of a kind that is known is refused for want of it, or of its driver."""
    with pytest.raises((gy.UserError, gy.UnsupportedError), match=r"cuda:7|CUDA driver"):
        gy.zeros(4, gy.f32, device="cuda:7")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GYRAL_DEVICE", "bogus"),
        ("GYRAL_THREADS", "many"),
        ("GYRAL_THREADS", "99999"),
        ("GYRAL_CHECK", "perhaps"),
        ("GYRAL_CACHE_LIMIT", "a lot"),
    ],
)
def test_settings_that_make_no_sense_are_named(tmp_path: Path, variable: str, value: str) -> None:
    """An environment variable that cannot be understood is one UserError that says what it holds."""
    done = run(script(tmp_path, SAXPY, LAUNCH), tmp_path / "cache", **{variable: value})
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("gyral.core.errors.UserError: ")
    assert value in last


def test_a_full_cache_directory_costs_a_warning(tmp_path: Path) -> None:
    """Where files cannot grow, kernels run, one warning says so, and no half-written file is left."""
    resource = pytest.importorskip("resource")
    assert resource.RLIMIT_FSIZE is not None
    full = """
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (60, 60))
    """
    cache = tmp_path / "cache"
    done = run(script(tmp_path, SAXPY, full, LAUNCH), cache)
    assert (done.returncode, done.stderr.count("RuntimeWarning")) == (0, 1), done.stderr
    assert [path for path in cache.rglob("*") if path.is_file() and path.name != "tally"] == []


@pytest.mark.parametrize("obstacle", ["tally", "shards"])
def test_folders_and_files_in_each_other_s_place_cost_a_warning(tmp_path: Path, obstacle: str) -> None:
    """A cache directory that holds a folder for a file, or a file for a folder, does no harm."""
    cache = tmp_path / "cache"
    cache.mkdir()
    if obstacle == "tally":
        (cache / "tally").mkdir()
    else:
        for number in range(256):
            (cache / f"{number:02x}").write_text("in the way")
    done = run(script(tmp_path, SAXPY, LAUNCH), cache)
    assert (done.returncode, done.stderr.count("RuntimeWarning")) == (0, 1), done.stderr


def test_random_bytes_in_the_cache_are_replaced(tmp_path: Path) -> None:
    """Whatever stands where artifacts should, of whatever length, the result is right."""
    cache = tmp_path / "cache"
    program = script(tmp_path, SAXPY, LAUNCH)
    assert run(program, cache).returncode == 0
    for length in (0, 1, 49, 5000):
        for path in cache.rglob("*"):
            if path.is_file():
                path.write_bytes(os.urandom(length))
        done = run(program, cache)
        assert (done.returncode, done.stderr) == (0, "")


def test_a_kernel_outlives_the_cell_it_was_written_in() -> None:
    """When another cell takes over the name, what is compiled runs on; no other is made of the new text."""
    text = """
    @gy.kernel
    def change(x: gy.Array):
        x[gy.global_id()] = x[gy.global_id()] + 1
    """
    old = cell(text)["change"]
    x = np.zeros(4, np.float32)
    old[4](x)
    new = cell(text.replace("+ 1", "- 5"))["change"]
    old[4](x)
    assert x.tolist() == [2.0] * 4
    with pytest.raises(gy.CompileError, match="GY102"):
        old[4](np.zeros(4, np.float64))
    new[4](x)
    assert x.tolist() == [-3.0] * 4


def test_a_cell_that_is_run_again_makes_a_new_kernel() -> None:
    """The same text with another captured value is compiled for that value."""
    text = """
    STEP = 1

    @gy.kernel
    def change(x: gy.Array[gy.f32]):
        x[gy.global_id()] = x[gy.global_id()] + STEP
    """
    x = np.zeros(4, np.float32)
    cell(text)["change"][4](x)
    cell(text.replace("STEP = 1", "STEP = 10"))["change"][4](x)
    assert x.tolist() == [11.0] * 4


def test_a_function_defined_anew_is_not_mixed_with_the_old() -> None:
    """A kernel compiled with one function is never specialised with another of that name."""
    scope = cell(
        """
        def add(by):
            @gy.func
            def put(x):
                return x + by
            return put

        put = add(1)

        @gy.kernel
        def change(x: gy.Array):
            x[gy.global_id()] = put(x[gy.global_id()])
        """
    )
    x = np.zeros(4, np.float32)
    scope["change"][4](x)
    scope["put"] = cell("@gy.func\ndef put(x):\n    return x - 1\n", "<other cell>")["put"]
    with pytest.raises(gy.CompileError, match="GY204: 'put' was"):
        scope["change"][4](np.zeros(4, np.float64))
    scope["change"][4](x)
    assert x.tolist() == [2.0] * 4


@pytest.mark.skipif(os.name == "nt", reason="this system has no timers that interrupt")
def test_an_interrupted_compilation_leaves_a_usable_process(tmp_path: Path) -> None:
    """Ctrl-C at any moment of compiling raises KeyboardInterrupt, and the same kernel compiles afterwards."""
    interrupted = """
    import signal

    @gy.kernel
    def shifted(by: gy.Static[int], x: gy.Array[gy.f32], y: gy.Array[gy.f32]):
        i = gy.global_id()
        y[i] = x[i] + by

    saxpy[1000](2.0, x, y)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    by, times = 0, 0
    for k in range(1, 16):
        signal.setitimer(signal.ITIMER_REAL, 0.0021 * k, 0.05)
        try:
            while True:
                by += 1
                shifted[1000](by, x, y)
        except KeyboardInterrupt:
            signal.setitimer(signal.ITIMER_REAL, 0)
            times += 1
        shifted[1000](by, x, y)
        assert (y == x + by).all()
    print(times)
    """
    cache = tmp_path / "cache"
    # Not measured: an interrupt inside coverage's own lock leaves it held, and the process waits for ever.
    done = run(script(tmp_path, SAXPY, interrupted), cache, COVERAGE_PROCESS_CONFIG="")
    assert (done.returncode, done.stdout) == (0, "15\n"), done.stderr
    assert list(cache.rglob(".new-*")) == []
