"""The Metal device computes what the interpreter says, over a stand-in for Metal that runs kernels."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from tests.agreement import foretold, outcome
from tests.msl import device, shim

import gyral as gy
from gyral.testing import conformance
from gyral.testing.case import Case
from gyral.testing.fuzz import disagreement, seeded

pytestmark = pytest.mark.skipif(
    shim.compiler() is None, reason="no C++ compiler with _Float16: install g++ 12"
)
TOGETHER = 16
"""Kernels in one run of the C++ compiler: fewer cost time, more make one worker wait for all."""
MACS = device.portions(conformance.cases(), TOGETHER)
# What features decide: simdgroups or shared memory, orders of atomics.
DECIDED = ("subgroups", "block-wide", "atomics", "fences", "reductions", "scan")
SMALL = [case for case in conformance.cases() if case.row in DECIDED]
OLD = device.portions(SMALL, TOGETHER)
# 294 counts its names past 32 at a loop, where a counter was once called like a type.
SEEDS = [seed for seed in (*range(40), 294) if "f64" not in seeded(seed).text][-13:]


@gy.kernel
def grown(x: gy.Array[gy.f64], y: gy.Array[gy.f64]):
    i = gy.global_id()
    y[i] = gy.exp(x[i]) * 2.0 + x[i]


@gy.kernel
def places(out: gy.Array[gy.i32, 3]):
    i, j, k = gy.global_ids(3)
    out[i, j, k] += gy.i32((i * 11 + j) * 5 + k)


def came_out(case: Case, kind: str, together: tuple[Case, ...]) -> tuple[str, str]:
    """How a row comes out on a stand-in."""
    device.compiled(kind, together)
    return outcome(case, kind)


@pytest.mark.parametrize("case", conformance.cases(), ids=lambda case: case.id)
def test_metal_agrees_with_the_interpreter(case: Case) -> None:
    """A row gives the interpreter's results, or is refused for what Metal lacks."""
    assert came_out(case, "metal-shim", MACS[case.id]) == foretold(case, "metal-shim")


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.id)
def test_the_oldest_metal_agrees_with_the_interpreter(case: Case) -> None:
    """The same holds where simdgroups and fences may not be used."""
    assert came_out(case, "metal-baseline", OLD[case.id]) == foretold(case, "metal-baseline")


@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs_agree(seed: int) -> None:
    """A random kernel gives the interpreter's bits."""
    device.device("metal-shim")
    assert disagreement(seeded(seed), "metal-shim") == ""


@pytest.mark.filterwarnings("ignore::gyral.core.errors.DowncastWarning")
def test_f64_may_be_computed_in_f32() -> None:
    """With downcast arrays of f64 are read and written as such, and computed in f32."""
    device.device("metal-shim")
    x, y = np.linspace(-3.0, 3.0, 100), np.zeros(100)
    with gy.device("metal-shim"), gy.options(downcast=True):
        grown[100](x, y)
    narrow = x.astype(np.float32)
    np.testing.assert_allclose(y, np.exp(narrow) * np.float32(2) + narrow, rtol=1e-6)


def test_grids_over_the_limits_are_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks that do not fit the device's grid are numbered through, and every thread still runs once."""
    device.device("metal-shim")
    few = (3, 2, 100)
    driver = gy.device("metal-shim").driver
    monkeypatch.setattr("gyral.drivers.metal.driver.MAX_GRID", few)
    monkeypatch.setattr(driver, "capabilities", replace(driver.capabilities, max_grid=few))
    out = np.zeros((37, 11, 5), np.int32)
    with gy.device("metal-shim"):
        places[(37, 11, 5), (2, 2, 2)](out)
    assert (out == np.arange(out.size).reshape(out.shape)).all()


@pytest.mark.skipif(shutil.which("clang++") is None, reason="no clang++ to tell address spaces apart")
@pytest.mark.parametrize("together", dict.fromkeys(OLD.values()), ids=lambda together: together[0].id)
def test_address_spaces_are_kept_apart(together: tuple[Case, ...]) -> None:
    """Every pointer points where its type says, to arrays, to on-chip memory or to a thread's own."""
    texts = device.compiled("metal-baseline", together)
    assert (bool(texts), shim.space_errors(texts)) == (True, "")


def test_the_kinds_differ_in_their_features() -> None:
    """The newer stand-in has everything that changes code, the older one nothing."""
    kinds = list(device.KINDS)
    for kind in kinds:
        device.device(kind)
    found = [gy.device(kind).capabilities.features for kind in kinds]
    assert found == [("f32_atomics", "msl_3.2", "subgroups:32"), ()]


def test_metal_lacks_little() -> None:
    """What is refused for lack of something is f64, 64-bit atomics, the clock and huge arrays."""
    device.device("metal-shim")
    lacking = {foretold(case, "metal-shim")[1] for case in conformance.cases()}
    known = {"", "f64", "clock", "atomic i64", "atomic u64", "atomic f64"}
    assert {text for text in lacking if not text.startswith("arrays of")} <= known
