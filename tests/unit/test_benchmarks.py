"""The benchmark's own arithmetic: checks of results, ratios, goals and the written tables."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """A function that imports a module of the benchmarks, which are scripts beside one another."""
    monkeypatch.syspath_prepend(str(FOLDER))

    def module(name: str) -> ModuleType:
        return importlib.import_module(name)

    return module


def row(kernel: str, peer: str, threads: int = 1, **told: object) -> dict[str, object]:
    """A row of a record, as far as goals and tables read it."""
    return {
        "kernel": kernel,
        "peer": peer,
        "threads": threads,
        "library": False,
        "fault": "",
        "form": "f",
    } | told


def record(rows: list[dict[str, object]], threads: tuple[int, ...] = (1,)) -> dict[str, object]:
    """A record of a run with `rows`."""
    settings = {
        "threads": list(threads),
        "base": "gyral",
        "rounds": 1,
        "seconds": 0.1,
        "placements": 1,
        "offset": 0,
    }
    machine = {
        "cpu": "c",
        "usable_cores": 2,
        "caches": ["L1"],
        "memory_gib": 1,
        "system": "s",
        "python": "3",
    }
    return {
        "kind": "peers",
        "date": "2026-01-31T00:00:00+00:00",
        "machine": machine,
        "settings": settings,
        "versions": {"gyral": "1"},
        "missing": {"jax at 1": "not installed"},
        "limits": [{"kernel": "sum", "threads": 1, "seconds": 0.001}],
        "rows": rows,
    }


def test_results_within_the_tolerance_pass(load):
    """A result with float32 rounding has its error returned."""
    references = load("references")
    want = np.array([1.0, 2.0, 4.0])
    assert references.error("matmul", ((want * (1 + 2**-22)).astype(np.float32),), (want,)) < 1e-6


@pytest.mark.parametrize(
    "spoilt", [np.array([1.0, 2.0, 4.1]), np.array([1.0, np.nan, 4.0]), np.array([1.0, 2.0])]
)
def test_wrong_results_are_refused(load, spoilt):
    """A value that is off, one that is no number, and a missing one are wrong results."""
    references = load("references")
    with pytest.raises(references.WrongResult):
        references.error("matmul", (spoilt,), (np.array([1.0, 2.0, 4.0]),))


def test_mandelbrot_allows_a_few_pixels(load):
    """A hundredth of the pixels may differ, since rounding decides on the set's rim."""
    references = load("references")
    want = np.zeros(1000, np.int32)
    got = want.copy()
    got[:5] = 1
    assert references.error("mandelbrot", (got,), (want,)) == 0.005
    with pytest.raises(references.WrongResult):
        references.error("mandelbrot", (got + 1,), (want,))


def test_the_mandelbrot_reference_has_the_counted_iterations(load):
    """The operations told for Mandelbrot are those of its reference."""
    (counts,) = load("references").mandelbrot()
    assert int(counts.sum()) == load("problems").MANDELBROT_ITERATIONS


def test_arrays_start_at_the_chosen_offset(load, monkeypatch):
    """Placed arrays start OFFSET bytes past a 64-byte boundary."""
    problems = load("problems")
    monkeypatch.setattr(problems, "OFFSET", 16)
    array = problems.placed(np.arange(100, dtype=np.float32))
    assert (array.ctypes.data % 64, array[99]) == (16, 99.0)


def test_a_goal_against_several_peers_takes_the_fastest_of_each_kernel(load):
    """Per kernel the peer nearest to Gyral counts, and library calls do not."""
    goals = load("goals")
    kernels = goals.KERNELS
    rows = [row(kernel, "numba", ratio=4.0) for kernel in kernels]
    rows += [row("sum", "taichi", ratio=2.0), row("matmul", "jax", ratio=0.1, library=True)]
    goal = goals.against("what", rows, ("numba", "taichi", "jax"), 1, 3.0, 0.97)
    assert goal.measured == f"mean {(4.0**6 * 2.0) ** (1 / 7):.2f}×, lowest 2.00× (sum, taichi)"
    assert goal.met


def test_a_goal_over_some_kernels_is_not_decided(load):
    """With a kernel missing the mean is told, and whether the goal is met stays open."""
    goal = load("goals").against("what", [row("sum", "ispc", ratio=2.0)], ("ispc",), 1, 1.4, 0.95)
    assert goal.met is None
    assert "1 of 7" in goal.measured


def test_disturbed_batches_are_left_out(load):
    """A batch beside which others worked does not count while most batches are clean."""
    measure = load("measure")
    entry = measure.Row("sum", "numba", 1, batches=[1.0, 2.0, 9.0], foreign=[0.0, 0.01, 0.9])
    assert (entry.median, entry.spread) == (1.5, (2.0 - 1.0) / 1.5)
    entry.foreign = [0.9, 0.9, 0.0]
    assert entry.median == 2.0


def test_the_page_is_rendered_between_its_markers(load, tmp_path):
    """Text by hand stays; a section is written from the record it names, and again without change."""
    render = load("render")
    rows = [
        row("sum", "gyral", median=0.002, spread=0.1),
        row("sum", "numba", median=0.003, spread=0.2, ratio=1.5),
    ]
    rows.append(row("sum", "warp", median=None, fault="f: WRONG: off"))
    (tmp_path / "a.json").write_text(json.dumps(record(rows)))
    page = "# by hand\n<!-- record: a.json -->\nold\n<!-- end of record -->\nafter\n"
    first = render.page(page, tmp_path)
    assert first.startswith("# by hand\n")
    assert first.endswith("<!-- end of record -->\nafter\n")
    for line in (
        "| gyral | 2 ms |",
        "| numba | 1.50× |",
        "| warp | WRONG |",
        "| gyral, share of the limit | 50% |",
    ):
        assert line in first
    assert "- left out: jax at 1: not installed" in first
    assert "old" not in first
    assert render.page(first, tmp_path) == first
