"""The tuner: what it measures, what it throws out, and which launches use its answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gyral as gy
from gyral.core.errors import UserError
from gyral.jit import programs, rehearsal, tune
from gyral.jit.cache import DiskCache
from gyral.jit.kernel import Kernel
from gyral.jit.rehearsal import differs, like
from gyral.jit.tuned import DEFAULT, Choice

Label = str


def body(x: gy.Array[gy.i32], y: gy.Array[gy.i32]):
    i = gy.global_id()
    y[i] = y[i] + 3 * x[i]


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DiskCache:
    """A cache of this test's own, instead of the process's."""
    made = DiskCache(str(tmp_path), 1 << 24)
    monkeypatch.setattr("gyral.jit.tuned.disk", lambda: made)
    monkeypatch.setattr(programs, "disk", lambda: made)
    return made


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> dict[Label, float]:
    """Seconds that each candidate is found to take; how often each was timed under "samples LABEL"."""
    table: dict[str, float] = {}
    of: dict[int, str] = {}
    real = tune._launch_of

    def launch_of(kernel: Kernel, choice: Choice, *rest: Any) -> Callable[[], None]:
        made = real(kernel, choice, *rest)
        launch = lambda: made()  # noqa: E731  one object per candidate, to know it by
        of[id(launch)] = choice.label
        table.setdefault("keep", 0.0)
        kept.append(launch)
        return launch

    def seconds(self: Any, launch: Callable[[], None], times: int) -> float:
        label = of[id(launch)]
        table[f"samples {label}"] = table.get(f"samples {label}", 0) + 1
        return table.get(label, 1.0)

    kept: list[Any] = []
    monkeypatch.setattr(tune, "_launch_of", launch_of)
    monkeypatch.setattr(rehearsal.Stopwatch, "seconds", seconds)
    return table


def arguments(n: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    """x and y."""
    return np.arange(n, dtype=np.int32), np.ones(n, np.int32)


def chosen_tile(kernel: Kernel, n: int) -> tuple[int, ...]:
    """The tile with which a launch of so many threads would run."""
    x, y = arguments(n)
    given = kernel.take((x, y), {})
    return kernel._prepare((n,), None, given, None)[1].options.tile


@pytest.mark.usefixtures("store")
def test_the_fastest_candidate_is_chosen_and_used(times: dict[Label, float]) -> None:
    """Later launches of that size class, which name nothing, run with the tuner's choice; others do not."""
    times |= {"tile=1x2": 0.5, "tile=1x8": 0.6}
    kernel = gy.kernel(body)
    found = gy.tune(kernel, 1000, *arguments(), clock=lambda: 0.0)
    assert (found.chosen, found.gain, found.kept) == (Choice(tile=(1, 2)), 2.0, True)
    assert [chosen_tile(kernel, n) for n in (512, 1023, 1024, 511)] == [(1, 2), (1, 2), (), ()]


@pytest.mark.usefixtures("store")
def test_the_arguments_stay_as_they_are() -> None:
    """All runs are on copies, those of kernels that change what they read too."""
    x, y = arguments()
    gy.kernel(body).tune(1000, x, y, budget=0.05, samples=2)
    np.testing.assert_array_equal(y, 1)


@pytest.mark.usefixtures("store")
def test_a_gain_within_the_noise_is_none(times: dict[Label, float]) -> None:
    """The default stays where nothing beats it clearly."""
    times |= {"tile=1x2": 0.99}
    assert gy.kernel(body).tune(1000, *arguments(), clock=lambda: 0.0).chosen == DEFAULT


@pytest.mark.usefixtures("store")
def test_slow_candidates_leave_early(times: dict[Label, float]) -> None:
    """After each round the slower half is sampled no more; the finalists get all samples."""
    times |= {"tile=1x2": 0.5, "tile=1x1": 9.0}
    gy.kernel(body).tune(1000, *arguments(), samples=12, clock=lambda: 0.0)
    assert times["samples tile=1x2"] == 12
    assert times["samples tile=1x1"] == 2


def test_the_answer_is_found_by_another_process(store: DiskCache, times: dict[Label, float]) -> None:
    """A kernel that was never tuned here uses what is on disk; clearing the disk ends that."""
    times["tile=1x4"] = 0.5
    gy.kernel(body).tune(1000, *arguments(), clock=lambda: 0.0)
    assert chosen_tile(gy.kernel(body), 1000) == (1, 4)
    store.clear()
    assert chosen_tile(gy.kernel(body), 1000) == ()


@pytest.mark.usefixtures("store")
def test_only_new_candidates_are_measured_again(times: dict[Label, float]) -> None:
    """A candidate more costs one measurement, beside the default and the best so far."""
    kernel = gy.kernel(body)
    times["tile=1x2"] = 0.5
    kernel.tune(1000, *arguments(), tiles=[(1, 2), (1, 3)], clock=lambda: 0.0)
    before = dict(times)
    times["tile=1x5"] = 0.4
    found = kernel.tune(1000, *arguments(), tiles=[(1, 2), (1, 3), (1, 5)], clock=lambda: 0.0)
    measured = {label for label in times if times[label] != before.get(label) and "samples" in label}
    assert measured == {"samples default", "samples tile=1x2", "samples tile=1x5"}
    assert found.chosen == Choice(tile=(1, 5))
    assert {trial.choice.label for trial in found.trials} == {"default", "tile=1x2", "tile=1x3", "tile=1x5"}


