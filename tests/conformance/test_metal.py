"""The Metal device computes what the interpreter says, over a stand-in for Metal that runs kernels."""

import shutil

import pytest
from tests.msl import device, shim

from gyral.testing import conformance
from gyral.testing.case import Case

pytestmark = pytest.mark.skipif(
    shim.compiler() is None, reason="no C++ compiler with _Float16: install g++ 12"
)
TOGETHER = 16
"""Kernels in one run of the C++ compiler: fewer cost time, more make one worker wait for all."""
MACS = device.portions(conformance.cases(), TOGETHER)
# What features decide: simdgroups or shared memory, orders of atomics.
SMALL = [
    c for c in conformance.cases() if c.row in ("subgroups", "block-wide", "atomics", "fences", "reductions", "scan")
]
OLD = device.portions(SMALL, TOGETHER)


def outcome(case: Case, kind: str, together: tuple[Case, ...]) -> tuple[str, str]:
    """How a row comes out, and what is wrong or missing."""
    device.compiled(kind, together)
    row = conformance.run_case(case, kind)
    return row.outcome, row.detail


def expected(case: Case, kind: str) -> tuple[str, str]:
    """How it should: refused for what the capability record says is missing, and passed otherwise."""
    device.device(kind)
    lacks = conformance.missing(case, conformance.device_named(kind).capabilities)
    return ("refused", lacks) if lacks else ("pass", "")


@pytest.mark.parametrize("case", conformance.cases(), ids=lambda case: case.id)
def test_metal_agrees_with_the_interpreter(case: Case) -> None:
    """A row gives the interpreter's results, or is refused for what Metal lacks."""
    assert outcome(case, "metal-shim", MACS[case.id]) == expected(case, "metal-shim")


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.id)
def test_the_oldest_metal_agrees_with_the_interpreter(case: Case) -> None:
    """The same holds where simdgroups and fences may not be used."""
    assert outcome(case, "metal-baseline", OLD[case.id]) == expected(case, "metal-baseline")


@pytest.mark.skipif(shutil.which("clang++") is None, reason="no clang++ to tell address spaces apart")
@pytest.mark.parametrize("together", dict.fromkeys(OLD.values()), ids=lambda together: together[0].id)
def test_address_spaces_are_kept_apart(together: tuple[Case, ...]) -> None:
    """Every pointer points where its type says, to arrays, to on-chip memory or to a thread's own."""
    texts = device.compiled("metal-baseline", together)
    assert (bool(texts), shim.space_errors(texts)) == (True, "")


def test_metal_lacks_little() -> None:
    """What is refused for lack of something is f64, 64-bit atomics, the clock and huge arrays."""
    lacking = {expected(case, "metal-shim")[1] for case in conformance.cases()}
    known = {"", "f64", "clock", "atomic i64", "atomic u64", "atomic f64"}
    assert {text for text in lacking if not text.startswith("arrays of")} <= known