@pytest.mark.usefixtures("store")
def test_everything_is_measured_again_when_asked(times: dict[Label, float]) -> None:
    """`retune` forgets what was known."""
    kernel = gy.kernel(body)
    kernel.tune(1000, *arguments(), tiles=[(1, 2)], clock=lambda: 0.0)
    times["tile=1x2"] = 0.5
    assert kernel.tune(1000, *arguments(), tiles=[(1, 2)], clock=lambda: 0.0).chosen == DEFAULT
    assert kernel.tune(1000, *arguments(), tiles=[(1, 2)], retune=True, clock=lambda: 0.0).gain == 2.0


@pytest.mark.usefixtures("store", "times")
def test_what_there_was_no_time_for_is_told_and_tried_next() -> None:
    """A spent budget leaves the default measured; the next call goes on with the rest."""
    now = iter(range(10_000))
    kernel = gy.kernel(body)
    first = kernel.tune(
        1000, *arguments(), tiles=[(1, 2), (1, 3)], budget=1.0, clock=lambda: float(next(now))
    )
    assert (first.chosen, first.untried) == (DEFAULT, (Choice(tile=(1, 2)), Choice(tile=(1, 3))))
    second = kernel.tune(1000, *arguments(), tiles=[(1, 2), (1, 3)], clock=lambda: 0.0)
    assert (second.untried, len(second.trials)) == ((), 3)


@pytest.mark.usefixtures("store")
def test_a_candidate_with_other_results_is_thrown_out_and_told(
    monkeypatch: pytest.MonkeyPatch, times: dict[Label, float]
) -> None:
    """It is a fault of ours, so a warning asks for a report; the fastest of the right ones wins."""
    times |= {"tile=1x2": 0.1, "tile=1x3": 0.5}
    real = tune._launch_of

    def spoilt(kernel: Kernel, choice: Choice, *rest: Any) -> Callable[[], None]:
        if choice != Choice(tile=(1, 2)):
            return real(kernel, choice, *rest)
        wrong = rest[-1].values[1]
        return lambda: wrong.__setitem__(7, 41)

    monkeypatch.setattr(tune, "_launch_of", spoilt)
    with pytest.warns(RuntimeWarning, match=r"tile=1x2 gives other results .* y\[1\] is 1 instead of"):
        found = gy.kernel(body).tune(1000, *arguments(), tiles=[(1, 2), (1, 3)], clock=lambda: 0.0)
    assert found.chosen == Choice(tile=(1, 3))
    faults = {trial.choice.label: trial.fault for trial in found.trials if trial.fault}
    assert list(faults) == ["tile=1x2"]
    assert faults["tile=1x2"].startswith("wrong: y[1]")


@pytest.mark.parametrize("options", [{"block": 64}, {"tile": (1, 2)}, {"check": True}])
def test_kernels_that_leave_no_choice_are_refused(options: dict[str, Any]) -> None:
    """A block or tile of the kernel's own, or checks, leave nothing to tune."""
    with pytest.raises(UserError, match="nothing to tune"):
        gy.kernel(**options)(body).tune(1000, *arguments())


def test_overlapping_arguments_are_refused() -> None:
    """Copies would not overlap, and so be other code."""
    y = np.ones(20, np.int32)
    with pytest.raises(UserError, match="share memory"):
        gy.kernel(body).tune(10, y[:10], y[5:15])


@pytest.mark.usefixtures("store")
def test_one_array_given_twice_is_one_copy() -> None:
    """Both parameters of a candidate see the same memory, as in the launch."""
    y = np.ones(100, np.int32)
    found = gy.kernel(body).tune(100, y, y, tiles=[(1, 2)], samples=2)
    assert [trial.fault for trial in found.trials] == ["", ""]
    np.testing.assert_array_equal(y, 1)


@pytest.mark.usefixtures("store")
def test_device_arrays_are_tuned_on_copies_of_their_own() -> None:
    """What lives on a device is copied there, and stays as it is."""
    x, y = (gy.array(a) for a in arguments())
    found = gy.kernel(body).tune(1000, x, y, tiles=[(1, 2)], samples=3)
    assert [trial.samples for trial in found.trials] == [3, 3]
    np.testing.assert_array_equal(y.numpy(), 1)


@pytest.mark.usefixtures("store")
def test_progress_is_told() -> None:
    """One call for each candidate, then one with the choice."""
    seen: list[tuple[int, int, str]] = []
    gy.kernel(body).tune(
        1000, *arguments(), tiles=[(1, 2)], samples=2, progress=lambda *told: seen.append(told)
    )
    assert [told[:2] for told in seen] == [(0, 2), (1, 2), (2, 2)]
    assert [told[2] for told in seen[:2]] == ["default", "tile=1x2"]


@pytest.mark.usefixtures("store")
def test_tuned_launches_stay_on_the_native_path(times: dict[Label, float]) -> None:
    """Each size class has a plan of its own, which takes launches of no other class."""
    times["tile=1x2"] = 0.5
    kernel = gy.kernel(body)
    kernel.tune(1000, *arguments(), tiles=[(1, 2)], clock=lambda: 0.0)
    for n in (1000, 999, 10, 1000, 10):
        x, y = arguments(n)
        kernel[n](x, y)
        np.testing.assert_array_equal(y, 1 + 3 * x)
    assert len(kernel.plans) == 2


def test_a_copy_has_the_strides_of_the_original() -> None:
    """Launches on it run the same code."""
    base = np.arange(40.0).reshape(5, 8)
    for view in (base[::2, ::-1], base[1:, 2:4], base.T):
        made = like(view)
        assert (made.strides, made.shape) == (view.strides, view.shape)
        np.testing.assert_array_equal(made, view)
        assert not np.shares_memory(made, view)


@pytest.mark.parametrize(
    ("expected", "got", "options", "says"),
    [
        ([1.0, 2.0], [1.0, 2.0 + 1e-6], {}, ""),
        ([1.0, 2.0], [1.0, 2.1], {}, "a[1] is 2.1"),
        ([1.0, float("nan")], [1.0, float("nan")], {}, ""),
        ([1.0, float("inf")], [1.0, 3.0], {}, "a[1] is 3.0"),
        ([1, 2, 3], [3, 1, 2], {}, "a[0] is 3"),
        ([1, 2, 3], [3, 1, 2], {"unordered": True}, ""),
        ([1, 2, 3], [3, 1, 1], {"unordered": True}, "a["),
        ([7] * 200, [7] * 199 + [8], {"fast": True}, ""),
        ([7] * 200, [7] * 199 + [8], {}, "a[199] is 8"),
    ],
)
def test_results_are_compared(expected: list[Any], got: list[Any], options: Any, says: str) -> None:
    """Floats within what another order of sums explains, integers exactly, but for the stated licences."""
    found = differs(
        [("a", np.array(expected))], [("a", np.array(got))], **({"fast": False, "unordered": False} | options)
    )
    assert found.startswith(says)
    assert bool(found) == bool(says)


def test_fields_of_structs_are_compared() -> None:
    """The message names the field."""
    kind = np.dtype([("p", "f4"), ("q", "i4")])
    right, wrong = np.zeros(3, kind), np.zeros(3, kind)
    wrong["q"][2] = 5
    assert differs([("a", right)], [("a", wrong)], fast=False, unordered=False).startswith("a.q[2] is 5")


def test_the_process_has_one_store() -> None:
    """Answers lie beside the compiled kernels."""
    from gyral.jit import tuned

    assert tuned.disk is programs.disk


def test_nothing_of_the_tuner_is_loaded_where_it_never_ran(store: DiskCache) -> None:
    """Launches look for answers only where a tuner kept one."""
    kernel = gy.kernel(body)
    assert chosen_tile(kernel, 1000) == ()
    assert "tuned" not in kernel.__dict__
    gy.kernel(body).tune(1000, *arguments(), tiles=[(1, 2)], samples=1, budget=60)
    assert chosen_tile(kernel, 1000) in ((), (1, 2))
    assert "tuned" in kernel.__dict__


@pytest.mark.usefixtures("store")
def test_devices_that_run_blocks_are_tuned_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """The default's own block is no candidate; each other one is compiled, right and timed."""
    if "opencl" not in {device.kind for device in gy.devices()}:
        pytest.skip("no OpenCL device is here")
    device = gy.device("opencl")
    monkeypatch.setattr(tune, "BLOCKS", {1: ((256,), (64,), (128,), (1 << 20,))})
    x, y = (gy.array(a, device=device) for a in arguments(3000))
    found = gy.kernel(body).tune(3000, x, y, samples=2, budget=60)
    assert {trial.choice.label for trial in found.trials} == {"default", "block=64", "block=128"}
    assert [trial.fault for trial in found.trials] == ["", "", ""]
    np.testing.assert_array_equal(y.numpy(), 1)


@pytest.mark.usefixtures("store")
def test_numpy_arrays_are_brought_to_the_device_once() -> None:
    """What is timed are launches, not copies; the host's arrays stay as they are."""
    if "opencl" not in {device.kind for device in gy.devices()}:
        pytest.skip("no OpenCL device is here")
    x, y = arguments()
    found = gy.kernel(body).tune(1000, x, y, blocks=[32], samples=2, budget=60, device="opencl")
    assert ([trial.fault for trial in found.trials], found.device) == (["", ""], "opencl")
    np.testing.assert_array_equal(y, 1)
